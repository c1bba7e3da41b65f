"""The clock of asyncio's event loops, where the code that runs sleeps virtually.

An event loop asks its method ``time`` for the time, and waits in its selector for the next timer.
Both are replaced on the loop while it runs: its time follows that of the simulation, and instead of
waiting it sleeps virtually. So `asyncio.sleep`, `asyncio.wait_for`, `asyncio.timeout` and
``call_later`` take simulated time, without being replaced themselves. looptime works in this way.

A loop that runs on another selector, such as uvloop's, keeps its real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, inf
from typing import Any, Protocol

from flowy_sim._simulation.clock_ahead import really_monotonic

_NANOSECOND = 1e-6
"""In milliseconds: what rounding may add to the time that a loop waits."""


class IdleSleeper(Protocol):
    """Code that may sleep virtually while its event loop has nothing to do."""

    def now(self) -> int:
        """Return the simulated time in milliseconds since 1970."""
        ...

    def idle(self, seconds: float, wait: Callable[[float | None], bool]) -> None:
        """Sleep until something happens in the event loop.

        Args:
            seconds: the number of seconds until its next timer; infinity if it has none, 0 if it
                has something to do.
            wait: really waits for that number of seconds, or forever if None, for the files and
                threads that can wake up the loop; returns whether one has.
        """
        ...

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that an event loop runs in this code."""
        ...


Running = Callable[[], IdleSleeper | None]


@contextmanager
def simulated_time(loop: asyncio.AbstractEventLoop, running: Running) -> Iterator[None]:
    """Let an event loop follow simulated time, for a while.

    Args:
        loop: the event loop.
        running: returns the code that runs, if it sleeps virtually; else None.
    """
    selector = getattr(loop, "_selector", None)
    if selector is None or "time" in vars(loop):
        yield
        return
    adopted: Any = loop
    clock = _LoopClock(running)
    really_select = selector.select
    adopted.time = clock.time
    selector.select = _Select(really_select, running)
    try:
        yield
    finally:
        del adopted.time
        selector.select = really_select


def follows_simulation(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether an event loop follows simulated time, where its code sleeps virtually."""
    return isinstance(getattr(loop.time, "__self__", None), _LoopClock)


class _LoopClock:
    """The time of an event loop: real until it first sleeps virtually, then simulated."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._ahead = 0.0
        self._began: tuple[float, int] | None = None

    def time(self) -> float:
        """Return the time in seconds, since an arbitrary instant."""
        sleeper = self._running()
        if sleeper is None:
            return really_monotonic() + self._ahead
        if self._began is None:
            self._began = really_monotonic(), sleeper.now()
        seconds = self._began[0] + (sleeper.now() - self._began[1]) / 1000
        self._ahead = seconds - really_monotonic()
        return seconds


class _Select:
    """The method ``select`` of a selector, which sleeps virtually instead of waiting."""

    def __init__(self, really_select: Callable[..., list[Any]], running: Running) -> None:
        self._really_select = really_select
        self._running = running

    def __call__(self, timeout: float | None = None) -> list[Any]:
        sleeper = self._running()
        if sleeper is None:
            return self._really_select(timeout)
        ready: list[Any] = []

        def wait(seconds: float | None) -> bool:
            if not ready:
                ready.extend(self._really_select(seconds))
            return bool(ready)

        if not wait(0):
            sleeper.idle(_rounded_up(timeout), wait)
        return ready


def _rounded_up(timeout: float | None) -> float:
    """Return whole milliseconds, so that the loop does not wake up just before its timer."""
    return inf if timeout is None else max(0, ceil(timeout * 1000 - _NANOSECOND)) / 1000
