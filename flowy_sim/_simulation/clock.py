"""The time of a simulation: virtual (it jumps), scaled (it runs faster) or real.

A clock belongs to one simulation. A virtual clock stands still until it is moved; the other two run
on their own. All of them count whole milliseconds, as the service does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from math import inf
from typing import Any, Protocol

from flowy_sim._engine import model

#: Where the clock of a simulation starts by default.
DEFAULT_START = "2024-01-01T00:00:00Z"


class Clock(Protocol):
    """What a simulation needs of a clock.

    Attributes:
        runs: whether it runs on its own; otherwise it stands still until it is moved.
    """

    runs: bool

    @property
    def now(self) -> datetime:
        """The current instant, in UTC."""
        ...

    @property
    def milliseconds(self) -> int:
        """The current instant in milliseconds since the epoch."""
        ...

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass; everything due on the way happens at its own instant.

        Args:
            seconds: how much, in simulated seconds.

        Raises:
            ValueError: it is negative, or this clock cannot be moved.
        """
        ...

    def seconds_until(self, instant: int) -> float:
        """Return the real seconds that this clock, if it runs, takes to reach an instant.

        Args:
            instant: in milliseconds since the epoch.
        """
        ...

    def reach(self, instant: int) -> None:
        """Move to an instant; a clock that runs on its own is there already.

        Args:
            instant: in milliseconds since the epoch.
        """
        ...

    def belong_to(
        self, lock: AbstractContextManager[Any], pass_until: Callable[[int], None]
    ) -> None:
        """Become the clock of a simulation.

        Args:
            lock: held while time is moved.
            pass_until: lets everything happen up to an instant in milliseconds.
        """
        ...


class _Owned:
    """A clock that belongs to at most one simulation."""

    _lock: AbstractContextManager[Any] = nullcontext()
    _pass_until: Callable[[int], None] | None = None

    @property
    def milliseconds(self) -> int:
        raise NotImplementedError

    @property
    def now(self) -> datetime:
        """The current instant, in UTC."""
        return from_milliseconds(self.milliseconds)

    def belong_to(
        self, lock: AbstractContextManager[Any], pass_until: Callable[[int], None]
    ) -> None:
        """Become the clock of a simulation.

        Args:
            lock: held while time is moved.
            pass_until: lets everything happen up to an instant in milliseconds.

        Raises:
            ValueError: it is already the clock of a simulation.
        """
        if self._pass_until is not None:
            raise ValueError("This clock belongs to another simulation; give each its own.")
        self._lock = lock
        self._pass_until = pass_until


class VirtualClock(_Owned):
    """Stands still until it is moved, then jumps.

    Args:
        start: where it starts: a datetime with a time zone, or an ISO 8601 string with one.

    Raises:
        ValueError: `start` is not an instant.

    Example:
        >>> clock = VirtualClock("2024-01-01T00:00:00Z")
        >>> clock.advance(1.5)
        >>> clock.now.isoformat()
        '2024-01-01T00:00:01.500000+00:00'
    """

    runs = False

    def __init__(self, start: datetime | str = DEFAULT_START) -> None:
        self._milliseconds = parse_instant(start)

    @property
    def milliseconds(self) -> int:
        """The current instant in milliseconds since the epoch."""
        return self._milliseconds

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass; everything due on the way happens at its own instant.

        Raises:
            ValueError: `seconds` is not a number of at least 0.
        """
        with self._lock:
            target = later(self._milliseconds, seconds)
            if self._pass_until is not None:
                self._pass_until(target)
            self.reach(target)

    def seconds_until(self, instant: int) -> float:
        """Return infinity: this clock stands still until it is moved."""
        return inf

    def reach(self, instant: int) -> None:
        """Jump to an instant in milliseconds; one that has passed is ignored."""
        if instant > self._milliseconds:  # noqa: PLR1730 - `max` takes three times as long.
            self._milliseconds = instant


class ScaledClock(_Owned):
    """Runs on its own, `rate` times as fast as real time; `advance` puts it forward.

    Args:
        rate: simulated seconds per real second, greater than 0.
        start: where it starts: a datetime with a time zone, or an ISO 8601 string with one.
        real_seconds: where real time is read.

    Raises:
        ValueError: `rate` is not a number greater than 0, or `start` is not an instant.

    Example:
        >>> ScaledClock(60, real_seconds=lambda: 0.0).seconds_until(1704067200000 + 60_000)
        1.0
    """

    runs = True

    def __init__(
        self,
        rate: float,
        start: datetime | str = DEFAULT_START,
        real_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        if not _is_number(rate) or not rate > 0:
            raise ValueError(f"rate={rate!r}: a clock's rate is a number greater than 0.")
        self._rate = rate
        self._milliseconds_at_start = parse_instant(start)
        self._real_seconds = real_seconds
        self._started = real_seconds()

    @property
    def milliseconds(self) -> int:
        """The current instant in milliseconds since the epoch."""
        passed = (self._real_seconds() - self._started) * self._rate
        return self._milliseconds_at_start + int(passed * 1000)

    def advance(self, seconds: float | timedelta) -> None:
        """Put the clock forward; everything due on the way happens at its own instant.

        Raises:
            ValueError: `seconds` is not a number of at least 0.
        """
        with self._lock:
            now = self.milliseconds
            self._milliseconds_at_start += later(now, seconds) - now
            if self._pass_until is not None:
                self._pass_until(self.milliseconds)

    def seconds_until(self, instant: int) -> float:
        """Return the real seconds until an instant in milliseconds."""
        return max(0.0, (instant - self.milliseconds) / 1000 / self._rate)

    def reach(self, instant: int) -> None:
        """Do nothing: this clock runs on its own."""


class RealClock(_Owned):
    """The machine's own time. It never runs backwards, even if the machine's does.

    Args:
        real_seconds: where real time is read, in seconds since the epoch.
    """

    runs = True

    def __init__(self, real_seconds: Callable[[], float] = time.time) -> None:
        self._real_seconds = real_seconds
        self._latest = 0

    @property
    def milliseconds(self) -> int:
        """The current instant in milliseconds since the epoch."""
        now = int(self._real_seconds() * 1000)
        if now > self._latest:  # noqa: PLR1730 - `max` takes three times as long.
            self._latest = now
        return self._latest

    def advance(self, seconds: float | timedelta) -> None:
        """Refuse: real time cannot be moved.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "Real time cannot be advanced; give the simulation a VirtualClock or a ScaledClock, or "
            "serve it with --clock virtual, or with --clock x1, which runs as fast as real time."
        )

    def seconds_until(self, instant: int) -> float:
        """Return the real seconds until an instant in milliseconds."""
        return max(0.0, (instant - self.milliseconds) / 1000)

    def reach(self, instant: int) -> None:
        """Do nothing: this clock runs on its own."""


def from_milliseconds(milliseconds: int) -> datetime:
    """Return an instant in milliseconds since the epoch as a datetime in UTC.

    One that no datetime can hold becomes the last or first that it can.
    """
    return model.instant(milliseconds)


def to_milliseconds(moment: datetime) -> int:
    """Return milliseconds since the epoch of a time that may have been a floating-point number."""
    return round(moment.timestamp() * 1000)


def parse_instant(instant: datetime | str) -> int:
    """Return milliseconds since the epoch of a datetime or an ISO 8601 string.

    Raises:
        ValueError: it is neither, or has no time zone.

    >>> parse_instant("1970-01-01T00:00:01Z")
    1000
    """
    moment = instant
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ValueError(_no_instant(instant)) from None
    if not isinstance(moment, datetime):
        raise ValueError(_no_instant(instant))
    if moment.utcoffset() is None:
        raise ValueError(
            f"{instant!r} has no time zone; "
            "give a datetime with tzinfo=UTC, or a string such as '2024-01-01T00:00:00Z'."
        )
    return (moment - model.EPOCH) // model.MILLISECOND


def later(instant: int, time: float | timedelta) -> int:
    """Return the instant a number of seconds after another, both in milliseconds.

    Raises:
        ValueError: `time` is not a number of at least 0, or is too large for a datetime.
    """
    seconds: float = in_seconds(time)
    if not _is_number(seconds) or not seconds >= 0:
        raise ValueError(
            f"Time cannot pass by {seconds!r} seconds: it runs forwards only; "
            "give a number of at least 0, or a timedelta."
        )
    if seconds * 1000 > model.LATEST - instant:
        raise ValueError(f"Time cannot pass by {seconds!r} seconds: that is after the year 9999.")
    return instant + round(seconds * 1000)


def in_seconds(time: Any) -> Any:
    """Return a time in seconds; anything else than a timedelta is returned as it is."""
    return time.total_seconds() if isinstance(time, timedelta) else time


def is_duration(value: object) -> bool:
    """Return whether a value is a number of at least 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _no_instant(value: object) -> str:
    return (
        f"{value!r} is not an instant; "
        "give a datetime with a time zone, or a string such as '2024-01-01T00:00:00Z'."
    )
