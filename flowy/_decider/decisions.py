"""Decisions: what a workflow wants done, how it travels, and how the history shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Decision(NamedTuple):
    """One decision, with the attributes as the service spells them."""

    type: str
    attributes: dict[str, Any]

    def wire(self) -> dict[str, Any]:
        """Write the decision for RespondDecisionTaskCompleted."""
        member = f"{self.type[0].lower()}{self.type[1:]}DecisionAttributes"
        return {"decisionType": self.type, member: self.attributes}


def start_timer(timer_id: str, seconds: int) -> Decision:
    """Ask to be woken after a number of seconds."""
    return Decision("StartTimer", {"timerId": timer_id, "startToFireTimeout": str(seconds)})


def record_marker(name: str, details: str | None = None) -> Decision:
    """Write something into the history."""
    given = {} if details is None else {"details": details}
    return Decision("RecordMarker", {"markerName": name, **given})


def complete_workflow(result: str) -> Decision:
    """End the execution with a result."""
    return Decision("CompleteWorkflowExecution", {"result": result})


def fail_workflow(reason: str, details: str) -> Decision:
    """End the execution with a failure."""
    return Decision("FailWorkflowExecution", {"reason": reason, "details": details})


def cancel_workflow(details: str) -> Decision:
    """End the execution as canceled."""
    return Decision("CancelWorkflowExecution", {"details": details})


class Shown(NamedTuple):
    """How an event shows a decision: its type, and the attributes that both have."""

    decision: str
    attributes: tuple[str, ...] = ()


_ACTIVITY, _TIMER, _LAMBDA = "ScheduleActivityTask", "StartTimer", "ScheduleLambdaFunction"
_CHILD = "StartChildWorkflowExecution"
_SIGNAL, _CANCEL = "SignalExternalWorkflowExecution", "RequestCancelExternalWorkflowExecution"

SHOWN = {
    "ActivityTaskScheduled": Shown(_ACTIVITY, ("activityId", "activityType", "input")),
    "ScheduleActivityTaskFailed": Shown(_ACTIVITY, ("activityId", "activityType")),
    "ActivityTaskCancelRequested": Shown("RequestCancelActivityTask", ("activityId",)),
    "RequestCancelActivityTaskFailed": Shown("RequestCancelActivityTask", ("activityId",)),
    "TimerStarted": Shown(_TIMER, ("timerId",)),
    "StartTimerFailed": Shown(_TIMER, ("timerId",)),
    "TimerCanceled": Shown("CancelTimer", ("timerId",)),
    "CancelTimerFailed": Shown("CancelTimer", ("timerId",)),
    "MarkerRecorded": Shown("RecordMarker", ("markerName", "details")),
    "RecordMarkerFailed": Shown("RecordMarker", ("markerName",)),
    "StartChildWorkflowExecutionInitiated": Shown(_CHILD, ("control", "workflowType", "input")),
    "StartChildWorkflowExecutionFailed": Shown(_CHILD, ("control", "workflowType")),
    "SignalExternalWorkflowExecutionInitiated": Shown(
        _SIGNAL, ("control", "workflowId", "signalName", "input")
    ),
    "SignalExternalWorkflowExecutionFailed": Shown(_SIGNAL, ("control", "workflowId")),
    "RequestCancelExternalWorkflowExecutionInitiated": Shown(_CANCEL, ("control", "workflowId")),
    "RequestCancelExternalWorkflowExecutionFailed": Shown(_CANCEL, ("control", "workflowId")),
    "LambdaFunctionScheduled": Shown(_LAMBDA, ("id", "name", "input")),
    "ScheduleLambdaFunctionFailed": Shown(_LAMBDA, ("id", "name")),
    "WorkflowExecutionCompleted": Shown("CompleteWorkflowExecution", ("result",)),
    "CompleteWorkflowExecutionFailed": Shown("CompleteWorkflowExecution"),
    "WorkflowExecutionFailed": Shown("FailWorkflowExecution", ("reason",)),
    "FailWorkflowExecutionFailed": Shown("FailWorkflowExecution"),
    "WorkflowExecutionCanceled": Shown("CancelWorkflowExecution", ("details",)),
    "CancelWorkflowExecutionFailed": Shown("CancelWorkflowExecution"),
    "WorkflowExecutionContinuedAsNew": Shown("ContinueAsNewWorkflowExecution", ("input",)),
    "ContinueAsNewWorkflowExecutionFailed": Shown("ContinueAsNewWorkflowExecution"),
}
"""Event type: the decision that wrote it, and what of it must be the same when it is replayed.

Time-outs and task lists may differ, as changing them harms no running execution, and so may the
id of a child, which is made of its parent's, and the details of a failure, which name lines of
code.
"""


CLOSING = frozenset(
    {
        "CompleteWorkflowExecution",
        "FailWorkflowExecution",
        "CancelWorkflowExecution",
        "ContinueAsNewWorkflowExecution",
    }
)
"""The decisions that close the execution."""


class Trace(NamedTuple):
    """An event that a decision wrote."""

    event_id: int
    event_type: str
    attributes: Mapping[str, Any]
