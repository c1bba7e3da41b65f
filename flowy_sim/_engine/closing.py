"""How an execution ends, and what its end does to others."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine import children, decision_tasks, start
from flowy_sim._engine.domains import DAY
from flowy_sim._engine.execution import Execution


def close(execution: Execution, event: str, **attributes: Any) -> None:
    """Close an execution.

    Its tasks are no longer handed out, nothing more happens to it by itself, its parent is told,
    its children meet its child policy, and it is kept for as long as its domain retains it.

    Args:
        execution: an open execution.
        event: the event that closes it.
        attributes: that event's attributes. A ``childPolicy`` among them is the one applied.
    """
    engine, domain = execution.engine, execution.domain
    execution.close(event, **attributes)
    _let_go(execution)
    del domain.open_executions[execution.workflow_id]
    domain.visibility.closed(execution)
    # Assumption: continued-child-policy: a run that continues as new applies it like any other.
    terminated = event == "WorkflowExecutionTerminated"
    own_policy = execution.started("childPolicy")
    _apply_policy(execution, attributes["childPolicy"] if terminated else own_policy)
    child = children.as_child(execution)
    if child is not None and event != "WorkflowExecutionContinuedAsNew":
        engine.later("child close", child.execution, child.opened_id, child, execution)
    if domain.retention == 0:
        forget(execution)
    else:
        expiry = engine.now + domain.retention * DAY
        engine.retentions.set(expiry, "retention", execution)


def _let_go(execution: Execution) -> None:
    deadlines = execution.engine.deadlines
    deadlines.cancel(execution.deadline)
    if execution.decision_task is not None:
        decision_tasks.withdraw(execution.decision_task)
    for task in (execution.decision_task, execution.running_decision_task):
        if task is not None:
            deadlines.cancel(task.deadline)
    for activity in execution.activities.values():
        activity.withdraw()
        deadlines.cancel(activity.deadline)
    for opened in (*execution.timers.values(), *execution.lambda_functions.values()):
        deadlines.cancel(opened.deadline)
    execution.decision_task = execution.running_decision_task = None
    execution.activities = {}
    execution.timers = {}
    execution.lambda_functions = {}


def _apply_policy(parent: Execution, policy: str) -> None:
    """Do to every open child what the policy says, each in a transaction of its own.

    It is applied however the parent closes, as recorded for completion.
    """
    # Assumption: policy-on-any-close: recorded for completion, documented for termination and
    # time-out, taken to hold for failure and cancellation.
    parent.applied_child_policy = policy
    for child in parent.children.values():
        if child.run_id:
            parent.engine.later("child policy", parent, child.opened_id, child)
    parent.children = {}


def meet_policy(child: children.Child) -> None:
    """Do to a child what the child policy of its closed parent says."""
    parent = child.execution
    execution = children.running(child)
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
        execution.cancel_requested = True
        decision_tasks.trigger(
            execution,
            "WorkflowExecutionCancelRequested",
            cause="CHILD_POLICY_APPLIED",
            # Assumption: policy-cancel-initiator: 0, as for a request by the API.
            externalInitiatedEventId=0,
            externalWorkflowExecution=parent.structure(),
        )


def forget(execution: Execution) -> None:
    """Delete a closed execution and its history."""
    execution.engine.executions.pop(execution.run_id, None)
    execution.engine.throttle.forget(execution)
    execution.domain.visibility.removed(execution)


def time_out(execution: Execution) -> None:
    """Close an execution that has reached its executionStartToCloseTimeout."""
    close(
        execution,
        "WorkflowExecutionTimedOut",
        childPolicy=execution.started("childPolicy"),
        timeoutType="START_TO_CLOSE",
    )


def terminate_full(execution: Execution) -> None:
    """Close an execution whose history has reached the number of events it may have."""
    close(
        execution,
        "WorkflowExecutionTerminated",
        cause="EVENT_LIMIT_EXCEEDED",
        childPolicy=execution.started("childPolicy"),
    )


UNHANDLED = "UNHANDLED_DECISION"


def complete_workflow_execution(
    execution: Execution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Apply CompleteWorkflowExecution; return the cause if it fails."""
    return _close(execution, "WorkflowExecutionCompleted", decision, ("result",), completed_id)


def fail_workflow_execution(
    execution: Execution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Apply FailWorkflowExecution; return the cause if it fails."""
    members = ("reason", "details")
    return _close(execution, "WorkflowExecutionFailed", decision, members, completed_id)


def cancel_workflow_execution(
    execution: Execution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Apply CancelWorkflowExecution; return the cause if it fails.

    It needs no request to cancel, as recorded.
    """
    return _close(execution, "WorkflowExecutionCanceled", decision, ("details",), completed_id)


def _close(
    execution: Execution,
    event: str,
    decision: dict[str, Any],
    members: tuple[str, ...],
    completed_id: int,
) -> str | None:
    """Close, unless something that the decider has not seen waits to be decided on, as recorded."""
    # Assumption: what-blocks-closing: a waiting decision task, so an activity that has just been
    # started does not, and a child that has just started does.
    if execution.decision_task is not None:
        return UNHANDLED
    told = {member: decision.get(member) for member in members}
    close(execution, event, decisionTaskCompletedEventId=completed_id, **told)
    return None


def continue_as_new_workflow_execution(
    execution: Execution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Apply ContinueAsNewWorkflowExecution; return the cause if it fails.

    What the decision leaves out comes from the type's defaults, not from the run that ends;
    only the link to a parent is carried over, as documented.
    """
    # Assumption: continue-causes: the causes are tested in this order.
    if execution.decision_task is not None:
        return UNHANDLED
    engine, domain = execution.engine, execution.domain
    name, version = execution.workflow_type
    version = decision.get("workflowTypeVersion") or version
    registered = domain.workflow_types.get((name, version))
    if registered is None:
        return "WORKFLOW_TYPE_DOES_NOT_EXIST"
    if registered.deprecated_at is not None:
        return "WORKFLOW_TYPE_DEPRECATED"
    try:
        settings = start.resolve(
            decision, registered, start.REQUIRED_SETTINGS, start.OPTIONAL_SETTINGS
        )
    except start.UndefinedSettingError as undefined:
        return undefined.cause
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
    start.start(
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
