"""Decisions: what a workflow wants done, how it travels, and how the history shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from flowy.errors import NonDeterminismError


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


def match(decided: list[Decision], shown: list[Trace], completed_event_id: int) -> None:
    """Hold what the code decided against what the history shows for the same decision task.

    Args:
        decided: the decisions of the code, in order.
        shown: the events that the decisions of then wrote, in order.
        completed_event_id: the DecisionTaskCompleted that came before them.

    Raises:
        NonDeterminismError: at the first difference.
    """
    for decision, trace in zip(decided, shown, strict=False):
        if not _shows(trace, decision):
            raise NonDeterminismError(trace.event_id, _event_text(trace), _decision_text(decision))
    if len(shown) > len(decided):
        trace = shown[len(decided)]
        raise NonDeterminismError(trace.event_id, _event_text(trace), "nothing")
    if len(decided) > len(shown):
        last = shown[-1].event_id if shown else completed_event_id
        extra = decided[len(shown)]
        raise NonDeterminismError(last + 1, "no further decision", _decision_text(extra))


def _shows(trace: Trace, decision: Decision) -> bool:
    row = SHOWN.get(trace.event_type)
    if row is None or row.decision != decision.type:
        return False
    there, here = trace.attributes, decision.attributes
    for name in row.attributes:
        if there.get(name) != here.get(name) and not _same_json(there.get(name), here.get(name)):
            return False
    return True


def _same_json(one: object, other: object) -> bool:
    """Whether two texts are the same JSON, though spaced or ordered otherwise."""
    try:
        return (
            isinstance(one, str) and isinstance(other, str) and json.loads(one) == json.loads(other)
        )
    except (ValueError, RecursionError):
        return False


def _event_text(trace: Trace) -> str:
    row = SHOWN.get(trace.event_type)
    return _text(trace.event_type, trace.attributes, row.attributes if row else ())


def _decision_text(decision: Decision) -> str:
    names = max(
        (row.attributes for row in SHOWN.values() if row.decision == decision.type), key=len
    )
    return _text(decision.type, decision.attributes, names)


def _text(name: str, attributes: Mapping[str, Any], shown: tuple[str, ...]) -> str:
    values = (_value_text(attributes[key]) for key in shown if key in attributes)
    return f"{name}({', '.join(values)})"


def _value_text(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(str(part) for part in value.values())
    return str(value)
