"""Where a moment is in a picture: idle time that dwarfs the work is folded.

A workflow may work for a minute and then sleep for a year. Such a year is folded to a strip of
fixed width, which shows its true length. Time is idle where nothing works: no activity, Lambda
function or child runs, and no decision is being made. A timer, or a task that waits for a worker,
does not count as work.

Which idle times are folded follows from their share. As long as the longest ones make up most of
what is left to show, and each of them is long beside the rest, they are folded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from flowy_sim._events.schema import ACTIVITY, CHILD, DECISIONS, LAMBDA
from flowy_sim._events.spans import Timeline

WIDTH = 1000
_WORK = (ACTIVITY, CHILD, DECISIONS, LAMBDA)
_FOLD_WIDTH = 40
_FOLDS_WIDTH = 400
"""The most that all folds together take of the width."""
_LEAST_SHARE = 0.7
"""The share of idle times in what is shown that makes them worth folding."""
_LEAST_PART = 0.2
"""The least length of a folded time, as a part of what stays unfolded."""


class Fold(NamedTuple):
    """An idle time that is folded, from its begin to its end."""

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
    return sorted(chosen)


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
