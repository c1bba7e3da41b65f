"""From wire events to rows: what began, was taken up and ended, told by event ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowy_sim._events.vocabulary import (
    ACTIVITY,
    CLOSINGS,
    DECISIONS,
    ENDINGS,
    FAILED,
    HAPPENED,
    INSTANT,
    INSTANTS,
    OPEN,
    OPENINGS,
    STARTS,
    TIMER,
    TROUBLES,
    Attributes,
    Opening,
    attributes_of,
    reason_of,
    refused_decision,
)


@dataclass(slots=True)
class Span:
    """One attempt at something, by the ids of the events that tell of it.

    Attributes:
        kind: what it is: a kind of row, or the timer before another attempt.
        begun: when it was asked for.
        started: when somebody took it up; None if nobody did, or if no event would tell.
        ended: when it was over; None if it is open.
        outcome: how.
    """

    kind: str
    begun: int
    started: int | None = None
    ended: int | None = None
    outcome: str = OPEN


@dataclass(slots=True)
class Row:
    """A row of the picture.

    Attributes:
        kind: one of the kinds of `flowy_sim._events.vocabulary`.
        label: what to call it.
        type: the activity's type.
        spans: all attempts, or all decisions; an instant is a span of one event.
    """

    kind: str
    label: str
    type: object = None
    spans: list[Span] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """What came of the last attempt; it is open, too, while another attempt is waited for."""
        last = self.spans[-1]
        return last.outcome if last.kind == self.kind else OPEN

    @property
    def attempts(self) -> int:
        """How many attempts there were."""
        return sum(span.kind == self.kind for span in self.spans)


@dataclass(slots=True)
class Trouble:
    """What went wrong at an event.

    Attributes:
        event_id: the event.
        sentence: what went wrong, in words.
        reason: why, as far as that was not told just before.
    """

    event_id: int
    sentence: str
    reason: str


@dataclass(slots=True)
class Story:
    """What a history tells.

    Attributes:
        name: the workflow's name and version.
        outcome: what became of the execution.
        events: the ids of all events, in order.
        times: milliseconds since the epoch by event id, never running backwards; empty if a time
            is missing.
        rows: in the order in which they began.
        troubles: what went wrong, in order.
    """

    name: str = ""
    outcome: str = OPEN
    events: list[int] = field(default_factory=list)
    times: dict[int, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def milliseconds(self) -> int:
        """How long it took, as far as is known."""
        return self.times[self.events[-1]] - self.times[self.events[0]] if self.times else 0


def read(events: Iterable[Mapping[str, Any]]) -> Story:
    """Read wire events, in any order.

    Raises:
        ValueError: they are not events of a history.
    """
    listed = list(events)
    try:
        listed.sort(key=lambda event: event["eventId"])
        reader = _Reader()
        for event in listed:
            reader.read(event["eventId"], event["eventType"], attributes_of(event))
        times = [_milliseconds(event.get("eventTimestamp")) for event in listed]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"These are not events of a history: {error!r}.") from error
    story = reader.story
    story.events = [event["eventId"] for event in listed]
    latest = 0
    for event_id, time in zip(story.events, times, strict=True):
        if time is None:
            story.times = {}
            break
        # The service's own machines do not always agree on the time.
        latest = story.times[event_id] = max(latest, time)
    return story


class _Reader:
    """Makes a story, event by event."""

    def __init__(self) -> None:
        self.story = Story()
        self._open: dict[int, tuple[Row, Span]] = {}
        self._decisions: Row | None = None
        self._activities: dict[str, Row] = {}

    def read(self, event_id: int, event_type: str, attributes: Attributes) -> None:
        """Take the next event. What it speaks of may be missing: histories come in pages."""
        if event_type == "WorkflowExecutionStarted":
            named = attributes["workflowType"]
            self.story.name = f"{named['name']} {named['version']}"
        elif event_type in CLOSINGS:
            self.story.outcome = CLOSINGS[event_type]
            self._tell(event_id, "the execution", self.story.outcome, attributes)
        elif event_type in OPENINGS:
            self._begin(event_id, OPENINGS[event_type], attributes)
        elif event_type in STARTS:
            _, span = self._open.get(attributes[STARTS[event_type]], (None, None))
            if span is not None:
                span.started = event_id
        elif event_type in ENDINGS and attributes.get(ENDINGS[event_type].link) in self._open:
            row, span = self._open.pop(attributes[ENDINGS[event_type].link])
            span.ended, span.outcome = event_id, ENDINGS[event_type].outcome
            self._tell(event_id, row.label, span.outcome, attributes)
        elif event_type in INSTANTS:
            self._happen(event_id, INSTANTS[event_type](attributes), HAPPENED)
        elif "cause" in attributes:
            label = refused_decision(event_type, attributes)
            self._happen(event_id, label, FAILED)
            self._tell(event_id, label, FAILED, attributes)

    def _happen(self, event_id: int, label: str, outcome: str) -> None:
        span = Span(INSTANT, event_id, ended=event_id, outcome=outcome)
        self.story.rows.append(Row(INSTANT, label, spans=[span]))

    def _tell(self, event_id: int, what: str, outcome: str, attributes: Attributes) -> None:
        if outcome in TROUBLES:
            reason = reason_of(attributes)
            told = self.story.troubles and self.story.troubles[-1].reason
            if told and told in reason:
                reason = ""
            sentence = f"{what} {outcome}: {reason}" if reason else f"{what} {outcome}"
            self.story.troubles.append(Trouble(event_id, sentence, reason))

    def _begin(self, event_id: int, opening: Opening, attributes: Attributes) -> None:
        span = Span(opening.kind, event_id)
        row = self._known_row(opening.kind, attributes)
        if row is None:
            row = Row(opening.kind, opening.label(attributes), attributes.get("activityType"))
            self.story.rows.append(row)
            if opening.kind == DECISIONS:
                self._decisions = row
            elif opening.kind == ACTIVITY:
                self._activities[attributes["activityId"]] = row
        row.spans.append(span)
        self._open[event_id] = row, span

    def _known_row(self, kind: str, attributes: Attributes) -> Row | None:
        """Find the row of something that is done once more.

        Another attempt at an activity has the same id, or has a number behind it as flowy does
        it: ``resize-1.2``, after a timer ``resize-1.2-delay`` if it waits.
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


def _milliseconds(timestamp: datetime | float | str | None) -> int | None:
    """Return a time as milliseconds since the epoch; None for no time."""
    if timestamp is None:
        return None
    if isinstance(timestamp, str):
        timestamp = datetime.fromisoformat(timestamp)
    seconds = timestamp.timestamp() if isinstance(timestamp, datetime) else timestamp
    return round(seconds * 1000)
