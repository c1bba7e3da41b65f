"""Decision tasks: when one is scheduled, what it contains, how it ends."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine.limits import Limits
from tests.support.engine_scenarios import (
    TASK_LIST,
    WORKFLOW,
    World,
    decision,
    produces,
    schedule,
    timer,
)

POLL = {"taskList": TASK_LIST}


def signal(world: World, name: str = "go") -> None:
    world.call("SignalWorkflowExecution", workflowId="order", signalName=name)


def ids(reply: dict[str, Any]) -> list[int]:
    return [event["eventId"] for event in reply["events"]]


@produces("operation PollForDecisionTask", "operation CountPendingDecisionTasks")
def test_a_poll_starts_the_task_and_brings_the_history(world: World) -> None:
    empty = {"previousStartedEventId": 0, "startedEventId": 0}
    assert world.call("PollForDecisionTask", **POLL) == empty
    run_id = world.start()
    pending = world.call("CountPendingDecisionTasks", **POLL)
    assert pending == {"count": 1, "truncated": False}
    task = world.poll(identity="me")
    assert world.event("DecisionTaskStarted") == {"identity": "me", "scheduledEventId": 2}
    assert len(task.pop("taskToken")) <= 1024
    assert task == {
        "events": world.history(),
        "previousStartedEventId": 0,
        "startedEventId": 3,
        "workflowExecution": {"runId": run_id, "workflowId": "order"},
        "workflowType": WORKFLOW,
    }
    assert world.call("PollForDecisionTask", **POLL) == empty
    assert world.call("CountPendingDecisionTasks", **POLL)["count"] == 0


@produces("operation RespondDecisionTaskCompleted", "EventType DecisionTaskCompleted")
def test_an_answer_without_decisions_schedules_nothing(world: World) -> None:
    world.start()
    world.call("RespondDecisionTaskCompleted", taskToken=world.poll()["taskToken"])
    assert world.types()[-1] == "DecisionTaskCompleted"
    assert world.event("DecisionTaskCompleted") == {"scheduledEventId": 2, "startedEventId": 3}
    world.wait(3600)
    assert world.types()[-1] == "DecisionTaskCompleted"


def test_what_happens_during_a_task_queues_one_more_at_once(world: World) -> None:
    world.start()
    task = world.poll()
    signal(world)
    signal(world)
    assert world.types()[3:] == [
        "WorkflowExecutionSignaled",
        "DecisionTaskScheduled",
        "WorkflowExecutionSignaled",
    ]
    assert world.describe()["openCounts"]["openDecisionTasks"] == 1
    assert "taskToken" not in world.call("PollForDecisionTask", **POLL)
    world.answer(task, timer())
    assert world.types()[-2:] == ["DecisionTaskCompleted", "TimerStarted"]
    task = world.poll()
    assert (task["startedEventId"], task["previousStartedEventId"]) == (9, 3)
    assert world.event("DecisionTaskStarted")["scheduledEventId"] == 5


@produces("EventType DecisionTaskTimedOut", "DecisionTaskTimeoutType START_TO_CLOSE")
def test_a_task_that_is_not_answered_times_out_and_comes_again(world: World) -> None:
    world.start(taskStartToCloseTimeout="60")
    world.decide()
    signal(world)
    late = world.poll()
    world.wait(60.1)
    assert world.types()[-2:] == ["DecisionTaskTimedOut", "DecisionTaskScheduled"]
    assert world.event("DecisionTaskTimedOut") == {
        "scheduledEventId": 6,
        "startedEventId": 7,
        "timeoutType": "START_TO_CLOSE",
    }
    refused = world.refusal(
        "UnknownResourceFault", "RespondDecisionTaskCompleted", taskToken=late["taskToken"]
    )
    assert refused == "Unknown decision task, scheduledEventId = 6"
    task = world.poll()
    assert (task["startedEventId"], task["previousStartedEventId"]) == (10, 3)


def test_a_task_that_times_out_with_one_queued_schedules_no_third(world: World) -> None:
    world.start(taskStartToCloseTimeout="60")
    world.poll()
    signal(world)
    world.wait(61)
    assert world.types()[-1] == "DecisionTaskTimedOut"
    assert world.poll()["previousStartedEventId"] == 0


def test_an_unpolled_task_never_times_out(world: World) -> None:
    world.start(taskStartToCloseTimeout="1")
    world.wait(1000)
    assert len(world.types()) == 2


def test_pages_of_a_task_are_all_about_the_same_task(world: World) -> None:
    world.start()
    world.decide(*(decision("RecordMarker", markerName=str(n)) for n in range(150)))
    signal(world)
    page = world.poll()
    assert ids(page) == list(range(1, 101))
    rest = world.call("PollForDecisionTask", **POLL, nextPageToken=page["nextPageToken"])
    assert ids(rest) == list(range(101, 158))
    assert "nextPageToken" not in rest
    same = ("previousStartedEventId", "startedEventId", "workflowExecution", "workflowType")
    assert [page[name] for name in same] == [rest[name] for name in same]
    assert page["taskToken"] != rest["taskToken"]
    assert world.types().count("DecisionTaskStarted") == 2
    world.answer(rest)
    late = {"nextPageToken": page["nextPageToken"]}
    world.refusal("UnknownResourceFault", "PollForDecisionTask", **POLL, **late)


def test_pages_can_be_reversed_small_or_large(make_world: Any) -> None:
    world = make_world(limits=Limits(decision_poll_page=1000))
    world.start()
    world.decide(*(decision("RecordMarker", markerName=str(n)) for n in range(150)))
    signal(world)
    page = world.poll(reverseOrder=True, maximumPageSize=3)
    assert ids(page) == [157, 156, 155]
    token = {"nextPageToken": page["nextPageToken"]}
    rest = world.call("PollForDecisionTask", **POLL, **token, reverseOrder=True)
    assert ids(rest) == list(range(154, 0, -1))


def test_a_decider_that_remembers_asks_only_for_what_is_new(world: World) -> None:
    world.start()
    world.decide(timer())
    signal(world)
    task = world.poll(startAtPreviousStartedEvent=True)
    assert task["previousStartedEventId"] == 3
    assert ids(task) == [3, 4, 5, 6, 7, 8]


def test_a_refused_answer_leaves_the_task_with_its_decider(world: World) -> None:
    world.start()
    task = world.poll()
    wrong = decision("StartTimer", timerId="t")
    request = {"taskToken": task["taskToken"], "decisions": [timer(), wrong]}
    world.refusal("ValidationException", "RespondDecisionTaskCompleted", **request)
    assert world.types()[-1] == "DecisionTaskStarted"
    world.answer(task, timer())
    assert world.types()[-1] == "TimerStarted"


def test_tasks_are_handed_out_by_priority_then_by_arrival(world: World) -> None:
    for workflow_id, priority in (("a", None), ("b", "-1"), ("c", "9"), ("d", "0")):
        world.start(workflow_id, taskPriority=priority)
    order = [world.poll()["workflowExecution"]["workflowId"] for _ in range(4)]
    assert order == ["c", "a", "d", "b"]


def test_decisions_and_activities_have_lists_of_their_own(world: World) -> None:
    world.start()
    assert world.call("PollForActivityTask", **POLL) == {"startedEventId": 0}
    world.decide(schedule())
    assert "taskToken" not in world.call("PollForDecisionTask", **POLL)
    world.take()


def test_a_decider_can_move_an_execution_to_another_list_for_good(world: World) -> None:
    world.start()
    world.decide(taskList={"name": "mine"})
    assert world.event("DecisionTaskCompleted")["taskList"] == {"name": "mine"}
    for _ in range(2):
        signal(world)
        assert world.event("DecisionTaskScheduled") == {
            "scheduleToStartTimeout": "NONE",
            "startToCloseTimeout": "NONE",
            "taskList": {"name": "mine"},
        }
        assert world.nothing_to_do()
        world.answer(world.poll("mine"))


@produces("EventType DecisionTaskTimedOut", "DecisionTaskTimeoutType SCHEDULE_TO_START")
def test_a_list_that_no_decider_polls_in_time_is_left(world: World) -> None:
    world.start()
    world.decide(taskList={"name": "mine"}, taskListScheduleToStartTimeout="10")
    assert world.event("DecisionTaskCompleted")["taskListScheduleToStartTimeout"] == "10"
    signal(world)
    assert world.event("DecisionTaskScheduled")["scheduleToStartTimeout"] == "10"
    world.wait(10.1)
    assert world.event("DecisionTaskTimedOut") == {
        "scheduledEventId": 6,
        "startedEventId": 0,
        "timeoutType": "SCHEDULE_TO_START",
    }
    assert "taskToken" not in world.call("PollForDecisionTask", taskList={"name": "mine"})
    assert world.event("DecisionTaskScheduled")["taskList"] == TASK_LIST
    world.decide()


@produces("DecisionTaskTimeoutType START_TO_CLOSE")
def test_a_list_whose_poller_does_not_answer_in_time_is_left(world: World) -> None:
    world.start(taskStartToCloseTimeout="5")
    world.decide(taskList={"name": "mine"}, taskListScheduleToStartTimeout="10")
    signal(world)
    world.poll("mine")
    world.wait(5.1)
    assert world.event("DecisionTaskScheduled")["taskList"] == TASK_LIST
