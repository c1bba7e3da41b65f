"""Activity tasks, from scheduling to closing."""

from __future__ import annotations

from typing import Any

import pytest

from flowy_sim._engine.limits import Limits
from tests.support.engine_scenarios import (
    ACTIVITY,
    ACTIVITY_SETTINGS,
    TASK_LIST,
    World,
    decision,
    produces,
    schedule,
    settings_before,
    undefined,
)

CANCEL = decision("RequestCancelActivityTask", activityId="a")
FAILED = "ScheduleActivityTaskFailed"


def doing(world: World, **attributes: Any) -> dict[str, Any]:
    """Start an execution with one activity task, and take the task."""
    world.start()
    world.decide(schedule(**attributes))
    return world.take()


@produces(
    "decision ScheduleActivityTask",
    "operation PollForActivityTask",
    "operation RespondActivityTaskCompleted",
    "EventType ActivityTaskScheduled",
    "EventType ActivityTaskStarted",
    "EventType ActivityTaskCompleted",
)
def test_an_activity_is_scheduled_started_and_completed(world: World) -> None:
    run_id = world.start()
    world.decide(schedule(control="c", input="i", taskPriority="5", startToCloseTimeout="60"))
    assert world.event("ActivityTaskScheduled") == {
        "activityId": "a",
        "activityType": ACTIVITY,
        "control": "c",
        "decisionTaskCompletedEventId": 4,
        "heartbeatTimeout": "NONE",
        "input": "i",
        "scheduleToCloseTimeout": "NONE",
        "scheduleToStartTimeout": "NONE",
        "startToCloseTimeout": "60",
        "taskList": TASK_LIST,
        "taskPriority": "5",
    }
    task = world.take(identity="me")
    token = task.pop("taskToken")
    assert task == {
        "activityId": "a",
        "activityType": ACTIVITY,
        "input": "i",
        "startedEventId": 6,
        "workflowExecution": {"runId": run_id, "workflowId": "order"},
    }
    assert world.event("ActivityTaskStarted") == {"identity": "me", "scheduledEventId": 5}
    assert world.nothing_to_do()
    world.call("RespondActivityTaskCompleted", taskToken=token, result="")
    assert world.event("ActivityTaskCompleted") == {
        "result": "",
        "scheduledEventId": 5,
        "startedEventId": 6,
    }
    assert world.types()[-1] == "DecisionTaskScheduled"
    assert world.same_time(7, 8)
    assert not world.nothing_to_do()


@produces("operation RespondActivityTaskFailed", "EventType ActivityTaskFailed")
def test_an_activity_fails_with_a_reason(world: World) -> None:
    task = doing(world)
    failure = {"reason": "r", "details": "d"}
    world.call("RespondActivityTaskFailed", taskToken=task["taskToken"], **failure)
    assert world.event("ActivityTaskFailed") == {
        **failure,
        "scheduledEventId": 5,
        "startedEventId": 6,
    }


def test_a_poll_without_a_task_is_empty(world: World) -> None:
    assert world.call("PollForActivityTask", taskList=TASK_LIST) == {"startedEventId": 0}
    world.start()
    world.decide(schedule())
    assert "input" not in world.take()


@pytest.mark.parametrize("setting", ACTIVITY_SETTINGS)
@produces("EventType ScheduleActivityTaskFailed")
def test_settings_come_from_the_decision_or_the_type_or_are_missing(
    world: World, setting: str
) -> None:
    key = {"name": "Bare", "version": "1"}
    world.call("RegisterActivityType", **key)
    given, rest = settings_before(setting, ACTIVITY_SETTINGS)
    world.start()
    world.decide(schedule(activityType=key, **given))
    assert world.event(FAILED) == {
        "activityId": "a",
        "activityType": key,
        "cause": undefined(setting),
        "decisionTaskCompletedEventId": 4,
    }
    world.decide(schedule(activityType=key, **given, **rest))
    assert world.types()[-1] == "ActivityTaskScheduled"


@produces(
    *(f"ScheduleActivityTaskFailedCause {undefined(setting)}" for setting in ACTIVITY_SETTINGS),
    "ScheduleActivityTaskFailedCause ACTIVITY_TYPE_DOES_NOT_EXIST",
    "ScheduleActivityTaskFailedCause ACTIVITY_TYPE_DEPRECATED",
    "ScheduleActivityTaskFailedCause ACTIVITY_ID_ALREADY_IN_USE",
)
def test_a_failed_decision_leaves_the_others_and_gives_the_decider_one_more_task(
    world: World,
) -> None:
    for version in ("old", "bare"):
        world.call("RegisterActivityType", name="Charge", version=version)
    old = {"name": "Charge", "version": "old"}
    bare = {"name": "Charge", "version": "bare"}
    world.call("DeprecateActivityType", activityType=old)
    world.start()
    world.decide(
        schedule("a"),
        schedule("a"),
        schedule("b", activityType={"name": "Charge", "version": "none"}),
        schedule("c", activityType=old),
        *(
            schedule(setting, activityType=bare, **settings_before(setting, ACTIVITY_SETTINGS)[0])
            for setting in ACTIVITY_SETTINGS
        ),
        schedule("z"),
    )
    causes = [
        event["scheduleActivityTaskFailedEventAttributes"]["cause"]
        for event in world.history()
        if event["eventType"] == FAILED
    ]
    assert causes == [
        "ACTIVITY_ID_ALREADY_IN_USE",
        "ACTIVITY_TYPE_DOES_NOT_EXIST",
        "ACTIVITY_TYPE_DEPRECATED",
        *map(undefined, ACTIVITY_SETTINGS),
    ]
    types = world.types()
    assert types[4] == types[-2] == "ActivityTaskScheduled"
    assert types[-1] == "DecisionTaskScheduled"
    assert types.count("DecisionTaskScheduled") == 2
    assert world.same_time(4, len(types))


@produces("ScheduleActivityTaskFailedCause OPEN_ACTIVITIES_LIMIT_EXCEEDED")
def test_open_activities_of_an_execution_are_limited(make_world: Any) -> None:
    world = make_world(limits=Limits(open_activities=1))
    world.start()
    world.decide(schedule("a"), schedule("b"))
    assert world.event(FAILED)["cause"] == "OPEN_ACTIVITIES_LIMIT_EXCEEDED"


def test_an_activity_id_is_free_again_when_its_task_is_closed(world: World) -> None:
    task = doing(world)
    world.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
    world.decide(schedule())
    assert world.types()[-1] == "ActivityTaskScheduled"


@pytest.mark.parametrize(
    ("timeout", "taken"),
    [
        ("scheduleToStartTimeout", False),
        ("scheduleToCloseTimeout", False),
        ("scheduleToCloseTimeout", True),
        ("startToCloseTimeout", True),
        ("heartbeatTimeout", True),
    ],
)
@produces("EventType ActivityTaskTimedOut")
def test_the_earliest_time_out_ends_a_task(world: World, timeout: str, taken: bool) -> None:
    later = {"scheduleToCloseTimeout": "90", "startToCloseTimeout": "80"}
    world.start()
    world.decide(schedule(**later | {timeout: "10"}))
    task = world.take() if taken else None
    world.wait(9.9)
    assert world.types()[-1] == ("ActivityTaskStarted" if taken else "ActivityTaskScheduled")
    world.wait(0.2)
    letters = "".join(f"_{c}" if c.isupper() else c for c in timeout.removesuffix("Timeout"))
    assert world.event("ActivityTaskTimedOut") == {
        "scheduledEventId": 5,
        "startedEventId": 6 if taken else 0,
        "timeoutType": letters.upper(),
    }
    assert world.types()[-1] == "DecisionTaskScheduled"
    assert "taskToken" not in world.call("PollForActivityTask", taskList=TASK_LIST)
    if task:
        late = {"taskToken": task["taskToken"]}
        refused = world.refusal("UnknownResourceFault", "RespondActivityTaskCompleted", **late)
        assert refused == "Unknown activity, scheduledEventId = 5"


@produces(
    "ActivityTaskTimeoutType SCHEDULE_TO_START",
    "ActivityTaskTimeoutType SCHEDULE_TO_CLOSE",
    "ActivityTaskTimeoutType START_TO_CLOSE",
    "ActivityTaskTimeoutType HEARTBEAT",
)
def test_tasks_that_no_worker_answers_all_time_out(world: World) -> None:
    world.start()
    timeouts = ["scheduleToCloseTimeout", "startToCloseTimeout", "heartbeatTimeout"]
    world.decide(
        schedule("unseen", taskList={"name": "nobody"}, scheduleToStartTimeout="5"),
        *(schedule(timeout, **{timeout: "5"}) for timeout in timeouts),
    )
    for _ in timeouts:
        world.take()
    world.wait(6)
    assert world.types().count("ActivityTaskTimedOut") == 4


@produces("operation RecordActivityTaskHeartbeat", "ActivityTaskTimeoutType HEARTBEAT")
def test_a_heartbeat_keeps_a_task_alive_and_its_details_are_remembered(world: World) -> None:
    task = doing(world, heartbeatTimeout="10")
    before = world.types()
    beat = {"taskToken": task["taskToken"]}
    for details in ("one", "two", None):
        world.wait(9)
        reply = world.call("RecordActivityTaskHeartbeat", **beat, details=details)
        assert reply == {"cancelRequested": False}
    assert world.types() == before
    world.wait(10.1)
    assert world.event("ActivityTaskTimedOut") == {
        "details": "two",
        "scheduledEventId": 5,
        "startedEventId": 6,
        "timeoutType": "HEARTBEAT",
    }


def test_a_heartbeat_does_not_extend_the_other_time_outs(world: World) -> None:
    task = doing(world, heartbeatTimeout="10", startToCloseTimeout="15")
    world.wait(9)
    world.call("RecordActivityTaskHeartbeat", taskToken=task["taskToken"])
    world.wait(6.1)
    assert world.event("ActivityTaskTimedOut")["timeoutType"] == "START_TO_CLOSE"


@produces(
    "decision RequestCancelActivityTask",
    "operation RespondActivityTaskCanceled",
    "EventType ActivityTaskCancelRequested",
    "EventType ActivityTaskCanceled",
)
def test_a_worker_learns_of_a_cancel_request_and_decides(world: World) -> None:
    task = doing(world)
    token = {"taskToken": task["taskToken"]}
    world.call("SignalWorkflowExecution", workflowId="order", signalName="go")
    world.decide(CANCEL)
    assert world.event("ActivityTaskCancelRequested") == {
        "activityId": "a",
        "decisionTaskCompletedEventId": 10,
    }
    world.wait()
    assert world.types()[-1] == "ActivityTaskCancelRequested"
    assert world.call("RecordActivityTaskHeartbeat", **token) == {"cancelRequested": True}
    world.call("RespondActivityTaskCanceled", **token, details="d")
    assert world.event("ActivityTaskCanceled") == {
        "details": "d",
        "latestCancelRequestedEventId": 11,
        "scheduledEventId": 5,
        "startedEventId": 6,
    }


@produces("EventType ActivityTaskCanceled")
def test_a_worker_cancels_without_being_asked(world: World) -> None:
    task = doing(world)
    world.call("RespondActivityTaskCanceled", taskToken=task["taskToken"])
    assert world.event("ActivityTaskCanceled") == {"scheduledEventId": 5, "startedEventId": 6}


@produces("EventType ActivityTaskCanceled", "EventType ActivityTaskCancelRequested")
def test_a_task_that_no_worker_has_is_canceled_by_the_service_after_the_batch(
    world: World,
) -> None:
    world.start()
    world.decide(schedule())
    world.call("SignalWorkflowExecution", workflowId="order", signalName="go")
    world.decide(CANCEL)
    assert world.types()[-1] == "ActivityTaskCancelRequested"
    world.wait()
    assert world.types()[-2:] == ["ActivityTaskCanceled", "DecisionTaskScheduled"]
    assert world.event("ActivityTaskCanceled") == {
        "latestCancelRequestedEventId": 10,
        "scheduledEventId": 5,
        "startedEventId": 0,
    }


@produces(
    "EventType RequestCancelActivityTaskFailed",
    "RequestCancelActivityTaskFailedCause ACTIVITY_ID_UNKNOWN",
)
def test_only_an_open_activity_can_be_asked_to_cancel(world: World) -> None:
    world.start()
    world.decide(CANCEL)
    assert world.event("RequestCancelActivityTaskFailed") == {
        "activityId": "a",
        "cause": "ACTIVITY_ID_UNKNOWN",
        "decisionTaskCompletedEventId": 4,
    }
    assert world.types()[-1] == "DecisionTaskScheduled"


@produces("operation CountPendingActivityTasks")
def test_a_task_is_pending_until_it_is_taken_and_greater_priorities_go_first(
    world: World,
) -> None:
    pending = {"taskList": TASK_LIST}
    assert world.call("CountPendingActivityTasks", **pending) == {"count": 0, "truncated": False}
    world.start()
    priorities = {"low": "-5", "none": None, "high": "5", "other": "0"}
    world.decide(*(schedule(name, taskPriority=value) for name, value in priorities.items()))
    taken = []
    for left in (4, 3, 2, 1):
        assert world.call("CountPendingActivityTasks", **pending)["count"] == left
        taken.append(world.take()["activityId"])
    assert taken == ["high", "none", "other", "low"]


@pytest.mark.parametrize("answer", ["Completed", "Failed", "Canceled"])
def test_a_token_that_makes_no_sense_is_refused(world: World, answer: str) -> None:
    world.start()
    token = {"taskToken": world.poll()["taskToken"]}
    for given in ({"taskToken": "nonsense"}, token):
        refused = world.refusal("ValidationException", f"RespondActivityTask{answer}", **given)
        assert refused == "Invalid token"
