"""What the events of a history mean for a picture of it: tables by event type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
"""Outcomes that somebody will ask the reason of."""

DECISIONS = "decisions"
ACTIVITY = "activity"
TIMER = "timer"
CHILD = "child"
LAMBDA = "lambda"
REQUEST = "request"
INSTANT = "instant"


class Opening(NamedTuple):
    """What an event begins."""

    kind: str
    label: Callable[[Attributes], str]


class Ending(NamedTuple):
    """What an event ends: the attribute with the event that began it, and the outcome."""

    link: str
    outcome: str


def _activity_label(attributes: Attributes) -> str:
    name, task_id = attributes["activityType"]["name"], attributes["activityId"]
    return str(task_id) if name in task_id else f"{name} {task_id}"


def _named(kind: str, name: str) -> str:
    """Say what something is, unless its name does."""
    return name if name.lower().startswith(kind) else f"{kind} {name}"


OPENINGS = {
    "DecisionTaskScheduled": Opening(DECISIONS, lambda _: "decisions"),
    "ActivityTaskScheduled": Opening(ACTIVITY, _activity_label),
    "TimerStarted": Opening(TIMER, lambda task: _named("timer", task["timerId"])),
    "StartChildWorkflowExecutionInitiated": Opening(
        CHILD, lambda child: _named("child", child["workflowId"])
    ),
    "LambdaFunctionScheduled": Opening(LAMBDA, lambda task: _named("lambda", task["name"])),
    "SignalExternalWorkflowExecutionInitiated": Opening(
        REQUEST, lambda to: f"{_named('signal', to['signalName'])} to {to['workflowId']}"
    ),
    "RequestCancelExternalWorkflowExecutionInitiated": Opening(
        REQUEST, lambda request: f"cancel {request['workflowId']}"
    ),
}
"""Events that begin something."""

STARTS = {
    "DecisionTaskStarted": "scheduledEventId",
    "ActivityTaskStarted": "scheduledEventId",
    "LambdaFunctionStarted": "scheduledEventId",
    "ChildWorkflowExecutionStarted": "initiatedEventId",
}
"""Events of taking up what was begun: the attribute with the event that began it."""

ENDINGS = {
    "DecisionTaskCompleted": Ending("scheduledEventId", COMPLETED),
    "DecisionTaskTimedOut": Ending("scheduledEventId", TIMED_OUT),
    "ActivityTaskCompleted": Ending("scheduledEventId", COMPLETED),
    "ActivityTaskFailed": Ending("scheduledEventId", FAILED),
    "ActivityTaskTimedOut": Ending("scheduledEventId", TIMED_OUT),
    "ActivityTaskCanceled": Ending("scheduledEventId", CANCELED),
    "TimerFired": Ending("startedEventId", COMPLETED),
    "TimerCanceled": Ending("startedEventId", CANCELED),
    "ChildWorkflowExecutionCompleted": Ending("initiatedEventId", COMPLETED),
    "ChildWorkflowExecutionFailed": Ending("initiatedEventId", FAILED),
    "ChildWorkflowExecutionTimedOut": Ending("initiatedEventId", TIMED_OUT),
    "ChildWorkflowExecutionCanceled": Ending("initiatedEventId", CANCELED),
    "ChildWorkflowExecutionTerminated": Ending("initiatedEventId", TERMINATED),
    "StartChildWorkflowExecutionFailed": Ending("initiatedEventId", FAILED),
    "LambdaFunctionCompleted": Ending("scheduledEventId", COMPLETED),
    "LambdaFunctionFailed": Ending("scheduledEventId", FAILED),
    "LambdaFunctionTimedOut": Ending("scheduledEventId", TIMED_OUT),
    "StartLambdaFunctionFailed": Ending("scheduledEventId", FAILED),
    "ExternalWorkflowExecutionSignaled": Ending("initiatedEventId", COMPLETED),
    "SignalExternalWorkflowExecutionFailed": Ending("initiatedEventId", FAILED),
    "ExternalWorkflowExecutionCancelRequested": Ending("initiatedEventId", COMPLETED),
    "RequestCancelExternalWorkflowExecutionFailed": Ending("initiatedEventId", FAILED),
}
"""Events that end what was begun."""

INSTANTS: dict[str, Callable[[Attributes], str]] = {
    "WorkflowExecutionSignaled": lambda signal: _named("signal", signal["signalName"]),
    "WorkflowExecutionCancelRequested": lambda _: "cancel request",
    "MarkerRecorded": lambda marker: _named("marker", marker["markerName"]),
}
"""Events that stand for themselves: what to call them."""

CLOSINGS = {
    "WorkflowExecutionCompleted": COMPLETED,
    "WorkflowExecutionFailed": FAILED,
    "WorkflowExecutionTimedOut": TIMED_OUT,
    "WorkflowExecutionCanceled": CANCELED,
    "WorkflowExecutionTerminated": TERMINATED,
    "WorkflowExecutionContinuedAsNew": CONTINUED,
}
"""Events that end the execution: its outcome."""

_SUBJECTS = ("activityId", "timerId", "workflowId", "markerName", "name")


def attributes_of(event: Mapping[str, Any]) -> Attributes:
    """Return the attributes of a wire event."""
    event_type = event["eventType"]
    attributes: Attributes = event.get(
        f"{event_type[0].lower()}{event_type[1:]}EventAttributes", {}
    )
    return attributes


def refused_decision(event_type: str, attributes: Attributes) -> str:
    """Name a decision that failed, such as ``StartTimer wait``, by the event that says so."""
    subject = next((str(attributes[name]) for name in _SUBJECTS if name in attributes), "")
    return f"{event_type.removesuffix('Failed')} {subject}".rstrip()


def reason_of(attributes: Attributes) -> str:
    """Return why something went wrong, in the words of the event; empty if it does not say."""
    members = ("reason", "cause", "timeoutType")
    return next((str(attributes[name]) for name in members if attributes.get(name)), "")
