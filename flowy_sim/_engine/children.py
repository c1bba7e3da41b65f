"""Child executions: how a parent starts them and hears of them."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine import start as starting
from flowy_sim._engine.decision_tasks import schedule
from flowy_sim._engine.execution import Execution, Open
from flowy_sim._engine.life_cycles import CHILD, SCHEDULED
from flowy_sim._engine.registered_types import type_key

#: What the parent hears, by the close status of the child, with the members of the child's
#: close event that it is told. A child that continues as new has not ended.
PARENT_EVENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "COMPLETED": ("ChildWorkflowExecutionCompleted", ("result",)),
    "FAILED": ("ChildWorkflowExecutionFailed", ("reason", "details")),
    "CANCELED": ("ChildWorkflowExecutionCanceled", ("details",)),
    "TIMED_OUT": ("ChildWorkflowExecutionTimedOut", ("timeoutType",)),
    "TERMINATED": ("ChildWorkflowExecutionTerminated", ()),
}


class Child(Open):
    """A child execution, seen from its parent.

    Attributes:
        run_id: its first run; empty until it has started.
    """

    __slots__ = ("run_id",)

    table = CHILD

    def __init__(self, execution: Execution) -> None:
        """Make a child that is not initiated yet."""
        super().__init__(execution)
        self.run_id = ""


def start_child_workflow_execution(
    execution: Execution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Apply StartChildWorkflowExecution; return the cause if it fails at once."""
    engine, domain = execution.engine, execution.domain
    registered = domain.workflow_types.get(type_key(decision["workflowType"]))
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
    # Assumption: child-limits-last: limits and rates are looked at after the defaults.
    if len(execution.children) >= engine.limits.open_children:
        return "OPEN_CHILDREN_LIMIT_EXCEEDED"
    if len(domain.open_executions) >= engine.limits.open_executions:
        return "OPEN_WORKFLOWS_LIMIT_EXCEEDED"
    if not engine.throttle.allows("StartChildWorkflowExecution", engine.now):
        return "CHILD_CREATION_RATE_EXCEEDED"
    child = Child(execution)
    child.opened_id = child.append(
        "StartChildWorkflowExecutionInitiated",
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        input=decision.get("input"),
        tagList=decision.get("tagList"),
        workflowId=decision["workflowId"],
        workflowType=decision["workflowType"],
        **settings,
    )
    execution.children[child.opened_id] = child
    engine.later("child start", execution, child.opened_id, child)
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
        # Assumption: late-open-limit: children of one batch that are too many together fail
        # when they are to start.
        _fail_to_start(child, "OPEN_WORKFLOWS_LIMIT_EXCEEDED")
        return
    settings = {
        name: initiated.get(name)
        for name in (*starting.REQUIRED_SETTINGS, *starting.OPTIONAL_SETTINGS)
    }
    execution = starting.start(
        engine,
        domain,
        workflow_id,
        engine.tokens.run_id(),
        workflowType=initiated["workflowType"],
        input=initiated.get("input"),
        tagList=initiated.get("tagList"),
        parentInitiatedEventId=child.opened_id,
        parentWorkflowExecution=parent.structure(),
        **settings,
    )
    child.run_id = execution.run_id
    if parent.is_open:
        engine.later("child started", parent, child.opened_id, child)
    else:
        # Assumption: orphan-start: a parent's end does not keep an initiated child from
        # starting; its child policy is applied to it then.
        engine.later("child policy", parent, child.opened_id, child)


def _fail_to_start(child: Child, cause: str) -> None:
    parent = child.execution
    if not parent.is_open:
        return
    del parent.children[child.opened_id]
    initiated = parent.attributes(child.opened_id)
    child.append(
        "StartChildWorkflowExecutionFailed",
        cause=cause,
        control=initiated.get("control"),
        decisionTaskCompletedEventId=initiated["decisionTaskCompletedEventId"],
        initiatedEventId=child.opened_id,
        workflowId=initiated["workflowId"],
        workflowType=initiated["workflowType"],
    )
    schedule(parent)


def report_start(child: Child) -> None:
    """Tell the parent that its child has started, unless it knows."""
    parent = child.execution
    if not parent.is_open or child.state != SCHEDULED:
        return
    initiated = parent.attributes(child.opened_id)
    child.started_id = child.append(
        "ChildWorkflowExecutionStarted",
        initiatedEventId=child.opened_id,
        workflowExecution={"runId": child.run_id, "workflowId": initiated["workflowId"]},
        workflowType=initiated["workflowType"],
    )
    schedule(parent)


def report_close(child: Child, execution: Execution) -> None:
    """Tell the parent how its child has ended."""
    parent = child.execution
    if not parent.is_open:
        return
    report_start(child)
    event, members = PARENT_EVENTS[str(execution.close_status)]
    closing = execution.attributes(len(execution))
    # Assumption: successor-run: of a child that has continued as new, the last run is named.
    name, version = execution.workflow_type
    del parent.children[child.opened_id]
    child.append(
        event,
        initiatedEventId=child.opened_id,
        startedEventId=child.started_id,
        workflowExecution=execution.structure(),
        workflowType={"name": name, "version": version},
        **{member: closing.get(member) for member in members},
    )
    schedule(parent)


def running(child: Child) -> Execution | None:
    """Return the open execution that a child is now: its first run or one that continues it."""
    parent = child.execution
    execution = parent.domain.open_executions.get(child.opened("workflowId"))
    if execution is None or execution.parent != (parent.run_id, parent.workflow_id):
        return None
    return execution if execution.started("parentInitiatedEventId") == child.opened_id else None


def as_child(execution: Execution) -> Child | None:
    """Return an execution as its open parent sees it; None if it has none."""
    if execution.parent is None:
        return None
    parent = execution.engine.executions.get(execution.parent[0])
    if parent is None:
        return None
    child: Child | None = parent.children.get(execution.started("parentInitiatedEventId"))
    return child
