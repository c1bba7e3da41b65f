"""Fixtures for pytest: a simulation, running workflows on it, stubs, replay, and an endpoint.

Installed with the package; nothing is imported before a fixture is used.

Example:
    ::

        def test_a_photograph_is_filed_under_its_color(swf_run, swf_stub):
            swf_stub("resize", 1, result="small.jpg", takes=40)
            swf_stub("predominantcolor", 1, result="blue", takes=15)
            swf_stub("renameimage", 1, function=lambda path, color: f"{color}/{path}")

            run = swf_run(ImageCategorization, "photo.jpg", 150)

            assert run.result == "blue/small.jpg"
            assert run.simulated_seconds == 40
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
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
    from flowy.workflow import Workflow
    from flowy_sim.alone import Alone
    from flowy_sim.client import Client
    from flowy_sim.coverage import Coverage
    from flowy_sim.endpoint import Endpoint
    from flowy_sim.explore.tally import Tally
    from flowy_sim.run import Run
    from flowy_sim.runner import Runner
    from flowy_sim.simulation import Simulation
    from flowy_sim.stubs import Stubs

SIMULATION = ("seed", "start", "latency", "limits")
RUNNER = ("activities", "workflows", "workers", "task_lists", "most_restarts", "freeze", "payloads")
CHECKS = ("strict", "golden")
_SWITCHES = (*CHECKS, "freeze")

KEYWORDS = (*SIMULATION, *RUNNER, *CHECKS, "explore")

_MARKER = f"swf({', '.join(f'{name}=…' for name in KEYWORDS)})"
_SERVING = ("starlette", "uvicorn")
_SHOWN = 5
_LINES = 12
_SIMULATION: pytest.StashKey[Simulation] = pytest.StashKey()
_STUBS: pytest.StashKey[Stubs] = pytest.StashKey()
_RUNNER: pytest.StashKey[Runner] = pytest.StashKey()
_TALLY: pytest.StashKey[Tally] = pytest.StashKey()
_COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()
_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Let the marker be known."""
    config.addinivalue_line("markers", f"{_MARKER}: how Amazon SWF is simulated for this test.")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("swf", "Amazon SWF, simulated")
    group.addoption(
        "--swf-choices",
        metavar="CHOICES",
        help="of an explored test, make only the run with these choices, as its failure names them",
    )
    group.addoption(
        "--swf-record",
        action="store_true",
        help="keep the histories of tests marked with @pytest.mark.swf(golden=True) as files",
    )
    group.addoption(
        "--swf-coverage",
        action="store_true",
        help="report what the activities and children of workflows have met, and what never",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Explore a test that is marked so, in place of running it once."""
    __tracebackhide__ = True
    wanted = _options(pyfuncitem, ("explore",)).get("explore")
    if not wanted:
        return None
    from flowy_sim.explore.marked import explore_item
    from flowy_sim.explore.tally import Tally

    covered = pyfuncitem.config.getoption("--swf-coverage")
    tally = Tally(_coverage(pyfuncitem.config) if covered else None)
    pyfuncitem.stash[_TALLY] = tally
    explore_item(pyfuncitem, wanted, _options(pyfuncitem, (*SIMULATION, *RUNNER)), tally)
    return True


@pytest.fixture
def swf(request: pytest.FixtureRequest) -> Simulation:
    """Amazon SWF in memory, fresh, on a clock of its own.

    ``@pytest.mark.swf(seed=…, start=…, latency=…, limits=…)`` says how, as `Simulation` does.
    """
    from flowy_sim.simulation import Simulation

    options = _options(request.node, SIMULATION)
    with said_in_a_marker():
        simulation = Simulation(**options)
    request.node.stash[_SIMULATION] = simulation
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

    from flowy_sim.botocore import mock_swf

    if not {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys():
        monkeypatch.setenv("AWS_DEFAULT_REGION", swf.region)
    with mock_swf(swf):
        yield boto3


@pytest.fixture
def swf_stub(request: pytest.FixtureRequest) -> Stubs:
    """Let something stand in for an activity: ``swf_stub(Resize, result="small.jpg")``.

    It is given an activity, or name and version, one of ``result``, ``error``, ``function`` and
    ``timeout``, and how many simulated seconds it ``takes``; see `flowy_sim.stubs.Stubs`. A stub
    that was never used fails the test, unless it is marked ``swf(strict=False)``.
    """
    from flowy_sim.stubs import Stubs

    stubs = request.node.stash[_STUBS] = Stubs()
    return stubs


@pytest.fixture
def swf_activity(request: pytest.FixtureRequest) -> Alone:
    """Runs activities alone: ``swf_activity(Resize, "photo.jpg", 150)`` returns the result.

    Heartbeats are kept in ``swf_activity.heartbeats``, and hear of a cancellation after
    ``swf_activity.cancel(at=2)``; see `flowy_sim.alone.Alone`.
    """
    from flowy_sim.alone import Alone

    return Alone(**_options(request.node, ("payloads",)))


@pytest.fixture
def swf_run(request: pytest.FixtureRequest, swf: Simulation, swf_stub: Stubs) -> Runner:
    """Runs workflows to their end, and tells what became of them.

    Call it with the workflow and its arguments, ``swf_run(ImageCategorization, "photo.jpg", 150)``.
    What comes back is a `flowy_sim.run.Run`. ``@pytest.mark.swf(activities=…, workflows=…,
    workers=…, freeze=…)`` says how it is run, as `flowy_sim.runner.Runner` does. If the test
    fails, its report shows what ran when.
    """
    from flowy_sim.runner import Runner

    options = _options(request.node, RUNNER)
    with said_in_a_marker():
        runner = Runner(swf, stubs=swf_stub, **options)
    request.node.stash[_RUNNER] = runner
    return runner


@pytest.fixture
def swf_replay(
    request: pytest.FixtureRequest,
) -> Callable[[type[Workflow], HistorySource | Run], None]:
    """Decide again what was decided: ``swf_replay(ImageCategorization, "histories/photo.json")``.

    Fails, naming the event and what was expected and decided there, if the workflow's code now
    decides anything else. The history is a `flowy_sim.run.Run`, a list of events, a reply of
    GetWorkflowExecutionHistory, or the path of a JSON file, relative to the test's own file.
    """
    from flowy.client import Execution
    from flowy.errors import NonDeterminismError
    from flowy_sim.histories.files import collect, load
    from flowy_sim.histories.replaying import replay_prefixes
    from flowy_sim.run import Run

    payloads = _options(request.node, ("payloads",))

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
    from flowy_sim.endpoint import serving

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
    `flowy_sim.endpoint.Endpoint`; ``@pytest.mark.swf(seed=…, start=…, latency=…, limits=…)`` says
    how it is simulated. It needs the extra ``serve``.
    """
    settings = _served(_options(request.node, SIMULATION))
    endpoint = _swf_server.named(f"test-{next(_numbers)}")
    endpoint.reset(**settings)
    yield endpoint
    endpoint.remove()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """See to what is asked of a test beside what it says itself."""
    __tracebackhide__ = True
    try:
        result = yield
        _check(item)
    finally:
        if _SIMULATION in item.stash and item.config.getoption("--swf-coverage"):
            from flowy_sim.coverage import observe

            observe(_coverage(item.config), item.stash[_SIMULATION], item.stash.get(_RUNNER, None))
    return result


def _check(item: pytest.Item) -> None:
    """Fail a test for stubs that were not used, and for histories that do not replay."""
    options = _options(item, CHECKS)
    repeated = _TALLY in item.stash and item.config.getoption("--swf-choices") is not None
    # One of many explored runs need not use what the others do.
    unused = _unused(item) if options.get("strict", True) and not repeated else ""
    if unused:
        refuse(unused)
    if options.get("golden"):
        from flowy_sim.golden import GoldenError, check

        record = bool(item.config.getoption("--swf-record"))
        runner = _runner(item)
        if runner is None:
            refuse("@pytest.mark.swf(golden=True) is for tests that use swf_run")
        if record and repeated:
            refuse(
                "--swf-record keeps the plainest run of an explored test, not the one that "
                "--swf-choices asks for; leave one of them out"
            )
        try:
            check(item.path, item.nodeid.partition("::")[2], runner, record=record)
        except GoldenError as error:
            refuse(str(error))


def _runner(item: pytest.Item) -> Runner | None:
    """Return who has run a test's workflows; of an explored test, in the plainest of its runs."""
    runner = item.stash.get(_RUNNER, None)
    explored = item.stash.get(_TALLY, None)
    return explored.first if runner is not None and explored is not None else runner


def _unused(item: pytest.Item, *, misnamed: bool = False) -> str:
    """Say which stubs of a test were never used; of an explored test, in none of its runs."""
    if _STUBS not in item.stash:
        return ""
    explored = item.stash.get(_TALLY, None)
    if explored is not None:
        return "\n".join(explored.uses.unused(misnamed=misnamed))
    from flowy_sim.stubs.uses import Uses

    runner = item.stash.get(_RUNNER, None)
    uses = Uses()
    uses.note(item.stash[_STUBS], runner.stand_ins.called if runner else ())
    return "\n".join(uses.unused(misnamed=misnamed))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the coverage on, if this is a worker of pytest-xdist."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None and _COVERAGE in session.config.stash:
        output["swf_coverage"] = session.config.stash[_COVERAGE].rows()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the coverage of a worker of pytest-xdist."""
    rows = getattr(node, "workeroutput", {}).get("swf_coverage")
    if rows:
        _coverage(node.config).merge(rows)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Report the coverage, if that is wanted."""
    if _COVERAGE in config.stash:
        terminalreporter.section("Amazon SWF: what workflows have met")
        for line in config.stash[_COVERAGE].report():
            terminalreporter.line(line)


def _coverage(config: pytest.Config) -> Coverage:
    from flowy_sim.coverage import Coverage

    return config.stash.setdefault(_COVERAGE, Coverage())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add pictures of what was run to the report of a test that failed."""
    report = yield
    runner = item.stash.get(_RUNNER, None)
    if runner is None or report.when != "call" or not report.failed:
        return report
    from flowy_sim.run import showable

    for run in runner.runs[-_SHOWN:]:
        picture = run.picture()
        if picture.splitlines()[0] not in report.longreprtext:
            title = f"Amazon SWF, simulated with seed {runner.simulation.seed}"
            parts = (run.describe(), picture, _end_of(run.details))
            # What the terminal cannot show would let pytest escape all, line breaks as well.
            report.sections.append((title, showable("\n\n".join(filter(None, parts)))))
    misnamed = _unused(item, misnamed=True)
    if misnamed and misnamed not in report.longreprtext:
        report.sections.append(("Stubs that were not used", misnamed))
    return report


def _end_of(details: str) -> str:
    """Keep the last lines of a traceback, which say where it was raised."""
    return "\n".join(details.splitlines()[-_LINES:])


def _options(test: pytest.Item, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what the markers of a test say, the nearest one first."""
    __tracebackhide__ = True
    options: dict[str, Any] = {}
    for marker in test.iter_markers("swf"):
        unknown = [name for name in marker.kwargs if name not in KEYWORDS]
        if marker.args or unknown:
            wrong = ", ".join([*map(repr, marker.args), *unknown])
            refuse(f"@pytest.mark.swf takes keywords {', '.join(KEYWORDS)}, not {wrong}")
        for name in _SWITCHES:
            if not isinstance(marker.kwargs.get(name, True), bool):
                refuse(f"@pytest.mark.swf: {name} is True or False, not {marker.kwargs[name]!r}")
        for name in names:
            if name in marker.kwargs:
                options.setdefault(name, marker.kwargs[name])
    return options


@contextmanager
def said_in_a_marker() -> Iterator[None]:
    """Let a sentence be all that is said of what is wrong with a marker."""
    from flowy.errors import ConfigurationError

    try:
        yield
    except (ConfigurationError, ImportError, TypeError, ValueError) as error:
        if not isinstance(error.__cause__, ModuleNotFoundError | None):
            raise  # The author's own code is wrong.
        refuse(f"@pytest.mark.swf: {error}")


def refuse(sentence: str) -> NoReturn:
    """Fail with a sentence, and show none of the code that has found what is wrong."""
    raise pytest.fail.Exception(sentence, pytrace=False) from None


def _served(options: dict[str, Any]) -> dict[str, Any]:
    """Return options of a simulation as a server takes them."""
    __tracebackhide__ = True
    from flowy_sim.server.settings import LATENCIES

    settings = dict(options)
    if isinstance(settings.get("start"), datetime):
        settings["start"] = settings["start"].isoformat()
    if "limits" in settings:
        settings["limits"] = asdict(settings["limits"])
    if "latency" in settings:
        names = [name for name, each in LATENCIES.items() if each is settings["latency"]]
        if not names:
            refuse(
                "a served simulation takes a latency of flowy_sim.engine.latency: DEFAULT, ZERO or "
                "RECORDED"
            )
        settings["latency"] = names[0]
    return settings
