"""Decisions: what a workflow wants done, how it is sent, and which event records it."""

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
"""Event type: the decision that it records, and what must be the same when it is replayed.

Time-outs and task lists may differ: changing them harms no running execution. So may the id of a
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


Closing = Callable[[], Decision]
"""Returns the decision that closes the execution.

It is called again if the service refuses the decision because new events arrived meanwhile, and
then includes what is known by then.
"""


_KEPT_SETTINGS = (
    "childPolicy",
    "executionStartToCloseTimeout",
    "lambdaRole",
    "tagList",
    "taskList",
    "taskPriority",
    "taskStartToCloseTimeout",
)
"""Settings that a new run takes over; otherwise it has the registered ones, as documented."""


def completed(result: str) -> Closing:
    """Close the execution with a result."""
    return lambda: complete_workflow(result)


def failed(error: Exception | SystemExit) -> Closing:
    """Close the execution with a failure."""
    reason, details = reason_and_details(error)
    return lambda: fail_workflow(reason, details)


def canceled(details: str) -> Closing:
    """Close the execution as canceled."""
    return lambda: cancel_workflow(cut(details, DATA_LIMIT))


def restarted(decider: Decider, restart: RestartRun) -> Closing:
    """Close the execution and start a new run, with the same settings and the signals not taken."""

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
    """Return the closing decision, or one that fails the execution if that one cannot be sent.

    This can depend on the signals that have arrived by now, which a new run is given.
    """
    try:
        return closing()
    except SerializationError as error:
        return failed(error)()
