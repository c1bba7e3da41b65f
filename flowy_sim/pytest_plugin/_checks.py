"""Checks of tests that pass: unused stubs, golden histories; and what reports show."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flowy._client import Execution
from flowy.errors import NonDeterminismError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow
from flowy_sim.pytest_plugin._fixtures import OBSERVED, RUN_BY, SIMULATED, STUBBED
from flowy_sim.pytest_plugin._marker import CHECKS, TOLERANCE, marked_options, refuse
from flowy_sim.testing import Runner
from flowy_sim.testing._histories import load, replay_prefixes, save, type_of
from flowy_sim.testing._loop_replay import PollingCode, Tolerance, replay_loop
from flowy_sim.testing._run import Run

if TYPE_CHECKING:
    from flowy_sim.testing import Runner
    from flowy_sim.testing._coverage import Coverage

FOLDER = "histories"


"""The folder of the histories, next to the tests."""


Workflows = Mapping[tuple[str, str], type[Workflow]]


class GoldenError(AssertionError):
    """A golden history is missing or does not replay."""


def check(
    test: Path,
    name: str,
    runner: Runner,
    *,
    record: bool,
    tolerance: Tolerance | None = None,
) -> None:
    """Replay the golden histories of a test, or record them.

    Args:
        test: the file of the test.
        name: the test's name in that file.
        runner: the runner that has run the test's workflows.
        record: whether to record.
        tolerance: the differences that do not matter to deciders that poll by themselves.

    Raises:
        GoldenError: the test has run no workflow; or a history is missing, belongs to a workflow
            that the test does not run, or does not replay.
    """
    if not runner.runs:
        raise GoldenError(
            "this test is marked as golden and has run no workflow by swf_run, so it has no "
            "history; run one, or remove golden=True"
        )
    golden = GoldenHistories(test, name)
    if record:
        golden.record(runner.runs)
        return
    known = runner.scheduler.registry
    workflows = {} if known is None else known.workflows
    golden.replay(workflows, runner.payloads, runner.loops, tolerance)


class GoldenHistories:
    """The golden histories of one test: a file for each execution that it runs.

    Args:
        test: the file of the test.
        name: the test's name in that file, such as ``TestOrders::test_gift[3]``.
    """

    def __init__(self, test: Path, name: str) -> None:
        self._folder = test.parent / FOLDER / test.stem
        self._stem = re.sub(r"[^\w.-]+", "_", name).strip("_")

    def record(self, runs: Iterable[Run]) -> None:
        """Write the histories of runs to files, and delete those that were there before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self.paths():
            path.unlink()
        for number, run in enumerate(runs, 1):
            save(self._path(number), run.history, Execution(run.workflow_id, run.run_id))

    def replay(
        self,
        workflows: Workflows,
        payloads: Payloads = PLAIN,
        loops: Sequence[PollingCode] = (),
        tolerance: Tolerance | None = None,
    ) -> None:
        """Replay the recorded histories.

        Args:
            workflows: the workflows that the test runs, by name and version.
            payloads: how arguments and results were serialized.
            loops: the code of the test that polls by itself. It replays the histories of all
                other workflows.
            tolerance: the differences that do not matter to that code.

        Raises:
            GoldenError: a history is missing, belongs to a workflow that the test does not run, or
                does not replay.
        """
        paths = self.paths()
        if not paths:
            raise GoldenError(
                f"this test has no golden history {self._path(1)}; record it with "
                "pytest --swf-record, and commit the file"
            )
        for path in paths:
            events, execution = load(path)
            workflow = workflows.get(type_of(events))
            try:
                if workflow is not None:
                    replay_prefixes(workflow, events, payloads, execution)
                elif not any(
                    replay_loop(loop, events, execution, tolerance, same_list=True)
                    for loop in loops
                ):
                    name, version = type_of(events)
                    raise GoldenError(
                        f"{path} is a history of {name} {version}, which this test does not run; "
                        "if that is intended, record it again with pytest --swf-record"
                    )
            except NonDeterminismError as error:
                raise GoldenError(
                    f"{path} no longer replays: {error}\n"
                    "if no such execution is open any more, record it again: pytest --swf-record"
                ) from error

    def paths(self) -> list[Path]:
        """Return the files that exist, in the order of the executions."""
        paths: list[Path] = []
        while (path := self._path(len(paths) + 1)).exists():
            paths.append(path)
        return paths

    def _path(self, number: int) -> Path:
        return self._folder / (
            f"{self._stem}.json" if number == 1 else f"{self._stem}.{number}.json"
        )


_COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()


_PICTURES = 5


"""The most runs whose pictures are shown for a test that failed."""


_TRACEBACK_LINES = 12


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Observe coverage, whether the test fails or not; then check a test that passed."""
    __tracebackhide__ = True
    try:
        result = yield
    finally:
        _observe_coverage(item)
    _check(item)
    return result


# Checks


def _check(item: pytest.Item) -> None:
    """Fail a test that left stubs unused, or whose golden histories do not replay."""
    __tracebackhide__ = True
    options = marked_options(item, CHECKS)
    one_run = OBSERVED in item.stash and item.config.getoption("--swf-choices") is not None
    # One of many explored runs need not use all stubs.
    unused = unused_stubs(item) if options.get("strict", True) and not one_run else ""
    if unused:
        refuse(unused)
    if options.get("golden"):
        _check_golden(item, one_run)


def _check_golden(item: pytest.Item, one_run: bool) -> None:
    """Replay the golden histories of a test, or record them."""
    __tracebackhide__ = True
    from flowy.errors import HistoryError
    from flowy_sim.testing._loop_replay import Tolerance

    record = bool(item.config.getoption("--swf-record"))
    runner = _runner_of(item)
    if runner is None:
        refuse("@pytest.mark.swf(golden=True) needs a test that uses the fixture swf_run")
    if record and one_run:
        refuse(
            "--swf-record keeps the plainest run of an explored test, and --swf-choices asks for "
            "another one; leave one of them out"
        )
    try:
        tolerance = Tolerance(**marked_options(item, TOLERANCE))
        name = item.nodeid.partition("::")[2]
        check(item.path, name, runner, record=record, tolerance=tolerance)
    except (GoldenError, HistoryError, ValueError) as error:
        refuse(str(error))


def _runner_of(item: pytest.Item) -> Runner | None:
    """Return the runner of a test; of an explored test, that of its first run, the plainest."""
    runner = item.stash.get(RUN_BY, None)
    observed = item.stash.get(OBSERVED, None)
    return observed.first if runner is not None and observed is not None else runner


def unused_stubs(item: pytest.Item, *, misnamed: bool = False) -> str:
    """Return sentences about stubs that the test, or all runs of an explored test, never used.

    Args:
        item: the test.
        misnamed: whether to return only those that are probably a typing error.
    """
    if STUBBED not in item.stash:
        return ""
    observed = item.stash.get(OBSERVED, None)
    if observed is not None:
        return "\n".join(observed.uses.unused(misnamed=misnamed))
    from flowy_sim.testing._stubs import StubUsage

    runner = item.stash.get(RUN_BY, None)
    uses = StubUsage()
    uses.note(item.stash[STUBBED], runner.stub_dispatch.called if runner else ())
    return "\n".join(uses.unused(misnamed=misnamed))


# Reports of failed tests


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add pictures of the runs, and misnamed stubs, to the report of a test that failed."""
    report = yield
    runner = item.stash.get(RUN_BY, None)
    if runner is None or report.when != "call" or not report.failed:
        return report
    from flowy._safe_text import safe_lines
    from flowy_sim.testing._run import showable

    for run in runner.runs[-_PICTURES:]:
        picture = run.picture()
        if picture.splitlines()[0] not in report.longreprtext:
            title = f"Amazon SWF, simulated with seed {runner.simulation.seed}"
            # The last lines of a traceback say where it was raised.
            details = "\n".join(run.details.splitlines()[-_TRACEBACK_LINES:])
            parts = (run.describe(), picture, safe_lines(details))
            # If the terminal cannot show a character, pytest escapes everything, even line breaks.
            report.sections.append((title, showable("\n\n".join(filter(None, parts)))))
    misnamed = unused_stubs(item, misnamed=True)
    if misnamed and misnamed not in report.longreprtext:
        report.sections.append(("Stubs that were not used", misnamed))
    return report


# Coverage of workflows


def _observe_coverage(item: pytest.Item) -> None:
    if SIMULATED in item.stash and item.config.getoption("--swf-coverage"):
        from flowy_sim.testing._coverage import observe

        observe(coverage_of(item.config), item.stash[SIMULATED], item.stash.get(RUN_BY, None))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the coverage to the controller, if this is a worker of pytest-xdist."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None and _COVERAGE in session.config.stash:
        output["swf_coverage"] = session.config.stash[_COVERAGE].rows()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Receive the coverage of a worker of pytest-xdist."""
    rows = getattr(node, "workeroutput", {}).get("swf_coverage")
    if rows:
        coverage_of(node.config).merge(rows)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the coverage, if there is any."""
    if _COVERAGE in config.stash:
        terminalreporter.section("Amazon SWF: what workflows have met")
        for line in config.stash[_COVERAGE].report():
            terminalreporter.line(line)


def coverage_of(config: pytest.Config) -> Coverage:
    """Return the coverage of all tests of this process."""
    from flowy_sim.testing._coverage import Coverage

    return config.stash.setdefault(_COVERAGE, Coverage())
