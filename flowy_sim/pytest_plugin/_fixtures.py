"""The fixtures. What each of them needs is imported when a test uses it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from importlib.util import find_spec
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim.pytest_plugin._marker import (
    RUNNER,
    SIMULATION,
    marked_options,
    refuse,
    said_in_a_marker,
)

if TYPE_CHECKING:
    from flowy.replay import HistorySource
    from flowy.workflow import Workflow
    from flowy_sim._clients.in_process import Client
    from flowy_sim._server.endpoint import Endpoint
    from flowy_sim._simulation.simulation import Simulation
    from flowy_sim.testing import Runner
    from flowy_sim.testing._activity_environment import Alone
    from flowy_sim.testing._run import Run
    from flowy_sim.testing._stubs import Stubs

SIMULATED: pytest.StashKey[Simulation] = pytest.StashKey()
STUBBED: pytest.StashKey[Stubs] = pytest.StashKey()
RUN_BY: pytest.StashKey[Runner] = pytest.StashKey()
"""Where a test keeps what its fixtures have made, for those who look at it afterwards."""

_SERVING = ("starlette", "uvicorn")
_numbers = count(1)


@pytest.fixture
def swf(request: pytest.FixtureRequest) -> Simulation:
    """Amazon SWF in memory, fresh, on a clock of its own.

    ``@pytest.mark.swf(seed=…, start=…, latency=…, limits=…, patience=…)`` says how, as `Simulation`
    does.
    """
    from flowy_sim._simulation.simulation import Simulation

    options = marked_options(request.node, SIMULATION)
    with said_in_a_marker():
        simulation = Simulation(**options)
    request.node.stash[SIMULATED] = simulation
    return simulation


@pytest.fixture
def swf_client(swf: Simulation) -> Client:
    """An object with the methods of ``boto3.client("swf")``, which the simulation answers."""
    return swf.client()


@pytest.fixture
def swf_boto3(swf: Simulation, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module boto3, whose SWF clients the simulation answers while the test runs.

    For code that makes its own clients. Whatever region and credentials the user has, no SWF
    client reaches Amazon; other services are left alone, so that moto can serve them.
    """
    import boto3

    from flowy_sim._clients.boto3 import mock_swf

    if not {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys():
        monkeypatch.setenv("AWS_DEFAULT_REGION", swf.region)
    with mock_swf(swf):
        yield boto3


@pytest.fixture
def swf_stub(request: pytest.FixtureRequest) -> Stubs:
    """Let something stand in for an activity: ``swf_stub(Resize, result="small.jpg")``.

    It is given an activity, or name and version, one of ``result``, ``error``, ``function`` and
    ``timeout``, and how many simulated seconds it ``takes``; see `flowy_sim.testing.Stubs`. A stub
    that was never used fails the test, unless it is marked ``swf(strict=False)``.
    """
    from flowy_sim.testing._stubs import Stubs

    stubs = request.node.stash[STUBBED] = Stubs()
    return stubs


@pytest.fixture
def swf_activity(request: pytest.FixtureRequest) -> Alone:
    """Runs activities alone: ``swf_activity(Resize, "photo.jpg", 150)`` returns the result.

    Heartbeats are kept in ``swf_activity.heartbeats``, and hear of a cancellation after
    ``swf_activity.cancel(at=2)``; see `flowy_sim.testing._activity_environment.Alone`.
    """
    from flowy_sim.testing._activity_environment import Alone

    return Alone(**marked_options(request.node, ("payloads",)))


@pytest.fixture
def swf_run(request: pytest.FixtureRequest, swf: Simulation, swf_stub: Stubs) -> Runner:
    """Runs workflows to their end, and tells what became of them.

    Call it with the workflow and its arguments, ``swf_run(ImageCategorization, "photo.jpg", 150)``.
    What comes back is a `flowy_sim.testing.Run`. ``@pytest.mark.swf(activities=…, workflows=…,
    workers=…, freeze=…)`` says how it is run, as `flowy_sim.testing.Runner` does. If the test
    fails, its report shows what ran when.
    """
    from flowy_sim.testing import Runner

    options = marked_options(request.node, RUNNER)
    with said_in_a_marker():
        runner = Runner(swf, stubs=swf_stub, **options)
    request.node.stash[RUN_BY] = runner
    return runner


@pytest.fixture
def swf_replay(
    request: pytest.FixtureRequest,
) -> Callable[[type[Workflow], HistorySource | Run], None]:
    """Decide again what was decided: ``swf_replay(ImageCategorization, "histories/photo.json")``.

    Fails, naming the event and what was expected and decided there, if the workflow's code now
    decides anything else. The history is a `flowy_sim.testing.Run`, a list of events, a reply of
    GetWorkflowExecutionHistory, or the path of a JSON file, relative to the test's own file.
    """
    from flowy._client import Execution
    from flowy.errors import NonDeterminismError
    from flowy_sim.testing._histories.files import collect, load
    from flowy_sim.testing._histories.replaying import replay_prefixes
    from flowy_sim.testing._run import Run

    payloads = marked_options(request.node, ("payloads",))

    def swf_replay(workflow: type[Workflow], history: HistorySource | Run) -> None:
        __tracebackhide__ = True
        if isinstance(history, Run):
            events, execution = history.history, Execution(history.workflow_id, history.run_id)
        elif isinstance(history, str | os.PathLike):
            events, execution = load(request.path.parent / history)
        else:
            events, execution = collect("this", [history])
        try:
            replay_prefixes(workflow, events, execution=execution, **payloads)
        except NonDeterminismError as error:
            # The code that replays is of no interest to whoever reads the report.
            raise error.with_traceback(None) from None

    return swf_replay


@pytest.fixture(scope="session")
def _swf_server() -> Iterator[Endpoint]:
    from flowy_sim._server.server import serving

    missing = [name for name in _SERVING if find_spec(name) is None]
    if missing:
        refuse(
            f"swf_endpoint needs {' and '.join(missing)}; install what serves: "
            "pip install 'flowy-sim[serve]'"
        )
    with serving() as endpoint:
        yield endpoint


@pytest.fixture
def swf_endpoint(request: pytest.FixtureRequest, _swf_server: Endpoint) -> Iterator[Endpoint]:
    """Amazon SWF at an address of this machine, fresh, on a virtual clock of its own.

    For deciders and workers in processes of their own, in any language: start them with
    ``env={**os.environ, **swf_endpoint.environment}``. What is given is a
    `flowy_sim.testing.Endpoint`; ``@pytest.mark.swf(seed=…, start=…, latency=…, limits=…,
    patience=…)`` says how it is simulated. It needs the extra ``serve``.
    """
    settings = _served(marked_options(request.node, SIMULATION))
    endpoint = _swf_server.named(f"test-{next(_numbers)}")
    endpoint.reset(**settings)
    yield endpoint
    endpoint.remove()


def _served(options: dict[str, Any]) -> dict[str, Any]:
    """Return options of a simulation as a server takes them."""
    __tracebackhide__ = True
    from flowy_sim._simulation.settings import LATENCIES

    settings = dict(options)
    if isinstance(settings.get("start"), datetime):
        settings["start"] = settings["start"].isoformat()
    if "limits" in settings:
        settings["limits"] = asdict(settings["limits"])
    if "latency" in settings:
        names = [name for name, each in LATENCIES.items() if each is settings["latency"]]
        if not names:
            refuse(
                "a served simulation takes Latency.DEFAULT, Latency.ZERO or Latency.RECORDED, "
                "because it has to be written as JSON"
            )
        settings["latency"] = names[0]
    return settings
