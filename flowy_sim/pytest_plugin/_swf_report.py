"""``--swf-report FILE``: a page with the runs of all tests of the session, failed ones first."""

from __future__ import annotations

import json
import pickle
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim.pytest_plugin._explored import REPORTED
from flowy_sim.pytest_plugin._fixtures import RUN_BY

if TYPE_CHECKING:
    from flowy_sim._report.exploration import ReportedExploration

_EXPLORED: pytest.StashKey[list[ReportedExploration]] = pytest.StashKey()
_PARTS: pytest.StashKey[list[dict[str, Any]]] = pytest.StashKey()
_PROBLEM: pytest.StashKey[str] = pytest.StashKey()

MOST_PASSED = 50
"""The most runs of tests that passed in a report; runs of tests that failed are never left out."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    group = parser.getgroup("swf", "Amazon SWF, simulated")
    group.addoption(
        "--swf-report",
        metavar="FILE",
        help="write a page with the timelines and events of all runs, failed ones first, as one "
        "HTML file",
    )
    group.addoption(
        "--swf-redact",
        action="store_true",
        help="leave inputs, results and details out of the page of --swf-report",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Collect the runs of a test."""
    report = yield
    runner = item.stash.get(RUN_BY, None)
    if report.when == "call" and runner is not None and item.config.getoption("--swf-report"):
        _parts_of(item.config).extend(
            {
                "test": item.nodeid,
                "failed": report.failed,
                "story": run.describe(),
                "workflow_id": run.workflow_id,
                "run_id": run.run_id,
                "events": run.history,
                "awaited": run.awaited,
            }
            for run in runner.runs
        )
    if report.when == "call" and REPORTED in item.stash:
        _explored_by(item.config).append(item.stash[REPORTED]._replace(name=item.nodeid))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page, or send the runs to the controller of pytest-xdist."""
    config = session.config
    if not config.getoption("--swf-report"):
        return
    output = getattr(config, "workeroutput", None)
    if output is not None:
        from flowy_sim.testing._history_files import iso

        output["swf_report"] = json.dumps(_parts_of(config), default=iso)
        output["swf_explored"] = pickle.dumps(_explored_by(config))
        return
    try:
        _write(config)
    except OSError as error:
        # Raised here, it would hide the results of the tests.
        config.stash[_PROBLEM] = error.strerror or str(error)
        session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Receive the runs of a worker of pytest-xdist."""
    written = getattr(node, "workeroutput", {}).get("swf_report")
    if written:
        _parts_of(node.config).extend(json.loads(written))
        explored = pickle.loads(node.workeroutput["swf_explored"])  # noqa: S301 - from our own worker
        _explored_by(node.config).extend(explored)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say where the page is."""
    path = config.getoption("--swf-report")
    if path:
        terminalreporter.section("Amazon SWF: report")
        if _PROBLEM in config.stash:
            terminalreporter.line(f"{path} cannot be written: {config.stash[_PROBLEM]}.", red=True)
            return
        for line in _shown(config)[1]:
            terminalreporter.line(line)
        terminalreporter.line(Path(path).absolute().as_uri())


def _parts_of(config: pytest.Config) -> list[dict[str, Any]]:
    return config.stash.setdefault(_PARTS, [])


def _explored_by(config: pytest.Config) -> list[ReportedExploration]:
    return config.stash.setdefault(_EXPLORED, [])


def _shown(config: pytest.Config) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the runs to be shown in their order, and sentences about those left out."""
    parts = sorted(_parts_of(config), key=lambda part: (not part["failed"], part["test"]))
    failed = sum(part["failed"] for part in parts)
    shown = parts[: failed + MOST_PASSED]
    left_out = len(parts) - len(shown)
    sentence = f"{left_out:,} more runs of tests that passed are not in the report."
    return shown, [sentence] if left_out else []


def _write(config: pytest.Config) -> None:
    from flowy_sim._report.exploration import page
    from flowy_sim._report.run_view import ReportedRun

    shown, notes = _shown(config)
    runs = [
        ReportedRun(
            part["events"],
            part["workflow_id"],
            part["run_id"],
            title=part["test"],
            story=[part["story"]],
            verdict="failed" if part["failed"] else "passed",
            awaited=part["awaited"],
        )
        for part in shown
    ]
    redact = config.getoption("--swf-redact")
    explored = sorted(_explored_by(config), key=lambda each: (not each.error, each.name))
    text = page(explored, runs, "Amazon SWF, simulated: runs of tests", notes, redact=redact)
    Path(config.getoption("--swf-report")).write_text(text, encoding="utf-8")
