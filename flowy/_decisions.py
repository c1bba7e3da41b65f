"""Decisions: what a workflow wants done, how it is sent, and which event records it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Decision(NamedTuple):
    """One decision, with the attributes as the service spells them."""

    type: str
    attributes: dict[str, Any]

    def wire(self) -> dict[str, Any]:
        """Return the decision as RespondDecisionTaskCompleted takes it."""
        member = f"{self.type[0].lower()}{self.type[1:]}DecisionAttributes"
        return {"decisionType": self.type, member: self.attributes}


def start_timer(timer_id: str, seconds: int) -> Decision:
    """Create the decision to start a timer."""
    return Decision("StartTimer", {"timerId": timer_id, "startToFireTimeout": str(seconds)})


def record_marker(name: str, details: str | None = None) -> Decision:
    """Create the decision to record a marker."""
    given = {} if details is None else {"details": details}
    return Decision("RecordMarker", {"markerName": name, **given})


def complete_workflow(result: str) -> Decision:
    """Create the decision to complete the execution with a result."""
    return Decision("CompleteWorkflowExecution", {"result": result})


def fail_workflow(reason: str, details: str) -> Decision:
    """Create the decision to fail the execution."""
    return Decision("FailWorkflowExecution", {"reason": reason, "details": details})


def cancel_workflow(details: str) -> Decision:
    """Create the decision to close the execution as canceled."""
    return Decision("CancelWorkflowExecution", {"details": details})


class DecisionEvent(NamedTuple):
    """An event type that records a decision: the decision, and the attributes that both have."""

    decision: str
    attributes: tuple[str, ...] = ()


_ACTIVITY, _TIMER, _LAMBDA = "ScheduleActivityTask", "StartTimer", "ScheduleLambdaFunction"

_CHILD = "StartChildWorkflowExecution"

_SIGNAL, _CANCEL = "SignalExternalWorkflowExecution", "RequestCancelExternalWorkflowExecution"

DECISION_EVENTS = {
    "ActivityTaskScheduled": DecisionEvent(_ACTIVITY, ("activityId", "activityType", "input")),
    "ScheduleActivityTaskFailed": DecisionEvent(_ACTIVITY, ("activityId", "activityType")),
    "ActivityTaskCancelRequested": DecisionEvent("RequestCancelActivityTask", ("activityId",)),
    "RequestCancelActivityTaskFailed": DecisionEvent("RequestCancelActivityTask", ("activityId",)),
    "TimerStarted": DecisionEvent(_TIMER, ("timerId",)),
    "StartTimerFailed": DecisionEvent(_TIMER, ("timerId",)),
    "TimerCanceled": DecisionEvent("CancelTimer", ("timerId",)),
    "CancelTimerFailed": DecisionEvent("CancelTimer", ("timerId",)),
    "MarkerRecorded": DecisionEvent("RecordMarker", ("markerName", "details")),
    "RecordMarkerFailed": DecisionEvent("RecordMarker", ("markerName",)),
    "StartChildWorkflowExecutionInitiated": DecisionEvent(
        _CHILD, ("control", "workflowType", "input")
    ),
    "StartChildWorkflowExecutionFailed": DecisionEvent(_CHILD, ("control", "workflowType")),
    "SignalExternalWorkflowExecutionInitiated": DecisionEvent(
        _SIGNAL, ("control", "workflowId", "signalName", "input")
    ),
    "SignalExternalWorkflowExecutionFailed": DecisionEvent(_SIGNAL, ("control", "workflowId")),
    "RequestCancelExternalWorkflowExecutionInitiated": DecisionEvent(
        _CANCEL, ("control", "workflowId")
    ),
    "RequestCancelExternalWorkflowExecutionFailed": DecisionEvent(
        _CANCEL, ("control", "workflowId")
    ),
    "LambdaFunctionScheduled": DecisionEvent(_LAMBDA, ("id", "name", "input")),
    "ScheduleLambdaFunctionFailed": DecisionEvent(_LAMBDA, ("id", "name")),
    "WorkflowExecutionCompleted": DecisionEvent("CompleteWorkflowExecution", ("result",)),
    "CompleteWorkflowExecutionFailed": DecisionEvent("CompleteWorkflowExecution"),
    "WorkflowExecutionFailed": DecisionEvent("FailWorkflowExecution", ("reason",)),
    "FailWorkflowExecutionFailed": DecisionEvent("FailWorkflowExecution"),
    "WorkflowExecutionCanceled": DecisionEvent("CancelWorkflowExecution", ("details",)),
    "CancelWorkflowExecutionFailed": DecisionEvent("CancelWorkflowExecution"),
    "WorkflowExecutionContinuedAsNew": DecisionEvent("ContinueAsNewWorkflowExecution", ("input",)),
    "ContinueAsNewWorkflowExecutionFailed": DecisionEvent("ContinueAsNewWorkflowExecution"),
}
"""The decision that each event type records, and what must be the same in a replay.

Time-outs and task lists may differ: changing them harms no running execution. So may the ID of a
child, which is made from its parent's, and the details of a failure, which name lines of code.
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


class RecordedEvent(NamedTuple):
    """An event that a decision wrote."""

    event_id: int
    event_type: str
    attributes: Mapping[str, Any]
