"""Timelines: pictures of a history as text, with a row for each task, timer and child.

Only the events as the service returns them are needed, so the history may come from anywhere: a
simulation, a file, Amazon SWF.

Example:
    ``print(timeline.text(events, width=64))`` may print::

        photo 7 · completed · 10 s · 14 events

                         0 s  2 s   4 s   6 s   8 s   10 s
        decisions        ▪                            ▪  2
        resize-1    5-8  ━━━━━━━━━━━━━━━━━━              completed   6 s
        resize-2   6-10  ·················━━━━━━━━━━━━━  completed  10 s

    Each row has the IDs of its first and last event. Dots are waiting, lines are work.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    TERMINATED,
    TIMED_OUT,
    TIMER,
)
from flowy_sim._events.spans import THE_EXECUTION, Row, Span, Timeline, read
from flowy_sim._report.layout import Axis, axis_for, columns, cut, duration, one_line, padded

if TYPE_CHECKING:
    from rich.text import Text

Events = Iterable[Mapping[str, Any]]

Piece = tuple[str, str]
"""A text and its style, as rich names it."""
Line = list[Piece]

STYLES = {
    COMPLETED: "green",
    CONTINUED: "green",
    FAILED: "bold red",
    TERMINATED: "bold red",
    TIMED_OUT: "bold yellow",
    CANCELED: "magenta",
    OPEN: "cyan",
    HAPPENED: "blue",
}
"""The style of each outcome."""
FAINT = "dim"
STRONG = "bold"

ROWS = 40
"""The number of rows that are drawn by default."""

_PROBLEMS = 10
_LEAST_PICTURE = 16


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of a picture."""

    wait: str
    work: str
    bars: dict[str, str]
    """Other characters than `work`, by kind of row."""
    marks: dict[str, str]
    """The character at the end of a bar, by outcome."""
    ellipsis: str
    point: str
    awaited: str
    """The character of a signal that has not arrived."""
    ascii: bool = False


UNICODE = Glyphs(
    wait="·",
    work="━",
    bars={TIMER: "─", CHILD: "═", DECISIONS: "▪", INSTANT: "◆"},
    marks={FAILED: "✗", TERMINATED: "✗", TIMED_OUT: "!", CANCELED: "○", OPEN: "▸"},
    ellipsis="…",
    point="·",
    awaited="◇",
)
ASCII = Glyphs(
    wait=".",
    work="=",
    bars={TIMER: "-", CHILD: "#", DECISIONS: "|", INSTANT: "*"},
    marks={FAILED: "x", TERMINATED: "x", TIMED_OUT: "!", CANCELED: "o", OPEN: ">"},
    ellipsis="~",
    point="-",
    awaited="?",
    ascii=True,
)


@dataclass(slots=True)
class _Layout:
    """The number of columns of each part of a line; a part with 0 is left out."""

    label: int
    ids: int
    picture: int
    note: int
    length: int


@dataclass(slots=True)
class _Texts:
    """The texts next to the picture of a row."""

    row: Row
    label: str
    ids: str
    note: str
    length: str


def text(
    events: Events,
    width: int = 80,
    *,
    rows: int = ROWS,
    ascii: bool = False,
    awaited: Iterable[str] = (),
) -> str:
    """Draw a history as plain text.

    Args:
        events: wire events in any order, all or some of an execution's; their timestamps are
            datetimes, seconds since the epoch or ISO 8601 text, or absent.
        width: number of columns; no line is longer.
        rows: maximum number of rows; if there are more, the first and last ones are drawn.
        ascii: whether to draw with ASCII characters only.
        awaited: the names of signals that it waits for, which no history shows.

    Returns:
        The lines, without a newline at the end.

    Raises:
        ValueError: one of the events has no ``eventId`` or ``eventType``.
    """
    lines = _draw(read(events, awaited), width, rows, ASCII if ascii else UNICODE)
    return "\n".join("".join(piece for piece, _ in line) for line in lines)


def rich_text(
    events: Events,
    width: int = 80,
    *,
    rows: int = ROWS,
    ascii: bool = False,
    explain_end: bool = True,
    awaited: Iterable[str] = (),
) -> Text:
    """Draw a history in color, for a ``rich.console.Console``.

    Args:
        events: as for `text`.
        width: number of columns.
        rows: maximum number of rows.
        ascii: whether to draw with ASCII characters only.
        explain_end: whether to say below the picture why the execution itself failed.
        awaited: as for `text`.

    Returns:
        The lines.

    Raises:
        ValueError: one of the events has no ``eventId`` or ``eventType``.
    """
    from rich.text import Text

    history = read(events, awaited)
    if not explain_end:
        history.problems = [each for each in history.problems if each.what != THE_EXECUTION]
    lines = _draw(history, width, rows, ASCII if ascii else UNICODE)
    return Text("\n", no_wrap=True).join(Text.assemble(*line) for line in lines)


def _draw(timeline: Timeline, width: int, rows: int, glyphs: Glyphs) -> list[Line]:
    width = max(width, 20)
    if not timeline.events:
        return [[("The history has no events.", "")]]
    shown, left_out = _chosen(timeline.rows, rows)
    texts = [_texts(row, timeline, glyphs) for row in shown]
    layout = _layout(texts, width)
    room = layout.picture + layout.note + layout.length
    axis = axis_for(timeline, layout.picture, room)
    lines = [_header(timeline, width, glyphs), [], _axis_line(axis, layout)]
    drawn = [_row_line(text, axis, layout, glyphs) for text in texts]
    if left_out:
        middle = (len(drawn) + 1) // 2
        drawn.insert(middle, [(f"{glyphs.ellipsis} {left_out:,} more {glyphs.ellipsis}", FAINT)])
    return lines + drawn + _problem_lines(timeline, width, glyphs)


def _chosen(rows: list[Row], most: int) -> tuple[list[Row], int]:
    """Return the first and last rows, and the number of rows left out between them."""
    if len(rows) <= most:
        return rows, 0
    head, tail = (most + 1) // 2, most // 2
    return rows[:head] + rows[len(rows) - tail :], len(rows) - most


def _texts(row: Row, timeline: Timeline, glyphs: Glyphs) -> _Texts:
    first, last = row.spans[0].begun, row.spans[-1].ended or timeline.events[-1]
    ids = f"{first}" if first == last else f"{first}-{last}"
    has_ids = row.kind != DECISIONS and not row.spans[-1].is_awaited
    instant = row.kind in (DECISIONS, INSTANT)
    passes = timeline.milliseconds and not instant
    return _Texts(
        row,
        label=one_line(row.label, glyphs.ascii),
        ids=ids if has_ids else "",
        note=_note(row),
        length=duration(timeline.times[last] - timeline.times[first]) if passes else "",
    )


def _note(row: Row) -> str:
    if row.kind == DECISIONS:
        others = [span.outcome for span in row.spans if span.outcome != COMPLETED]
        counted = (f"{others.count(outcome)} {outcome}" for outcome in dict.fromkeys(others))
        return ", ".join([str(len(row.spans)), *counted])
    if row.spans[-1].is_awaited:
        return "awaited"
    if row.attempts == 1:
        return row.outcome
    count = f"{row.attempts} times" if row.kind == INSTANT else f"try {row.attempts}"
    return f"{row.outcome}, {count}" if row.outcome else count


def _layout(texts: Iterable[_Texts], width: int) -> _Layout:
    """Distribute the columns: the picture gets what the texts leave."""
    layout = _Layout(0, 0, 0, 0, 0)
    for text in texts:
        layout.label = max(layout.label, columns(text.label) + 2)
        layout.ids = max(layout.ids, len(text.ids) + 2)
        layout.note = max(layout.note, len(text.note) + 2)
        layout.length = max(layout.length, len(text.length) + 2)
    layout.label = min(layout.label, max(12, width * 3 // 10))
    layout.note = min(layout.note, max(12, width * 3 // 10))

    def rest() -> int:
        return width - layout.label - layout.ids - layout.note - layout.length

    if rest() < _LEAST_PICTURE:
        layout.ids = 0
    if rest() < _LEAST_PICTURE:
        layout.length = 0
    if rest() < _LEAST_PICTURE:
        layout.note = 0
    if rest() < _LEAST_PICTURE:
        layout.label = min(layout.label, width // 2)
    layout.picture = rest()
    return layout


def _header(timeline: Timeline, width: int, glyphs: Glyphs) -> Line:
    name = one_line(timeline.name, glyphs.ascii) or "execution"
    count = len(timeline.events)
    facts = ["1 event" if count == 1 else f"{count:,} events"]
    if timeline.times:
        passed = duration(timeline.milliseconds)
        facts.insert(0, passed if timeline.milliseconds else "all at one instant")
    point = f" {glyphs.point} "
    rest = f"{point}{point.join(facts)}"
    others = len(f"{point}{timeline.outcome}{rest}")
    name = cut(name, max(8, width - others), glyphs.ellipsis)
    outcome = cut(timeline.outcome, width - columns(name) - len(point), glyphs.ellipsis)
    rest = cut(rest, width - columns(name) - len(point) - len(outcome), glyphs.ellipsis)
    return [
        (name, STRONG),
        (point, FAINT),
        (outcome, STYLES[timeline.outcome]),
        (rest, FAINT),
    ]


def _axis_line(axis: Axis, layout: _Layout) -> Line:
    margin = layout.label + layout.ids
    line = (axis.title + "  ").rjust(margin)
    for mark in axis.marks:
        line = line.ljust(margin + mark.column) + mark.label
    return [(line, FAINT)]


def _row_line(text: _Texts, axis: Axis, layout: _Layout, glyphs: Glyphs) -> Line:
    style = "" if text.row.kind == DECISIONS else STYLES[text.row.outcome]
    label = cut(text.label, layout.label - 2, glyphs.ellipsis, keep_end=0.5)
    line = [(padded(label, layout.label), "")]
    if layout.ids:
        line.append((text.ids.rjust(layout.ids - 2) + "  ", FAINT))
    line += _picture(text.row, axis, layout.picture, glyphs)
    if layout.note:
        note = cut(text.note, layout.note - 2, glyphs.ellipsis)
        line.append(("  " + padded(note, layout.note - 2), style))
    if layout.length:
        line.append((text.length.rjust(layout.length), FAINT))
    return _trimmed(line)


def _picture(row: Row, axis: Axis, width: int, glyphs: Glyphs) -> Line:
    cells: list[Piece] = [(" ", "")] * width
    for span in row.spans:
        _paint(cells, span, row.kind, axis, glyphs)
    return _joined(cells)


def _paint(cells: list[Piece], span: Span, row_kind: str, axis: Axis, glyphs: Glyphs) -> None:
    """Draw a span: first waiting, then work, then the mark of its outcome."""
    begun = axis.columns[span.begun]
    end = axis.columns[span.ended] if span.ended else len(cells) - 1
    if span.is_awaited:
        cells[end] = (glyphs.awaited, _style(span, row_kind))
        return
    if begun < end and cells[begun][0] in glyphs.marks.values():
        begun += 1  # The attempt before ended there.
    taken = end if span.work_began is None else max(begun, axis.columns[span.work_began])
    style = _style(span, row_kind)
    cells[begun:taken] = [(glyphs.wait, FAINT)] * (taken - begun)
    cells[taken : end + 1] = [(glyphs.bars.get(span.kind, glyphs.work), style)] * (end + 1 - taken)
    if span.outcome in glyphs.marks:
        cells[end] = (glyphs.marks[span.outcome], style)


def _style(span: Span, row_kind: str) -> str:
    if span.kind == DECISIONS and span.outcome == COMPLETED:
        return STYLES[HAPPENED]
    return STYLES[span.outcome] if span.kind == row_kind else FAINT


def _joined(cells: list[Piece]) -> Line:
    line: Line = []
    for character, style in cells:
        if line and line[-1][1] == style:
            line[-1] = (line[-1][0] + character, style)
        else:
            line.append((character, style))
    return line


def _trimmed(line: Line) -> Line:
    """Remove trailing blanks."""
    while line and not line[-1][0].rstrip():
        line.pop()
    return [*line[:-1], (line[-1][0].rstrip(), line[-1][1])] if line else line


def _problem_lines(timeline: Timeline, width: int, glyphs: Glyphs) -> list[Line]:
    shown = timeline.problems[-_PROBLEMS:]
    lines: list[Line] = [[]] if shown else []
    for problem in shown:
        event = f"event {problem.event_id}  "
        sentence = textwrap.wrap(one_line(problem.sentence, glyphs.ascii), width - len(event))
        for number, part in enumerate(sentence):
            margin = (" " * len(event) if number else event, FAINT)
            lines.append([margin, (cut(part, width - len(event), glyphs.ellipsis), "")])
    return lines
