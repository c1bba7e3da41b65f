"""Timelines as SVG: bands of rows (see `drawn_row`), each drawn with one path for each state.

The coordinates run from 0 to `WIDTH`, and the picture is stretched to the width that the page has:
lines keep their thickness. In a band, all pieces in the same state are one path, because a browser
takes ten times as long for a node per piece. Marks at the ends of bars are texts at a percentage of
the width, which stretching does not distort; most bars have none, for they completed.

Many equal siblings, such as 340 calls of one activity, are a group: one row with a bar that shows
how many of them worked when, which opens to show each of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from flowy._safe_text import safe_text
from flowy_sim._events.schema import DECISIONS, INSTANT
from flowy_sim._events.spans import Timeline
from flowy_sim._report.drawn_row import LABEL, MARKS, DrawnRow, DrawnRows, RowDrawing
from flowy_sim._report.layout import STEPS, WIDTH, Scale, duration, folds

ROW_HEIGHT = 24
BAND_ROWS = 100
_GROUP_ROWS = 20
"""The maximum number of equal siblings that are not a group."""
_LEAST = 4
"""The length below which a bar is drawn as a point, so that it is seen at any width."""
_TICKS = 6
_MINIMAP_ROWS = 30
_MINIMAP_HEIGHT = 64
_LABELLED_FOLDS = 8
"""The maximum number of folds whose labels fit."""
_BINS = 200


class Tick(NamedTuple):
    """A mark of the axis.

    Attributes:
        at: its place, from 0 to 100 percent.
        label: the time since the first event, or the number of the event.
    """

    at: float
    label: str


class Strip(NamedTuple):
    """A strip that shows a fold: its place and width, and its true length in words."""

    at: float
    width: float
    label: str

    @property
    def middle(self) -> float:
        """The middle of it, from 0 to 100 percent."""
        return round((self.at + self.width / 2) * 100 / WIDTH, 2)


class DrawnCap(NamedTuple):
    """A mark in a band: its place from 0 to 100 percent, the middle of its row, and its text."""

    at: float
    y: float
    state: str
    text: str


@dataclass(slots=True)
class Band:
    """Up to `BAND_ROWS` rows.

    Attributes:
        rows: its rows.
        paths: the data of a path by its class, such as ``work failed``.
        caps: the marks in it.
    """

    rows: Sequence[DrawnRow] = ()
    paths: dict[str, str] = field(default_factory=dict)
    caps: list[DrawnCap] = field(default_factory=list)

    @property
    def height(self) -> int:
        """Its height in pixels."""
        return len(self.rows) * ROW_HEIGHT

    @property
    def is_full(self) -> bool:
        """Whether its height is that of most bands, which style sheets know."""
        return len(self.rows) == BAND_ROWS


@dataclass(slots=True)
class Group:
    """Equal siblings, as one row that opens.

    Attributes:
        label: what they are, and how many.
        note: how many of them did not complete.
        state: one of `STATES`, the worst of theirs.
        summary: the row that shows how many worked when.
        bands: the siblings.
    """

    label: str
    note: str
    state: str
    summary: Band
    bands: list[Band]


class Picture:
    """The picture of a timeline.

    Args:
        timeline: what ran when.
        now: the current time of an open execution in milliseconds since the epoch, which the
            picture ends with; None if it ends with the last event.
        heartbeats: when each activity that a worker has sent its last heartbeat, in milliseconds
            since the epoch, by the event that scheduled it.
        faults: faults that were injected: when, in milliseconds since the epoch, and which.
        drawn: rows that were drawn before; see `RowDrawing`.

    Attributes:
        length: its length in milliseconds, or in events if no time passes.
        folds: the idle times that are folded.
        axis: what the axis shows: ``time`` or ``event``.
        rows: its rows, those of faults first.
    """

    def __init__(
        self,
        timeline: Timeline,
        now: int | None = None,
        heartbeats: Mapping[int, int] = MappingProxyType({}),
        faults: Iterable[tuple[int, str]] = (),
        drawn: DrawnRows | None = None,
    ) -> None:
        self._timeline = timeline
        self._drawing = RowDrawing(timeline, now, heartbeats, drawn or DrawnRows())
        self.length, self.axis = self._drawing.length, self._drawing.axis
        self.folds = folds(timeline, self.length) if self.axis == "time" else []
        self._scale = Scale(self.length, self.folds)
        self.rows = [
            *(self._drawing.draw_fault(at, words) for at, words in faults),
            *(self._drawing.draw(row) for row in timeline.rows),
        ]
        self._group_sizes = Counter(row.group for row in self.rows)

    @cached_property
    def ticks(self) -> list[Tick]:
        """The marks of its axis."""
        return list(self._ticks())

    @cached_property
    def sections(self) -> list[Band | Group]:
        """Bands of rows and groups, from top to bottom."""
        return list(self._sections())

    @property
    def bands(self) -> list[Band]:
        """All bands, also those of groups."""
        return [
            band
            for section in self.sections
            for band in (section.bands if isinstance(section, Group) else [section])
        ]

    @property
    def height(self) -> int:
        """Its height in pixels with all groups closed."""
        bands = (each.summary if isinstance(each, Group) else each for each in self.sections)
        return sum(band.height for band in bands)

    @property
    def minimap(self) -> dict[str, str]:
        """All rows as lines of a small picture by their state; empty if there are few."""
        # Few rows are all in sight anyway.
        if len(self.rows) <= _MINIMAP_ROWS:
            return {}
        place = self._scale.place
        paths: dict[str, list[str]] = defaultdict(list)
        for index, row in enumerate(self.rows):
            y = (index + 0.5) * _MINIMAP_HEIGHT / len(self.rows)
            for kind, begin, end in row.pieces:
                if not kind.startswith("wait"):
                    left = place(begin)
                    length = max(place(self.end(end)) - left, _LEAST)
                    paths[kind.split()[-1]].append(f"M{left:g} {y:.2f}h{length:g}")
        return {state: "".join(lines) for state, lines in paths.items()}

    @property
    def strips(self) -> list[Strip]:
        """What shows each fold."""
        place, is_labelled = self._scale.place, len(self.folds) <= _LABELLED_FOLDS
        return [
            Strip(
                place(fold.begin),
                round(place(fold.end) - place(fold.begin), 1),
                f"≈ {duration(fold.length)}" if is_labelled else "",
            )
            for fold in self.folds
        ]

    def end(self, moment: int | None) -> int:
        """Return a moment at which something ends; what is open ends where the picture ends."""
        return self.length if moment is None else moment

    def group_of(self, row: DrawnRow) -> str:
        """Return the group that a row is in; empty for none."""
        return row.group if row.group and self._group_sizes[row.group] > _GROUP_ROWS else ""

    def data(self, after: int = 0) -> dict[str, Any]:
        """Return what scripts need to draw it again, such as after zooming.

        Args:
            after: the last event that they know; of rows, they get those that are different since.
        """
        timeline, at = self._timeline, self._drawing.at
        newer = timeline.events[bisect_right(timeline.events, after) :]
        # Keys move from decision to decision, and from failure to failure.
        decided = next((row for row in timeline.rows if row.kind == DECISIONS), None)
        decisions = [] if decided is None else [span.started for span in decided.spans]
        failures = [problem.event_id for problem in timeline.problems]
        return {
            "after": after,
            "start": timeline.times[timeline.events[0]] if self.axis == "time" else 0,
            "length": self.length,
            "axis": self.axis,
            "folds": [list(fold) for fold in self.folds],
            "decisions": [each for each in decisions if each is not None and each > after],
            "failures": failures[bisect_right(failures, after) :],
            "events": [[event_id, at(event_id)] for event_id in newer],
            "count": len(self.rows),
            "rows": [
                [index, self._row_data(self.rows[index], after)]
                for index in self._changed_rows(after)
            ],
            # They never change, so a page that is brought up to date has them.
            **({} if after else {"steps": STEPS}),
        }

    def _changed_rows(self, after: int) -> Iterator[int]:
        """Yield the indices of the rows that look different than after an event."""
        rows = self._timeline.rows
        faults = len(self.rows) - len(rows)
        sizes = Counter(row.group for row in self.rows if row.event_id <= after)
        regrouped = {name for name, size in sizes.items() if size <= _GROUP_ROWS}
        for index, row in enumerate(self.rows):
            if (
                index < faults
                or rows[index - faults].last > after
                # It ends where the picture ends, which has moved.
                or rows[index - faults].spans[-1].is_awaited
                or (row.group in regrouped and self.group_of(row))
                or self._drawing.has_beat(row)
            ):
                yield index

    def _row_data(self, row: DrawnRow, after: int) -> dict[str, Any]:
        known = 0
        if row.kind in (DECISIONS, INSTANT):
            # There are many in one row, each with a piece. The last one may have been open.
            known = max(bisect_right(row.begins, after) - 1, 0)
        return {
            "known": known,
            "label": safe_text(row.label, LABEL),
            "event": row.event_id,
            "kind": row.kind,
            "state": row.state,
            "note": row.note,
            "spoken": row.spoken,
            "over": row.is_over,
            "group": self.group_of(row),
            "begins": row.begins[known:],
            "pieces": row.pieces[known:],
            "caps": row.caps,
            **({} if row.since is None else {"since": row.since}),
            **({"child": row.child} if row.child else {}),
        }

    def _sections(self) -> Iterator[Band | Group]:
        """Yield groups where their first row would be, and other rows in bands."""
        members: dict[str, list[DrawnRow]] = defaultdict(list)
        for row in self.rows:
            if group := self.group_of(row):
                members[group].append(row)
        waiting: list[DrawnRow] = []
        for row in self.rows:
            group = self.group_of(row)
            if not group:
                waiting.append(row)
            # At its first row; the rows of the group that follow are in it already.
            elif group in members:
                yield from self._bands(waiting)
                waiting = []
                yield self._group(group, members.pop(group))
        yield from self._bands(waiting)

    def _bands(self, rows: Sequence[DrawnRow]) -> Iterator[Band]:
        for first in range(0, len(rows), BAND_ROWS):
            yield self._band(rows[first : first + BAND_ROWS])

    def _band(self, rows: Sequence[DrawnRow]) -> Band:
        band = Band(rows)
        place = self._scale.place
        paths: dict[str, list[str]] = defaultdict(list)
        for index, row in enumerate(rows):
            y = index * ROW_HEIGHT + ROW_HEIGHT / 2
            for kind, begin, end in row.pieces:
                left, right = place(begin), place(self.end(end))
                # Too short to be seen as a line.
                if right - left < _LEAST and not kind.startswith(("wait", "point")):
                    left, kind = right, f"point {kind.split()[-1]}"  # noqa: PLW2901
                if left < right or kind.startswith("point"):
                    paths[kind].append(_line(left, right, y))
            band.caps += [
                DrawnCap(
                    round(place(self.end(cap.at)) * 100 / WIDTH, 2), y, cap.state, MARKS[cap.state]
                )
                for cap in row.caps
            ]
        band.paths = {kind: "".join(pieces) for kind, pieces in paths.items()}
        return band

    def _group(self, name: str, rows: list[DrawnRow]) -> Group:
        counts: dict[str, int] = defaultdict(int)
        for row in rows:
            counts[row.state] += 1
        worst = next(
            state for state in ("failed", "late", "canceled", "open", "done") if counts[state]
        )
        words = {"failed": "failed", "late": "timed out", "canceled": "canceled", "open": "open"}
        notes = [f"{counts[state]:,} {word}" for state, word in words.items() if counts[state]]
        note = " · ".join(notes) or "✓ all completed"
        label = f"{name} ×{len(rows):,}"
        summary = Band(
            [DrawnRow(label, rows[0].event_id, "group", worst, note, note, True, [], [], [])]
        )
        summary.paths = self._density(rows)
        return Group(label, note, worst, summary, list(self._bands(rows)))

    def _density(self, rows: Iterable[DrawnRow]) -> dict[str, str]:
        """Return an area that is as high as many rows work, and a point for each that failed."""
        place = self._scale.place
        # As in a sweep: what begins and ends in each bin; their running sum is how many work.
        changes = [0] * (_BINS + 2)
        points = []
        for row in rows:
            for kind, begin, end in row.pieces:
                if kind.startswith(("work", "child", "sleep")):
                    first, last = (int(place(at) * _BINS / WIDTH) for at in (begin, self.end(end)))
                    changes[first] += 1
                    changes[last + 1] -= 1
            failures = [place(self.end(cap.at)) for cap in row.caps if cap.state == "failed"]
            points += [_line(at, at, 12) for at in failures]
        counts, working = [], 0
        for change in changes[:-1]:
            working += change
            counts.append(working)
        step, most = WIDTH / _BINS, max(*counts, 1)
        area = "".join(
            f"V{ROW_HEIGHT - 3 - 18 * count / most:.1f}H{min((index + 1) * step, WIDTH):g}"
            for index, count in enumerate(counts)
        )
        paths = {"density": f"M0 {ROW_HEIGHT - 3}{area}V{ROW_HEIGHT - 3}Z"}
        return paths | ({"point failed": "".join(points)} if points else {})

    def _ticks(self) -> Iterator[Tick]:
        if not self._timeline.events:
            return
        shown = self.length - sum(fold.length for fold in self.folds)
        steps = STEPS[bisect_left(STEPS, shown / _TICKS) :]
        step = steps[0] if steps else max(shown, 1)
        labels = [strip.middle for strip in self.strips if strip.label]
        free, at = 0.0, 0
        while at <= self.length:
            place = self._scale.place(at) * 100 / WIDTH
            # A label has to fit behind the one before and in front of the right edge.
            hidden = any(middle - 8 < place < middle + 4 for middle in labels)
            if free <= place <= 95 and not hidden and not self._scale.folds_around(at):
                label = duration(at) if self.axis == "time" else str(self._timeline.events[0] + at)
                yield Tick(round(place, 2), label)
                free = place + 5
            # Within a fold, no time is shown: the next mark is behind it.
            skipped = next(
                (fold.end for fold in self.folds if fold.begin < at + step < fold.end), at
            )
            at = max(at + step, -(-skipped // step) * step)


def _line(begin: float, end: float, y: float) -> str:
    """Return the path of a line, which is upright for a point: its width is not stretched."""
    if begin == end:
        return f"M{begin:g} {y - 7:g}v14"
    return f"M{begin:g} {y:g}H{end:g}"
