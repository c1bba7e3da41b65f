from __future__ import annotations

from typing import Any

import pytest

from flowy_sim import Simulation
from tests.support.exact_calls import EXACT_CALLS
from tests.support.shop import register


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(latency=EXACT_CALLS)


@pytest.fixture
def client(simulation: Simulation) -> Any:
    """A client of the simulation, with the shop's types registered."""
    client = simulation.client()
    register(client)
    return client


@pytest.fixture(params=["client", "boto3", "wire"])
def any_client(request: pytest.FixtureRequest, simulation: Simulation) -> Any:
    """Each kind of client in turn, with the shop's types registered."""
    if request.param == "client":
        client = simulation.client()
    else:
        client = simulation.boto3_client(wire=request.param == "wire")
    register(client)
    return client
