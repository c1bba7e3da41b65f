"""The engine reports what has changed, no matter which call has changed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from flowy_sim._engine.changes import ChangeLog
from flowy_sim._engine.faults import Fault
from tests.support.engine_driver import DOMAIN, ORDER, PACK, Driver, decision

ARN = f"arn:aws:swf:us-east-1:123456789012:/domain/{DOMAIN}"
SCHEDULE = decision("ScheduleActivityTask", activityId="1", activityType=PACK)


@pytest.fixture
def service() -> Driver:
    return Driver()


@pytest.fixture
def log(service: Driver) -> ChangeLog:
    return service.engine.track_changes()


def test_changes_are_tracked_only_on_request(service: Driver) -> None:
    service.start()
    assert service.engine.changes is None


def test_events_come_in_the_order_in_which_they_were_written(
    service: Driver, log: ChangeLog
) -> None:
    first, second = service.start("order-1"), service.start("order-2")
    service.signal("order-1")
    written = [
        (execution.run_id, [event[1] for event in events])
        for execution, events in log.drain().events
    ]
    started = ["WorkflowExecutionStarted", "DecisionTaskScheduled"]
    assert written == [(first, started), (second, started), (first, ["WorkflowExecutionSignaled"])]


def test_executions_that_start_or_close_are_named_with_their_domain(
    service: Driver, log: ChangeLog
) -> None:
    run_id = service.start()
    changes = log.drain()
    assert [execution.run_id for execution in changes.executions] == [run_id]
    assert [domain.name for domain in changes.domains] == [DOMAIN]
    service.signal()
    assert not log.drain().executions
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    (execution,) = log.drain().executions
    assert execution.summary()["length"] == 4


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("TagResource", {"resourceArn": ARN, "tags": [{"key": "a"}]}),
        ("UntagResource", {"resourceArn": ARN, "tagKeys": ["a"]}),
        ("DeprecateDomain", {"name": DOMAIN}),
    ],
)
def test_a_domain_that_changes_is_named(
    service: Driver, log: ChangeLog, operation: str, request_: dict[str, Any]
) -> None:
    service.call(operation, **request_)
    assert [domain.name for domain in log.drain().domains] == [DOMAIN]


def test_types_that_change_are_named(service: Driver, log: ChangeLog) -> None:
    key = (ORDER["name"], ORDER["version"])
    service.call("DeprecateWorkflowType", domain=DOMAIN, workflowType=ORDER)
    ((domain, kind, changed),) = log.drain().types
    assert (domain.name, kind, changed) == (DOMAIN, "WorkflowType", key)
    service.call("DeleteWorkflowType", domain=DOMAIN, workflowType=ORDER)
    assert [changed for _, _, changed in log.drain().types] == [key]
    assert domain.types(kind).get(key) is None


def test_deprecating_a_domain_changes_its_types(service: Driver, log: ChangeLog) -> None:
    service.call("DeprecateActivityType", domain=DOMAIN, activityType=PACK)
    log.drain()
    service.call("DeprecateDomain", name=DOMAIN)
    assert [kind for _, kind, _ in log.drain().types] == ["WorkflowType"]


def test_a_task_that_is_handed_out_is_named_until_it_is_answered(
    service: Driver, log: ChangeLog
) -> None:
    service.start()
    task = service.poll()
    assert [held.started_id for held in log.drain().handed_out] == [task["startedEventId"]]
    service.answer(task, SCHEDULE)
    work = service.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})
    service.call("RespondActivityTaskCompleted", taskToken=work["taskToken"])
    assert log.drain().handed_out == []


def test_a_heartbeat_is_named_while_its_task_is_held(service: Driver, log: ChangeLog) -> None:
    service.start()
    service.decide(SCHEDULE)
    token = service.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})[
        "taskToken"
    ]
    log.drain()
    service.call("RecordActivityTaskHeartbeat", taskToken=token, details="half")
    (task,) = log.drain().heartbeats
    assert task.heartbeat_details == "half"
    service.call("RecordActivityTaskHeartbeat", taskToken=token)
    service.call("RespondActivityTaskCompleted", taskToken=token)
    assert log.drain().heartbeats == []


def test_effects_are_named_when_they_are_scheduled_and_when_they_are_over(
    service: Driver, log: ChangeLog
) -> None:
    service.start()
    ((key, at, effect),) = log.drain().effects
    assert (effect.kind, at) == ("execution time-out", service.now + 3_600_000)
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    assert log.drain().effects_over == [(key, effect)]


def test_an_effect_that_came_and_went_is_not_named(service: Driver, log: ChangeLog) -> None:
    service.start()
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    changes = log.drain()
    assert (changes.effects, changes.effects_over) == ([], [])


def test_an_execution_that_is_not_retained_any_longer_is_named(
    service: Driver, log: ChangeLog
) -> None:
    run_id = service.start()
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    log.drain()
    service.advance(7 * 24 * 60 * 60 * 1000)
    assert [execution.run_id for execution in log.drain().forgotten] == [run_id]


def _refused(service: Driver) -> None:
    with pytest.raises(Fault):
        service.call("DescribeDomain", name="none")
    with pytest.raises(Fault):
        service.start("order-1")


@pytest.mark.parametrize(
    "look",
    [
        lambda service: service.call("DescribeDomain", name=DOMAIN),
        lambda service: service.poll("nothing there"),
        _refused,
    ],
)
def test_a_call_that_changes_nothing_is_not_counted(
    service: Driver, log: ChangeLog, look: Callable[[Driver], object]
) -> None:
    service.start()
    log.drain()
    before = log.count
    look(service)
    assert (log.count, bool(log)) == (before, False)


def test_the_second_page_of_a_decision_task_changes_nothing(
    service: Driver, log: ChangeLog
) -> None:
    service.start()
    task = service.poll(maximumPageSize=1)
    before = log.count
    service.poll(maximumPageSize=1, nextPageToken=task["nextPageToken"])
    assert log.count == before


def test_a_log_that_only_counts_keeps_nothing(service: Driver, log: ChangeLog) -> None:
    service.start()
    before = log.count
    log.only_count()
    assert (log.count, bool(log)) == (before, False)
    service.call("DeprecateDomain", name=DOMAIN)
    service.decide(decision("CompleteWorkflowExecution"))
    assert log.count > before
    changes = log.drain()
    assert not any(getattr(changes, field.name) for field in fields(changes))


def test_a_reset_engine_notes_nothing(service: Driver, log: ChangeLog) -> None:
    service.engine.reset()
    service.register()
    assert (service.engine.changes, bool(log)) == (None, False)
