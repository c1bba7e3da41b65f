"""Pictures of a history: what ran when, a row for each task, as text that fits a terminal.

All that is needed are the events as the service gives them, so it works on a history from
anywhere: a simulation, a file, Amazon SWF.

Example:
    ``print(timeline.text(events, width=64))`` may print::

        photo 7 · completed · 10 s · 14 events

                         0 s  2 s   4 s   6 s   8 s   10 s
        decisions        ▪                            ▪  2
        resize-1    5-8  ━━━━━━━━━━━━━━━━━━              completed   6 s
        resize-2   6-10  ·················━━━━━━━━━━━━━  completed  10 s

    Each row has the ids of its first and last event. Dots are waiting, lines are work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flowy_sim._events.spans import read
from flowy_sim._report.drawing import ASCII, UNICODE, draw
from flowy_sim._report.durations import duration

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["duration", "rich_text", "text"]

Events = Iterable[Mapping[str, Any]]

ROWS = 40
"""So many rows are shown if nothing else is said."""


def text(events: Events, width: int = 80, *, rows: int = ROWS, ascii: bool = False) -> str:
    """Draw a history as plain text.

    Args:
        events: wire events in any order, all or some of an execution's; their timestamps are
            datetimes, seconds since the epoch or ISO 8601 text, or absent.
        width: how many columns there are; no line is longer.
        rows: at most so many rows are drawn, the first and the last ones.
        ascii: whether to draw without any character outside ASCII.

    Returns:
        The lines, without a newline at the end.

    Raises:
        ValueError: one of the events has no ``eventId`` or ``eventType``.
    """
    lines = draw(read(events), width, rows, ASCII if ascii else UNICODE)
    return "\n".join("".join(piece for piece, _ in line) for line in lines)


def rich_text(events: Events, width: int = 80, *, rows: int = ROWS, ascii: bool = False) -> Text:
    """Draw a history in colours, for a ``rich.console.Console``.

    Args:
        events: as `text` takes them.
        width: how many columns there are.
        rows: at most so many rows are drawn.
        ascii: whether to draw without any character outside ASCII.

    Returns:
        The lines.

    Raises:
        ValueError: one of the events has no ``eventId`` or ``eventType``.
    """
    from rich.text import Text

    lines = draw(read(events), width, rows, ASCII if ascii else UNICODE)
    return Text("\n", no_wrap=True).join(Text.assemble(*line) for line in lines)
