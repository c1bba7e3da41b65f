"""Each planted bug is found quickly and reported briefly; nothing is found in its fixed twin."""

from __future__ import annotations

from importlib import import_module

import pytest

from flowy_sim.explore._story import MOST_LINES
from tests.planted.bugs import MODULES, PLANTED, Bug

pytestmark = pytest.mark.slow

for name in MODULES:
    import_module(name)

TWIN_RUNS = 25
ENDING_RUNS = 10
"""Runs of each fixed twin that are made here; the nox session ``planted`` makes many more."""


@pytest.mark.parametrize("bug", PLANTED, ids=str)
def test_a_planted_bug_is_found_and_reported_in_a_dozen_lines(bug: Bug) -> None:
    failure = bug.find(runs=500).failure
    assert failure is not None
    assert len(str(failure).splitlines()) <= MOST_LINES


@pytest.mark.parametrize("bug", PLANTED, ids=str)
def test_without_the_bug_nothing_is_found(bug: Bug) -> None:
    found = bug.find(fixed=True, runs=TWIN_RUNS)
    assert found.failure is None, str(found.failure)


def test_there_are_many_bugs_of_every_kind() -> None:
    kinds = [bug.kind for bug in PLANTED]
    assert len(PLANTED) >= 120
    assert all(kinds.count(kind) >= 4 for kind in kinds)


@pytest.mark.parametrize("bug", PLANTED, ids=str)
def test_without_the_bug_everything_ends_in_time(bug: Bug) -> None:
    # What another process would decide was tried when nothing was found.
    options = {"ends_within": True, "other_processes": False}
    found = bug.find(fixed=True, runs=ENDING_RUNS, **options)
    assert found.failure is None, str(found.failure)
