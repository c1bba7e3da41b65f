"""The invariants themselves: each reports what is wrong and where when it is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowy_sim._engine.model import event_types
from flowy_sim._events.invariants import Violation, check
from flowy_sim._events.rules import LINKS, OPENS, TRIGGERS, check_history
from tests.support.engine_driver import DOMAIN, PACK, Driver, decision

Events = list[dict[str, Any]]


def lively() -> tuple[Driver, str]:
    """A service with an execution that has, or had, something of every kind open."""
    service = Driver()
    run_id = service.start(lambdaRole="arn:aws:iam::123456789012:role/caller")
    service.decide(
        decision("ScheduleActivityTask", activityId="1", activityType=PACK),
        decision("ScheduleActivityTask", activityId="2", activityType=PACK),
        decision("StartTimer", timerId="1", startToFireTimeout="1"),
        decision("CancelTimer", timerId="none"),
    )
    task = service.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})
    service.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
    service.advance(2_000)
    running = service.poll()
    service.signal()
    service.answer(running, decision("StartTimer", timerId="2", startToFireTimeout="9"))
    return service, run_id


def attributes(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(v for k, v in event.items() if k.endswith("EventAttributes"))
    return found


def first(events: Events, event_type: str) -> dict[str, Any]:
    return next(event for event in events if event["eventType"] == event_type)


def test_every_link_of_the_model_has_a_target() -> None:
    to_others = {"externalInitiatedEventId", "parentInitiatedEventId"}
    members = {
        (name, member)
        for name, event_type in event_types().items()
        for member in event_type.members
        if member.endswith("EventId") and member not in to_others
    }
    assert members == set(LINKS)
    assert {link.target for link in LINKS.values()} | set(OPENS) | TRIGGERS <= set(event_types())


def test_a_valid_history_shows_what_is_open() -> None:
    service, run_id = lively()
    told = check_history(service.history(run_id))
    described = service.call(
        "DescribeWorkflowExecution",
        domain=DOMAIN,
        execution={"workflowId": "order-1", "runId": run_id},
    )
    assert told.counts() == described["openCounts"]
    assert (
        told.last_completed_start
        == first(service.history(run_id)[10:], "DecisionTaskStarted")["eventId"]
    )


def shift_an_id(events: Events) -> None:
    events[4]["eventId"] = 6


def turn_back_time(events: Events) -> None:
    events[-1]["eventTimestamp"] = events[0]["eventTimestamp"]


def point_to_another_kind(events: Events) -> None:
    attributes(first(events, "ActivityTaskCompleted"))["startedEventId"] = 3


def point_ahead(events: Events) -> None:
    attributes(first(events, "TimerFired"))["startedEventId"] = len(events)


def be_about_another_task(events: Events) -> None:
    attributes(first(events, "ActivityTaskCompleted"))["scheduledEventId"] = 6


def fire_twice(events: Events) -> None:
    fired = first(events, "TimerFired")
    events[fired["eventId"] :] = [{**fired, "eventId": fired["eventId"] + 1}]


def use_an_id_twice(events: Events) -> None:
    attributes(events[5])["activityId"] = "1"


def forget_the_decision_task(events: Events) -> None:
    del events[1:]


def forget_the_decision_task_after_a_failure(events: Events) -> None:
    failed = first(events, "CancelTimerFailed")
    del events[failed["eventId"] :]


def schedule_for_nothing(events: Events) -> None:
    del events[4:]
    events.append({**events[1], "eventId": 5})


def schedule_twice(events: Events) -> None:
    del events[2:]
    events.append({**events[1], "eventId": 3})


def start_twice(events: Events) -> None:
    started = events[2]
    del events[3:]
    events.append({**started, "eventId": 4})


def decide_later(events: Events) -> None:
    events[4]["eventTimestamp"] = first(events, "TimerFired")["eventTimestamp"]
    del events[5:]


def go_on_after_the_end(events: Events) -> None:
    closed = {"decisionTaskCompletedEventId": 4}
    del events[4:]
    for number in (5, 6):
        events.append(
            {
                **events[3],
                "eventId": number,
                "eventType": "WorkflowExecutionCompleted",
                "workflowExecutionCompletedEventAttributes": closed,
            }
        )


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (shift_an_id, "event 5 ActivityTaskScheduled: has the ID 6"),
        (turn_back_time, "is earlier than the event before it"),
        (point_to_another_kind, "startedEventId 3, which is DecisionTaskStarted, not Activity"),
        (point_ahead, "which is no earlier event, not TimerStarted"),
        (be_about_another_task, "startedEventId 10, which is not about 6"),
        (fire_twice, "TimerFired: has startedEventId 7, which is not open"),
        (use_an_id_twice, "event 6 ActivityTaskScheduled: has an ID in use, '1'"),
        (forget_the_decision_task, "event 1 WorkflowExecutionStarted: is not followed by a dec"),
        (forget_the_decision_task_after_a_failure, "CancelTimerFailed: is not followed by a dec"),
        (schedule_for_nothing, "is not in the transaction of what calls for it"),
        (schedule_twice, "event 3 DecisionTaskScheduled: comes while 2 waits"),
        (start_twice, "event 4 DecisionTaskStarted: has scheduledEventId 2, which is not open"),
        (decide_later, "is not in the transaction of its DecisionTaskCompleted"),
        (go_on_after_the_end, "event 6 WorkflowExecutionCompleted: comes after Workflow"),
    ],
)
def test_an_invalid_history_is_refused_with_the_event_and_the_rule(
    spoil: Callable[[Events], None], rule: str
) -> None:
    service, run_id = lively()
    events = service.history(run_id)
    spoil(events)
    with pytest.raises(Violation) as caught:
        check_history(events, "order 1")
    assert str(caught.value).startswith("order 1, event ")
    assert rule in str(caught.value)


def lose_a_deadline(service: Driver, run_id: str) -> None:
    execution = service.engine.executions[run_id]
    service.engine.effects.cancel(execution.timers["2"].effect)


def keep_a_deadline(service: Driver, run_id: str) -> None:
    execution = service.engine.executions[run_id]
    timer = execution.timers.pop("2")
    execution.timers["2"] = type(timer)(
        execution, timer.opened_id, execution.stored(timer.opened_id - 1)[0]
    )


def lose_a_task(service: Driver, run_id: str) -> None:
    service.engine.domains[DOMAIN].decision_lists.take("decisions")


def hand_out_a_closed_one(service: Driver, run_id: str) -> None:
    task = service.engine.executions[run_id].decision_task
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    service.engine.domains[DOMAIN].decision_lists.add(task)


def hide_an_execution(service: Driver, run_id: str) -> None:
    domain = service.engine.domains[DOMAIN]
    domain.visibility._list()
    domain.visibility._open.remove(
        domain.open_executions["order-1"], [("status", "OPEN"), ("type", "Order", "1")]
    )


def forget_what_is_open(service: Driver, run_id: str) -> None:
    del service.engine.executions[run_id].activities["2"]


def keep_one_for_ever(service: Driver, run_id: str) -> None:
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    service.engine.retentions.pop(service.engine.retentions.next_instant() or 0)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lose_a_deadline, "timer 17 has nothing that will end it"),
        (keep_a_deadline, "timer 17 has nothing that will end it"),
        (lose_a_task, "the task of event 15 waits on no list"),
        (hand_out_a_closed_one, "event 15 waits on 'decisions', but it cannot be handed out"),
        (hide_an_execution, "executions of 'shop' are [1], but startTimeFilter shows []"),
        (forget_what_is_open, "open counts: the engine holds"),
        (keep_one_for_ever, "[] are retained for a time, but"),
    ],
)
def test_an_inconsistent_engine_is_refused_with_the_execution_and_the_rule(
    spoil: Callable[[Driver, str], None], rule: str
) -> None:
    service, run_id = lively()
    check(service.engine)
    spoil(service, run_id)
    with pytest.raises(Violation) as caught:
        check(service.engine)
    assert rule in str(caught.value)
