"""Timelines as SVG: bands of rows, each drawn with one path for each state.

The coordinates run from 0 to `WIDTH`, and the picture is stretched to the width that the page has:
lines keep their thickness. In a band, all pieces in the same state are one path, because a browser
takes ten times as long for a node per piece. Marks at the ends of bars are texts at a percentage of
the width, which stretching does not distort; most bars have none, for they completed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

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
from flowy_sim._report.layout import STEPS, duration

WIDTH = 1000
ROW_HEIGHT = 24
BAND_ROWS = 100
_LEAST = 4
"""The length below which a bar is drawn as a point, so that it is seen at any width."""
_TICKS = 6
_MINIMAP_ROWS = 30
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
MARKS = {"done": "✓", "failed": "✕", "late": "!", "canceled": "⊘", "open": "▸"}
"""What repeats a state's colour."""


class Tick(NamedTuple):
    """A mark of the axis.

    Attributes:
        at: its place, from 0 to 100 percent.
        label: the time since the first event, or the number of the event.
    """

    at: float
    label: str


class Cap(NamedTuple):
    """A mark at the end of a bar.

    Attributes:
        at: its place, from 0 to 100 percent.
        y: the middle of its row.
        state: one of `STATES`.
        text: the mark.
    """

    at: float
    y: float
    state: str
    text: str


@dataclass(slots=True)
class DrawnRow:
    """A row of the picture, in words.

    Attributes:
        label: what to call it.
        event_id: its first event.
        state: one of `STATES`.
        note: its outcome, number of attempts and duration.
        spoken: the same in full, for screen readers.
    """

    label: str
    event_id: int
    state: str
    note: str
    spoken: str


@dataclass(slots=True)
class Band:
    """Up to `BAND_ROWS` rows.

    Attributes:
        rows: its rows.
        paths: the data of a path by its class, such as ``work failed``.
        caps: the marks in it.
    """

    rows: list[DrawnRow] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    caps: list[Cap] = field(default_factory=list)

    @property
    def height(self) -> int:
        """Its height in pixels."""
        return len(self.rows) * ROW_HEIGHT

    @property
    def is_full(self) -> bool:
        """Whether its height is that of most bands, which style sheets know."""
        return len(self.rows) == BAND_ROWS


class Picture:
    """The picture of a timeline.

    Args:
        timeline: what ran when.

    Attributes:
        bands: its bands, from top to bottom.
        ticks: the marks of its axis.
        axis: what the axis shows: ``time`` or ``event``.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._places = _places(timeline)
        self.axis = "time" if timeline.milliseconds else "event"
        self.ticks = list(_ticks(timeline))
        rows = timeline.rows
        self.bands = [
            self._band(rows[first : first + BAND_ROWS]) for first in range(0, len(rows), BAND_ROWS)
        ]

    @property
    def minimap(self) -> Band | None:
        """All rows in one small band, if the timeline is long."""
        rows = self._timeline.rows
        return self._band(rows) if len(rows) > _MINIMAP_ROWS else None

    def _band(self, rows: list[Row]) -> Band:
        band = Band()
        paths: dict[str, list[str]] = defaultdict(list)
        for index, row in enumerate(rows):
            y = index * ROW_HEIGHT + ROW_HEIGHT / 2
            band.rows.append(self._row(row))
            for span in row.spans:
                for kind, begin, end in self._pieces(span, row):
                    paths[kind].append(_line(begin, end, y))
                if cap := self._cap(span, row, y):
                    band.caps.append(cap)
        band.paths = {kind: "".join(pieces) for kind, pieces in sorted(paths.items())}
        return band

    def _pieces(self, span: Span, row: Row) -> Iterator[tuple[str, float, float]]:
        """Yield the class, begin and end of each line of a span."""
        state = _state(span, row)
        begun = self._places[span.begun]
        end = WIDTH if span.ended is None else self._places[span.ended]
        if span.kind == INSTANT or (span.kind == DECISIONS and span.ended):
            yield f"point {state}", end, end
            return
        started = begun if span.kind in _WITHOUT_START else end
        if span.started is not None:
            started = max(begun, self._places[span.started])
        if begun < started:
            yield "wait", begun, started
        if span.started is None and span.kind not in _WITHOUT_START and span.outcome == OPEN:
            return
        thickness = {TIMER: "sleep", CHILD: "child"}.get(span.kind, "work")
        if end - started < _LEAST:
            yield f"point {state}", end, end
        else:
            yield f"{thickness} {state}", started, end

    def _cap(self, span: Span, row: Row, y: float) -> Cap | None:
        state = _state(span, row)
        if state == "done" or row.kind in (DECISIONS, INSTANT) or span.kind != row.kind:
            return None
        end = WIDTH if span.ended is None else self._places[span.ended]
        return Cap(round(end * 100 / WIDTH, 2), y, state, MARKS[state])

    def _row(self, row: Row) -> DrawnRow:
        timeline = self._timeline
        first, last = row.spans[0].begun, row.spans[-1].ended or timeline.events[-1]
        state = STATES[row.outcome]
        if row.kind == DECISIONS:
            words, state = [f"{len(row.spans)}"], "open"
            bad = sum(span.outcome not in (COMPLETED, OPEN) for span in row.spans)
            words += [f"{bad} not completed"] * bool(bad)
        elif row.kind == INSTANT:
            words = [row.outcome] if row.outcome != HAPPENED else []
        else:
            # The mark of an open bar is right beside its note.
            words = [row.outcome if state == "open" else f"{MARKS[state]} {row.outcome}"]
            words += [f"try {row.attempts}"] * (row.attempts > 1)
            if timeline.milliseconds:
                words.append(duration(timeline.times[last] - timeline.times[first]))
        note = " · ".join(words)
        return DrawnRow(row.label, first, state, note, f"{row.label}: {note or row.outcome}")


def _line(begin: float, end: float, y: float) -> str:
    """Return the path of a line, which is upright for a point: its width is not stretched."""
    if begin == end:
        return f"M{begin:g} {y - 7:g}v14"
    return f"M{begin:g} {y:g}H{end:g}"


def _state(span: Span, row: Row) -> str:
    if span.kind != row.kind:
        return "delay"
    if row.kind == DECISIONS and span.outcome == COMPLETED:
        return "open"
    return STATES[span.outcome]


def _places(timeline: Timeline) -> dict[int, float]:
    """Return the place of each event, by time or, if no time passes, by event."""
    if timeline.milliseconds:
        first, span = timeline.times[timeline.events[0]], timeline.milliseconds
        return {
            event_id: round((time - first) * WIDTH / span, 1)
            for event_id, time in timeline.times.items()
        }
    last = max(len(timeline.events) - 1, 1)
    return {
        event_id: round(index * WIDTH / last, 1) for index, event_id in enumerate(timeline.events)
    }


def _ticks(timeline: Timeline) -> Iterator[Tick]:
    if not timeline.events:
        return
    span = timeline.milliseconds or max(len(timeline.events) - 1, 1)
    steps = STEPS[bisect_left(STEPS, span / _TICKS) :]
    step = steps[0] if steps else span
    for at in range(0, span + 1, step):
        label = duration(at) if timeline.milliseconds else str(timeline.events[0] + at)
        # The label would not fit in front of the right edge.
        if at * 100 / span <= 95:
            yield Tick(round(at * 100 / span, 2), label)
