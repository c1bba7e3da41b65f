"""Fakes play the other executions that a history names."""

from __future__ import annotations

import pytest

from flowy_sim.verify import verify
from tests.support.recorded_history import OTHER, SETTINGS, TYPE, Written


def agrees(written: Written) -> bool:
    verdict = verify(written.events)
    assert verdict.agrees, str(verdict)
    return True


def child_of_another(**started: object) -> Written:
    return Written(parentWorkflowExecution=OTHER, parentInitiatedEventId=15, **started)


def test_a_child_is_started_by_the_recorded_event_of_its_parent():
    written = child_of_another(input="in", tagList=["one"], taskPriority="3")
    # Every decision task of the execution has its priority.
    written.events[1]["decisionTaskScheduledEventAttributes"]["taskPriority"] = "3"
    assert agrees(written)


@pytest.mark.parametrize("child_policy", ["TERMINATE", "REQUEST_CANCEL", "ABANDON"])
def test_a_child_is_terminated_when_its_parent_closes(child_policy):
    written = child_of_another(childPolicy=child_policy)
    written.later(3).write(
        "WorkflowExecutionTerminated", cause="CHILD_POLICY_APPLIED", childPolicy=child_policy
    )
    assert agrees(written)


def test_a_child_is_asked_to_cancel_when_its_parent_closes():
    written = child_of_another()
    written.decide()
    written.later(3).trigger(
        "WorkflowExecutionCancelRequested",
        cause="CHILD_POLICY_APPLIED",
        externalInitiatedEventId=0,
        externalWorkflowExecution=OTHER,
    )
    written.decide(("WorkflowExecutionCanceled", {"details": "so be it"}))
    assert agrees(written)


def test_a_parent_signals_its_child():
    written = child_of_another()
    for initiated_id in (21, 30):
        written.later(5).trigger(
            "WorkflowExecutionSignaled",
            externalInitiatedEventId=initiated_id,
            externalWorkflowExecution=OTHER,
            signalName="go",
        )
    assert agrees(written)


def test_a_run_continues_another():
    assert agrees(Written(continuedExecutionRunId="run-before", input="again"))


def test_a_run_of_a_child_continues_another():
    assert agrees(child_of_another(continuedExecutionRunId="run-before"))


def test_other_executions_send_signals_and_cancel_requests_in_the_recorded_events():
    written = Written()
    written.later(1).trigger(
        "WorkflowExecutionSignaled",
        externalInitiatedEventId=42,
        externalWorkflowExecution=OTHER,
        input="",
        signalName="go",
    )
    written.later(1).trigger(
        "WorkflowExecutionCancelRequested",
        externalInitiatedEventId=17,
        externalWorkflowExecution={"workflowId": "another", "runId": "run-of-another"},
    )
    assert agrees(written)


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("Completed", {"result": "[]"}),
        ("Completed", {}),
        ("Failed", {"reason": "no", "details": "not so"}),
        ("Canceled", {"details": "stopped"}),
        ("Terminated", {}),
    ],
)
def test_a_child_ends(ending, outcome):
    written = Written()
    _, _, child = written.start_child()
    written.later(2).trigger(f"ChildWorkflowExecution{ending}", **child, **outcome)
    written.decide(("WorkflowExecutionCompleted", {}))
    assert agrees(written)


def test_a_child_times_out_after_its_own_start_not_after_its_parents_event():
    written = Written()
    _, _, child = written.start_child(executionStartToCloseTimeout="2")
    written.later(1.95).trigger(
        "ChildWorkflowExecutionTimedOut", timeoutType="START_TO_CLOSE", **child
    )
    assert agrees(written)


def test_a_child_that_continues_as_new_ends_as_another_run():
    written = Written()
    _, _, child = written.start_child(executionStartToCloseTimeout="60")
    child["workflowExecution"] = {"workflowId": "child", "runId": "run-after"}
    child["workflowType"] = {"name": "Order", "version": "2"}
    written.later(600).trigger("ChildWorkflowExecutionCompleted", **child)
    assert agrees(written)


def test_a_child_signals_its_parent():
    written = Written()
    _, _, child = written.start_child()
    written.later(1).trigger(
        "WorkflowExecutionSignaled",
        externalInitiatedEventId=9,
        externalWorkflowExecution=child["workflowExecution"],
        signalName="half",
    )
    written.later(1).trigger("ChildWorkflowExecutionCompleted", **child)
    assert agrees(written)


def test_a_child_of_greater_priority_on_the_list_of_its_parent_does_not_disturb():
    written = Written()
    _, _, child = written.start_child(taskPriority="9")
    written.decide()
    written.later(1).trigger("ChildWorkflowExecutionCompleted", **child)
    written.decide()
    assert agrees(written)


def test_a_child_cannot_start_while_its_workflow_id_is_in_use():
    written = Written()
    child = {"workflowId": "child", "workflowType": TYPE}
    (initiated,) = written.decide(("StartChildWorkflowExecutionInitiated", {**child, **SETTINGS}))
    written.later(0.1).trigger(
        "StartChildWorkflowExecutionFailed",
        cause="WORKFLOW_ALREADY_RUNNING",
        decisionTaskCompletedEventId=initiated - 1,
        initiatedEventId=initiated,
        **child,
    )
    assert agrees(written)


def test_another_execution_can_be_signaled_until_it_closes():
    written = Written()
    sent = {"workflowId": "other", "signalName": "go"}
    (initiated,) = written.decide(("SignalExternalWorkflowExecutionInitiated", sent))
    written.later(0.1).trigger(
        "ExternalWorkflowExecutionSignaled", initiatedEventId=initiated, workflowExecution=OTHER
    )
    sent = {"workflowId": "other", "runId": "run-of-other"}
    (initiated,) = written.decide(("RequestCancelExternalWorkflowExecutionInitiated", sent))
    written.later(0.1).trigger(
        "RequestCancelExternalWorkflowExecutionFailed",
        cause="UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
        decisionTaskCompletedEventId=initiated - 1,
        initiatedEventId=initiated,
        **sent,
    )
    assert agrees(written)


def test_an_execution_that_signals_itself_is_recognized_without_its_id():
    written = Written()
    sent = {"workflowId": "me", "runId": "run-of-me", "signalName": "go"}
    (initiated,) = written.decide(("SignalExternalWorkflowExecutionInitiated", sent))
    me = {"workflowId": "me", "runId": "run-of-me"}
    written.later(0.04).trigger(
        "WorkflowExecutionSignaled",
        externalInitiatedEventId=initiated,
        externalWorkflowExecution=me,
        signalName="go",
    )
    written.later(0.02).trigger(
        "ExternalWorkflowExecutionSignaled", initiatedEventId=initiated, workflowExecution=me
    )
    assert agrees(written)


@pytest.mark.parametrize("cause", ["CHILD_CREATION_RATE_EXCEEDED", "OPEN_WORKFLOWS_LIMIT_EXCEEDED"])
def test_other_executions_may_have_used_up_the_limits_of_the_account(cause):
    written = Written()
    failed = {"cause": cause, "initiatedEventId": 0, "workflowId": "child", "workflowType": TYPE}
    started = {"workflowId": "sibling", "workflowType": TYPE, **SETTINGS}
    batch = [("StartChildWorkflowExecutionFailed", failed)]
    if cause == "CHILD_CREATION_RATE_EXCEEDED":
        batch.insert(0, ("StartChildWorkflowExecutionInitiated", started))
    written.decide(*batch)
    written.write(
        "DecisionTaskScheduled",
        scheduleToStartTimeout="NONE",
        startToCloseTimeout="60",
        taskList=SETTINGS["taskList"],
    )
    assert agrees(written)
