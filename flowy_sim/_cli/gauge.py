"""How far exploring has come, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn


class Gauge:
    """Shows how many runs were made, and how much of the runs and seconds is used up.

    It vanishes in the end, and shows nothing where there is no terminal. It draws only when it is
    told something: a thread that draws would keep exploring from making use of other processes.

    Args:
        console: the terminal.
        runs, seconds: when exploring stops.

    Example:
        ``with Gauge(console, 1000, 10) as gauge: find(test, tell=gauge.tell, …)``
    """

    def __init__(self, console: Console, runs: int, seconds: float) -> None:
        """Have nothing to show yet."""
        self._runs = runs
        self._seconds = seconds
        self._began = time.monotonic()
        self._progress = Progress(
            SpinnerColumn("line" if console.options.ascii_only else "dots"),
            TextColumn("{task.description}"),
            BarColumn(20),
            TextColumn("{task.fields[passed]:.0f} of {task.fields[seconds]:g} s", style="dim"),
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
