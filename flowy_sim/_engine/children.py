"""Child executions: how a parent starts them and learns how they end."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine.decision_tasks import trigger
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import SCHEDULED, Child
from flowy_sim._engine.registered_types import DEFAULTS, WORKFLOW, UnstartableError, type_key
from flowy_sim._engine.start import decided_settings, start_execution

#: The event in the parent's history, by the close status of the child, with the members that it
#: repeats from the child's close event. A child that continues as new has not ended.
PARENT_EVENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "COMPLETED": ("ChildWorkflowExecutionCompleted", ("result",)),
    "FAILED": ("ChildWorkflowExecutionFailed", ("reason", "details")),
    "CANCELED": ("ChildWorkflowExecutionCanceled", ("details",)),
    "TIMED_OUT": ("ChildWorkflowExecutionTimedOut", ("timeoutType",)),
    "TERMINATED": ("ChildWorkflowExecutionTerminated", ()),
}


def start_child_workflow_execution(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out StartChildWorkflowExecution; return the cause if it fails at once."""
    engine, domain = execution.engine, execution.domain
    try:
        settings = decided_settings(domain, type_key(decision["workflowType"]), decision)
    except UnstartableError as error:
        return error.cause
    # Assumption: child-limits-last: limits and rates are checked after the defaults.
    if len(execution.children) >= engine.limits.open_children:
        return "OPEN_CHILDREN_LIMIT_EXCEEDED"
    if len(domain.open_executions) >= engine.limits.open_executions:
        return "OPEN_WORKFLOWS_LIMIT_EXCEEDED"
    if not engine.throttle.allows("StartChildWorkflowExecution", engine.now):
        return "CHILD_CREATION_RATE_EXCEEDED"
    initiated_id = execution.append(
        "StartChildWorkflowExecutionInitiated",
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        input=decision.get("input"),
        tagList=decision.get("tagList"),
        workflowId=decision["workflowId"],
        workflowType=decision["workflowType"],
        **settings,
    )
    child = execution.children[initiated_id]
    engine.later("child start", execution, initiated_id, child)
    return None


def start(child: Child) -> None:
    """Start the execution that a parent has initiated."""
    parent = child.execution
    engine, domain = parent.engine, parent.domain
    initiated = parent.attributes(child.opened_id)
    workflow_id = initiated["workflowId"]
    if workflow_id in domain.open_executions:
        _fail_to_start(child, "WORKFLOW_ALREADY_RUNNING")
        return
    if len(domain.open_executions) >= engine.limits.open_executions:
        # Assumption: late-open-limit: of the children of one batch, those that exceed the limit
        # fail when they are about to start.
        _fail_to_start(child, "OPEN_WORKFLOWS_LIMIT_EXCEEDED")
        return
    execution = start_execution(
        engine,
        domain,
        workflow_id,
        engine.tokens.run_id(),
        workflowType=initiated["workflowType"],
        input=initiated.get("input"),
        tagList=initiated.get("tagList"),
        parentInitiatedEventId=child.opened_id,
        parentWorkflowExecution=parent.structure(),
        **{name: initiated.get(name) for name in DEFAULTS[WORKFLOW]},
    )
    child.run_id = execution.run_id
    if parent.is_open:
        engine.later("child started", parent, child.opened_id, child)
    else:
        # Assumption: orphan-start: an initiated child starts even if its parent has closed
        # meanwhile; the child policy is applied to it then.
        engine.later("child policy", parent, child.opened_id, child)


def _fail_to_start(child: Child, cause: str) -> None:
    parent = child.execution
    if not parent.is_open:
        return
    initiated = parent.attributes(child.opened_id)
    trigger(
        parent,
        "StartChildWorkflowExecutionFailed",
        cause=cause,
        control=initiated.get("control"),
        decisionTaskCompletedEventId=initiated["decisionTaskCompletedEventId"],
        initiatedEventId=child.opened_id,
        workflowId=initiated["workflowId"],
        workflowType=initiated["workflowType"],
    )


def report_start(child: Child) -> None:
    """Let the parent know that its child has started, unless it knows already."""
    parent = child.execution
    if not parent.is_open or child.state != SCHEDULED:
        return
    initiated = parent.attributes(child.opened_id)
    trigger(
        parent,
        "ChildWorkflowExecutionStarted",
        initiatedEventId=child.opened_id,
        workflowExecution={"runId": child.run_id, "workflowId": initiated["workflowId"]},
        workflowType=initiated["workflowType"],
    )


def report_close(child: Child, execution: WorkflowExecution) -> None:
    """Let the parent know how its child has ended."""
    parent = child.execution
    if not parent.is_open:
        return
    report_start(child)
    event_type, members = PARENT_EVENTS[str(execution.close_status)]
    closing = execution.attributes(len(execution))
    # Assumption: successor-run: of a child that has continued as new, the last run is named.
    name, version = execution.workflow_type
    trigger(
        parent,
        event_type,
        initiatedEventId=child.opened_id,
        startedEventId=child.started_id,
        workflowExecution=execution.structure(),
        workflowType={"name": name, "version": version},
        **{member: closing.get(member) for member in members},
    )


def running(child: Child) -> WorkflowExecution | None:
    """Return the open execution of a child: its first run or one that continues it."""
    parent = child.execution
    execution = parent.domain.open_executions.get(child.opened("workflowId"))
    if execution is None or execution.parent != (parent.run_id, parent.workflow_id):
        return None
    return execution if execution.started("parentInitiatedEventId") == child.opened_id else None


def as_child(execution: WorkflowExecution) -> Child | None:
    """Return an execution as its open parent sees it; None if it has none."""
    if execution.parent is None:
        return None
    parent = execution.engine.executions.get(execution.parent[0])
    if parent is None:
        return None
    return parent.children.get(execution.started("parentInitiatedEventId"))
