"""What the 54 types of history events are, described once for everything above the engine.

A history describes an execution and its activity tasks, timers, children and so on. One event opens
a task, later ones start and end it, and each of these names the event that opened it by a member
such as ``scheduledEventId``. The same holds for timers and children. Which event does what follows
from the engine's life cycles. The schema adds how events link to each other, which decision or call
leads to them, and how to name the task, timer or child that they belong to.

Only the rules of `flowy_sim._events.rules` do without it, because they check what it describes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowy_sim._engine import life_cycles
from flowy_sim._engine.life_cycles import CLOSE_STATUS
from flowy_sim._engine.model import event_attributes_key

Attributes = Mapping[str, Any]

OPEN = "open"
COMPLETED = "completed"
FAILED = "failed"
TIMED_OUT = "timed out"
CANCELED = "canceled"
TERMINATED = "terminated"
CONTINUED = "continued as new"
HAPPENED = ""

TROUBLES = (FAILED, TIMED_OUT, TERMINATED)
"""Outcomes that need an explanation."""

EXECUTION = "execution"
DECISIONS = "decisions"
ACTIVITY = "activity"
TIMER = "timer"
CHILD = "child"
LAMBDA = "lambda"
REQUEST = "request"
INSTANT = "instant"

CALLS = (ACTIVITY, CHILD, LAMBDA)
"""The kinds of things that a workflow calls and that have a result."""

ID_MEMBERS = {ACTIVITY: "activityId", TIMER: "timerId", CHILD: "workflowId", LAMBDA: "id"}
"""The member of the opening event that holds the ID that the workflow gave a thing."""

OPENS = "opens"
STARTS = "starts"
ENDS = "ends"
HAPPENS = "happens"

# A signal or cancel request to another execution. The engine keeps only its pending
# effects, so it has no life cycle there.
_REQUEST: life_cycles.Table = {
    (life_cycles.NEW, "SignalExternalWorkflowExecutionInitiated"): life_cycles.SCHEDULED,
    (life_cycles.SCHEDULED, "ExternalWorkflowExecutionSignaled"): life_cycles.CLOSED,
    (life_cycles.SCHEDULED, "SignalExternalWorkflowExecutionFailed"): life_cycles.CLOSED,
    (life_cycles.NEW, "RequestCancelExternalWorkflowExecutionInitiated"): life_cycles.SCHEDULED,
    (life_cycles.SCHEDULED, "ExternalWorkflowExecutionCancelRequested"): life_cycles.CLOSED,
    (life_cycles.SCHEDULED, "RequestCancelExternalWorkflowExecutionFailed"): life_cycles.CLOSED,
}

LIFE_CYCLES: Mapping[str, life_cycles.Table] = {
    EXECUTION: life_cycles.EXECUTION,
    DECISIONS: life_cycles.DECISION_TASK,
    ACTIVITY: life_cycles.ACTIVITY_TASK,
    TIMER: life_cycles.TIMER,
    CHILD: life_cycles.CHILD,
    LAMBDA: life_cycles.LAMBDA_FUNCTION,
    REQUEST: _REQUEST,
}
"""The life cycle of each kind of thing."""

TIMEOUTS = {
    "SCHEDULE_TO_START": "scheduleToStartTimeout",
    "SCHEDULE_TO_CLOSE": "scheduleToCloseTimeout",
    "START_TO_CLOSE": "startToCloseTimeout",
    "HEARTBEAT": "heartbeatTimeout",
}
"""The setting behind each ``timeoutType`` of a task."""


@dataclass(frozen=True, slots=True)
class EventSchema:
    """What a type of event is.

    Attributes:
        name: the event type, such as ``TimerFired``.
        kind: the kind of thing it is about. `INSTANT` is about nothing but itself.
        phase: what it does to that thing: `OPENS`, `STARTS` or `ENDS`; `HAPPENS` for neither.
        outcome: how the thing ended, of an event that ends one; `FAILED` of one that reports
            a decision that the service refused; otherwise empty.
        about: the member that holds the ID of the event that opened the thing; empty for the
            execution itself and where nothing was opened.
        decision: the type of the decision that leads to it, at once or later; empty if none does.
        operation: the call that writes it; empty if none does. A few of these events the service
            also writes without a call, such as the signal that another execution sent.
        links: each member that holds the ID of another event, with the type of that event.
        elsewhere: the same for the members that hold the ID of an event of another execution.
        label: what to call the thing that it opens, or itself if it is an instant.
    """

    name: str
    kind: str
    phase: str
    outcome: str
    about: str
    decision: str
    operation: str
    links: Mapping[str, str]
    elsewhere: Mapping[str, str]
    label: Callable[[Attributes], str]

    @property
    def close_status(self) -> str | None:
        """The close status of an execution that it closes; None if it closes none."""
        return CLOSE_STATUS.get(self.name)

    @property
    def refuses(self) -> bool:
        """Whether it can report that a decision was refused, so that nothing was opened."""
        return bool(self.decision) and self.name.endswith("Failed") and not self.close_status


def outcome_of(status: str) -> str:
    """Return the outcome of an execution, given its status as the service writes it."""
    return status.lower().replace("_", " ")


def attributes_of(event: Mapping[str, Any]) -> Attributes:
    """Return the attributes of a wire event."""
    attributes: Attributes = event.get(event_attributes_key(event["eventType"]), {})
    return attributes


def reason_of(attributes: Attributes) -> str:
    """Return why something went wrong, in the words of the event; empty if it gives no reason."""
    members = ("reason", "cause", "timeoutType")
    return next((str(attributes[name]) for name in members if attributes.get(name)), "")


def refused_decision(event_type: str, attributes: Attributes) -> str:
    """Name a refused decision, such as ``StartTimer wait``, from the event that reports it."""
    subject = next((str(attributes[name]) for name in _SUBJECTS if name in attributes), "")
    return f"{event_type.removesuffix('Failed')} {subject}".rstrip()


_SUBJECTS = ("activityId", "timerId", "workflowId", "markerName", "name")


def _phase(before: str, after: str) -> str:
    if before == life_cycles.NEW:
        return OPENS
    if after == life_cycles.CLOSED:
        return ENDS
    return STARTS if before != after else HAPPENS


_PHASES = {
    event: _phase(before, after)
    for table in LIFE_CYCLES.values()
    for (before, event), after in table.items()
}

_ABOUT = {
    DECISIONS: "scheduledEventId",
    ACTIVITY: "scheduledEventId",
    LAMBDA: "scheduledEventId",
    TIMER: "startedEventId",
    CHILD: "initiatedEventId",
    REQUEST: "initiatedEventId",
}

_NO_LINKS: Mapping[str, str] = {}


def _event(
    name: str,
    kind: str,
    outcome: str = "",
    *,
    decision: str = "",
    operation: str = "",
    label: Callable[[Attributes], str] = lambda _: "",
    links: Mapping[str, str] = _NO_LINKS,
    elsewhere: Mapping[str, str] = _NO_LINKS,
) -> EventSchema:
    phase = _PHASES.get(name, HAPPENS)
    if decision:
        links = {**links, "decisionTaskCompletedEventId": "DecisionTaskCompleted"}
    return EventSchema(
        name=name,
        kind=kind,
        phase=phase,
        outcome=outcome or outcome_of(CLOSE_STATUS.get(name, "")),
        about=_ABOUT.get(kind, "") if phase in (STARTS, ENDS) else "",
        decision=decision,
        operation=operation,
        links=links,
        elsewhere=elsewhere,
        label=label,
    )


def _refused(decision: str, kind: str, links: Mapping[str, str] = _NO_LINKS) -> EventSchema:
    """Return the event by which the service reports that it refused a decision, or failed it."""
    return _event(f"{decision}Failed", kind, FAILED, decision=decision, links=links)


def _activity_label(attributes: Attributes) -> str:
    name, task_id = attributes["activityType"]["name"], attributes["activityId"]
    return str(task_id) if name in task_id else f"{name} {task_id}"


def _named(kind: str, name: str) -> str:
    """Put the kind of thing before its name, unless the name begins with it."""
    return name if name.lower().startswith(kind) else f"{kind} {name}"


_OF_DECISION_TASK = {"scheduledEventId": "DecisionTaskScheduled"}
_OF_STARTED_DECISION_TASK = _OF_DECISION_TASK | {"startedEventId": "DecisionTaskStarted"}
_OF_ACTIVITY_TASK = {"scheduledEventId": "ActivityTaskScheduled"}
_OF_STARTED_ACTIVITY_TASK = _OF_ACTIVITY_TASK | {"startedEventId": "ActivityTaskStarted"}
_OF_LAMBDA_TASK = {"scheduledEventId": "LambdaFunctionScheduled"}
_OF_STARTED_LAMBDA_TASK = _OF_LAMBDA_TASK | {"startedEventId": "LambdaFunctionStarted"}
_OF_TIMER = {"startedEventId": "TimerStarted"}
_OF_CHILD = {"initiatedEventId": "StartChildWorkflowExecutionInitiated"}
_OF_STARTED_CHILD = _OF_CHILD | {"startedEventId": "ChildWorkflowExecutionStarted"}
_OF_SIGNAL = {"initiatedEventId": "SignalExternalWorkflowExecutionInitiated"}
_OF_REQUEST = {"initiatedEventId": "RequestCancelExternalWorkflowExecutionInitiated"}

EVENTS: Mapping[str, EventSchema] = {
    event.name: event
    for event in (
        # The execution
        _event(
            "WorkflowExecutionStarted",
            EXECUTION,
            operation="StartWorkflowExecution",
            elsewhere={"parentInitiatedEventId": "StartChildWorkflowExecutionInitiated"},
        ),
        _event(
            "WorkflowExecutionSignaled",
            INSTANT,
            operation="SignalWorkflowExecution",
            label=lambda signal: _named("signal", signal["signalName"]),
            elsewhere={"externalInitiatedEventId": "SignalExternalWorkflowExecutionInitiated"},
        ),
        _event(
            "WorkflowExecutionCancelRequested",
            INSTANT,
            operation="RequestCancelWorkflowExecution",
            label=lambda _: "cancel request",
            elsewhere={
                "externalInitiatedEventId": "RequestCancelExternalWorkflowExecutionInitiated"
            },
        ),
        _event("WorkflowExecutionCompleted", EXECUTION, decision="CompleteWorkflowExecution"),
        _event("WorkflowExecutionFailed", EXECUTION, decision="FailWorkflowExecution"),
        _event("WorkflowExecutionCanceled", EXECUTION, decision="CancelWorkflowExecution"),
        _event(
            "WorkflowExecutionContinuedAsNew",
            EXECUTION,
            decision="ContinueAsNewWorkflowExecution",
        ),
        _event("WorkflowExecutionTerminated", EXECUTION, operation="TerminateWorkflowExecution"),
        _event("WorkflowExecutionTimedOut", EXECUTION),
        _refused("CompleteWorkflowExecution", EXECUTION),
        _refused("FailWorkflowExecution", EXECUTION),
        _refused("CancelWorkflowExecution", EXECUTION),
        _refused("ContinueAsNewWorkflowExecution", EXECUTION),
        # Decision tasks
        _event("DecisionTaskScheduled", DECISIONS, label=lambda _: "decisions"),
        _event(
            "DecisionTaskStarted",
            DECISIONS,
            operation="PollForDecisionTask",
            links=_OF_DECISION_TASK,
        ),
        _event(
            "DecisionTaskCompleted",
            DECISIONS,
            COMPLETED,
            operation="RespondDecisionTaskCompleted",
            links=_OF_STARTED_DECISION_TASK,
        ),
        _event("DecisionTaskTimedOut", DECISIONS, TIMED_OUT, links=_OF_STARTED_DECISION_TASK),
        # Activity tasks
        _event(
            "ActivityTaskScheduled",
            ACTIVITY,
            decision="ScheduleActivityTask",
            label=_activity_label,
        ),
        _event(
            "ActivityTaskStarted",
            ACTIVITY,
            operation="PollForActivityTask",
            links=_OF_ACTIVITY_TASK,
        ),
        _event(
            "ActivityTaskCompleted",
            ACTIVITY,
            COMPLETED,
            operation="RespondActivityTaskCompleted",
            links=_OF_STARTED_ACTIVITY_TASK,
        ),
        _event(
            "ActivityTaskFailed",
            ACTIVITY,
            FAILED,
            operation="RespondActivityTaskFailed",
            links=_OF_STARTED_ACTIVITY_TASK,
        ),
        _event("ActivityTaskTimedOut", ACTIVITY, TIMED_OUT, links=_OF_STARTED_ACTIVITY_TASK),
        _event(
            "ActivityTaskCanceled",
            ACTIVITY,
            CANCELED,
            operation="RespondActivityTaskCanceled",
            links=_OF_STARTED_ACTIVITY_TASK
            | {"latestCancelRequestedEventId": "ActivityTaskCancelRequested"},
        ),
        _event("ActivityTaskCancelRequested", ACTIVITY, decision="RequestCancelActivityTask"),
        _refused("ScheduleActivityTask", ACTIVITY),
        _refused("RequestCancelActivityTask", ACTIVITY),
        # Timers
        _event(
            "TimerStarted",
            TIMER,
            decision="StartTimer",
            label=lambda timer: _named("timer", timer["timerId"]),
        ),
        _event("TimerFired", TIMER, COMPLETED, links=_OF_TIMER),
        _event("TimerCanceled", TIMER, CANCELED, decision="CancelTimer", links=_OF_TIMER),
        _refused("StartTimer", TIMER),
        _refused("CancelTimer", TIMER),
        # Children
        _event(
            "StartChildWorkflowExecutionInitiated",
            CHILD,
            decision="StartChildWorkflowExecution",
            label=lambda child: _named("child", child["workflowId"]),
        ),
        _event("ChildWorkflowExecutionStarted", CHILD, links=_OF_CHILD),
        _event("ChildWorkflowExecutionCompleted", CHILD, COMPLETED, links=_OF_STARTED_CHILD),
        _event("ChildWorkflowExecutionFailed", CHILD, FAILED, links=_OF_STARTED_CHILD),
        _event("ChildWorkflowExecutionTimedOut", CHILD, TIMED_OUT, links=_OF_STARTED_CHILD),
        _event("ChildWorkflowExecutionCanceled", CHILD, CANCELED, links=_OF_STARTED_CHILD),
        _event("ChildWorkflowExecutionTerminated", CHILD, TERMINATED, links=_OF_STARTED_CHILD),
        _refused("StartChildWorkflowExecution", CHILD, links=_OF_CHILD),
        # Lambda functions
        _event(
            "LambdaFunctionScheduled",
            LAMBDA,
            decision="ScheduleLambdaFunction",
            label=lambda task: _named("lambda", task["name"]),
        ),
        _event("LambdaFunctionStarted", LAMBDA, links=_OF_LAMBDA_TASK),
        _event("LambdaFunctionCompleted", LAMBDA, COMPLETED, links=_OF_STARTED_LAMBDA_TASK),
        _event("LambdaFunctionFailed", LAMBDA, FAILED, links=_OF_STARTED_LAMBDA_TASK),
        _event("LambdaFunctionTimedOut", LAMBDA, TIMED_OUT, links=_OF_STARTED_LAMBDA_TASK),
        _event("StartLambdaFunctionFailed", LAMBDA, FAILED, links=_OF_LAMBDA_TASK),
        _refused("ScheduleLambdaFunction", LAMBDA),
        # Signals and cancel requests to other executions
        _event(
            "SignalExternalWorkflowExecutionInitiated",
            REQUEST,
            decision="SignalExternalWorkflowExecution",
            label=lambda to: f"{_named('signal', to['signalName'])} to {to['workflowId']}",
        ),
        _event("ExternalWorkflowExecutionSignaled", REQUEST, COMPLETED, links=_OF_SIGNAL),
        _refused("SignalExternalWorkflowExecution", REQUEST, links=_OF_SIGNAL),
        _event(
            "RequestCancelExternalWorkflowExecutionInitiated",
            REQUEST,
            decision="RequestCancelExternalWorkflowExecution",
            label=lambda to: f"cancel {to['workflowId']}",
        ),
        _event("ExternalWorkflowExecutionCancelRequested", REQUEST, COMPLETED, links=_OF_REQUEST),
        _refused("RequestCancelExternalWorkflowExecution", REQUEST, links=_OF_REQUEST),
        # Markers
        _event(
            "MarkerRecorded",
            INSTANT,
            decision="RecordMarker",
            label=lambda marker: _named("marker", marker["markerName"]),
        ),
        _refused("RecordMarker", INSTANT),
    )
}
"""Every event type, by its name."""
