"""Times that no datetime can hold: deadlines beyond the year 9999, and clocks that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flowy_sim import Simulation, VirtualClock
from flowy_sim._simulation.clock import RealClock, from_milliseconds
from tests.support.engine_driver import decision

LAST = datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("milliseconds", [-(10**18), -(10**15), 0, 10**15, 10**18])
def test_every_instant_can_be_shown(milliseconds: int) -> None:
    assert datetime.min.replace(tzinfo=UTC) <= from_milliseconds(milliseconds) <= LAST


@pytest.mark.parametrize("start", ["9999-06-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_deadlines_beyond_the_year_9999_can_be_set_and_met(start: str) -> None:
    client = Simulation(clock=VirtualClock(start)).client()
    client.register_domain(name="d", workflowExecutionRetentionPeriodInDays="90")
    client.register_workflow_type(
        domain="d",
        name="w",
        version="1",
        defaultTaskList={"name": "l"},
        defaultChildPolicy="TERMINATE",
        defaultTaskStartToCloseTimeout="NONE",
        defaultExecutionStartToCloseTimeout="31536000",
    )
    run = client.start_workflow_execution(
        domain="d", workflowId="a", workflowType={"name": "w", "version": "1"}
    )
    poll: dict[str, Any] = {"domain": "d", "taskList": {"name": "l"}}
    task = client.poll_for_decision_task(**poll)
    timer = decision("StartTimer", timerId="t", startToFireTimeout="31000000")
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[timer])
    task = client.poll_for_decision_task(**poll)  # Time is skipped until the timer fires.
    assert task["events"][-3]["eventType"] == "TimerFired"
    assert task["events"][-3]["eventTimestamp"] <= LAST
    execution = {"workflowId": "a", "runId": run["runId"]}
    client.describe_workflow_execution(domain="d", execution=execution)
    client.terminate_workflow_execution(domain="d", workflowId="a")
    assert len(client.get_workflow_execution_history(domain="d", execution=execution)["events"]) > 6
    listed = client.list_closed_workflow_executions(
        domain="d", startTimeFilter={"oldestDate": datetime(2000, 1, 1, tzinfo=UTC)}
    )
    assert listed["executionInfos"][0]["closeTimestamp"] <= LAST


@pytest.mark.parametrize("seconds", [-(10.0**11), 0.0, 4e9, 10.0**12])
def test_a_real_clock_that_is_wrong_has_a_time_all_the_same(seconds: float) -> None:
    clock = RealClock(lambda: seconds)
    assert datetime.min.replace(tzinfo=UTC) <= clock.now <= LAST
