"""The clock of a served simulation: its mode can be changed while it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from flowy_sim._simulation.clock import (
    Clock,
    RealClock,
    ScaledClock,
    VirtualClock,
    from_milliseconds,
)

REAL = "real"
VIRTUAL = "virtual"

_SCALED = re.compile(r"x([0-9]{1,7}(?:\.[0-9]{1,3})?)")


def check_mode(mode: object) -> str:
    """Return a mode, if it is one.

    Raises:
        ValueError: it is none.

    >>> check_mode("x60")
    'x60'
    """
    if isinstance(mode, str) and (mode in (REAL, VIRTUAL) or _rate(mode) > 0):
        return mode
    raise ValueError(
        f"{mode!r} is no clock; give 'real', 'virtual', or how many times as fast as real time "
        "it runs, such as 'x60'."
    )


class ServedClock:
    """A clock that is real, virtual or scaled, and can be made another of these.

    Args:
        mode: ``real``, the machine's time; ``virtual``, which jumps; ``x60`` and the like, so
            many times as fast as real time.
        start: where it begins unless it is real, in milliseconds since 1970.

    Attributes:
        mode: what it is at present.
        runs: whether it runs by itself.

    Example:
        >>> clock = ServedClock("virtual", 1704067200000)
        >>> clock.set_mode("x60")
        >>> clock.runs, clock.now.date().isoformat()
        (True, '2024-01-01')
    """

    def __init__(self, mode: str, start: int) -> None:
        """Begin.

        Raises:
            ValueError: the mode is none.
        """
        self._owner: tuple[AbstractContextManager[Any], Callable[[int], None]] | None = None
        self._begin(check_mode(mode), start)

    def set_mode(self, mode: str) -> None:
        """Become a clock of another kind, at the present instant.

        One that becomes real is put forward to the machine's time; what falls due on the way
        happens.

        Raises:
            ValueError: the mode is none, or it is to become real and is ahead of real time.
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
        """Be a clock of a kind, at an instant in milliseconds; nothing happens on the way."""
        self._begin(mode, instant)

    @property
    def now(self) -> datetime:
        """The present instant, in UTC."""
        return self._clock.now

    @property
    def milliseconds(self) -> int:
        """The present instant in milliseconds since the epoch."""
        return self._clock.milliseconds

    def advance(self, seconds: float) -> None:
        """Let time pass; what falls due on the way happens, each at its own instant.

        Raises:
            ValueError: `seconds` is not a number of at least 0, or the clock is real.
        """
        self._clock.advance(seconds)

    def seconds_until(self, instant: int) -> float:
        """Return how long this clock, if it runs, really takes to reach an instant."""
        return self._clock.seconds_until(instant)

    def reach(self, instant: int) -> None:
        """Be at an instant in milliseconds; a clock that runs by itself is there already."""
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
    if mode == VIRTUAL:
        return VirtualClock(from_milliseconds(start))
    return ScaledClock(_rate(mode), from_milliseconds(start))


def _rate(mode: str) -> float:
    found = _SCALED.fullmatch(mode)
    return float(found[1]) if found else 0.0
