from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from flowy_sim import Simulation, mock_swf
from tests.support.worker_loops import DOMAIN


@pytest.fixture(params=["simulation", "boto3 on the simulation", "moto"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An SWF client with a registered domain, of each kind that there is."""
    match request.param:
        case "simulation":
            yield with_domain(Simulation().client(poll_seconds=0))
        case "boto3 on the simulation":
            with mock_swf():
                yield with_domain(boto3.client("swf"))
        case "moto":
            # What an empty poll waits for there.
            monkeypatch.setattr("moto.swf.models.sleep", lambda seconds: None)
            with mock_aws():
                yield with_domain(boto3.client("swf"))


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


@pytest.fixture
def simulated(simulation: Simulation) -> Any:
    """A client of the simulation, with a registered domain; its polls wait simulated time."""
    return with_domain(simulation.client())


def with_domain(client: Any) -> Any:
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    return client
