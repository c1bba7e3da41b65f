"""What is being worked on right now, on a terminal."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, NamedTuple, Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from flowy_sim._events.schema import (
    COMPLETED,
    DECISIONS,
    ENDS,
    EVENTS,
    EXECUTION,
    OPENS,
    STARTS,
    attributes_of,
)
from flowy_sim._report.axes import duration
from flowy_sim._report.text import clean
from flowy_sim._report.timeline import STYLES

_SHOWN = 5

Key = tuple[str, int]


class _Ended(NamedTuple):
    label: str
    outcome: str
    seconds: float


class Progress:
    """Shows the tasks that are being worked on and those that ended last; vanishes in the end.

    Args:
        console: the terminal.

    Example:
        ``with Progress(console) as progress: Runner(simulation, on_event=progress.tell).run(…)``
    """

    def __init__(self, console: Console) -> None:
        """Have nothing to show yet."""
        ascii_only = console.options.ascii_only
        self._lock = threading.Lock()
        self._labels: dict[Key, str] = {}
        self._running: dict[Key, float] = {}
        self._ended: deque[_Ended] = deque(maxlen=_SHOWN)
        self._count = 0
        self._spinner = Spinner("line" if ascii_only else "dots")
        self._done, self._undone = ("+", "x") if ascii_only else ("✓", "✗")
        self._live = Live(console=console, get_renderable=self._draw, transient=True)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Vanish."""
        self._live.stop()

    def tell(self, workflow_id: str, event: dict[str, Any]) -> None:
        """Be told of an event of an execution."""
        schema, attributes = EVENTS.get(event["eventType"]), attributes_of(event)
        if schema is None:
            return
        with self._lock:
            if schema.phase == OPENS and schema.kind not in (DECISIONS, EXECUTION):
                label = clean(schema.label(attributes))
                self._labels[workflow_id, event["eventId"]] = label
            elif schema.phase == STARTS:
                key = workflow_id, attributes[schema.about]
                if key in self._labels:
                    self._running[key] = time.monotonic()
            elif schema.phase == ENDS and schema.about:
                self._end((workflow_id, attributes.get(schema.about, 0)), schema.outcome)

    def _end(self, key: Key, outcome: str) -> None:
        label, began = self._labels.pop(key, ""), self._running.pop(key, None)
        if began is not None:
            self._count += 1
            self._ended.append(_Ended(label, outcome, time.monotonic() - began))

    def _draw(self) -> Table:
        """Draw what goes on at this moment."""
        now = time.monotonic()
        table = Table.grid(padding=(0, 1))
        with self._lock:
            for ended in self._ended:
                mark = self._done if ended.outcome == COMPLETED else self._undone
                table.add_row(
                    Text(mark, STYLES[ended.outcome]), Text(ended.label), _real(ended.seconds)
                )
            for key, began in list(self._running.items())[:_SHOWN]:
                table.add_row(self._spinner, Text(self._labels[key]), _real(now - began))
            more = len(self._running) - _SHOWN
            words = f"{self._count:,} done" + (f", {more:,} more at work" if more > 0 else "")
        table.add_row("" if self._running else self._spinner, Text(words, "dim"))
        return table


def _real(seconds: float) -> Text:
    return Text(duration(seconds * 1000 if seconds < 1 else round(seconds, 1) * 1000), "dim")
