"""A workflow that is not repeatable is refused, and keeps no other from being run."""

from __future__ import annotations

import time
from typing import Any

import pytest

import flowy
from flowy import UnrepeatableError, Workflow, WorkflowWorker, start, workflow
from flowy_sim import Simulation
from flowy_sim.testing import Runner
from tests.support.worker_loops import DOMAIN


@workflow("stamped", 1, "decisions")
class Stamped(Workflow):
    def run(self) -> float:
        return time.time()


@workflow("plain", 1, "decisions")
class Plain(Workflow):
    def run(self) -> int:
        return 3


def test_it_is_refused_when_it_is_started_or_run() -> None:
    with pytest.raises(UnrepeatableError, match=r"time\.time\(\)"):
        start(Simulation().client(), DOMAIN, Stamped)
    with pytest.raises(UnrepeatableError, match=r"time\.time\(\)"):
        Runner(Simulation()).run(Stamped)


def test_the_others_are_run(caplog: pytest.LogCaptureFixture) -> None:
    assert Runner(Simulation(), workflows=[Stamped, Plain]).run(Plain).result == 3
    assert "the workflow stamped 1 cannot be run: " in caplog.text


def test_a_worker_does_not_register_it_and_leaves_its_tasks_to_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulation = Simulation()
    client: Any = simulation.client(poll_seconds=0)
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    worker = WorkflowWorker(client, DOMAIN, "decisions", [Stamped, Plain])
    worker.register()
    registered = client.list_workflow_types(domain=DOMAIN, registrationStatus="REGISTERED")
    assert [each["workflowType"]["name"] for each in registered["typeInfos"]] == ["plain"]
    client.register_workflow_type(
        domain=DOMAIN, name="stamped", version="1", **Stamped.flowy_type.defaults
    )
    execution = start(client, DOMAIN, ("stamped", 1))
    assert worker.run_once()
    assert "not answered: " in caplog.text
    assert flowy.outcome(client, DOMAIN, execution) is None


def test_a_worker_with_no_other_workflow_ends() -> None:
    with pytest.raises(UnrepeatableError):
        WorkflowWorker(Simulation().client(), DOMAIN, "decisions", [Stamped])
