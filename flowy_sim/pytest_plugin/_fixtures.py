"""The marker ``swf``, and the fixtures. Each fixture imports what it needs when a test uses it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from importlib.util import find_spec
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from flowy.replay import HistorySource
    from flowy_sim._clients.in_process import Client
    from flowy_sim._clients.simulation import Simulation
    from flowy_sim._server.endpoint import Endpoint
    from flowy_sim._simulation.stubs import Stubs
    from flowy_sim.explore import Observations
    from flowy_sim.testing import Runner
    from flowy_sim.testing._activity_environment import ActivityEnvironment
    from flowy_sim.testing._run import Run


# The marker


SIMULATION = ("seed", "start", "region", "latency", "limits", "patience", "empty_poll_token")
SLEEP = ("virtual_sleep",)
RUNNER = (
    "activities",
    "workflows",
    "domain",
    "workers",
    "task_lists",
    "most_restarts",
    "times_out",
    "ends_within",
    "arguments",
    "starts",
    "freeze",
    "payloads",
    *SLEEP,
)
CHECKS = ("strict", "golden")
TOLERANCE = ("ignore", "any_order")
_SWITCHES = (*CHECKS, *SLEEP, "freeze", "times_out", "any_order")
KEYWORDS = (*SIMULATION, *RUNNER, *CHECKS, *TOLERANCE, "explore")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    usage = f"swf({', '.join(f'{name}=…' for name in KEYWORDS)})"
    config.addinivalue_line("markers", f"{usage}: how Amazon SWF is simulated for this test.")


def marked_options(test: pytest.Item, names: tuple[str, ...]) -> dict[str, Any]:
    """Return keywords of a test's markers; the marker nearest to the test wins."""
    __tracebackhide__ = True
    options: dict[str, Any] = {}
    for marker in test.iter_markers("swf"):
        unknown = [name for name in marker.kwargs if name not in KEYWORDS]
        if marker.args or unknown:
            wrong = ", ".join([*map(repr, marker.args), *unknown])
            refuse(f"@pytest.mark.swf takes keywords {', '.join(KEYWORDS)}, not {wrong}")
        for name in _SWITCHES:
            if not isinstance(marker.kwargs.get(name, True), bool):
                refuse(
                    f"@pytest.mark.swf: {name} must be True or False, not {marker.kwargs[name]!r}"
                )
        for name in names:
            if name in marker.kwargs:
                options.setdefault(name, marker.kwargs[name])
    return options


@contextmanager
def marker_errors_refused() -> Iterator[None]:
    """Fail the test with one sentence if an option of its marker is wrong."""
    from flowy.errors import ConfigurationError

    try:
        yield
    except (ConfigurationError, ImportError, TypeError, ValueError) as error:
        if not isinstance(error.__cause__, ModuleNotFoundError | None):
            raise  # The test's own code is wrong.
        refuse(f"@pytest.mark.swf: {error}")


def refuse(sentence: str) -> NoReturn:
    """Fail the test with a sentence, without a traceback."""
    raise pytest.fail.Exception(sentence, pytrace=False) from None


# Fixtures


SIMULATED: pytest.StashKey[Simulation] = pytest.StashKey()
STUBBED: pytest.StashKey[Stubs] = pytest.StashKey()
RUN_BY: pytest.StashKey[Runner] = pytest.StashKey()
OBSERVED: pytest.StashKey[Observations] = pytest.StashKey()
"""Where a test keeps what its fixtures, or its exploration, have made, for checks and reports."""

_SERVING = ("starlette", "uvicorn")
_numbers = count(1)


@pytest.fixture
def swf(request: pytest.FixtureRequest) -> Simulation:
    """A new simulation of Amazon SWF, in memory and on its own clock.

    ``@pytest.mark.swf(seed=…, start=…, region=…, latency=…, limits=…, patience=…)`` sets the
    arguments of `Simulation`.
    """
    from flowy_sim._clients.simulation import Simulation

    options = marked_options(request.node, SIMULATION)
    with marker_errors_refused():
        simulation = Simulation(**options)
    request.node.stash[SIMULATED] = simulation
    return simulation


@pytest.fixture
def swf_client(swf: Simulation) -> Client:
    """A client of the simulation, with the methods of ``boto3.client("swf")``.

    Its calls take no simulated time.
    """
    return swf.client(exact=True)


@pytest.fixture
def swf_boto3(
    request: pytest.FixtureRequest, swf: Simulation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """The module boto3, whose SWF clients call the simulation while the test runs.

    Use it for code that makes its own clients. Neither a region nor credentials are needed, and no
    SWF client reaches AWS. Clients of other services are unchanged, so that moto can answer them.
    With ``@pytest.mark.swf(virtual_sleep=True)``, threads that have called the simulation sleep in
    simulated time.
    """
    import boto3

    from flowy_sim._clients.mock_swf import mock_swf

    if "AWS_DEFAULT_REGION" not in os.environ:  # boto3 does not read AWS_REGION.
        monkeypatch.setenv("AWS_DEFAULT_REGION", swf.region)
    with mock_swf(swf, **marked_options(request.node, SLEEP)):
        yield boto3


@pytest.fixture
def swf_stub(request: pytest.FixtureRequest) -> Stubs:
    """Stubs an activity: ``swf_stub(Resize, result="small.jpg")``.

    Call it with an activity, or its name and version; one of ``result``, ``error``, ``function``
    and ``timeout``; and the simulated seconds that it ``takes``; see `flowy_sim.testing.Stubs`. A
    stub that is never used fails the test, unless the test is marked ``swf(strict=False)``.
    """
    from flowy_sim._simulation.stubs import Stubs

    stubs = request.node.stash[STUBBED] = Stubs(**marked_options(request.node, ("payloads",)))
    return stubs


@pytest.fixture
def swf_activity(request: pytest.FixtureRequest) -> ActivityEnvironment:
    """Runs an activity without a service: ``swf_activity(Resize, "photo.jpg", 150)``.

    It returns the activity's result. Heartbeats are recorded in ``swf_activity.heartbeats``. After
    ``swf_activity.cancel(at=2)``, the second heartbeat reports that cancellation was requested.
    See `flowy_sim.testing.ActivityEnvironment`.
    """
    from flowy_sim.testing._activity_environment import ActivityEnvironment

    return ActivityEnvironment(**marked_options(request.node, ("payloads",)))


@pytest.fixture
def swf_run(request: pytest.FixtureRequest, swf: Simulation, swf_stub: Stubs) -> Iterator[Runner]:
    """Runs a workflow to its end: ``swf_run(ImageCategorization, "photo.jpg", 150)``.

    It returns a `flowy_sim.testing.Run`, with the status and the result. ``@pytest.mark.swf(
    activities=…, workflows=…, domain=…, workers=…, freeze=…)`` sets the arguments of
    `flowy_sim.testing.Runner`. If the test fails, its report shows what ran when.

    If boto3 is imported, its SWF clients call the simulation while the test runs, even clients that
    were made before. In a test that uses ``swf_endpoint``, clients keep their own endpoints.
    """
    from flowy_sim.testing import Runner

    options = marked_options(request.node, RUNNER)
    with marker_errors_refused():
        runner = Runner(swf, stubs=swf_stub, **options)
    request.node.stash[RUN_BY] = runner
    mocked = "swf_endpoint" not in request.fixturenames
    with runner.scheduler.worker_pools.test_environment(mocked=mocked):
        yield runner


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Let the test itself see simulated time, if its marker says so."""
    runner = pyfuncitem.stash.get(RUN_BY, None)
    if runner is None or marked_options(pyfuncitem, ("explore",)).get("explore"):
        return (yield)
    with runner.turn_loop.frozen_test():
        return (yield)


@pytest.fixture
def swf_replay(
    request: pytest.FixtureRequest,
) -> Callable[..., None]:
    """Replays a history: ``swf_replay(ImageCategorization, "histories/photo.json")``.

    The replay fails if the workflow's code no longer makes the recorded decisions; the message
    names the event, the recorded decision, and what the code decided. The history is a
    `flowy_sim.testing.Run`, a list of events, a reply of GetWorkflowExecutionHistory, or the path
    of a JSON file, relative to the test's own file.

    Instead of a workflow, you can give a decider that polls with its own loop:
    ``swf_replay(decider, history)``. It receives each decision task of the history. Name members of
    decisions that may differ with ``ignore=["activityId"]``; ``any_order=True`` allows another
    order within a decision task. The decider sees the time of each recorded decision; this uses
    freezegun. If the history is a run of a test, the decider sees these times only with
    ``@pytest.mark.swf(freeze=True)``, as in that run.
    """
    from flowy._client import Execution
    from flowy.errors import NonDeterminismError
    from flowy_sim.testing._history_files import collect, load, replay_prefixes, replay_with
    from flowy_sim.testing._recorded_decisions import Tolerance
    from flowy_sim.testing._run import Run

    payloads = marked_options(request.node, ("payloads",))
    marked = marked_options(request.node, ("freeze",))

    def swf_replay(
        workflow: Any,
        history: HistorySource | Run,
        *,
        ignore: Collection[str] = (),
        any_order: bool = False,
    ) -> None:
        __tracebackhide__ = True
        if isinstance(history, Run):
            events, execution = history.history, Execution(history.workflow_id, history.run_id)
        elif isinstance(history, str | os.PathLike):
            events, execution = load(request.path.parent / history)
        else:
            events, execution = collect("this", [history])
        try:
            if hasattr(workflow, "flowy_type"):
                replay_prefixes(workflow, events, execution=execution, **payloads)
            else:
                freeze = marked.get("freeze", not isinstance(history, Run))
                replay_with(workflow, events, execution, Tolerance(ignore, any_order), freeze)
        except NonDeterminismError as error:
            # The traceback would show only the code that replays.
            raise error.with_traceback(None) from None

    return swf_replay


@pytest.fixture(scope="session")
def _swf_server() -> Iterator[Endpoint]:
    from flowy._installation import install_command
    from flowy_sim._server.server import serving

    missing = [name for name in _SERVING if find_spec(name) is None]
    if missing:
        refuse(
            f"swf_endpoint needs {' and '.join(missing)}; install it: {install_command('serve')}"
        )
    with serving() as endpoint:
        yield endpoint


@pytest.fixture
def swf_endpoint(request: pytest.FixtureRequest, _swf_server: Endpoint) -> Iterator[Endpoint]:
    """A new simulation of Amazon SWF behind an HTTP endpoint, on its own virtual clock.

    Use it for deciders and workers that are separate processes, in any language: start them with
    ``env={**os.environ, **swf_endpoint.environment}``. The fixture is a
    `flowy_sim.testing.Endpoint` and needs the extra ``serve``.
    ``@pytest.mark.swf(seed=…, start=…, region=…, latency=…, limits=…, patience=…)`` sets the
    arguments of `Simulation`.
    """
    settings = _served(marked_options(request.node, SIMULATION))
    endpoint = _swf_server.named(f"test-{next(_numbers)}")
    endpoint.reset(**settings)
    yield endpoint
    endpoint.remove()


def _served(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a simulation as settings of a server."""
    __tracebackhide__ = True
    from flowy_sim._simulation.settings import LATENCIES

    settings = dict(options)
    settings.pop("region", None)  # A server has all regions.
    if isinstance(settings.get("start"), datetime):
        settings["start"] = settings["start"].isoformat()
    if "limits" in settings:
        from flowy_sim._engine.limits import limits_named

        settings["limits"] = asdict(limits_named(settings["limits"]))
    if "latency" in settings:
        names = [name for name, each in LATENCIES.items() if each is settings["latency"]]
        if not names:
            refuse(
                "a served simulation takes Latency.DEFAULT, Latency.ZERO or Latency.RECORDED, "
                "because it has to be written as JSON"
            )
        settings["latency"] = names[0]
    return settings
