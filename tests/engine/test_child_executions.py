"""Child executions, and how the end of a parent or child affects the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowy_sim._engine.latency import Latency
from flowy_sim._engine.limits import Limits
from tests.support.engine_scenarios import (
    TASK_LIST,
    WORKFLOW,
    WORKFLOW_SETTINGS,
    World,
    child,
    decision,
    produces,
    settings_before,
    undefined,
)

FAILED = "StartChildWorkflowExecutionFailed"
COMPLETE = decision("CompleteWorkflowExecution", result="done")
CHILD_LIST = {"taskList": {"name": "children"}}


def with_child(world: World, **attributes: Any) -> dict[str, str]:
    """Start an execution with a child; return the child's ids. The parent's decider is idle."""
    policy = {"childPolicy": attributes.pop("childPolicy", "TERMINATE")}
    world.start(executionStartToCloseTimeout="3600", **policy)
    world.decide(child(**CHILD_LIST, **attributes))
    world.wait()
    world.decide()
    (info,) = world.executions("child")
    execution = info["execution"]
    assert isinstance(execution, dict)
    return execution


def decide_for_child(world: World, *decisions: Any) -> None:
    world.answer(world.poll("children"), *decisions)
    world.wait()


@produces(
    "decision StartChildWorkflowExecution",
    "EventType StartChildWorkflowExecutionInitiated",
    "EventType ChildWorkflowExecutionStarted",
    "EventType ChildWorkflowExecutionCompleted",
    "EventType WorkflowExecutionStarted",
)
def test_a_child_starts_after_the_batch_and_its_result_comes_back(world: World) -> None:
    parent = {"workflowId": "order", "runId": world.start()}
    given = {
        "childPolicy": "ABANDON",
        "executionStartToCloseTimeout": "100",
        "input": "i",
        "lambdaRole": "arn:role",
        "tagList": ["a"],
        "taskList": {"name": "children"},
        "taskPriority": "2",
        "taskStartToCloseTimeout": "9",
        "workflowType": WORKFLOW,
    }
    world.decide(child(control="c", **given))
    assert world.event("StartChildWorkflowExecutionInitiated") == {
        "control": "c",
        "decisionTaskCompletedEventId": 4,
        "workflowId": "child",
        **given,
    }
    assert world.executions("child") == []
    assert world.describe()["openCounts"]["openChildWorkflowExecutions"] == 1
    world.wait()
    (info,) = world.executions("child")
    assert info["parent"] == parent
    assert world.event("WorkflowExecutionStarted", "child") == {
        "parentInitiatedEventId": 5,
        "parentWorkflowExecution": parent,
        **given,
    }
    started = {
        "initiatedEventId": 5,
        "workflowExecution": info["execution"],
        "workflowType": WORKFLOW,
    }
    assert world.event("ChildWorkflowExecutionStarted") == started
    assert world.types()[-1] == "DecisionTaskScheduled"
    world.decide()
    decide_for_child(world, COMPLETE)
    assert world.event("ChildWorkflowExecutionCompleted") == {
        **started,
        "result": "done",
        "startedEventId": 6,
    }
    assert world.types()[-1] == "DecisionTaskScheduled"
    assert world.describe()["openCounts"]["openChildWorkflowExecutions"] == 0


def test_a_child_takes_nothing_from_its_parent_that_its_type_does_not_give(world: World) -> None:
    mine = {"childPolicy": "ABANDON", "taskPriority": "9", "tagList": ["a"], "lambdaRole": "arn"}
    world.start(**mine)
    world.decide(child())
    world.wait()
    started = world.event("WorkflowExecutionStarted", "child")
    assert started["childPolicy"] == "TERMINATE"
    assert started["taskList"] == TASK_LIST
    assert not set(mine) & set(started) - {"childPolicy"}


@produces(
    "EventType ChildWorkflowExecutionFailed",
    "EventType ChildWorkflowExecutionCanceled",
    "EventType ChildWorkflowExecutionTimedOut",
    "EventType ChildWorkflowExecutionTerminated",
)
def test_a_parent_learns_how_its_child_has_ended(make_world: Any) -> None:
    failure = {"reason": "r", "details": "d"}
    ends: dict[str, tuple[Any, dict[str, str]]] = {
        "Failed": (decision("FailWorkflowExecution", **failure), failure),
        "Canceled": (decision("CancelWorkflowExecution", details="d"), {"details": "d"}),
        "TimedOut": ("time", {"timeoutType": "START_TO_CLOSE"}),
        "Terminated": ("operator", {}),
    }
    for end, (how, told) in ends.items():
        world = make_world()
        execution = with_child(world, executionStartToCloseTimeout="60")
        if how == "operator":
            world.call("TerminateWorkflowExecution", workflowId="child", reason="r")
        elif how != "time":
            decide_for_child(world, how)
        world.wait(60)
        assert world.event(f"ChildWorkflowExecution{end}") == {
            "initiatedEventId": 5,
            "startedEventId": 6,
            "workflowExecution": execution,
            "workflowType": WORKFLOW,
            **told,
        }
        assert world.types()[-1] == "DecisionTaskScheduled"


@produces(
    "EventType StartChildWorkflowExecutionFailed",
    *(
        f"StartChildWorkflowExecutionFailedCause {undefined(setting)}"
        for setting in WORKFLOW_SETTINGS
    ),
    "StartChildWorkflowExecutionFailedCause WORKFLOW_TYPE_DOES_NOT_EXIST",
    "StartChildWorkflowExecutionFailedCause WORKFLOW_TYPE_DEPRECATED",
)
def test_a_child_that_cannot_start_fails_in_the_batch(world: World) -> None:
    for version in ("bare", "old"):
        world.call("RegisterWorkflowType", name="Order", version=version)
    kinds = {version: {"name": "Order", "version": version} for version in ("none", "bare", "old")}
    world.call("DeprecateWorkflowType", workflowType=kinds["old"])
    world.start()

    def failed(version: str, **given: Any) -> Any:
        attempt = child(workflowType=kinds[version], control="c", **given)
        task = world.decide(attempt)
        failure = world.event(FAILED)
        cause = failure.pop("cause")
        assert failure == {
            "control": "c",
            "decisionTaskCompletedEventId": task["startedEventId"] + 1,
            "initiatedEventId": 0,
            "workflowId": "child",
            "workflowType": kinds[version],
        }
        assert world.types()[-2:] == [FAILED, "DecisionTaskScheduled"]
        return cause

    assert failed("none") == "WORKFLOW_TYPE_DOES_NOT_EXIST"
    assert failed("old") == "WORKFLOW_TYPE_DEPRECATED"
    for setting in WORKFLOW_SETTINGS:
        given, _ = settings_before(setting, WORKFLOW_SETTINGS)
        assert failed("bare", **given) == undefined(setting)


@produces("StartChildWorkflowExecutionFailedCause WORKFLOW_ALREADY_RUNNING")
def test_a_child_whose_id_is_taken_fails_later(world: World) -> None:
    world.start()
    world.decide(child("order", control="c"))
    assert world.types()[-1] == "StartChildWorkflowExecutionInitiated"
    world.wait()
    assert world.event(FAILED) == {
        "cause": "WORKFLOW_ALREADY_RUNNING",
        "control": "c",
        "decisionTaskCompletedEventId": 4,
        "initiatedEventId": 5,
        "workflowId": "order",
        "workflowType": WORKFLOW,
    }
    assert world.types()[-1] == "DecisionTaskScheduled"
    assert world.describe()["openCounts"]["openChildWorkflowExecutions"] == 0


@produces(
    "StartChildWorkflowExecutionFailedCause OPEN_CHILDREN_LIMIT_EXCEEDED",
    "StartChildWorkflowExecutionFailedCause OPEN_WORKFLOWS_LIMIT_EXCEEDED",
)
def test_children_and_executions_are_limited(make_world: Any) -> None:
    for limits, cause in (
        (Limits(open_children=1), "OPEN_CHILDREN_LIMIT_EXCEEDED"),
        (Limits(open_executions=1), "OPEN_WORKFLOWS_LIMIT_EXCEEDED"),
    ):
        world = make_world(limits=limits)
        world.start()
        world.decide(child("a"), child("b"))
        assert world.event(FAILED)["cause"] == cause


def close(world: World, how: str) -> None:
    if how in ("Complete", "Fail", "Cancel"):
        world.call("SignalWorkflowExecution", workflowId="order", signalName="go")
        world.decide({"decisionType": f"{how}WorkflowExecution"})
    elif how == "terminate":
        world.call("TerminateWorkflowExecution", workflowId="order")
    else:
        world.wait(3600)
    world.wait()


CLOSES = ("Complete", "Fail", "Cancel", "terminate", "time out")


@pytest.mark.parametrize("how", CLOSES)
@produces("WorkflowExecutionTerminatedCause CHILD_POLICY_APPLIED", "ChildPolicy TERMINATE")
def test_children_are_terminated_with_their_parent(world: World, how: str) -> None:
    with_child(world, childPolicy="TERMINATE")
    close(world, how)
    assert world.event("WorkflowExecutionTerminated", "child") == {
        "cause": "CHILD_POLICY_APPLIED",
        "childPolicy": "TERMINATE",
    }
    assert world.types()[-1].startswith("WorkflowExecution")


@produces(
    "WorkflowExecutionCancelRequestedCause CHILD_POLICY_APPLIED", "ChildPolicy REQUEST_CANCEL"
)
def test_children_are_asked_to_cancel_when_their_parent_ends(make_world: Any) -> None:
    for how in CLOSES:
        world = make_world()
        with_child(world, childPolicy="REQUEST_CANCEL")
        parent = world.executions("order")[0]["execution"]
        close(world, how)
        assert world.event("WorkflowExecutionCancelRequested", "child") == {
            "cause": "CHILD_POLICY_APPLIED",
            "externalInitiatedEventId": 0,
            "externalWorkflowExecution": parent,
        }
        decide_for_child(world, decision("CancelWorkflowExecution"))
        assert world.types()[-1].startswith("WorkflowExecution")


@pytest.mark.parametrize("how", CLOSES)
@produces("ChildPolicy ABANDON")
def test_children_are_left_alone_when_their_parent_ends(world: World, how: str) -> None:
    with_child(world, childPolicy="ABANDON")
    before = world.types("child")
    close(world, how)
    assert world.types("child") == before
    decide_for_child(world, COMPLETE)
    assert world.types("child")[-1] == "WorkflowExecutionCompleted"


def test_a_termination_may_override_the_child_policy(world: World) -> None:
    with_child(world, childPolicy="TERMINATE")
    world.call("TerminateWorkflowExecution", workflowId="order", childPolicy="ABANDON")
    world.wait()
    assert "WorkflowExecutionTerminated" not in world.types("child")


def test_grandchildren_meet_the_policy_of_their_own_parent(world: World) -> None:
    with_child(world)
    decide_for_child(world, child("grandchild"))
    world.call("TerminateWorkflowExecution", workflowId="order")
    world.wait()
    for workflow_id in ("child", "grandchild"):
        assert world.types(workflow_id)[-1] == "WorkflowExecutionTerminated"


@produces("EventType ChildWorkflowExecutionCompleted")
def test_a_child_that_continues_is_still_its_parents_child(world: World) -> None:
    with_child(world)
    again = decision("ContinueAsNewWorkflowExecution", **CHILD_LIST)
    before = world.types()
    decide_for_child(world, again)
    assert world.types() == before
    second = world.executions("child")[-1]
    assert second["parent"]["workflowId"] == "order"
    assert world.event("WorkflowExecutionStarted", "child")["parentInitiatedEventId"] == 5
    decide_for_child(world, COMPLETE)
    told = world.event("ChildWorkflowExecutionCompleted")
    assert told["workflowExecution"] == second["execution"]
    assert (told["initiatedEventId"], told["startedEventId"]) == (5, 6)


def test_a_child_that_has_continued_is_announced_with_its_first_run(
    make_world: Callable[..., World],
) -> None:
    world = make_world(latency=Latency({"child started": (60_000,)}))
    world.start(executionStartToCloseTimeout="3600")
    world.decide(child(**CHILD_LIST))
    world.wait()
    decide_for_child(world, decision("ContinueAsNewWorkflowExecution", **CHILD_LIST))
    assert "ChildWorkflowExecutionStarted" not in world.types()
    world.wait(60)
    first, second = world.executions("child")
    assert world.event("ChildWorkflowExecutionStarted")["workflowExecution"] == first["execution"]
    assert second["executionStatus"] == "OPEN"
