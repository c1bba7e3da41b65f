"""Tests that are explored, in place of being run once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowy_sim.pytest_plugin._coverage import coverage_of
from flowy_sim.pytest_plugin._marker import RUNNER, SIMULATION, marked_options

if TYPE_CHECKING:
    from flowy_sim.explore._report import Tally

TALLIED: pytest.StashKey[Tally] = pytest.StashKey()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Explore a test that is marked so, in place of running it once."""
    __tracebackhide__ = True
    wanted = marked_options(pyfuncitem, ("explore",)).get("explore")
    if not wanted:
        return None
    from flowy_sim.explore._marked import explore_item
    from flowy_sim.explore._report import Tally

    covered = pyfuncitem.config.getoption("--swf-coverage")
    tally = Tally(coverage_of(pyfuncitem.config) if covered else None)
    pyfuncitem.stash[TALLIED] = tally
    explore_item(pyfuncitem, wanted, marked_options(pyfuncitem, (*SIMULATION, *RUNNER)), tally)
    return True
