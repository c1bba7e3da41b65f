"""How executions start."""

from __future__ import annotations

from typing import Any

import pytest

from flowy_sim._engine.limits import Limits
from tests.support.engine_scenarios import (
    TASK_LIST,
    WORKFLOW,
    WORKFLOW_SETTINGS,
    World,
    decision,
    produces,
    settings_before,
)

COMPLETE = decision("CompleteWorkflowExecution", result="done")


@produces(
    "operation StartWorkflowExecution",
    "EventType WorkflowExecutionStarted",
    "EventType DecisionTaskScheduled",
    "ChildPolicy ABANDON",
)
def test_an_execution_starts_with_two_events_at_one_instant(world: World) -> None:
    run_id = world.start(
        childPolicy="ABANDON",
        executionStartToCloseTimeout="60",
        input="",
        lambdaRole="arn:role",
        tagList=["a", "a"],
        taskPriority="7",
        taskStartToCloseTimeout="5",
    )
    assert len(run_id) == 46
    assert run_id.startswith("22")
    assert world.types() == ["WorkflowExecutionStarted", "DecisionTaskScheduled"]
    assert world.same_time(1, 2)
    assert world.event("WorkflowExecutionStarted") == {
        "childPolicy": "ABANDON",
        "executionStartToCloseTimeout": "60",
        "input": "",
        "lambdaRole": "arn:role",
        "parentInitiatedEventId": 0,
        "tagList": ["a", "a"],
        "taskList": TASK_LIST,
        "taskPriority": "7",
        "taskStartToCloseTimeout": "5",
        "workflowType": WORKFLOW,
    }
    assert world.event("DecisionTaskScheduled") == {
        "scheduleToStartTimeout": "NONE",
        "startToCloseTimeout": "5",
        "taskList": TASK_LIST,
        "taskPriority": "7",
    }


@produces("fault StartWorkflowExecution WorkflowExecutionAlreadyStartedFault")
def test_a_workflow_id_is_free_again_as_soon_as_its_run_is_closed(world: World) -> None:
    first = world.start()
    started = {"workflowId": "order", "workflowType": WORKFLOW}
    code = "WorkflowExecutionAlreadyStartedFault"
    assert world.refusal(code, "StartWorkflowExecution", **started) == ""
    world.decide(COMPLETE)
    assert world.start() != first


@pytest.mark.parametrize("setting", WORKFLOW_SETTINGS)
@produces("fault StartWorkflowExecution DefaultUndefinedFault")
def test_a_setting_comes_from_the_request_or_the_type_or_is_missing(
    world: World, setting: str
) -> None:
    given, rest = settings_before(setting, WORKFLOW_SETTINGS)
    key = {"name": "Bare", "version": "1"}
    world.call("RegisterWorkflowType", **key)
    start = {"workflowId": "x", "workflowType": key}
    refusal = world.refusal("DefaultUndefinedFault", "StartWorkflowExecution", **start, **given)
    assert refusal == setting
    world.call("StartWorkflowExecution", **start, **given, **rest)


@produces(
    "fault StartWorkflowExecution UnknownResourceFault",
    "fault StartWorkflowExecution TypeDeprecatedFault",
)
def test_only_a_registered_type_can_be_started(world: World) -> None:
    start = {"workflowId": "x", "workflowType": WORKFLOW | {"version": "2"}}
    unknown = world.refusal("UnknownResourceFault", "StartWorkflowExecution", **start)
    assert unknown == "Unknown type: WorkflowType=[name=Order, version=2]"
    world.call("DeprecateWorkflowType", workflowType=WORKFLOW)
    start["workflowType"] = WORKFLOW
    deprecated = world.refusal("TypeDeprecatedFault", "StartWorkflowExecution", **start)
    assert deprecated == "WorkflowType=[name=Order, version=1]"


@produces("fault StartWorkflowExecution LimitExceededFault")
def test_open_executions_of_a_domain_are_limited(make_world: Any) -> None:
    world = make_world(limits=Limits(open_executions=1))
    world.start("a")
    start = {"workflowId": "b", "workflowType": WORKFLOW}
    assert world.refusal("LimitExceededFault", "StartWorkflowExecution", **start)
    world.call("TerminateWorkflowExecution", workflowId="a")
    world.start("b")
