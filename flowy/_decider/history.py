"""The history of an execution, read in one pass: what was known, and decided, in each turn.

A turn is a decision task that was completed, or the one to be decided now. In a turn the workflow
learns the events up to its DecisionTaskStarted that it did not know in the turn before. What
happens while it decides belongs to the next turn. A decision task that timed out is not a turn, as
it had no effect.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flowy._decisions import DECISION_EVENTS, RecordedEvent
from flowy.errors import HistoryError

Event = Mapping[str, Any]


class NewEvent(NamedTuple):
    """An event that a workflow has to learn of."""

    about: str | None
    """The key of the call that it is about, or None if it is about the execution itself."""
    event_type: str
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class Turn:
    """What the workflow learned before one decision task, and what it decided then."""

    new_events: list[NewEvent]
    started_event_id: int
    """The ID of the DecisionTaskStarted event."""
    timestamp: Any
    """Its time, as the service, the AWS CLI or a file spells it."""
    recorded: list[RecordedEvent] = field(default_factory=list)
    """The events that its decisions wrote."""
    completed_event_id: int | None = None
    """The ID of the DecisionTaskCompleted event, or None while the task is to be decided."""

    @property
    def instant(self) -> datetime:
        """The time at which the decision task was started, in UTC.

        Raises:
            HistoryError: the history does not contain it.
        """
        timestamp = self.timestamp
        if isinstance(timestamp, datetime):
            return timestamp.astimezone(UTC)
        if isinstance(timestamp, int | float):
            return datetime.fromtimestamp(timestamp, UTC)
        if isinstance(timestamp, str):
            return datetime.fromisoformat(timestamp).astimezone(UTC)
        raise HistoryError(f"the events of this history have no usable timestamps: {timestamp!r}")

    def marker(self, name: str, before: int) -> Mapping[str, Any] | None:
        """Return the attributes of a marker that was recorded in this turn.

        Args:
            name: its name.
            before: the number of markers that were recorded before it in this turn.

        Returns:
            Its attributes, or None if there is none or it has another name.
        """
        recorded = [trace for trace in self.recorded if trace.event_type in _MARKERS]
        if before >= len(recorded) or recorded[before].attributes["markerName"] != name:
            return None
        return recorded[before].attributes


_MARKERS = ("MarkerRecorded", "RecordMarkerFailed")


OPENING_EVENTS = {
    "ActivityTaskScheduled": "activityId",
    "TimerStarted": "timerId",
    "StartChildWorkflowExecutionInitiated": "control",
    "SignalExternalWorkflowExecutionInitiated": "control",
    "RequestCancelExternalWorkflowExecutionInitiated": "control",
    "LambdaFunctionScheduled": "id",
}
"""The attribute that holds the key given by the workflow, by the event that begins a call."""


LINKS = {
    "ActivityTaskCompleted": "scheduledEventId",
    "ActivityTaskFailed": "scheduledEventId",
    "ActivityTaskTimedOut": "scheduledEventId",
    "ActivityTaskCanceled": "scheduledEventId",
    "TimerFired": "startedEventId",
    "TimerCanceled": "startedEventId",
    "ChildWorkflowExecutionStarted": "initiatedEventId",
    "ChildWorkflowExecutionCompleted": "initiatedEventId",
    "ChildWorkflowExecutionFailed": "initiatedEventId",
    "ChildWorkflowExecutionTimedOut": "initiatedEventId",
    "ChildWorkflowExecutionCanceled": "initiatedEventId",
    "ChildWorkflowExecutionTerminated": "initiatedEventId",
    "StartChildWorkflowExecutionFailed": "initiatedEventId",
    "ExternalWorkflowExecutionSignaled": "initiatedEventId",
    "SignalExternalWorkflowExecutionFailed": "initiatedEventId",
    "ExternalWorkflowExecutionCancelRequested": "initiatedEventId",
    "RequestCancelExternalWorkflowExecutionFailed": "initiatedEventId",
    "LambdaFunctionCompleted": "scheduledEventId",
    "LambdaFunctionFailed": "scheduledEventId",
    "LambdaFunctionTimedOut": "scheduledEventId",
    "StartLambdaFunctionFailed": "scheduledEventId",
}
"""The attribute that holds the ID of the event that began a call, by the event of its outcome.

The three that end in ``Failed`` and link to an Initiated event have no such event, and 0 there, if
the decision itself failed.
"""


NOT_FINAL = frozenset({"ChildWorkflowExecutionStarted"})
"""Linked events that others follow."""


DECISION_FAILURES = {
    "ScheduleActivityTaskFailed": "activityId",
    "StartTimerFailed": "timerId",
    "StartChildWorkflowExecutionFailed": "control",
    "SignalExternalWorkflowExecutionFailed": "control",
    "RequestCancelExternalWorkflowExecutionFailed": "control",
    "ScheduleLambdaFunctionFailed": "id",
    "CompleteWorkflowExecutionFailed": None,
    "FailWorkflowExecutionFailed": None,
    "CancelWorkflowExecutionFailed": None,
    "ContinueAsNewWorkflowExecutionFailed": None,
}
"""The attribute that holds the key of the call not begun, by the event of the failed decision.

A failed cancel request is missing here: the workflow need not know, as its target has ended then.
"""


EXTERNAL_EVENTS = frozenset({"WorkflowExecutionSignaled", "WorkflowExecutionCancelRequested"})
"""Events that come from outside."""


def attributes_of(event: Event) -> Mapping[str, Any]:
    """Return the attributes of an event of any type; empty if it has none."""
    attributes: Mapping[str, Any] = event.get(_attributes_member(event["eventType"]), {})
    return attributes


def _attributes_member(event_type: str) -> str:
    return f"{event_type[0].lower()}{event_type[1:]}EventAttributes"


_MEMBERS = {name: _attributes_member(name) for name in (*DECISION_EVENTS, *LINKS, *EXTERNAL_EVENTS)}


_SILENT = frozenset({"DecisionTaskScheduled", "ActivityTaskStarted", "LambdaFunctionStarted"})
"""Events that neither concern a workflow nor are written by decisions."""


class ReplayedHistory:
    """The history of an execution, as far as it has been read.

    Args:
        events: all events from the first one on, oldest first, as the service returns them.

    Raises:
        HistoryError: it does not begin with WorkflowExecutionStarted.

    Attributes:
        started: the attributes of WorkflowExecutionStarted.
        turns: the turns that have not been taken from it yet, oldest first.
        open_turn: the one that is to be decided, until its DecisionTaskCompleted is read.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        events = iter(events)
        first = next(events, None)
        if first is None or first.get("eventType") != "WorkflowExecutionStarted":
            raise HistoryError(
                "a history begins with WorkflowExecutionStarted, event 1; this one does not"
            )
        self.started: Mapping[str, Any] = first["workflowExecutionStartedEventAttributes"]
        self.turns: deque[Turn] = deque()
        self.open_turn: Turn | None = None
        self._keys: dict[int, str] = {}
        self._new_events: list[NewEvent] = []
        self._recorded: list[RecordedEvent] = []
        self.read(events)

    def read(self, events: Iterable[Event]) -> None:
        """Read the events that follow.

        Args:
            events: the events written since, oldest first. The last decision task becomes the open
                turn if it was started and has neither completed nor timed out.
        """
        new_events, recorded, keys = self._new_events, self._recorded, self._keys
        known = 0  # how many of the new events the decision task that was started last knows
        deciding: Event | None = None
        if self.open_turn is not None:
            known = len(self.open_turn.new_events)
        for event in events:
            event_type = event["eventType"]
            if event_type in _SILENT:
                continue
            if event_type == "DecisionTaskStarted":
                known, deciding = len(new_events), event
            elif event_type == "DecisionTaskCompleted":
                turn = self.open_turn or self._turn(deciding, known)
                turn.completed_event_id = event["eventId"]
                self.open_turn = deciding = None
                recorded = turn.recorded
                del new_events[:known]
            elif event_type == "DecisionTaskTimedOut":
                deciding = None
            else:
                attributes = event[_MEMBERS.get(event_type) or _attributes_member(event_type)]
                linked = LINKS.get(event_type)
                begun = attributes[linked] if linked else 0
                if begun:
                    keep = event_type in NOT_FINAL
                    key = keys[begun] if keep else keys.pop(begun)
                    new_events.append(NewEvent(key, event_type, attributes))
                elif event_type in EXTERNAL_EVENTS:
                    new_events.append(NewEvent(None, event_type, attributes))
                if "decisionTaskCompletedEventId" in attributes and (
                    not begun or event_type in RECORDED_AND_LINKED
                ):
                    recorded.append(RecordedEvent(event["eventId"], event_type, attributes))
                    if len(recorded) == 1 and _was_interrupted(event_type, attributes):
                        new_events[:0] = self._reopened(recorded)
                        recorded = []
                    elif event_type in OPENING_EVENTS:
                        keys[event["eventId"]] = attributes.get(OPENING_EVENTS[event_type], "")
                    elif event_type in DECISION_FAILURES:
                        member = DECISION_FAILURES[event_type]
                        refused = attributes.get(member, "") if member else None
                        new_events.append(NewEvent(refused, event_type, attributes))
        self._recorded = recorded
        if deciding is not None and self.open_turn is None:
            self.open_turn = self._turn(deciding, known)

    def _reopened(self, recorded: list[RecordedEvent]) -> list[NewEvent]:
        """Take back a turn that did nothing but close the execution, which was refused.

        It is decided again, together with the events that arrived meanwhile. So code that looks for
        a last signal before it returns finds one that arrives while it does.

        Returns:
            The new events of that turn.

        Raises:
            HistoryError: the turn was taken already; replay the whole history.
        """
        if not self.turns or self.turns[-1].recorded is not recorded:
            raise HistoryError(
                "the last decision was made without the events that arrived meanwhile"
            )
        return self.turns.pop().new_events

    def _turn(self, started: Event | None, known: int) -> Turn:
        if started is None:
            raise HistoryError("a decision task was completed that was never started")
        turn = Turn(self._new_events[:known], started["eventId"], started.get("eventTimestamp"))
        self.turns.append(turn)
        return turn


_CLOSING_FAILED = frozenset(name for name, member in DECISION_FAILURES.items() if member is None)


def _was_interrupted(event_type: str, attributes: Mapping[str, Any]) -> bool:
    """Return whether an event says that new events kept the execution from being closed."""
    return event_type in _CLOSING_FAILED and attributes["cause"] == "UNHANDLED_DECISION"


RECORDED_AND_LINKED = frozenset({"TimerCanceled"})
"""An event that a decision writes and that also ends something."""


class ArrivedSignal(NamedTuple):
    """A signal that has arrived."""

    name: str
    text: str | None
    """The value that it carries, as text; None for nothing."""


CANCEL_REQUEST = ArrivedSignal("", None)
"""Represents a cancel request among the signals passed to the next run; no signal has this name."""


class Arrival(NamedTuple):
    """A signal, and its position in the order in which calls ended and signals arrived."""

    signal: ArrivedSignal
    when: int


class Signals:
    """Signals by name, in the order in which they arrived, and cancel requests.

    Attributes:
        cancel_requested: whether the execution was asked to cancel itself.
        cancel_pending: whether ``run`` has not learned of it yet.
    """

    def __init__(self) -> None:
        self.cancel_requested = False
        self.cancel_pending = False
        self._waiting: dict[str, deque[Arrival]] = {}

    def arrived(self, name: str, text: str | None, when: int) -> None:
        """Keep a signal until it is taken."""
        arrival = Arrival(ArrivedSignal(name, text or None), when)
        self._waiting.setdefault(name, deque()).append(arrival)

    def asked_to_cancel(self) -> None:
        """Keep a cancel request; ``run`` learns of the first one only."""
        self.cancel_pending = self.cancel_pending or not self.cancel_requested
        self.cancel_requested = True

    def carried_over(self, signals: Iterable[ArrivedSignal]) -> None:
        """Insert the signals that an earlier run did not take, before those that arrived since."""
        later, self._waiting = self._waiting, {}
        for signal in signals:
            if signal == CANCEL_REQUEST:
                self.asked_to_cancel()
            else:
                self.arrived(*signal, when=0)
        for name, arrivals in later.items():
            self._waiting.setdefault(name, deque()).extend(arrivals)

    def take(self, name: str) -> Arrival | None:
        """Return the signal of a name that arrived first and remove it; None if there is none."""
        waiting = self._waiting.get(name)
        return waiting.popleft() if waiting else None

    @property
    def unhandled(self) -> list[ArrivedSignal]:
        """Return what the next run must receive: signals and a cancel request not handled yet."""
        untaken = [arrival.signal for waiting in self._waiting.values() for arrival in waiting]
        return [*untaken, CANCEL_REQUEST] if self.cancel_pending else untaken
