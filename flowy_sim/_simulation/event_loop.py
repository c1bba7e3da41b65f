"""Event loops: those of user code follow simulated time, and that of a server moves it.

An event loop asks its method ``time`` for the time, and waits in its selector for the next timer.
Both are replaced on the loop while it runs: its time follows that of the simulation, and instead of
waiting it sleeps virtually. So `asyncio.sleep`, `asyncio.wait_for`, `asyncio.timeout` and
``call_later`` take simulated time, without being replaced themselves. looptime works in this way.
A loop that runs on another selector, such as uvloop's, keeps its real time.

`ServedEventLoop` does for connections what `flowy_sim._simulation.waiters` does for threads. Both
ask the same `TimeSkipping` whether time may jump.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, inf
from typing import Any, Protocol

from flowy_sim._simulation.host import Host
from flowy_sim._simulation.polls import Poll
from flowy_sim._simulation.time_functions import really_monotonic

_NANOSECOND = 1e-6
"""In milliseconds: what rounding may add to the time that a loop waits."""

_DAY = 86_400.0
"""In seconds: the longest wait at a time, as in asyncio itself."""


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
    # uvloop has no selector that could be replaced. Otherwise, an enclosing call did it.
    if selector is None or "time" in vars(loop):
        yield
        return
    # On the loop itself, not on its class: loops of other threads keep their time.
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
        # Kept, so that time does not go back when the code no longer sleeps virtually.
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

        # What is ready now comes first; time passes only if nothing is.
        if not wait(0):
            sleeper.idle(_rounded_up(timeout), wait)
        return ready


def _rounded_up(timeout: float | None) -> float:
    """Return whole milliseconds, so that the loop does not wake up just before its timer."""
    return inf if timeout is None else max(0, ceil(timeout * 1000 - _NANOSECOND)) / 1000


class ServedEventLoop:
    """Lets the time of a served simulation pass in the running event loop.

    Time settles soon after every change, and again when it has said that it should.

    Args:
        host: the simulation; it is used in this event loop only.
    """

    def __init__(self, host: Host) -> None:
        self._time_skipping = host.time_skipping
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._is_due = False
        self._is_stopped = False
        host.time_skipping.settle_soon = self.settle_soon

    def wait(self, poll: Poll) -> asyncio.Future[None]:
        """Return a future that is done when `wake` of a poll is called: when it is answered."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        poll.wake = wake
        if poll.is_answered:
            wake()
        self.settle_soon()
        return waiter

    def settle_soon(self) -> None:
        """Let time settle as soon as the loop comes round: something has changed."""
        # Many changes in one round of the loop are settled together.
        if self._is_due or self._is_stopped:
            return
        self._is_due = True
        asyncio.get_running_loop().call_soon(self._settle)

    def stop(self) -> None:
        """Stop moving time."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self) -> None:
        self._is_due = False
        if self._is_stopped:
            return
        pause = self._time_skipping.settle()
        if pause is None:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + min(pause, _DAY)
        if self._timer is not None:
            if self._timer_at <= at:
                return  # That is soon enough, and costs nothing.
            self._timer.cancel()
        # Kept beside the handle: that of uvloop has no time if it is due now.
        self._timer, self._timer_at = loop.call_at(at, self._timed), at

    def _timed(self) -> None:
        self._timer = None
        self._settle()
