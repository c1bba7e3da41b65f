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

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flowy.replay import HistorySource
    from flowy.workflow import Workflow
    from flowy_sim.endpoint import Endpoint
    from flowy_sim.run import Run
    from flowy_sim.runner import Runner
    from flowy_sim.simulation import Simulation
    from flowy_sim.stubs import Stubs

SIMULATION = ("seed", "start", "latency", "limits")
RUNNER = ("activities", "workflows", "workers", "freeze")

KEYWORDS = (*SIMULATION, *RUNNER, "explore")

_MARKER = f"swf({', '.join(f'{name}=…' for name in KEYWORDS)})"
_SHOWN = 5
_RUNNER: pytest.StashKey[Runner] = pytest.StashKey()
_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Let the marker be known."""
    config.addinivalue_line("markers", f"{_MARKER}: how Amazon SWF is simulated for this test.")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a failure that exploring has found be repeated."""
    parser.getgroup("swf", "Amazon SWF, simulated").addoption(
        "--swf-choices",
        metavar="CHOICES",
        help="of an explored test, make only the run with these choices, as its failure names them",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Explore a test that is marked so, in place of running it once."""
    __tracebackhide__ = True
    wanted = _options(pyfuncitem, ("explore",)).get("explore")
    if not wanted:
        return None
    from flowy_sim.explore.marked import explore_item

    explore_item(pyfuncitem, wanted, _options(pyfuncitem, (*SIMULATION, *RUNNER)))
    return True


@pytest.fixture
def swf(request: pytest.FixtureRequest) -> Simulation:
    """Amazon SWF in memory, fresh, on a clock of its own.

    ``@pytest.mark.swf(seed=…, start=…, latency=…, limits=…)`` says how, as `Simulation` does.
    """
    from flowy_sim.simulation import Simulation

    return Simulation(**_options(request.node, SIMULATION))


@pytest.fixture
def swf_stub() -> Stubs:
    """Let something stand in for an activity: ``swf_stub(ResizeImage, result="small.jpg")``.

    It is given a class, or name and version, and one of ``result``, ``error`` and ``function``,
    and how many simulated seconds the activity ``takes``; see `flowy_sim.stubs.Stubs`.
    """
    from flowy_sim.stubs import Stubs

    return Stubs()


@pytest.fixture
def swf_run(request: pytest.FixtureRequest, swf: Simulation, swf_stub: Stubs) -> Runner:
    """Runs workflows to their end, and tells what became of them.

    Call it with the workflow and its arguments, ``swf_run(ImageCategorization, "photo.jpg", 150)``.
    What comes back is a `flowy_sim.run.Run`. ``@pytest.mark.swf(activities=…, workflows=…,
    workers=…, freeze=…)`` says how it is run, as `flowy_sim.runner.Runner` does. If the test
    fails, its report shows what ran when.
    """
    from flowy_sim.runner import Runner

    runner = Runner(swf, stubs=swf_stub, **_options(request.node, RUNNER))
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
    from flowy.errors import NonDeterminismError
    from flowy.replay import replay
    from flowy_sim.run import Run

    def swf_replay(workflow: type[Workflow], history: HistorySource | Run) -> None:
        __tracebackhide__ = True
        if isinstance(history, Run):
            history = history.history
        elif isinstance(history, str | Path):
            history = request.path.parent / history
        try:
            replay(workflow, history)
        except NonDeterminismError as error:
            # The code that replays is of no interest to whoever reads the report.
            raise error.with_traceback(None) from None

    return swf_replay


@pytest.fixture(scope="session")
def _swf_server() -> Iterator[Endpoint]:
    from flowy_sim.endpoint import serving

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
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add pictures of what was run to the report of a test that failed."""
    report = yield
    runner = item.stash.get(_RUNNER, None)
    if runner is None or report.when != "call" or not report.failed:
        return report
    for run in runner.runs[-_SHOWN:]:
        picture = run.timeline()
        if picture.splitlines()[0] not in report.longreprtext:
            title = f"Amazon SWF, simulated with seed {runner.simulation.seed}"
            report.sections.append((title, f"{run.describe()}\n\n{picture}"))
    return report


def _options(test: pytest.Item, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what the markers of a test say, the nearest one first."""
    __tracebackhide__ = True
    options: dict[str, Any] = {}
    for marker in test.iter_markers("swf"):
        unknown = [name for name in marker.kwargs if name not in KEYWORDS]
        if marker.args or unknown:
            wrong = ", ".join([*map(repr, marker.args), *unknown])
            raise pytest.UsageError(
                f"@pytest.mark.swf takes keywords {', '.join(KEYWORDS)}, not {wrong}"
            )
        for name in names:
            if name in marker.kwargs:
                options.setdefault(name, marker.kwargs[name])
    return options


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
            raise pytest.UsageError(
                "a served simulation takes a latency of flowy_sim.engine.latency: DEFAULT, ZERO or "
                "RECORDED"
            )
        settings["latency"] = names[0]
    return settings
