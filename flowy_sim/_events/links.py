"""How the events of one history refer to each other, as tables.

Which event opens something, which event each ``…EventId`` points to, and which events a decider
has to know of.
"""

from __future__ import annotations

from dataclasses import dataclass

#: What ``openCounts`` calls the open things, by the event that opens one.
OPENS = {
    "ActivityTaskScheduled": "openActivityTasks",
    "DecisionTaskScheduled": "openDecisionTasks",
    "LambdaFunctionScheduled": "openLambdaFunctions",
    "StartChildWorkflowExecutionInitiated": "openChildWorkflowExecutions",
    "TimerStarted": "openTimers",
}

#: The member by which an open thing is told from others of its kind.
IDENTITY = {
    "ActivityTaskScheduled": "activityId",
    "LambdaFunctionScheduled": "id",
    "TimerStarted": "timerId",
}

DECIDED = "decisionTaskCompletedEventId"

#: The events that a decision writes at once, or that repeat its link later.
_DECIDED_EVENTS = """
    ActivityTaskCancelRequested ActivityTaskScheduled CancelTimerFailed
    CancelWorkflowExecutionFailed CompleteWorkflowExecutionFailed
    ContinueAsNewWorkflowExecutionFailed FailWorkflowExecutionFailed LambdaFunctionScheduled
    MarkerRecorded RecordMarkerFailed RequestCancelActivityTaskFailed
    RequestCancelExternalWorkflowExecutionFailed RequestCancelExternalWorkflowExecutionInitiated
    ScheduleActivityTaskFailed ScheduleLambdaFunctionFailed SignalExternalWorkflowExecutionFailed
    SignalExternalWorkflowExecutionInitiated StartChildWorkflowExecutionFailed
    StartChildWorkflowExecutionInitiated StartTimerFailed TimerCanceled TimerStarted
    WorkflowExecutionCanceled WorkflowExecutionCompleted WorkflowExecutionContinuedAsNew
    WorkflowExecutionFailed
"""


@dataclass(frozen=True)
class Link:
    """What a member that holds an event id refers to.

    Attributes:
        target: the type of that event.
        ends: whether what that event opened is over with this one.
        zero: whether 0 is allowed, for no event.
    """

    target: str
    ends: bool = False
    zero: bool = False


def _task_links() -> dict[tuple[str, str], Link]:
    """Return the links of tasks and timers."""
    links = {}
    for task, endings, without_start in (
        ("ActivityTask", ("Completed", "Failed", "TimedOut", "Canceled"), ("TimedOut", "Canceled")),
        ("DecisionTask", ("Completed", "TimedOut"), ("TimedOut",)),
        ("LambdaFunction", ("Completed", "Failed", "TimedOut"), ()),
    ):
        scheduled, started = f"{task}Scheduled", f"{task}Started"
        # A decision task counts as open only until it is started, as recorded.
        waits_only = task == "DecisionTask"
        links[started, "scheduledEventId"] = Link(scheduled, ends=waits_only)
        for ending in endings:
            links[task + ending, "scheduledEventId"] = Link(scheduled, ends=not waits_only)
            links[task + ending, "startedEventId"] = Link(started, zero=ending in without_start)
    links["StartLambdaFunctionFailed", "scheduledEventId"] = Link(
        "LambdaFunctionScheduled", ends=True
    )
    links["ActivityTaskCanceled", "latestCancelRequestedEventId"] = Link(
        "ActivityTaskCancelRequested"
    )
    for ending in ("TimerFired", "TimerCanceled"):
        links[ending, "startedEventId"] = Link("TimerStarted", ends=True)
    return links


def _execution_links() -> dict[tuple[str, str], Link]:
    """Return the links of what is about other executions."""
    links = {}
    child, initiated = "ChildWorkflowExecution", "StartChildWorkflowExecutionInitiated"
    links[child + "Started", "initiatedEventId"] = Link(initiated)
    links["StartChildWorkflowExecutionFailed", "initiatedEventId"] = Link(
        initiated, ends=True, zero=True
    )
    for ending in ("Completed", "Failed", "TimedOut", "Canceled", "Terminated"):
        links[child + ending, "initiatedEventId"] = Link(initiated, ends=True)
        links[child + ending, "startedEventId"] = Link(child + "Started")
    for sent, confirmed in (
        ("SignalExternalWorkflowExecution", "ExternalWorkflowExecutionSignaled"),
        ("RequestCancelExternalWorkflowExecution", "ExternalWorkflowExecutionCancelRequested"),
    ):
        for event_type in (confirmed, sent + "Failed"):
            links[event_type, "initiatedEventId"] = Link(sent + "Initiated")
    return links


#: Where each member that holds an id of the same history points, by event type and member.
LINKS = {
    **_task_links(),
    **_execution_links(),
    **{(name, DECIDED): Link("DecisionTaskCompleted") for name in _DECIDED_EVENTS.split()},
}

#: Failures of a decision that show only after its transaction.
LATE_FAILURES = {
    "SignalExternalWorkflowExecutionFailed",
    "RequestCancelExternalWorkflowExecutionFailed",
}

#: What a decider has to know of (as recorded); StartChildWorkflowExecutionFailed as well where it
#: has an initiatedEventId.
TRIGGERS = {
    "ActivityTaskCanceled",
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskTimedOut",
    "ChildWorkflowExecutionCanceled",
    "ChildWorkflowExecutionCompleted",
    "ChildWorkflowExecutionFailed",
    "ChildWorkflowExecutionStarted",
    "ChildWorkflowExecutionTerminated",
    "ChildWorkflowExecutionTimedOut",
    "DecisionTaskTimedOut",
    "ExternalWorkflowExecutionCancelRequested",
    "ExternalWorkflowExecutionSignaled",
    "LambdaFunctionCompleted",
    "LambdaFunctionFailed",
    "LambdaFunctionTimedOut",
    "StartLambdaFunctionFailed",
    "TimerFired",
    "WorkflowExecutionCancelRequested",
    "WorkflowExecutionSignaled",
    "WorkflowExecutionStarted",
    *LATE_FAILURES,
}
