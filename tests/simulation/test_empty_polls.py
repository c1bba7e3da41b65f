"""A loop that finds nothing reports why."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from flowy_sim import EndlessLoopError, Simulation
from flowy_sim._simulation import time_skipping

UNLIMITED = ("ScheduleToClose", "ScheduleToStart", "StartToClose", "Heartbeat")


def register(client: Any, domain: str = "shop") -> None:
    client.register_domain(name=domain, workflowExecutionRetentionPeriodInDays="7")
    client.register_workflow_type(
        domain=domain,
        name="order",
        version="1",
        defaultTaskList={"name": "decisions"},
        defaultChildPolicy="TERMINATE",
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskStartToCloseTimeout="10",
    )
    client.register_activity_type(
        domain=domain,
        name="work",
        version="1",
        defaultTaskList={"name": "work"},
        **{f"defaultTask{each}Timeout": "NONE" for each in UNLIMITED},
    )


def start(client: Any, domain: str = "shop") -> None:
    named = {"name": "order", "version": "1"}
    client.start_workflow_execution(domain=domain, workflowId="order-1", workflowType=named)


def decide(client: Any, decision: dict[str, Any]) -> None:
    task = client.poll_for_decision_task(domain="shop", taskList={"name": "decisions"})
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])


def why_nothing_is_found(
    monkeypatch: pytest.MonkeyPatch, client: Any, task_list: str, kind: str = "decision"
) -> str:
    monkeypatch.setattr(time_skipping, "IN_VAIN", 5)
    poll = getattr(client, f"poll_for_{kind}_task")
    polls = (poll(domain="shop", taskList={"name": task_list}) for _ in count())
    with pytest.raises(EndlessLoopError) as caught:
        list(polls)
    return str(caught.value).partition("nothing: ")[2].partition(". No execution is open")[0]


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


@pytest.fixture
def client(simulation: Simulation) -> Any:
    made = simulation.client()
    register(made)
    return made


def test_nothing_was_started(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    why = why_nothing_is_found(monkeypatch, client, "decisions")
    assert why == "no execution was ever started"


def test_it_was_started_in_another_domain(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    register(client, "market")
    start(client, "market")
    why = why_nothing_is_found(monkeypatch, client, "decisions")
    assert why == "the execution order-1 was started in the domain 'market'"


def test_it_was_started_in_another_region(
    simulation: Simulation, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = simulation.client("eu-west-1")
    register(elsewhere)
    start(elsewhere)
    assert why_nothing_is_found(monkeypatch, client, "decisions") == (
        "the execution order-1 was started in the domain 'shop' of the region eu-west-1, while "
        "us-east-1 is polled"
    )


def test_its_decision_task_waits_on_another_list(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(client)
    assert why_nothing_is_found(monkeypatch, client, "decision") == (
        "the decision task of the execution order-1 waited on the decision task list 'decisions' "
        "of domain 'shop'; the execution timed out at 2024-01-01 01:00:00"
    )


def test_its_decision_task_waits_on_a_list_of_the_other_kind(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(client)
    assert why_nothing_is_found(monkeypatch, client, "decisions", "activity") == (
        "the decision task of the execution order-1 waited on the list of the other kind: poll "
        "that one with PollForDecisionTask; the execution timed out at 2024-01-01 01:00:00"
    )


def test_its_activity_task_waits_on_a_list_of_the_other_kind(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(client)
    attributes = {"activityId": "a", "activityType": {"name": "work", "version": "1"}}
    decide(
        client,
        {
            "decisionType": "ScheduleActivityTask",
            "scheduleActivityTaskDecisionAttributes": attributes,
        },
    )
    why = why_nothing_is_found(monkeypatch, client, "work")
    assert why.startswith(
        "the activity task of the execution order-1 waited on the list of the other kind: poll "
        "that one with PollForActivityTask"
    )


def test_it_has_timed_out(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start(client)
    decide(client, {"decisionType": "RecordMarker", "recordMarkerDecisionAttributes": MARKER})
    assert why_nothing_is_found(monkeypatch, client, "decisions") == (
        "the last execution in this domain, order-1, timed out at 2024-01-01 01:00:00"
    )


MARKER = {"markerName": "nothing"}
