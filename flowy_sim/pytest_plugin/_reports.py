"""What reports of failed tests show beside the failure: what ran when, and unused stubs."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from flowy_sim.pytest_plugin._checks import unused_stubs
from flowy_sim.pytest_plugin._fixtures import RUN_BY

_SHOWN = 5
_LINES = 12


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add pictures of what was run to the report of a test that failed."""
    report = yield
    runner = item.stash.get(RUN_BY, None)
    if runner is None or report.when != "call" or not report.failed:
        return report
    from flowy_sim.testing._run import showable

    for run in runner.runs[-_SHOWN:]:
        picture = run.picture()
        if picture.splitlines()[0] not in report.longreprtext:
            title = f"Amazon SWF, simulated with seed {runner.simulation.seed}"
            parts = (run.describe(), picture, _end_of(run.details))
            # What the terminal cannot show would let pytest escape all, line breaks as well.
            report.sections.append((title, showable("\n\n".join(filter(None, parts)))))
    misnamed = unused_stubs(item, misnamed=True)
    if misnamed and misnamed not in report.longreprtext:
        report.sections.append(("Stubs that were not used", misnamed))
    return report


def _end_of(details: str) -> str:
    """Keep the last lines of a traceback, which say where it was raised."""
    return "\n".join(details.splitlines()[-_LINES:])
