"""The clocks of code that sleeps virtually: they are ahead of the real ones.

Code such as ``while time.monotonic() < end: time.sleep(1)`` would wait for the real clock, and let
simulated time fly meanwhile. So the clocks that it reads advance with simulated time. A real wait,
for a socket or a process, counts as well if it lasts: otherwise code that waits for such things
until an instant would wait forever. Short ones do not count, so that runs can be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable

really_monotonic = time.monotonic
_really_time = time.time

_STALL = 1.0
"""Real seconds in which simulated time stands still after which further ones count."""

_TICK = 1e-6
"""Seconds between two readings: code may divide by what has passed."""

_latest = 0.0
"""The latest instant that was read: code may remember it from one run to the next."""


class ClockAhead:
    """A monotonic clock, and the time of day, that advance with simulated time.

    Args:
        now: returns the simulated time in milliseconds since 1970.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        real = really_monotonic()
        self._now = now
        self._began = max(real, _latest)
        self._time_of_day = _really_time() - real
        self._simulated = self._seen = now()
        self._seen_at = real
        self._more = 0.0

    def monotonic(self) -> float:
        """Return the time in seconds since an arbitrary instant."""
        global _latest
        now, real = self._now(), really_monotonic()
        if now != self._seen:
            self._seen, self._seen_at = now, real
        elif real - self._seen_at > _STALL:
            self._more += real - self._seen_at - _STALL
            self._seen_at = real - _STALL
        self._more += _TICK
        _latest = self._began + (now - self._simulated) / 1000 + self._more
        return _latest

    def time(self) -> float:
        """Return the time in seconds since 1970."""
        return self.monotonic() + self._time_of_day
