from __future__ import annotations

import pytest

from flowy_sim import Simulation
from flowy_sim.runner import Runner
from flowy_sim.stubs import Stubs


@pytest.fixture
def stubs() -> Stubs:
    return Stubs()


@pytest.fixture
def runner(stubs: Stubs) -> Runner:
    return Runner(Simulation(), stubs=stubs)
