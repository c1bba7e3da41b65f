"""Progress of runs and explorations, on a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import Any, NamedTuple, Self

from rich import progress
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
from flowy_sim._report.layout import duration, one_line
from flowy_sim._report.timeline import STYLES

_SHOWN = 5

_TaskKey = tuple[str, int]
"""A workflow ID, and the ID of the event that scheduled the task."""


class ExplorationProgress:
    """Shows the number of runs so far, and how much of the limits is used up.

    It disappears at the end, and is only shown on a terminal. It is drawn only by `update`: a
    thread that draws would prevent exploring from forking other processes.

    Args:
        console: the terminal.
        runs, seconds: the limits of the exploration.

    Example:
        ``with ExplorationProgress(console, 1000, 10) as progress: …``
    """

    def __init__(self, console: Console, runs: int, seconds: float) -> None:
        self._runs = runs
        self._seconds = seconds
        self._began = time.monotonic()
        self._progress = progress.Progress(
            progress.SpinnerColumn("line" if console.options.ascii_only else "dots"),
            progress.TextColumn("{task.description}"),
            progress.BarColumn(20),
            progress.TextColumn(
                "{task.fields[passed]:.0f} of {task.fields[seconds]:g} s", style="dim"
            ),
            console=console,
            auto_refresh=False,
            transient=True,
            # Output that goes to a file or another program still does.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._shown = console.is_terminal
        self._task = self._progress.add_task("exploring", total=1, passed=0, seconds=seconds)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._shown:
            self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            self._progress.stop()

    def update(self, runs: int, states: int, share: float) -> None:
        """Show the number of runs and states so far, and the explored share of the space."""
        if not self._shown:
            return
        passed = time.monotonic() - self._began
        self._progress.update(
            self._task,
            description=f"{runs:,} runs, {states:,} states, {share:.1%} of the space",
            completed=max(runs / self._runs, passed / max(self._seconds, passed)),
            passed=passed,
            refresh=True,
        )


class _EndedTask(NamedTuple):
    label: str
    outcome: str
    seconds: float


class RunProgress:
    """Shows the running tasks and those that ended last; it disappears at the end.

    Args:
        console: the terminal.

    Example:
        ``with RunProgress(console) as progress: Runner(simulation, on_event=progress.update)…``
    """

    def __init__(self, console: Console) -> None:
        ascii_only = console.options.ascii_only
        self._lock = threading.Lock()
        self._labels: dict[_TaskKey, str] = {}
        self._running: dict[_TaskKey, float] = {}
        self._ended: deque[_EndedTask] = deque(maxlen=_SHOWN)
        self._count = 0
        self._spinner = Spinner("line" if ascii_only else "dots")
        self._done, self._undone = ("+", "x") if ascii_only else ("✓", "✗")
        self._live = Live(console=console, get_renderable=self._draw, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def update(self, workflow_id: str, event: dict[str, Any]) -> None:
        """Show what an event of an execution changes."""
        schema, attributes = EVENTS.get(event["eventType"]), attributes_of(event)
        if schema is None:
            return
        with self._lock:
            if schema.phase == OPENS and schema.kind not in (DECISIONS, EXECUTION):
                label = one_line(schema.label(attributes))
                self._labels[workflow_id, event["eventId"]] = label
            elif schema.phase == STARTS:
                key = workflow_id, attributes[schema.about]
                if key in self._labels:
                    self._running[key] = time.monotonic()
            elif schema.phase == ENDS and schema.about:
                self._end((workflow_id, attributes.get(schema.about, 0)), schema.outcome)

    def _end(self, key: _TaskKey, outcome: str) -> None:
        label, began = self._labels.pop(key, ""), self._running.pop(key, None)
        if began is not None:
            self._count += 1
            self._ended.append(_EndedTask(label, outcome, time.monotonic() - began))

    def _draw(self) -> Table:
        """Draw the present state."""
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
            words = f"{self._count:,} done" + (f", {more:,} more running" if more > 0 else "")
        table.add_row("" if self._running else self._spinner, Text(words, "dim"))
        return table


def _real(seconds: float) -> Text:
    return Text(duration(seconds * 1000 if seconds < 1 else round(seconds, 1) * 1000), "dim")
