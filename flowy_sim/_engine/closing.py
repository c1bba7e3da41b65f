"""Closing an execution: by a decision, by a time-out, by its parent's child policy.

A run that continues as new also closes; the new run starts in the same transaction.
"""

from __future__ import annotations

from typing import Any

from flowy_sim._engine.children import as_child, running
from flowy_sim._engine.decision_tasks import trigger
from flowy_sim._engine.domains import DAY
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import Child
from flowy_sim._engine.registered_types import UnstartableError
from flowy_sim._engine.start import decided_settings, start_execution

#: The cause of a closing decision that fails because the decider has not seen everything.
UNHANDLED = "UNHANDLED_DECISION"


def close(execution: WorkflowExecution, event_type: str, **attributes: Any) -> None:
    """Close an execution.

    Its tasks are no longer handed out, its effects are canceled, its parent learns of it, its
    child policy is applied to its children, and it is kept for as long as its domain retains it.

    Args:
        execution: an open execution.
        event_type: the event that closes it.
        attributes: that event's attributes. A ``childPolicy`` among them is the one applied.
    """
    engine, domain = execution.engine, execution.domain
    _cancel_effects(execution)
    children = list(execution.children.values())
    execution.append(event_type, **attributes)
    # Assumption: policy-on-any-close: the child policy is applied however a parent closes; this
    # is recorded for completion, documented for termination and time-out, and taken to hold for
    # failure and cancellation.
    # Assumption: continued-child-policy: a run that continues as new applies it like any other.
    for child in children:
        if child.run_id:
            engine.later("child policy", execution, child.opened_id, child)
    own = as_child(execution)
    if own is not None and event_type != "WorkflowExecutionContinuedAsNew":
        engine.later("child close", own.execution, own.opened_id, own, execution)
    if domain.retention == 0:
        forget(execution)
    else:
        expiry = engine.now + domain.retention * DAY
        engine.retentions.set(expiry, "retention", execution)


def _cancel_effects(execution: WorkflowExecution) -> None:
    """Cancel the effects of the execution, and withdraw its tasks from their lists."""
    effects, domain = execution.engine.effects, execution.domain
    effects.cancel(execution.effect)
    for task in (execution.decision_task, execution.running_decision_task):
        if task is not None:
            domain.decision_lists.withdraw(task)
            effects.cancel(task.effect)
    for activity in execution.activities.values():
        domain.activity_lists.withdraw(activity)
        effects.cancel(activity.effect)
    for item in (*execution.timers.values(), *execution.lambda_functions.values()):
        effects.cancel(item.effect)


def apply_child_policy(child: Child) -> None:
    """Apply the child policy of a closed parent to a child, in a transaction of its own."""
    parent = child.execution
    execution = running(child)
    if execution is None:
        return
    if parent.applied_child_policy == "TERMINATE":
        close(
            execution,
            "WorkflowExecutionTerminated",
            cause="CHILD_POLICY_APPLIED",
            childPolicy=execution.started("childPolicy"),
        )
    elif parent.applied_child_policy == "REQUEST_CANCEL":
        trigger(
            execution,
            "WorkflowExecutionCancelRequested",
            cause="CHILD_POLICY_APPLIED",
            # Assumption: policy-cancel-initiator: 0, as for a request by the API.
            externalInitiatedEventId=0,
            externalWorkflowExecution=parent.structure(),
        )


def forget(execution: WorkflowExecution) -> None:
    """Delete a closed execution and its history."""
    engine = execution.engine
    engine.executions.pop(execution.run_id, None)
    engine.throttle.forget(execution)
    execution.domain.visibility.removed(execution)
    if engine.changes is not None:
        engine.changes.execution_forgotten(execution)


def time_out(execution: WorkflowExecution) -> None:
    """Close an execution that has reached its executionStartToCloseTimeout."""
    close(
        execution,
        "WorkflowExecutionTimedOut",
        childPolicy=execution.started("childPolicy"),
        timeoutType="START_TO_CLOSE",
    )


def terminate_full(execution: WorkflowExecution) -> None:
    """Close an execution whose history has reached the number of events it may have."""
    close(
        execution,
        "WorkflowExecutionTerminated",
        cause="EVENT_LIMIT_EXCEEDED",
        childPolicy=execution.started("childPolicy"),
    )


def complete_workflow_execution(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out CompleteWorkflowExecution; return the cause if it fails."""
    return _close(execution, "WorkflowExecutionCompleted", decision, ("result",), completed_id)


def fail_workflow_execution(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out FailWorkflowExecution; return the cause if it fails."""
    members = ("reason", "details")
    return _close(execution, "WorkflowExecutionFailed", decision, members, completed_id)


def cancel_workflow_execution(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out CancelWorkflowExecution; return the cause if it fails.

    It needs no request to cancel, as recorded.
    """
    return _close(execution, "WorkflowExecutionCanceled", decision, ("details",), completed_id)


def _close(
    execution: WorkflowExecution,
    event: str,
    decision: dict[str, Any],
    members: tuple[str, ...],
    completed_id: int,
) -> str | None:
    """Close the execution, unless the decider has not seen everything yet, as recorded."""
    # Assumption: what-blocks-closing: a waiting decision task, so an activity that has just
    # started does not, and a child that has just started does.
    if execution.decision_task is not None:
        return UNHANDLED
    given = {member: decision.get(member) for member in members}
    close(execution, event, decisionTaskCompletedEventId=completed_id, **given)
    return None


def continue_as_new_workflow_execution(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out ContinueAsNewWorkflowExecution; return the cause if it fails.

    What the decision leaves out comes from the type's defaults, not from the run that ends;
    only the link to a parent is carried over, as documented.
    """
    # Assumption: continue-causes: the causes are tested in this order.
    if execution.decision_task is not None:
        return UNHANDLED
    engine, domain = execution.engine, execution.domain
    name, version = execution.workflow_type
    version = decision.get("workflowTypeVersion") or version
    try:
        settings = decided_settings(domain, (name, version), decision)
    except UnstartableError as error:
        return error.cause
    if not engine.throttle.allows("ContinueAsNewWorkflowExecution", engine.now):
        return "CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED"
    run_id = engine.tokens.run_id()
    carried = {
        "input": decision.get("input"),
        "tagList": decision.get("tagList"),
        "workflowType": {"name": name, "version": version},
        **settings,
    }
    parent_initiated_id = execution.started("parentInitiatedEventId")
    parent = execution.parent
    close(
        execution,
        "WorkflowExecutionContinuedAsNew",
        decisionTaskCompletedEventId=completed_id,
        newExecutionRunId=run_id,
        **carried,
    )
    # Assumption: override-ends: a list that a decider moved decision tasks to is left behind.
    start_execution(
        engine,
        domain,
        execution.workflow_id,
        run_id,
        continuedExecutionRunId=execution.run_id,
        parentInitiatedEventId=parent_initiated_id,
        parentWorkflowExecution=parent and {"runId": parent[0], "workflowId": parent[1]},
        **carried,
    )
    return None
