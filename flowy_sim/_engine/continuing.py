"""Closing decisions, and how a run continues as a new one."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine import ending, starting
from flowy_sim._engine.execution import Execution

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
    ending.close(execution, event, decisionTaskCompletedEventId=completed_id, **told)
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
        settings = starting.resolve(
            decision, registered, starting.REQUIRED_SETTINGS, starting.OPTIONAL_SETTINGS
        )
    except starting.UndefinedSettingError as undefined:
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
    ending.close(
        execution,
        "WorkflowExecutionContinuedAsNew",
        decisionTaskCompletedEventId=completed_id,
        newExecutionRunId=run_id,
        **carried,
    )
    # Assumption: override-ends: a list that a decider moved decision tasks to is left behind.
    starting.start(
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
