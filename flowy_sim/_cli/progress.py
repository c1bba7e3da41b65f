"""How far exploring has come, on a terminal."""

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

from flowy_sim._events.vocabulary import (
    COMPLETED,
    DECISIONS,
    ENDINGS,
    OPENINGS,
    STARTS,
    attributes_of,
)
from flowy_sim._report import duration
from flowy_sim._report.cells import clean
from flowy_sim._report.drawing import STYLES


class ExplorationProgress:
    """Shows how many runs were made, and how much of the runs and seconds is used up.

    It vanishes in the end, and shows nothing where there is no terminal. It draws only when it is
    told something: a thread that draws would keep exploring from making use of other processes.

    Args:
        console: the terminal.
        runs, seconds: when exploring stops.

    Example:
        ``with ExplorationProgress(console, 1000, 10) as gauge: find(test, tell=gauge.tell, …)``
    """

    def __init__(self, console: Console, runs: int, seconds: float) -> None:
        """Have nothing to show yet."""
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
            # What goes to a file or a program still goes there.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._shown = console.is_terminal
        self._task = self._progress.add_task("exploring", total=1, passed=0, seconds=seconds)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._began = time.monotonic()
        if self._shown:
            self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Vanish."""
        if self._shown:
            self._progress.stop()

    def tell(self, runs: int, states: int, share: float) -> None:
        """Be told of runs and states so far, and the share of the space."""
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


_SHOWN = 5


Key = tuple[str, int]


class _Ended(NamedTuple):
    label: str
    outcome: str
    seconds: float


class RunProgress:
    """Shows the tasks that are being worked on and those that ended last; vanishes in the end.

    Args:
        console: the terminal.

    Example:
        ``with RunProgress(console) as progress: Runner(simulation, on_event=progress.tell).run(…)``
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
        event_type, attributes = event["eventType"], attributes_of(event)
        opening = OPENINGS.get(event_type)
        with self._lock:
            if opening is not None and opening.kind != DECISIONS:
                label = clean(opening.label(attributes))
                self._labels[workflow_id, event["eventId"]] = label
            elif event_type in STARTS:
                key = workflow_id, attributes[STARTS[event_type]]
                if key in self._labels:
                    self._running[key] = time.monotonic()
            elif event_type in ENDINGS:
                ending = ENDINGS[event_type]
                self._end((workflow_id, attributes[ending.link]), ending.outcome)

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
