"""A history that was tampered with differs at the event and member that was changed."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from flowy_sim.verify import MalformedHistoryError, verify
from flowy_sim.verify._comparison import ABSENT
from tests.support.random_histories import Life
from tests.support.recorded_history import ACTIVITY, SETTINGS, TIMEOUTS, TYPE, Written, attributes

SENDER = {"externalInitiatedEventId", "externalWorkflowExecution"}
#: What callers send, or the state of the account decides, and the service repeats once: nothing
#: else in a history contradicts a changed value.
TOLD_ONCE = {
    "ActivityTaskCanceled": {"details"},
    "ActivityTaskCompleted": {"result"},
    "ActivityTaskFailed": {"details", "reason"},
    # Which of the waiting tasks is handed out is left open.
    "ActivityTaskStarted": {"identity", "scheduledEventId"},
    "ActivityTaskTimedOut": {"details"},
    "ChildWorkflowExecutionCanceled": {"details"},
    "ChildWorkflowExecutionCompleted": {"result"},
    "ChildWorkflowExecutionFailed": {"details", "reason"},
    "DecisionTaskStarted": {"identity"},
    "LambdaFunctionCompleted": {"result"},
    "LambdaFunctionFailed": {"details", "reason"},
    "WorkflowExecutionSignaled": {"input", "signalName", *SENDER},
    "WorkflowExecutionCancelRequested": SENDER,
    "WorkflowExecutionTerminated": {"childPolicy", "details", "reason"},
}
#: The service makes these up; only their presence can be checked.
RUN_IDS = {"newExecutionRunId", "runId"}


@pytest.fixture
def written() -> Written:
    """Work of all kinds, by a decider whose decisions can be derived from the events."""
    written = Written()
    scheduled, started = written.start_activity(control="c")
    links = {"scheduledEventId": scheduled, "startedEventId": started}
    written.later(1).trigger("ActivityTaskCompleted", result="done", **links)
    failed = {"activityId": "b", "activityType": {"name": "None", "version": "1"}}
    child = {"workflowId": "child", "workflowType": TYPE, **SETTINGS}
    _, _, timer, initiated = written.decide(
        ("ScheduleActivityTaskFailed", {"cause": "ACTIVITY_TYPE_DOES_NOT_EXIST", **failed}),
        ("ActivityTaskScheduled", {"activityId": "b", **ACTIVITY, **TIMEOUTS}),
        ("TimerStarted", {"timerId": "t", "startToFireTimeout": "3"}),
        ("StartChildWorkflowExecutionInitiated", child),
    )
    written.trigger("CancelTimerFailed", cause="TIMER_ID_UNKNOWN", timerId="u", **dtc(written))
    run = {"workflowExecution": {"workflowId": "child", "runId": "run-of-child"}}
    child = {"initiatedEventId": initiated, "workflowType": TYPE, **run}
    begun = written.later(0.2).trigger("ChildWorkflowExecutionStarted", **child)
    written.later(2.803).trigger("TimerFired", startedEventId=timer, timerId="t")
    written.later(1).trigger("ChildWorkflowExecutionCompleted", startedEventId=begun, **child)
    written.decide(("WorkflowExecutionCompleted", {"result": "all"}))
    return written


def dtc(written: Written) -> dict[str, int]:
    """The decision task that the last batch was decided with."""
    ids = [e["eventId"] for e in written.events if e["eventType"] == "DecisionTaskCompleted"]
    return {"decisionTaskCompletedEventId": ids[-1]}


def test_the_history_agrees_without_tampering(written):
    assert str(verify(written.events)) == "agrees: history, 22 events"


@pytest.mark.parametrize(
    ("event_id", "member", "value"),
    [
        (1, "parentInitiatedEventId", 3),
        (2, "startToCloseTimeout", "61"),
        (2, "taskPriority", "1"),
        (4, "scheduledEventId", 1),
        (7, "scheduledEventId", 2),
        (15, "cause", "OPERATION_NOT_PERMITTED"),
        (16, "taskList", {"name": "another"}),
        (17, "workflowType", {"name": "Order", "version": "2"}),
        (18, "timerId", "u"),
        (19, "startedEventId", 14),
    ],
)
def test_the_changed_member_is_named(written, event_id, member, value):
    changed = attributes(written.events[event_id - 1])
    before = changed.get(member, ABSENT)
    changed[member] = value
    difference = verify(written.events).difference
    assert difference.event_id == event_id
    if isinstance(value, dict):
        (inner,) = [name for name in value if value[name] != before[name]]
        member, value, before = f"{member}.{inner}", value[inner], before[inner]
    assert (difference.field, difference.recorded, difference.got) == (member, value, before)


@given(st.integers(0, 300), st.randoms(use_true_random=False))
def test_any_change_is_found(seed: int, random: Random) -> None:
    life = Life(Random(seed))
    life.live(100)
    for document in life.histories():
        places = [
            (event, members, name)
            for event in document["events"][1:]
            for members in [attributes(event)]
            for name in members
            if name not in TOLD_ONCE.get(event["eventType"], set()) | {"cause"}
        ]
        if places:
            event, members, name = random.choice(places)
            before = members[name]
            tamper(random, members, name)
            note(f"{event['eventId']} {event['eventType']}.{name}: {before} {members.get(name)}")
            assert found(document)


def tamper(random: Random, members: dict[str, Any], name: str) -> None:
    value = members[name]
    if isinstance(value, dict):
        inner = random.choice([member for member in value if member != "runId"])
        members[name] = value | {inner: f"{value[inner]}x"}
    elif isinstance(value, list):
        members[name] = [*value, "more"]
    elif isinstance(value, int):
        members[name] = value + random.choice((-1, 1, 1000))
    elif name in RUN_IDS or (name != "scheduleToStartTimeout" and random.random() < 0.5):
        del members[name]
    else:
        members[name] = f"1{value}" if value.isdecimal() else f"{value}x"


def found(document: dict[str, Any]) -> bool:
    try:
        return not verify(document).agrees
    except MalformedHistoryError:
        return True
