from __future__ import annotations

from pathlib import Path

import pytest

from flowy_sim import Simulation
from flowy_sim.testing import Runner, Stubs


@pytest.fixture(autouse=True)
def replayed_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay nothing in another process after an exploration: one starts as slowly as 100 runs."""
    monkeypatch.setattr("flowy_sim.explore._other_process._MOST_RUNS", 0)


@pytest.fixture
def stubs() -> Stubs:
    return Stubs()


@pytest.fixture
def runner(stubs: Stubs) -> Runner:
    return Runner(Simulation(), stubs=stubs)


@pytest.fixture
def village(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder for tests of the module ``village_bakery``, which is `bakery`."""
    # Where these are set, pytest shows whole messages in its summary as well.
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)
    bakery = (Path(__file__).parents[1] / "support" / "bakery.py").read_text(encoding="utf-8")
    pytester.makepyfile(village_bakery=bakery)
    pytester.syspathinsert()
    return pytester
