"""Decisions: what a workflow wants done, how it travels, and how the history shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy._payloads.text import DATA_LIMIT, cut, reason_and_details
from flowy.errors import SerializationError

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy._decider.run import RestartRun


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


class DecisionEvent(NamedTuple):
    """How an event shows a decision: its type, and the attributes that both have."""

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


class RecordedEvent(NamedTuple):
    """An event that a decision wrote."""

    event_id: int
    event_type: str
    attributes: Mapping[str, Any]


Closing = Callable[[], Decision]
"""Makes the decision."""


_KEPT_SETTINGS = (
    "childPolicy",
    "executionStartToCloseTimeout",
    "lambdaRole",
    "tagList",
    "taskList",
    "taskPriority",
    "taskStartToCloseTimeout",
)


def completed(result: str) -> Closing:
    """Close it with a result."""
    return lambda: complete_workflow(result)


def failed(error: Exception | SystemExit) -> Closing:
    """Close it with a failure."""
    reason, details = reason_and_details(error)
    return lambda: fail_workflow(reason, details)


def canceled(details: str) -> Closing:
    """Close it as canceled."""
    return lambda: cancel_workflow(cut(details, DATA_LIMIT))


def restarted(decider: Decider, restart: RestartRun) -> Closing:
    """Close it and begin a new run, with the same settings and the signals that nobody took.

    The service would give the new run what its type was registered with, as documented.
    """

    def make() -> Decision:
        text = decider.payloads.encode_input(
            decider.label,
            restart.arguments,
            restart.keywords,
            decider.encode,
            decider.signals.unhandled,
        )
        started = decider.turns.started
        settings: dict[str, Any] = {key: started[key] for key in _KEPT_SETTINGS if key in started}
        attributes = {"input": text, **settings, **restart.members}
        return Decision("ContinueAsNewWorkflowExecution", attributes)

    return make


def decision_of(closing: Closing) -> Decision:
    """Make the decision; one that fails the execution if it cannot be sent.

    That depends on the signals that have come by now, which a new run gets.
    """
    try:
        return closing()
    except SerializationError as error:
        return failed(error)()
