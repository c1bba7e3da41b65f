"""How executions end, and how they continue as new ones."""

from __future__ import annotations

from typing import Any

import pytest

from flowy_sim._engine.limits import Limits
from tests.support.engine_scenarios import (
    TASK_LIST,
    WORKFLOW_DEFAULTS,
    WORKFLOW_SETTINGS,
    World,
    call_function,
    child,
    decision,
    produces,
    schedule,
    settings_before,
    timer,
    undefined,
)

COMPLETE = decision("CompleteWorkflowExecution", result="done")
CLOSES = ("Complete", "Fail", "Cancel", "ContinueAsNew")
UNHANDLED = "UNHANDLED_DECISION"


@produces(
    "decision CompleteWorkflowExecution",
    "EventType WorkflowExecutionCompleted",
    "EventType DecisionTaskStarted",
    "EventType DecisionTaskCompleted",
    "CloseStatus COMPLETED",
    "ExecutionStatus OPEN",
    "ExecutionStatus CLOSED",
)
def test_an_execution_completes_whatever_is_still_open(world: World) -> None:
    world.start(lambdaRole="arn:role")
    world.decide(schedule(), timer(), child("c"), call_function())
    assert world.describe()["executionInfo"]["executionStatus"] == "OPEN"
    world.call("SignalWorkflowExecution", workflowId="order", signalName="go")
    world.decide(COMPLETE)
    assert world.event("WorkflowExecutionCompleted") == {
        "decisionTaskCompletedEventId": len(world.history()) - 1,
        "result": "done",
    }
    described = world.describe()
    assert described["executionInfo"]["closeStatus"] == "COMPLETED"
    assert described["openCounts"] == {
        "openActivityTasks": 1,
        "openChildWorkflowExecutions": 1,
        "openDecisionTasks": 0,
        "openLambdaFunctions": 1,
        "openTimers": 1,
    }
    before = world.types()
    world.wait(3600)
    assert world.types() == before
    assert "taskToken" not in world.call("PollForActivityTask", taskList=TASK_LIST)


@produces(
    "decision FailWorkflowExecution", "EventType WorkflowExecutionFailed", "CloseStatus FAILED"
)
def test_an_execution_fails_with_a_reason(world: World) -> None:
    world.start()
    world.decide(decision("FailWorkflowExecution", reason="r", details="d"))
    assert world.event("WorkflowExecutionFailed") == {
        "decisionTaskCompletedEventId": 4,
        "details": "d",
        "reason": "r",
    }


@produces(
    "decision CancelWorkflowExecution",
    "EventType WorkflowExecutionCanceled",
    "CloseStatus CANCELED",
)
def test_an_execution_cancels_itself_without_being_asked(world: World) -> None:
    world.start()
    world.decide(decision("CancelWorkflowExecution", details="d"))
    assert world.event("WorkflowExecutionCanceled") == {
        "decisionTaskCompletedEventId": 4,
        "details": "d",
    }
    assert world.same_time(4, 5)


@produces(
    "operation TerminateWorkflowExecution",
    "EventType WorkflowExecutionTerminated",
    "WorkflowExecutionTerminatedCause OPERATOR_INITIATED",
    "CloseStatus TERMINATED",
)
def test_an_execution_is_terminated_at_any_time(world: World) -> None:
    run_id = world.start()
    task = world.poll()
    world.call(
        "TerminateWorkflowExecution",
        workflowId="order",
        runId=run_id,
        reason="r",
        details="d",
        childPolicy="REQUEST_CANCEL",
    )
    assert world.types()[-2:] == ["DecisionTaskStarted", "WorkflowExecutionTerminated"]
    assert world.event("WorkflowExecutionTerminated") == {
        "cause": "OPERATOR_INITIATED",
        "childPolicy": "REQUEST_CANCEL",
        "details": "d",
        "reason": "r",
    }
    gone = f"Unknown execution: WorkflowExecution=[workflowId=order, runId={run_id}]"
    token = {"taskToken": task["taskToken"]}
    assert world.refusal("UnknownResourceFault", "RespondDecisionTaskCompleted", **token) == gone
    again = {"workflowId": "order", "runId": run_id}
    assert world.refusal("UnknownResourceFault", "TerminateWorkflowExecution", **again) == gone


@produces(
    "EventType WorkflowExecutionTimedOut",
    "WorkflowExecutionTimeoutType START_TO_CLOSE",
    "CloseStatus TIMED_OUT",
)
def test_an_execution_times_out_even_if_no_decider_polls(world: World) -> None:
    world.start(executionStartToCloseTimeout="5")
    world.wait(4.999)
    assert len(world.history()) == 2
    world.wait(0.1)
    assert world.types()[2:] == ["WorkflowExecutionTimedOut"]
    assert world.event("WorkflowExecutionTimedOut") == {
        "childPolicy": "TERMINATE",
        "timeoutType": "START_TO_CLOSE",
    }
    assert world.nothing_to_do()


@produces(
    "EventType WorkflowExecutionTerminated",
    "WorkflowExecutionTerminatedCause EVENT_LIMIT_EXCEEDED",
)
def test_an_execution_whose_history_is_full_is_terminated(make_world: Any) -> None:
    world = make_world(limits=Limits(events=6))
    world.start()
    world.decide(decision("RecordMarker", markerName="m"))
    world.call("SignalWorkflowExecution", workflowId="order", signalName="go")
    assert world.event("WorkflowExecutionTerminated") == {
        "cause": "EVENT_LIMIT_EXCEEDED",
        "childPolicy": "TERMINATE",
    }
    assert world.describe()["executionInfo"]["closeStatus"] == "TERMINATED"


@pytest.mark.parametrize("kind", CLOSES)
def test_no_execution_closes_before_its_decider_has_seen_every_event(
    world: World, kind: str
) -> None:
    world.start()
    task = world.poll()
    world.call("SignalWorkflowExecution", workflowId="order", signalName="go")
    world.answer(
        task,
        decision("RecordMarker", markerName="m"),
        {"decisionType": f"{kind}WorkflowExecution"},
    )
    failed = f"{kind}WorkflowExecutionFailed"
    assert world.types()[3:] == [
        "WorkflowExecutionSignaled",
        "DecisionTaskScheduled",
        "DecisionTaskCompleted",
        "MarkerRecorded",
        failed,
    ]
    assert world.event(failed) == {"cause": UNHANDLED, "decisionTaskCompletedEventId": 6}
    assert world.poll()["previousStartedEventId"] == 3


@produces(
    *(f"EventType {kind}WorkflowExecutionFailed" for kind in CLOSES),
    *(f"{kind}WorkflowExecutionFailedCause {UNHANDLED}" for kind in CLOSES),
)
def test_a_close_that_failed_can_be_decided_again(world: World) -> None:
    world.start()
    for kind in ("Complete", "Fail", "Cancel", "ContinueAsNew"):
        task = world.poll()
        world.call("SignalWorkflowExecution", workflowId="order", signalName="go")
        world.answer(task, {"decisionType": f"{kind}WorkflowExecution"})
    world.decide(COMPLETE)
    assert world.types()[-1] == "WorkflowExecutionCompleted"


@produces(
    "decision ContinueAsNewWorkflowExecution",
    "EventType WorkflowExecutionContinuedAsNew",
    "CloseStatus CONTINUED_AS_NEW",
)
def test_a_run_that_continues_takes_its_settings_from_the_type(world: World) -> None:
    world.call("RegisterWorkflowType", name="Order", version="2", **WORKFLOW_DEFAULTS)
    first = world.start(taskStartToCloseTimeout="99", tagList=["old"], input="old")
    given = {
        "childPolicy": "ABANDON",
        "input": "new",
        "lambdaRole": "arn:role",
        "tagList": ["new"],
        "taskPriority": "1",
    }
    world.decide(decision("ContinueAsNewWorkflowExecution", workflowTypeVersion="2", **given))
    second = world.executions("order")[-1]["execution"]["runId"]
    resolved = {
        **given,
        "executionStartToCloseTimeout": "31536000",
        "taskList": TASK_LIST,
        "taskStartToCloseTimeout": "NONE",
        "workflowType": {"name": "Order", "version": "2"},
    }
    assert world.event("WorkflowExecutionContinuedAsNew", run=0) == {
        **resolved,
        "decisionTaskCompletedEventId": 4,
        "newExecutionRunId": second,
    }
    assert world.event("WorkflowExecutionStarted") == {
        **resolved,
        "continuedExecutionRunId": first,
        "parentInitiatedEventId": 0,
    }
    world.decide(decision("ContinueAsNewWorkflowExecution"))
    assert set(world.event("WorkflowExecutionStarted")) == {
        "childPolicy",
        "continuedExecutionRunId",
        "executionStartToCloseTimeout",
        "parentInitiatedEventId",
        "taskList",
        "taskStartToCloseTimeout",
        "workflowType",
    }


@produces(
    "EventType ContinueAsNewWorkflowExecutionFailed",
    "ContinueAsNewWorkflowExecutionFailedCause WORKFLOW_TYPE_DOES_NOT_EXIST",
    "ContinueAsNewWorkflowExecutionFailedCause WORKFLOW_TYPE_DEPRECATED",
    *(
        f"ContinueAsNewWorkflowExecutionFailedCause {undefined(setting)}"
        for setting in WORKFLOW_SETTINGS
    ),
)
def test_a_run_that_cannot_continue_stays_open(world: World) -> None:
    world.call("RegisterWorkflowType", name="Order", version="bare")
    world.call("RegisterWorkflowType", name="Order", version="old")
    deprecated = {"name": "Order", "version": "old"}
    world.call("DeprecateWorkflowType", workflowType=deprecated)
    world.start()

    def cause(version: str, **given: Any) -> Any:
        world.decide(
            decision("ContinueAsNewWorkflowExecution", workflowTypeVersion=version, **given)
        )
        assert world.types()[-2:] == [
            "ContinueAsNewWorkflowExecutionFailed",
            "DecisionTaskScheduled",
        ]
        return world.event("ContinueAsNewWorkflowExecutionFailed")["cause"]

    assert cause("none") == "WORKFLOW_TYPE_DOES_NOT_EXIST"
    assert cause("old") == "WORKFLOW_TYPE_DEPRECATED"
    for setting in WORKFLOW_SETTINGS:
        given, _ = settings_before(setting, WORKFLOW_SETTINGS)
        assert cause("bare", **given) == undefined(setting)


@pytest.mark.parametrize("timeout", ["NONE", "99999999"])
def test_a_run_that_continues_without_a_limit_lasts_a_year(world: World, timeout: str) -> None:
    world.start()
    world.decide(decision("ContinueAsNewWorkflowExecution", executionStartToCloseTimeout=timeout))
    for event_type, run in (
        ("WorkflowExecutionContinuedAsNew", 0),
        ("WorkflowExecutionStarted", 1),
    ):
        assert world.event(event_type, run=run)["executionStartToCloseTimeout"] == timeout
    world.wait(31_536_000 - 1)
    assert world.describe()["executionInfo"]["executionStatus"] == "OPEN"
    world.wait(1)
    assert world.event("WorkflowExecutionTimedOut")["timeoutType"] == "START_TO_CLOSE"
