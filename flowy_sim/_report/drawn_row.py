"""Rows of a picture: the lines and marks that show what ran when, and the words beside them.

A row is drawn in the units of its timeline: milliseconds since the first event or, if no time
passes, numbers of events. The picture places its lines on the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from flowy._safe_text import safe_text
from flowy_sim._events.schema import (
    CANCELED,
    CHILD,
    COMPLETED,
    CONTINUED,
    DECISIONS,
    FAILED,
    HAPPENED,
    INSTANT,
    OPEN,
    REQUEST,
    TERMINATED,
    TIMED_OUT,
    TIMER,
)
from flowy_sim._events.spans import Row, Span, Timeline
from flowy_sim._report.layout import duration

_WITHOUT_START = (TIMER, REQUEST, INSTANT)

STATES = {
    COMPLETED: "done",
    CONTINUED: "done",
    FAILED: "failed",
    TERMINATED: "failed",
    TIMED_OUT: "late",
    CANCELED: "canceled",
    OPEN: "open",
    HAPPENED: "open",
}
"""The state of each outcome, of which each has a colour."""
MARKS = {
    "done": "✓",
    "failed": "✕",
    "late": "!",
    "canceled": "⊘",
    "open": "▸",
    "awaited": "◇",
}
"""What repeats a state's colour; and the mark of a signal that has not arrived."""


class Piece(NamedTuple):
    """A line of a row: its class, such as ``work failed``, and its begin and end."""

    kind: str
    begin: int
    end: int


class Cap(NamedTuple):
    """A mark at the end of a bar: when, and one of `MARKS`."""

    at: int
    state: str


@dataclass(slots=True)
class DrawnRow:
    """A row of the picture.

    Attributes:
        label: what to call it.
        event_id: its first event.
        kind: the kind of what it shows.
        state: one of `STATES`.
        note: its outcome, number of attempts and duration.
        spoken: the same in full, for screen readers.
        is_over: whether it is something that ended.
        begins: the events that began its attempts, or all events of an instant.
        pieces: its lines.
        caps: the marks at the ends of its bars.
        child: workflow ID and run ID of the execution that it shows, if it is a child.
    """

    label: str
    event_id: int
    kind: str
    state: str
    note: str
    spoken: str
    is_over: bool
    begins: list[int]
    pieces: list[Piece]
    caps: list[Cap]
    child: tuple[str, str] | None = None


class RowDrawing:
    """Draws the rows of a timeline.

    Args:
        timeline: what ran when.
        now: as of `Picture`.
        heartbeats: as of `Picture`.

    Attributes:
        at: when each event was.
        length: the length of the timeline in milliseconds, or in events if no time passes.
        axis: which of the two it is: ``time`` or ``event``.
    """

    def __init__(self, timeline: Timeline, now: int | None, heartbeats: Mapping[int, int]) -> None:
        self._timeline = timeline
        self.at, self.length, self.axis = _moments(timeline, now)
        self._beats: dict[int, int] = {}
        if self.axis == "time":
            first = timeline.times[timeline.events[0]]
            self._beats = {each: time - first for each, time in heartbeats.items()}

    def draw(self, row: Row) -> DrawnRow:
        """Return what shows a row."""
        last = row.spans[-1]
        state = "open" if row.kind == DECISIONS else STATES[row.outcome]
        child = None
        if row.kind == CHILD and row.execution is not None:
            child = row.execution
        return DrawnRow(
            row.label,
            row.spans[0].begun,
            row.kind,
            state,
            self._note(row, state),
            self._spoken(row),
            last.ended is not None and row.kind not in (DECISIONS, INSTANT),
            [span.begun for span in row.spans],
            [piece for span in row.spans for piece in self._pieces(span, row)],
            [cap for span in row.spans for cap in self._caps(span, row)],
            child,
        )

    def draw_fault(self, instant: int, words: str) -> DrawnRow:
        """Return what shows that a fault was injected, at an instant since the epoch."""
        times = self._timeline.times
        before = [each for each, time in times.items() if time <= instant]
        event_id = before[-1] if before else self._timeline.events[0]
        at = self.at[event_id]
        if self.axis == "time":
            at = min(max(instant - times[self._timeline.events[0]], 0), self.length)
        label, spoken = f"! {safe_text(words)}", "injected fault"
        return DrawnRow(
            label,
            event_id,
            INSTANT,
            "failed",
            spoken,
            spoken,
            False,
            [event_id],
            [Piece("point failed", at, at)],
            [Cap(at, "failed")],
        )

    def _end(self, span: Span) -> int:
        return self.length if span.ended is None else self.at[span.ended]

    def _pieces(self, span: Span, row: Row) -> Iterator[Piece]:
        state, end = _state(span, row), self._end(span)
        if span.is_awaited:
            return
        if span.kind == INSTANT or (span.kind == DECISIONS and span.ended):
            yield Piece(f"point {state}", end, end)
            return
        begun = self.at[span.begun]
        started = begun if span.kind in _WITHOUT_START else end
        if span.started is not None:
            started = max(begun, self.at[span.started])
        if begun < started:
            yield Piece("wait", begun, started)
        if span.started is not None or span.kind in _WITHOUT_START or span.outcome != OPEN:
            thickness = {TIMER: "sleep", CHILD: "child"}.get(span.kind, "work")
            yield Piece(f"{thickness} {state}", started, end)
        if span.begun in self._beats:
            yield Piece("point beat", self._beats[span.begun], self._beats[span.begun])

    def _caps(self, span: Span, row: Row) -> Iterator[Cap]:
        state = _state(span, row)
        if span.is_awaited:
            yield Cap(self._end(span), "awaited")
        elif state != "done" and row.kind not in (DECISIONS, INSTANT) and span.kind == row.kind:
            yield Cap(self._end(span), state)

    def _note(self, row: Row, state: str) -> str:
        if row.kind == DECISIONS:
            bad = sum(span.outcome not in (COMPLETED, OPEN) for span in row.spans)
            words = [f"{len(row.spans)}"] + [f"{bad} not completed"] * bool(bad)
        elif row.spans[-1].is_awaited:
            words = ["awaited"]
        elif row.kind == INSTANT:
            words = [row.outcome] * bool(row.outcome) + [f"×{len(row.spans)}"] * (
                len(row.spans) > 1
            )
        else:
            # The mark of an open bar is right beside its note.
            words = [row.outcome if state == "open" else f"{MARKS[state]} {row.outcome}"]
            words += [f"try {row.attempts}"] * (row.attempts > 1)
            if self.axis == "time":
                words.append(duration(self._end(row.spans[-1]) - self.at[row.spans[0].begun]))
        return " · ".join(words)

    def _spoken(self, row: Row) -> str:
        if row.kind in (DECISIONS, INSTANT):
            return self._note(row, "open").replace(" · ", ", ") or "happened"
        words = [f"attempt {row.attempts}"] * (row.attempts > 1) + [row.outcome]
        if self.axis == "time":
            waited = worked = 0
            for span in row.spans:
                for kind, begin, end in self._pieces(span, row):
                    if kind == "wait" or span.kind != row.kind:
                        waited += end - begin
                    else:
                        worked += end - begin
            lasted = "lasted" if row.kind in (TIMER, REQUEST) else "worked"
            words += [f"waited {duration(waited)}"] * bool(waited)
            words += [f"{lasted} {duration(worked)}"] * bool(worked)
            beat = self._beats.get(row.spans[-1].begun)
            if beat is not None:
                words.append(f"last heartbeat at {duration(beat)}")
        return ", ".join(words)


def _state(span: Span, row: Row) -> str:
    if span.kind != row.kind:
        return "delay"
    if row.kind == DECISIONS and span.outcome == COMPLETED:
        return "open"
    return STATES[span.outcome]


def _moments(timeline: Timeline, now: int | None) -> tuple[Mapping[int, int], int, str]:
    """Return when each event was, the length of the picture, and what its axis shows."""
    if timeline.times:
        first, last = timeline.times[timeline.events[0]], timeline.times[timeline.events[-1]]
        length = max(last, now or 0) - first
        if length:
            return {each: time - first for each, time in timeline.times.items()}, length, "time"
    at = {event_id: index for index, event_id in enumerate(timeline.events)}
    return at, max(len(at) - 1, 1), "event"
