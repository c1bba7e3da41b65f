"""Where events stand on a line: by their time or, where no time passes, by their order."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from flowy_sim._events.spans import Timeline
from flowy_sim._report.durations import STEPS, duration


class Mark(NamedTuple):
    """Something written above a column of the axis."""

    column: int
    label: str


class Axis(NamedTuple):
    """An axis.

    Attributes:
        columns: the column of each event, from 0.
        marks: what is written above, from left to right, none touching another.
        title: what to write before them.
    """

    columns: dict[int, int]
    marks: list[Mark]
    title: str = ""


def axis_for(timeline: Timeline, width: int, room: int) -> Axis:
    """Make the axis of a timeline.

    Args:
        timeline: what is to be drawn.
        width: the columns of the axis.
        room: the columns, from the same first one, in which marks may be written.
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
    """Leave out the marks that touch the one before, and those that do not fit in."""
    kept: list[Mark] = []
    free = 0
    for mark in marks:
        end = mark.column + len(mark.label)
        if free <= mark.column and end <= room:
            kept.append(mark)
            free = end + 2
    return kept
