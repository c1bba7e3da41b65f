"""What ran when, read from a history: a row for each task, timer and child, with its attempts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from flowy_sim._events.schema import (
    ACTIVITY,
    DECISIONS,
    ENDS,
    EVENTS,
    EXECUTION,
    FAILED,
    HAPPENED,
    INSTANT,
    OPEN,
    OPENS,
    REQUEST,
    STARTS,
    TIMER,
    TROUBLES,
    Attributes,
    EventSchema,
    attributes_of,
    reason_of,
    refused_decision,
)

THE_EXECUTION = "the execution"
"""What the execution itself is called in sentences about problems."""


@dataclass(slots=True)
class Span:
    """One attempt at something, by the IDs of its events.

    Attributes:
        kind: the kind of its row, or `TIMER` for the timer before another attempt.
        begun: the event that scheduled or initiated it.
        started: the event that started it; None if it has not started, or if things of this kind
            have no such event.
        ended: the event that ended it; None while it is open.
        outcome: how it ended.

    An instant has happened when it begins, so one that has not ended is awaited.
    """

    kind: str
    begun: int
    started: int | None = None
    ended: int | None = None
    outcome: str = OPEN

    @property
    def is_awaited(self) -> bool:
        """Whether it is an instant that has not happened yet."""
        return self.kind == INSTANT and self.ended is None

    @property
    def work_began(self) -> int | None:
        """The event after which it no longer waited; None if it never got so far."""
        if self.started is not None:
            return self.started
        # A timer runs, and a request is on its way, from the moment that it is decided.
        return self.begun if self.kind in (TIMER, REQUEST, INSTANT) else self.ended


@dataclass(slots=True)
class Row:
    """A row of a timeline.

    Attributes:
        kind: one of the kinds of `flowy_sim._events.schema`.
        label: what to call it.
        type: the activity's type; None for other kinds.
        spans: all attempts, or all decision tasks. An instant has a span of one event for each
            time that it happened, such as for each signal of one name.
        execution: the workflow ID and run ID of a child that has started.
    """

    kind: str
    label: str
    type: object = None
    spans: list[Span] = field(default_factory=list)
    execution: tuple[str, str] | None = None

    @property
    def outcome(self) -> str:
        """The outcome of the last attempt; `OPEN` also while the row waits for another attempt."""
        last = self.spans[-1]
        return last.outcome if last.kind == self.kind else OPEN

    @property
    def last(self) -> int:
        """The last event that is about it."""
        last = self.spans[-1]
        return last.ended or last.started or last.begun

    @property
    def attempts(self) -> int:
        """The number of attempts, or of times that an instant happened."""
        return sum(span.kind == self.kind for span in self.spans)


@dataclass(slots=True)
class Problem:
    """Something that went wrong.

    Attributes:
        event_id: the event that reports it.
        what: what went wrong: the label of a row, a refused decision, or the execution.
        outcome: how it ended.
        sentence: what went wrong, in words.
        reason: why, in the words of the event; empty if it does not say.
    """

    event_id: int
    what: str
    outcome: str
    sentence: str
    reason: str

    def is_wrapped_in(self, reason: str) -> bool:
        """Return whether a reason says no more than this problem, as when an error was not caught.

        A decider repeats the reason, or puts in front of it what failed, as flowy does:
        ``resize 1 (resize-1) failed: OSError: disk full``.
        """
        end = f" ({self.what}) {self.outcome}: {self.reason}"
        return bool(self.reason) and (reason == self.reason or reason.endswith(end))


@dataclass(slots=True)
class Timeline:
    """What ran when in an execution.

    Attributes:
        name: the workflow's name and version.
        outcome: how the execution ended, or `OPEN`.
        events: the IDs of all events, in order.
        times: milliseconds since the epoch by event id, never running backwards; empty if the
            time of an event is missing.
        rows: the rows, in the order in which they began.
        problems: what went wrong, in order.
    """

    name: str = ""
    outcome: str = OPEN
    events: list[int] = field(default_factory=list)
    times: dict[int, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def milliseconds(self) -> int:
        """The time from the first event to the last; 0 if times are missing."""
        return self.times[self.events[-1]] - self.times[self.events[0]] if self.times else 0

    def with_awaited(self, signals: Iterable[str]) -> Timeline:
        """Return the timeline with rows for awaited signals, which no history shows."""
        rows = [
            Row(INSTANT, f"{name}?", spans=[Span(INSTANT, self.events[-1])]) for name in signals
        ]
        return replace(self, rows=[*self.rows, *rows])


def read(events: Iterable[Mapping[str, Any]], awaited: Iterable[str] = ()) -> Timeline:
    """Read the timeline of a history.

    Args:
        events: wire events in any order, all or some of an execution's.
        awaited: the names of signals that it waits for, which no history shows.

    Raises:
        ValueError: these are not events of a history.
    """
    reader = TimelineReader()
    try:
        for event in sorted(events, key=lambda event: event["eventId"]):
            reader.read(event)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"These are not events of a history: {error!r}.") from error
    return reader.timeline.with_awaited(awaited)


class TimelineReader:
    """Makes a timeline, event by event.

    Attributes:
        timeline: the timeline of the events that were read.
    """

    def __init__(self) -> None:
        self.timeline = Timeline()
        self._latest: int | None = 0
        self._open: dict[int, tuple[Row, Span]] = {}
        self._decisions: Row | None = None
        self._activities: dict[str, Row] = {}
        self._instants: dict[tuple[str, str], Row] = {}

    def read(self, event: Mapping[str, Any]) -> None:
        """Read the next event. Events that it refers to may be missing: histories come in pages.

        Raises:
            KeyError, TypeError, AttributeError: it is not an event of a history.
        """
        event_id: int = event["eventId"]
        self._read(event_id, event["eventType"], attributes_of(event))
        self.timeline.events.append(event_id)
        time = milliseconds(event.get("eventTimestamp"))
        if time is None or self._latest is None:
            self._latest = None
            self.timeline.times.clear()
        else:
            # The service's own machines do not always agree on the time.
            self._latest = self.timeline.times[event_id] = max(self._latest, time)

    def _read(self, event_id: int, event_type: str, attributes: Attributes) -> None:
        schema = EVENTS.get(event_type)
        if schema is None:
            return
        if schema.phase == OPENS and schema.kind == EXECUTION:
            named = attributes["workflowType"]
            self.timeline.name = f"{named['name']} {named['version']}"
        elif schema.phase == OPENS:
            self._begin(event_id, schema, attributes)
        elif schema.phase == STARTS:
            row, span = self._open.get(attributes[schema.about], (None, None))
            if row is not None and span is not None:
                span.started = event_id
                child = attributes.get("workflowExecution")
                if child:
                    row.execution = child["workflowId"], child["runId"]
        elif schema.phase == ENDS and schema.kind == EXECUTION:
            self.timeline.outcome = schema.outcome
            self._report(event_id, THE_EXECUTION, schema.outcome, attributes)
        elif schema.phase == ENDS and attributes.get(schema.about) in self._open:
            row, span = self._open.pop(attributes[schema.about])
            span.ended, span.outcome = event_id, schema.outcome
            self._report(event_id, row.label, span.outcome, attributes)
        elif schema.refuses:
            label = refused_decision(event_type, attributes)
            self._happen(event_id, label, FAILED)
            self._report(event_id, label, FAILED, attributes)
        elif schema.kind == INSTANT:
            self._happen(event_id, schema.label(attributes), HAPPENED)

    def _happen(self, event_id: int, label: str, outcome: str) -> None:
        """Add an instant to the row of its name, or to a new one."""
        row = self._instants.get((label, outcome))
        if row is None:
            row = self._instants[label, outcome] = Row(INSTANT, label)
            self.timeline.rows.append(row)
        row.spans.append(Span(INSTANT, event_id, ended=event_id, outcome=outcome))

    def _report(self, event_id: int, what: str, outcome: str, attributes: Attributes) -> None:
        """Add a problem with its reason.

        An execution usually fails with the reason of something that failed in it. Only then does
        the sentence refer to that one instead.
        """
        if outcome not in TROUBLES:
            return
        reason, problems = reason_of(attributes), self.timeline.problems
        cause = self._wrapped(reason) if what == THE_EXECUTION else None
        if cause is not None:
            sentence = f"{what} {outcome} because of event {cause.event_id}"
        else:
            sentence = f"{what} {outcome}: {reason}" if reason else f"{what} {outcome}"
        problems.append(Problem(event_id, what, outcome, sentence, reason))

    def _wrapped(self, reason: str) -> Problem | None:
        """Return the last problem that the reason repeats, if any."""
        problems = reversed(self.timeline.problems)
        return next((each for each in problems if each.is_wrapped_in(reason)), None)

    def _begin(self, event_id: int, schema: EventSchema, attributes: Attributes) -> None:
        kind = schema.kind
        span = Span(kind, event_id)
        row = self._known_row(kind, attributes)
        if row is None:
            row = Row(kind, schema.label(attributes), attributes.get("activityType"))
            self.timeline.rows.append(row)
            if kind == DECISIONS:
                self._decisions = row
            elif kind == ACTIVITY:
                self._activities[attributes["activityId"]] = row
        row.spans.append(span)
        self._open[event_id] = row, span

    def _known_row(self, kind: str, attributes: Attributes) -> Row | None:
        """Return the row that another attempt belongs to; None if it begins a row.

        Another attempt at an activity has the same ID, or the ID with a number appended, as flowy
        does it: ``resize-1.2``, after a timer ``resize-1.2-delay`` if it waits.
        """
        if kind == DECISIONS:
            return self._decisions
        if kind == TIMER:
            row = self._first_attempt(attributes["timerId"].removesuffix("-delay"))
            delays = attributes["timerId"].endswith("-delay")
            if row is not None and delays and row.spans[-1].outcome in TROUBLES:
                return row
        if kind == ACTIVITY:
            task_id = attributes["activityId"]
            row = self._activities.get(task_id) or self._first_attempt(task_id)
            if row is not None and row.spans[-1].ended and row.type == attributes["activityType"]:
                return row
        return None

    def _first_attempt(self, task_id: str) -> Row | None:
        numbered = re.fullmatch(r"(.+)\.\d+", task_id)
        return self._activities.get(numbered[1]) if numbered else None


def milliseconds(timestamp: datetime | float | str | None) -> int | None:
    """Return a time as milliseconds since the epoch; None for no time."""
    if timestamp is None:
        return None
    if isinstance(timestamp, str):
        timestamp = datetime.fromisoformat(timestamp)
    seconds = timestamp.timestamp() if isinstance(timestamp, datetime) else timestamp
    return round(seconds * 1000)
