"""Checks and reports around a test: unused stubs, golden histories, coverage, pictures of runs."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim.pytest_plugin._fixtures import (
    CHECKS,
    OBSERVED,
    RUN_BY,
    SIMULATED,
    STUBBED,
    TOLERANCE,
    marked_options,
    refuse,
)

if TYPE_CHECKING:
    from flowy_sim.testing import Runner
    from flowy_sim.testing._coverage import Coverage

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
    """Fail a test that left stubs or actions unused, or whose golden histories do not replay."""
    __tracebackhide__ = True
    options = marked_options(item, CHECKS)
    one_run = OBSERVED in item.stash and item.config.getoption("--swf-choices") is not None
    # One of many explored runs need not use all stubs.
    unused = unused_stubs(item) if options.get("strict", True) and not one_run else ""
    if unused:
        refuse(unused)
    runner = item.stash.get(RUN_BY, None)
    if runner is not None and OBSERVED not in item.stash:
        runner.check_goals()
    if options.get("golden"):
        _check_golden(item, one_run)


def _check_golden(item: pytest.Item, one_run: bool) -> None:
    """Replay the golden histories of a test, or record them."""
    __tracebackhide__ = True
    from flowy.errors import HistoryError
    from flowy_sim.pytest_plugin._golden import GoldenError, check
    from flowy_sim.testing._recorded_decisions import Tolerance

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
        freeze = marked_options(item, ("freeze",))
        check(item.path, name, runner, record=record, tolerance=tolerance, **freeze)
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
    from flowy_sim.testing._coverage import StubUsage

    runner = item.stash.get(RUN_BY, None)
    uses = StubUsage()
    stubs = item.stash[STUBBED]
    if runner is None:
        uses.note(stubs)
    else:
        uses.note(stubs, runner.stub_dispatch.called, runner.scheduler.delayed_calls.actions)
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
