"""The layout of a timeline: its axis, in text and in pictures, columns, and durations in words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from flowy._safe_text import safe_text
from flowy_sim._events.schema import ACTIVITY, CHILD, DECISIONS, LAMBDA
from flowy_sim._events.spans import Timeline

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))

STEPS = (
    *(digit * power for power in (1, 10, 100, 1000) for digit in (1, 2, 5)),
    *(seconds * 1000 for seconds in (10, 20, 30)),
    *(minutes * 60_000 for minutes in (1, 2, 5, 10, 20, 30)),
    *(hours * 3_600_000 for hours in (1, 2, 3, 6, 12)),
    *(days * 86_400_000 for days in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
"""Round distances between the marks of an axis, in milliseconds."""


class Mark(NamedTuple):
    """A label above a column of the axis."""

    column: int
    label: str


class Axis(NamedTuple):
    """The axis of a timeline.

    Attributes:
        columns: the column of each event, from 0.
        marks: the labels above it, from left to right; no two touch.
        title: the text before the labels.
    """

    columns: dict[int, int]
    marks: list[Mark]
    title: str = ""


def axis_for(timeline: Timeline, width: int, room: int) -> Axis:
    """Return the axis of a timeline: by time, or by event if no time passes.

    Args:
        timeline: the timeline.
        width: number of columns of the axis.
        room: number of columns for the labels, from the same first column.
    """
    if timeline.milliseconds:
        return _time_axis(timeline, width, room)
    return _order_axis(timeline, width, room)


def _time_axis(timeline: Timeline, width: int, room: int) -> Axis:
    span = timeline.milliseconds
    first = timeline.times[timeline.events[0]]

    def column(milliseconds: int) -> int:
        return milliseconds * (width - 1) // span

    columns = {event_id: column(time - first) for event_id, time in timeline.times.items()}
    for step in STEPS[bisect_left(STEPS, span // width) :]:
        marks = [Mark(column(at), duration(at)) for at in range(0, span + 1, step)]
        if marks == _apart(marks, room):
            return Axis(columns, marks)
    return Axis(columns, [Mark(0, duration(0))])


def _order_axis(timeline: Timeline, width: int, room: int) -> Axis:
    last = max(len(timeline.events) - 1, 1)
    columns = {
        event_id: index * (width - 1) // last for index, event_id in enumerate(timeline.events)
    }
    step = next((step for step in STEPS if step * width >= 5 * last), last)
    marks = [
        Mark(column, str(event_id))
        for event_id, column in columns.items()
        if not column or not event_id % step
    ]
    return Axis(columns, _apart(marks, room), title="event")


def _apart(marks: list[Mark], room: int) -> list[Mark]:
    """Leave out marks that touch the one before, and those that do not fit."""
    kept: list[Mark] = []
    free = 0
    for mark in marks:
        end = mark.column + len(mark.label)
        if free <= mark.column and end <= room:
            kept.append(mark)
            free = end + 2
    return kept


def duration(milliseconds: float) -> str:
    """Return a duration in words, with its two largest units.

    >>> [duration(ms) for ms in (0, 12, 1500, 12_346, 125_000, 12_000_000, 31_536_000_000)]
    ['0 s', '12 ms', '1.5 s', '12.35 s', '2 min 5 s', '3 h 20 min', '365 d']
    """
    if 0 < round(milliseconds) < 1000:
        return f"{round(milliseconds)} ms"
    if milliseconds < 59_995:
        return f"{round(milliseconds / 1000, 2):g} s"
    rest = round(milliseconds / 1000) * 1000
    counts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        counts.append(f"{count} {unit}" if count else "")
    first = next(index for index, count in enumerate(counts) if count)
    return " ".join(filter(None, counts[first : first + 2]))


def columns(text: str) -> int:
    """Return the number of columns that a text takes.

    >>> columns("日本 go")
    7
    """
    return sum(map(_columns, text))


def padded(text: str, width: int) -> str:
    """Pad a text with blanks on the right.

    >>> padded("日本", 6)
    '日本  '
    """
    return text + " " * (width - columns(text))


def cut(text: str, width: int, ellipsis: str = "…", keep_end: float = 0) -> str:
    """Cut a text that is too long.

    Args:
        text: one line.
        width: number of columns that it may take.
        ellipsis: what replaces the part left out.
        keep_end: share of the columns that goes to the end of the text, from 0 to 1.

    >>> cut("predominantcolor-2", 10), cut("predominantcolor-2", 10, keep_end=0.5)
    ('predomina…', 'predo…or-2')
    """
    if columns(text) <= width:
        return text
    room = width - columns(ellipsis)
    if room <= 0:
        return ellipsis[:width]
    end = _start(text[::-1], int(room * keep_end))[::-1]
    return _start(text, room - columns(end)) + ellipsis + end


def one_line(text: str, ascii: bool = False) -> str:
    r"""Make a text from outside one harmless line, with a blank for each gap between words.

    >>> one_line("one\ntwo \x1b[2J")
    'one two ␛[2J'
    """
    return safe_text(" ".join(text.split()), ascii=ascii)


def _columns(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _start(text: str, width: int) -> str:
    """Return as much of the start of a text as fits."""
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return text[:index]
    return text


# Where a moment is in a picture
#
# A workflow may work for a minute and then sleep for a year. Such a year is folded to a strip of
# fixed width, which shows its true length. Time is idle where nothing works: no activity, Lambda
# function or child runs, and no decision is being made. A timer, or a task that waits for a worker,
# does not count as work.
#
# Which idle times are folded follows from their share. As long as the longest ones make up most of
# what is left to show, and each of them is long beside the rest, they are folded.


WIDTH = 1000
_WORK = (ACTIVITY, CHILD, DECISIONS, LAMBDA)
_FOLD_WIDTH = 40
_FOLDS_WIDTH = 400
"""The maximum width of all folds together."""
_LEAST_SHARE = 0.7
"""The share of idle times in what is shown that makes them worth folding."""
_LEAST_PART = 0.2
"""The minimum length of a folded time, as a share of what stays unfolded."""


class Fold(NamedTuple):
    """An idle time that is folded, from its start to its end."""

    begin: int
    end: int

    @property
    def length(self) -> int:
        """How long it is."""
        return self.end - self.begin


class Scale:
    """Maps moments to places from 0 to `WIDTH`.

    Args:
        length: the length of what is shown, in milliseconds or in events.
        folds: what is folded, in order.
    """

    def __init__(self, length: int, folds: Sequence[Fold] = ()) -> None:
        self.folds = folds
        strip = min(_FOLD_WIDTH, _FOLDS_WIDTH / max(len(folds), 1))
        unfolded = max(length - sum(fold.length for fold in folds), 1)
        per_unit = (WIDTH - strip * len(folds)) / unfolded
        self._begins: list[int] = []
        self._pieces: list[tuple[float, float]] = []
        at, place = 0, 0.0
        for fold in folds:
            self._add(at, place, per_unit)
            place += (fold.begin - at) * per_unit
            self._add(fold.begin, place, strip / fold.length)
            place += strip
            at = fold.end
        self._add(at, place, per_unit)

    def _add(self, begin: int, place: float, per_unit: float) -> None:
        self._begins.append(begin)
        self._pieces.append((place, per_unit))

    def place(self, at: float) -> float:
        """Return where a moment is."""
        index = max(bisect_right(self._begins, at) - 1, 0)
        place, per_unit = self._pieces[index]
        return round(place + (at - self._begins[index]) * per_unit, 1)

    def folds_around(self, at: float) -> bool:
        """Return whether a moment lies within a fold."""
        return any(fold.begin < at < fold.end for fold in self.folds)


def folds(timeline: Timeline, length: int) -> list[Fold]:
    """Return which idle times are folded.

    Args:
        timeline: what ran when, with times.
        length: the time from the first event to the end of the picture.
    """
    chosen: list[Fold] = []
    idle = sorted(_idle(timeline, length), key=lambda gap: gap.length, reverse=True)
    while more := _worth_folding(idle, length - sum(fold.length for fold in chosen)):
        chosen += idle[:more]
        idle = idle[more:]
    joined: list[Fold] = []
    for fold in sorted(chosen):
        # Two of them with nothing but an instant between are one strip, with one label.
        begin = joined.pop().begin if joined and joined[-1].end == fold.begin else fold.begin
        joined.append(Fold(begin, fold.end))
    return joined


def _worth_folding(idle: Sequence[Fold], shown: int) -> int:
    """Return how many of the longest idle times to fold; 0 for none."""
    rest = shown
    for count, gap in enumerate(idle, 1):
        rest -= gap.length
        if rest > 0 and gap.length >= _LEAST_PART * rest and shown - rest >= _LEAST_SHARE * shown:
            return count
    return 0


def _idle(timeline: Timeline, length: int) -> Iterable[Fold]:
    """Yield the times between two events, or the last event and the end, in which nothing works."""
    first = timeline.times[timeline.events[0]]
    moments = sorted({*timeline.times.values(), first + length})
    working = dict.fromkeys(moments, 0)
    for row in timeline.rows:
        for span in row.spans:
            if span.kind in _WORK and span.started is not None:
                working[timeline.times[span.started]] += 1
                if span.ended is not None:
                    working[timeline.times[span.ended]] -= 1
    at_work = 0
    for begin, end in pairwise(moments):
        at_work += working[begin]
        if not at_work:
            yield Fold(begin - first, end - first)
