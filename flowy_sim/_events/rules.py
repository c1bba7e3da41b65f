"""The rules that every history obeys, including those that the real service wrote (as recorded).

* Event ids are 1, 2, 3 … and time never runs backwards.
* Every ``…EventId`` points back to an event of the right type, about the same task, timer or child.
* Nothing ends that is not open, and no two open things of a kind share an id.
* At most one decision task waits and at most one is started.
* A decision task is scheduled in the same transaction as an event that a decider must know about,
  or as a decision that failed, unless one waits already; and never otherwise.
* All events of a transaction have the same time: decisions that of their DecisionTaskCompleted, a
  decision task that of the event that called for it.
* A decision closes the execution only while no decision task waits. No event follows.

The tables here repeat what the engine's life cycles and `flowy_sim._events.schema` say. That is on
purpose: the rules are the oracle that the engine is tested with, so they share nothing with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

#: The member of ``openCounts`` that counts open things, by the event that opens one.
OPENS = {
    "ActivityTaskScheduled": "openActivityTasks",
    "DecisionTaskScheduled": "openDecisionTasks",
    "LambdaFunctionScheduled": "openLambdaFunctions",
    "StartChildWorkflowExecutionInitiated": "openChildWorkflowExecutions",
    "TimerStarted": "openTimers",
}

#: The member that identifies an open thing among others of its kind.
IDENTITY = {
    "ActivityTaskScheduled": "activityId",
    "LambdaFunctionScheduled": "id",
    "TimerStarted": "timerId",
}

DECIDED = "decisionTaskCompletedEventId"

#: The events that close an execution.
_CLOSINGS = {
    "WorkflowExecutionCanceled",
    "WorkflowExecutionCompleted",
    "WorkflowExecutionContinuedAsNew",
    "WorkflowExecutionFailed",
    "WorkflowExecutionTerminated",
    "WorkflowExecutionTimedOut",
}

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
        ends: whether this event ends what that event opened.
        zero: whether 0 is allowed, which refers to no event.
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
    """Return the links of children, and of requests to other executions."""
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


#: Where each member that holds an ID of the same history points, by event type and member.
LINKS = {
    **_task_links(),
    **_execution_links(),
    **{(name, DECIDED): Link("DecisionTaskCompleted") for name in _DECIDED_EVENTS.split()},
}

#: Failures of decisions that come after the transaction of the decisions.
LATE_FAILURES = {
    "SignalExternalWorkflowExecutionFailed",
    "RequestCancelExternalWorkflowExecutionFailed",
}

#: The events that a decider must know about (as recorded), and StartChildWorkflowExecutionFailed
#: if it has an initiatedEventId.
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

#: The events that begin or end a transaction, apart from those that a decision writes at once.
_PLACED = {"DecisionTaskScheduled", "DecisionTaskCompleted"}

_LINKS_OF: dict[str, list[tuple[str, Link]]] = {}
for (_event_type, _member), _link in LINKS.items():
    _LINKS_OF.setdefault(_event_type, []).append((_member, _link))


@cache
def _attributes_member(event_type: str) -> str:
    return f"{event_type[0].lower()}{event_type[1:]}EventAttributes"


class Violation(AssertionError):
    """A rule is broken. The message names the execution, the event and the rule."""


@dataclass
class HistoryState:
    """The state of an execution according to its history.

    Attributes:
        open: the open things by the name of their count: the event that opened each, with its
            identity among others of its kind. Of decision tasks only the one that waits.
        running: the DecisionTaskStarted of the task that a decider holds, or 0.
        last_completed_start: the DecisionTaskStarted of the last completed task, or 0.
        context_id: the DecisionTaskCompleted with the latest executionContext, or 0.
        latest_activity_id: the newest event about an activity task, or 0.
        cancel_requested: whether the execution was ever asked to cancel.
        close: the type of the event that closed the execution, or None.
    """

    open: dict[str, dict[int, str]] = field(
        default_factory=lambda: {count: {} for count in sorted(OPENS.values())}
    )
    running: int = 0
    last_completed_start: int = 0
    context_id: int = 0
    latest_activity_id: int = 0
    cancel_requested: bool = False
    close: str | None = None

    @property
    def waiting(self) -> int:
        """The DecisionTaskScheduled of the task that waits, or 0."""
        opened = self.open["openDecisionTasks"]
        return next(iter(opened)) if opened else 0

    def counts(self) -> dict[str, int]:
        """Return the ``openCounts`` that DescribeWorkflowExecution should return."""
        return {count: len(opened) for count, opened in self.open.items()}


def check_history(events: Iterable[Mapping[str, Any]], name: str = "a history") -> HistoryState:
    """Check a whole history against the rules.

    Args:
        events: all events from event 1, as GetWorkflowExecutionHistory returns them.
        name: the name of the execution in the message of a violation.

    Returns:
        The state of the execution according to its history.

    Raises:
        Violation: a rule is broken.
    """
    reader = _HistoryChecker(name)
    for event in events:
        reader.read(event)
    reader.end_transaction()
    return reader.state


class _HistoryChecker:
    """Reads a history event by event.

    Attributes:
        state: the state after the events read so far.
        types: those of the events read, by event id.
        event_id: the ID of the latest of them.
        about: of each event that starts something, the event that opened it, by event id.
        batch: the DecisionTaskCompleted of the current transaction, or 0.
        owed: whether a decision task has to be scheduled before the transaction ends.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = HistoryState()
        self.types = [""]
        self.event_id = 0
        self._time: Any = None
        self.about: dict[int, int] = {}
        self.batch = 0
        self.owed = False

    def read(self, event: Mapping[str, Any]) -> None:
        """Check the next event and apply it to the state."""
        event_type, time = event["eventType"], event.get("eventTimestamp")
        attributes = event[_attributes_member(event_type)]
        at_once = DECIDED in attributes and self._is_decided_at_once(event_type, attributes)
        if not at_once and event_type != "DecisionTaskScheduled":
            self.end_transaction()
        before, self._time = self._time, time
        self.types.append(event_type)
        self.event_id += 1
        if event["eventId"] != self.event_id:
            raise self._broken(f"has the ID {event['eventId']}")
        if self.state.close is not None:
            raise self._broken(f"comes after {self.state.close}")
        if time is not None and before is not None and time < before:
            raise self._broken("is earlier than the event before it")
        if at_once or event_type in _PLACED:
            self._place(event_type, attributes, time == before)
        if event_type in _LINKS_OF:
            self._follow(event_type, attributes)
        if event_type in OPENS:
            self._open(event_type, attributes)
        self._note(event_type, attributes)
        if self.owed or self._calls_for_a_task(event_type, attributes):
            self.owed = not self.state.waiting

    def end_transaction(self) -> None:
        """Check that a decision task was scheduled if one had to be."""
        if self.owed and self.state.close is None:
            raise self._broken("is not followed by a decision task in the same transaction")
        self.batch, self.owed = 0, False

    def _is_decided_at_once(self, event_type: str, attributes: Mapping[str, Any]) -> bool:
        if not attributes.get(DECIDED) or event_type in LATE_FAILURES:
            return False
        late_failure = event_type == "StartChildWorkflowExecutionFailed"
        return not (late_failure and attributes.get("initiatedEventId"))

    def _place(self, event_type: str, attributes: Mapping[str, Any], same_time: bool) -> None:
        """Check that the event is in the transaction that it belongs to."""
        if event_type == "DecisionTaskScheduled":
            if self.state.waiting:
                raise self._broken(f"comes while {self.state.waiting} waits")
            if not (self.owed and same_time):
                raise self._broken("is not in the transaction of what calls for it")
            self.batch = 0
        elif event_type == "DecisionTaskCompleted":
            self.batch = self.event_id
        elif not (self.batch == attributes[DECIDED] and same_time):
            raise self._broken("is not in the transaction of its DecisionTaskCompleted")

    def _calls_for_a_task(self, event_type: str, attributes: Mapping[str, Any]) -> bool:
        failed_decision = event_type.endswith("Failed") and DECIDED in attributes
        return event_type in TRIGGERS or (failed_decision and event_type not in _CLOSINGS)

    def _follow(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Check the links of the event, and end what it ends."""
        about = attributes.get("scheduledEventId") or attributes.get("initiatedEventId") or 0
        for member, link in _LINKS_OF[event_type]:
            target = attributes.get(member)
            if not target:
                if target == 0 and not link.zero:
                    raise self._broken(f"has {member} 0")
                continue
            kind = self.types[target] if 0 < target < self.event_id else "no earlier event"
            if kind != link.target:
                raise self._points(member, target, f"{kind}, not {link.target}")
            if self.about.get(target, about) != about:
                raise self._points(member, target, f"not about {about}")
            if link.ends and self.state.open[OPENS[link.target]].pop(target, None) is None:
                raise self._points(member, target, "not open")
        if about and event_type.endswith("Started"):
            self.about[self.event_id] = about

    def _open(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Add what the event opens to the state."""
        opened, event_id = self.state.open[OPENS[event_type]], self.event_id
        identity = attributes.get(IDENTITY.get(event_type, ""), str(event_id))
        if identity in opened.values():
            raise self._broken(f"has an ID in use, {identity!r}")
        opened[event_id] = identity

    def _note(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Apply the rest of the event to the state."""
        state, event_id = self.state, self.event_id
        if event_type.startswith("DecisionTask"):
            self._note_decision_task(event_type, attributes)
        elif event_type.startswith("ActivityTask"):
            state.latest_activity_id = event_id
        elif event_type == "WorkflowExecutionCancelRequested":
            state.cancel_requested = True
        elif event_type in _CLOSINGS:
            state.close = event_type
            if DECIDED in attributes and state.waiting:
                raise self._broken(f"comes while {state.waiting} waits")
        elif attributes.get("cause") == "UNHANDLED_DECISION" and not state.waiting:
            raise self._broken("comes although no decision task waits")

    def _note_decision_task(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        state, event_id = self.state, self.event_id
        started_id = attributes.get("startedEventId", 0)
        if event_type == "DecisionTaskStarted":
            if state.running:
                raise self._broken(f"comes while {state.running} is not over")
            state.running = event_id
        elif event_type == "DecisionTaskTimedOut" and not started_id:
            if state.open["openDecisionTasks"].pop(attributes["scheduledEventId"], None) is None:
                raise self._broken("is about a task that does not wait")
        elif event_type != "DecisionTaskScheduled":
            if state.running != started_id:
                raise self._broken(f"ends {started_id}, which is over")
            state.running = 0
        if event_type == "DecisionTaskCompleted":
            state.last_completed_start = started_id
            if attributes.get("executionContext") is not None:
                state.context_id = event_id

    def _points(self, member: str, target: int, what: str) -> Violation:
        return self._broken(f"has {member} {target}, which is {what}")

    def _broken(self, rule: str) -> Violation:
        event = f"event {self.event_id} {self.types[-1]}"
        return Violation(f"{self.name}, {event}: {rule}")
