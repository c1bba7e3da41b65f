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
LABEL = 200
"""The maximum number of characters of an ID or a name."""
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
    """A line of a row: its class, such as ``work failed``, and its start and end.

    What is open ends where the picture ends, which moves on: its end is None.
    """

    kind: str
    begin: int
    end: int | None


class Cap(NamedTuple):
    """A mark at the end of a bar: when, as the end of a `Piece`, and one of `MARKS`."""

    at: int | None
    state: str


@dataclass(slots=True)
class DrawnRow:
    """A row of the picture.

    Attributes:
        label: what to call it.
        event_id: its first event.
        kind: the kind of what it shows.
        state: one of `STATES`.
        note: its outcome, number of attempts and, if it is over, its duration.
        spoken: the same in full, for screen readers.
        is_over: whether it is something that ended.
        begins: the events that began its attempts, or all events of an instant.
        pieces: its lines.
        caps: the marks at the ends of its bars.
        group: what equal siblings have in common; empty for rows that are never grouped.
        since: since when it is open; None if it is not, or if no time passes.
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
    group: str = ""
    since: int | None = None
    child: tuple[str, str] | None = None

    def note_at(self, moment: int) -> str:
        """Return the note with the duration until a moment, if it is open."""
        return self.note if self.since is None else f"{self.note} · {duration(moment - self.since)}"


class _Before(NamedTuple):
    """A row that was drawn, after which event, and whether it shows a heartbeat."""

    event: int
    has_beat: bool
    row: DrawnRow


class DrawnRows:
    """Rows that were drawn, by their first event: most of them never change any more."""

    def __init__(self) -> None:
        self.rows: dict[int, _Before] = {}
        self._axis = ""

    def prepare(self, axis: str) -> None:
        """Forget rows that were drawn on another axis."""
        if axis != self._axis:
            self._axis = axis
            self.rows.clear()


class RowDrawing:
    """Draws the rows of a timeline.

    Args:
        timeline: what ran when.
        now: see `Picture`.
        heartbeats: see `Picture`.
        drawn: rows that were drawn before, which it keeps up to date.

    Attributes:
        length: the length of the timeline in milliseconds, or in events if no time passes.
        axis: which of the two it is: ``time`` or ``event``.
    """

    def __init__(
        self,
        timeline: Timeline,
        now: int | None,
        heartbeats: Mapping[int, int],
        drawn: DrawnRows,
    ) -> None:
        self._timeline = timeline
        self._drawn = drawn
        self._first, self.length, self.axis = _extent(timeline, now)
        self._indices: dict[int, int] = {}
        if self.axis == "event":
            self._indices = {event_id: index for index, event_id in enumerate(timeline.events)}
        self._beats: dict[int, int] = {}
        if self.axis == "time":
            self._beats = {each: time - self._first for each, time in heartbeats.items()}
        drawn.prepare(self.axis)

    def at(self, event_id: int) -> int:
        """Return when an event occurred."""
        if self.axis == "event":
            return self._indices[event_id]
        return self._timeline.times[event_id] - self._first

    def draw(self, row: Row) -> DrawnRow:
        """Return what shows a row."""
        last, key = row.spans[-1], row.spans[0].begun
        has_beat = last.begun in self._beats
        if last.is_awaited:
            return self._draw(row)
        before = self._drawn.rows.get(key)
        if before is not None and before.event == row.last and not (before.has_beat or has_beat):
            return before.row
        drawn = self._draw(row, None if before is None else before.row)
        self._drawn.rows[key] = _Before(row.last, has_beat, drawn)
        return drawn

    def has_beat(self, row: DrawnRow) -> bool:
        """Return whether a row shows a heartbeat, which no event records."""
        return row.begins[-1] in self._beats

    def _draw(self, row: Row, before: DrawnRow | None = None) -> DrawnRow:
        last = row.spans[-1]
        state = "open" if row.kind == DECISIONS else STATES[row.outcome]
        begins: list[int] = []
        pieces: list[Piece] = []
        if before is not None and row.kind in (DECISIONS, INSTANT):
            # Each has one piece, apart from the last one, which may have been open.
            begins, pieces = before.begins[:-1], before.pieces[: len(before.begins) - 1]
        spans = row.spans[len(begins) :]
        lasts = row.kind not in (DECISIONS, INSTANT)
        is_timed = self.axis == "time" and last.ended is None and lasts
        return DrawnRow(
            row.label,
            row.spans[0].begun,
            row.kind,
            state,
            self._note(row, state),
            self._spoken(row),
            last.ended is not None and lasts,
            begins + [span.begun for span in spans],
            pieces + [piece for span in spans for piece in self._pieces(span, row)],
            [cap for span in spans for cap in self._caps(span, row)],
            _group_name(row),
            self.at(row.spans[0].begun) if is_timed else None,
            row.execution if row.kind == CHILD else None,
        )

    def draw_fault(self, instant: int, words: str) -> DrawnRow:
        """Return what shows that a fault was injected, at an instant since the epoch."""
        times = self._timeline.times
        before = [each for each, time in times.items() if time <= instant]
        event_id = before[-1] if before else self._timeline.events[0]
        at = self.at(event_id)
        if self.axis == "time":
            at = min(max(instant - self._first, 0), self.length)
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

    def _end(self, span: Span) -> int | None:
        return None if span.ended is None else self.at(span.ended)

    def _pieces(self, span: Span, row: Row) -> Iterator[Piece]:
        state, end = _state(span, row), self._end(span)
        if end is not None and span.kind in (DECISIONS, INSTANT):
            yield Piece(f"point {state}", end, end)
            return
        if span.is_awaited:
            return
        begun = self.at(span.begun)
        started = None if span.work_began is None else max(begun, self.at(span.work_began))
        if started is None or begun < started:
            yield Piece("wait", begun, started)
        if started is not None:
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
            ended = row.spans[-1].ended
            if self.axis == "time" and ended is not None:
                words.append(duration(self.at(ended) - self.at(row.spans[0].begun)))
        return " · ".join(words)

    def _spoken(self, row: Row) -> str:
        if row.kind in (DECISIONS, INSTANT):
            return self._note(row, "open").replace(" · ", ", ") or "happened"
        words = [f"attempt {row.attempts}"] * (row.attempts > 1) + [row.outcome]
        if self.axis == "time":
            waited = worked = 0
            for span in row.spans:
                for kind, begin, end in self._pieces(span, row):
                    if end is None:
                        began = "scheduled" if kind == "wait" else "started"
                        words.append(f"{began} at {duration(begin)}")
                    elif kind == "wait" or span.kind != row.kind:
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


def _group_name(row: Row) -> str:
    if row.kind in (DECISIONS, INSTANT):
        return ""
    if isinstance(row.type, Mapping):
        return safe_text(row.type["name"], LABEL)
    return {TIMER: "timers", CHILD: "children", REQUEST: "requests"}.get(row.kind, row.label)


def _extent(timeline: Timeline, now: int | None) -> tuple[int, int, str]:
    """Return when the picture begins, its length, and what its axis shows."""
    if timeline.times:
        first, last = timeline.times[timeline.events[0]], timeline.times[timeline.events[-1]]
        length = max(last, now or 0) - first
        if length:
            return first, length, "time"
    return 0, max(len(timeline.events) - 1, 1), "event"
