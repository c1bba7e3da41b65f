"""What the workflows of all tests have met, reported at the end if that is wanted."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim.pytest_plugin._fixtures import RUN_BY, SIMULATED

if TYPE_CHECKING:
    from flowy_sim.testing._coverage import Coverage

_COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Note what the workflows of a test have met, whether it fails or not."""
    __tracebackhide__ = True
    try:
        return (yield)
    finally:
        if SIMULATED in item.stash and item.config.getoption("--swf-coverage"):
            from flowy_sim.testing._coverage import observe

            observe(coverage_of(item.config), item.stash[SIMULATED], item.stash.get(RUN_BY, None))


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
        coverage_of(node.config).merge(rows)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Report the coverage, if that is wanted."""
    if _COVERAGE in config.stash:
        terminalreporter.section("Amazon SWF: what workflows have met")
        for line in config.stash[_COVERAGE].report():
            terminalreporter.line(line)


def coverage_of(config: pytest.Config) -> Coverage:
    """Return the coverage of all tests of this process."""
    from flowy_sim.testing._coverage import Coverage

    return config.stash.setdefault(_COVERAGE, Coverage())
