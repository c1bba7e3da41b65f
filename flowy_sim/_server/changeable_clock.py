"""The clock of a served simulation: its mode can be changed while it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from flowy_sim._simulation.clock import (
    Clock,
    RealClock,
    ScaledClock,
    VirtualClock,
    from_milliseconds,
)
from flowy_sim._simulation.settings import PAUSED, REAL, VIRTUAL, check_mode, rate_of


class ChangeableClock:
    """A clock that is real, virtual, paused or scaled, and can change its mode.

    Args:
        mode: ``real``, the machine's time; ``virtual``, which jumps; ``paused``, which moves only
            on request; or a factor such as ``x60``, 60 times as fast as real time.
        start: where it begins unless it is real, in milliseconds since 1970.

    Attributes:
        mode: its current mode.
        runs: whether it runs on its own.

    Raises:
        ValueError: there is no such mode.

    Example:
        >>> clock = ChangeableClock("virtual", 1704067200000)
        >>> clock.set_mode("x60")
        >>> clock.runs, clock.now.date().isoformat()
        (True, '2024-01-01')
    """

    def __init__(self, mode: str, start: int) -> None:
        self._owner: tuple[AbstractContextManager[Any], Callable[[int], None]] | None = None
        self._begin(check_mode(mode), start)

    def set_mode(self, mode: str) -> None:
        """Change the mode, at the present instant.

        A clock that becomes real is put forward to the machine's time; what falls due on the way
        happens.

        Raises:
            ValueError: there is no such mode, or the clock would become real and is ahead of real
                time.
        """
        now = self.milliseconds
        if check_mode(mode) == REAL and RealClock().milliseconds < now:
            raise ValueError(
                "The clock is ahead of real time and cannot be put back; "
                "make it 'x1', which runs as fast, or reset the simulation."
            )
        self._begin(mode, now)
        if self._owner is not None:
            self._owner[1](self.milliseconds)

    def resume(self, mode: str, instant: int) -> None:
        """Set mode and instant, in milliseconds since 1970; nothing happens on the way."""
        self._begin(mode, instant)

    @property
    def now(self) -> datetime:
        """The present instant, in UTC."""
        return self._clock.now

    @property
    def milliseconds(self) -> int:
        """The present instant in milliseconds since the epoch."""
        return self._clock.milliseconds

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass; what falls due on the way happens, each at its own instant.

        Raises:
            ValueError: `seconds` is not a number of at least 0, or the clock is real.
        """
        self._clock.advance(seconds)

    def seconds_until(self, instant: int) -> float:
        """Return how long this clock, if it runs, really takes to reach an instant."""
        return self._clock.seconds_until(instant)

    def reach(self, instant: int) -> None:
        """Move to an instant in milliseconds; a clock that runs on its own is there already."""
        self._clock.reach(instant)

    def belong_to(
        self, lock: AbstractContextManager[Any], pass_until: Callable[[int], None]
    ) -> None:
        """Become the clock of a simulation; see `flowy_sim._simulation.clock.Clock`."""
        self._clock.belong_to(lock, pass_until)
        self._owner = (lock, pass_until)

    def _begin(self, mode: str, start: int) -> None:
        self.mode = mode
        self._clock = _clock(mode, start)
        self.runs = self._clock.runs
        if self._owner is not None:
            self._clock.belong_to(*self._owner)


def _clock(mode: str, start: int) -> Clock:
    if mode == REAL:
        return RealClock()
    if mode in (VIRTUAL, PAUSED):
        return VirtualClock(from_milliseconds(start))
    return ScaledClock(rate_of(mode), from_milliseconds(start))
