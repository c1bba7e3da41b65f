"""The module ``time`` as code sees it that sleeps virtually: clocks, and references to functions.

Code such as ``while time.monotonic() < end: time.sleep(1)`` would wait for the real clock, while
simulated time rushes ahead. So the clocks that it reads advance with simulated time: they are
ahead of the real ones. A real wait, for a socket or a process, counts as well if it lasts:
otherwise code that waits for such things until an instant would wait forever. Short ones do not
count, so that runs can be repeated.

Code refers to these functions in many ways. Its references are found, and replaced for a while.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

# Partials, because freezegun replaces the functions themselves wherever a module refers to them.
really_monotonic = partial(time.monotonic)
really_perf_counter = partial(time.perf_counter)
really_wait_on = threading.Condition.wait  # `flowy_sim._simulation.virtual_sleep` replaces it.
_really_time = partial(time.time)

_STALL = 1.0
"""Real seconds in which simulated time stands still after which further ones count."""

_TICK = 1e-6
"""The least number of seconds between two readings: code may divide by the difference."""

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


WAITS = frozenset({"threading", "queue"})
"""Modules that wait for other threads until a clock reaches an instant; a frozen one never does."""

REALLY_WAIT = frozenset({"subprocess"})
"""Modules whose waits take real time, because what they wait for does."""

_IN_NANOSECONDS = 1_000_000_000


class Reference(NamedTuple):
    """A place that refers to a function of the module ``time``.

    Attributes:
        get: returns what it refers to.
        set: lets it refer to another function.
        real: the function.
        replacement: what replaces it.
    """

    get: Callable[[], Any]
    set: Callable[[Any], None]
    real: Callable[..., Any]
    replacement: Callable[..., Any]

    def refer(self, function: Callable[..., Any]) -> None:
        """Let it refer to a function, unless a tool that has frozen the time has put its own."""
        if self.get() in (self.real, self.replacement):
            self.set(function)


class TimeFunctions:
    """All references to functions of the module ``time``, in the modules that are imported.

    Args:
        sleep: replaces `time.sleep`.
        clock: returns the clock of the code that runs; None if that is the real one.
    """

    def __init__(
        self, sleep: Callable[[float], None], clock: Callable[[], ClockAhead | None]
    ) -> None:
        self._clock = clock
        self._seen: set[tuple[str, int]] = set()
        self._references: list[Reference] = []
        self._of_waits = self._reading("monotonic", ClockAhead.monotonic, follows=False)
        pairs = [
            (time.sleep, sleep),
            (time.monotonic, self._reading("monotonic", ClockAhead.monotonic)),
            (time.monotonic_ns, self._reading("monotonic_ns", _monotonic_ns)),
            (time.time, self._reading("time", ClockAhead.time)),
            (time.time_ns, self._reading("time_ns", _time_ns)),
        ]
        self._pairs: dict[int, tuple[Any, Any]] = {
            id(each): pair for pair in pairs for each in pair
        }
        self._known = self._pairs

    def replace(self) -> None:
        """Replace all references."""
        self._find()
        for each in self._references:
            each.refer(each.replacement)

    def restore(self) -> None:
        """Let all refer to the real functions."""
        self._find()
        for each in self._references:
            each.refer(each.real)

    def _reading(
        self, name: str, read: Callable[[ClockAhead], float], *, follows: bool = True
    ) -> Callable[[], float]:
        """Return what replaces a function that reads a clock.

        Args:
            name: the name of the function.
            read: reads the clock of code that sleeps virtually.
            follows: whether to return the time of a tool that has frozen it, if one has.
        """
        real: Callable[[], float] = getattr(time, name)

        def replacement() -> float:
            clock = self._clock()
            if clock is None:
                return real()
            present: Callable[[], float] = getattr(time, name)
            return present() if follows and present not in (replacement, real) else read(clock)

        return replacement

    def _find(self) -> None:
        """Look through the modules that were imported since.

        A reference to a function of a tool that has frozen the time counts as well: once time is no
        longer frozen, it refers to the real function again.
        """
        present = {id(getattr(time, pair[0].__name__)): pair for pair in self._pairs.values()}
        self._known = present | self._pairs
        for name, module in list(sys.modules.items()):
            key = name, id(module)
            if key in self._seen or name.startswith("flowy_sim.") or name in REALLY_WAIT:
                continue
            self._seen.add(key)
            self._references += self._in_module(name, getattr(module, "__dict__", {}))

    def _in_module(self, module: str, names: dict[str, Any]) -> Iterator[Reference]:
        values = list(names.items())
        if not any(value is time or id(value) in self._known for _, value in values):
            return
        for name, value in values:
            get, replace = partial(names.get, name), partial(names.__setitem__, name)
            yield from self._in_value(get, replace, module)
            if isinstance(value, type) and value.__module__ == module:
                for attribute, of_class in list(vars(value).items()):
                    is_static = isinstance(of_class, staticmethod)
                    get = partial(_attribute, value, attribute)
                    replace = partial(_set_attribute, value, attribute, is_static)
                    yield from self._in_value(get, replace, module)

    def _in_value(
        self, get: Callable[[], Any], replace: Callable[[Any], None], module: str
    ) -> Iterator[Reference]:
        value = get()
        pair = self._known.get(id(value))
        if pair is not None:
            real, replacement = pair
            if module in WAITS and real is time.monotonic:
                replacement = self._of_waits
            yield Reference(get, replace, real, replacement)
        elif isinstance(value, FunctionType):
            for index in range(len(value.__defaults__ or ())):
                get, replace = partial(_default, value, index), partial(_set_default, value, index)
                yield from self._in_value(get, replace, module)
            keywords = value.__kwdefaults__ or {}
            for name in list(keywords):
                get, replace = partial(keywords.get, name), partial(keywords.__setitem__, name)
                yield from self._in_value(get, replace, module)


def _monotonic_ns(clock: ClockAhead) -> int:
    return round(clock.monotonic() * _IN_NANOSECONDS)


def _time_ns(clock: ClockAhead) -> int:
    return round(clock.time() * _IN_NANOSECONDS)


def _attribute(owner: type, name: str) -> Any:
    value = vars(owner).get(name)
    return value.__func__ if isinstance(value, staticmethod) else value


def _set_attribute(owner: type, name: str, is_static: bool, value: Any) -> None:
    setattr(owner, name, staticmethod(value) if is_static else value)


def _default(function: FunctionType, index: int) -> Any:
    defaults = function.__defaults__ or ()
    return defaults[index] if index < len(defaults) else None


def _set_default(function: FunctionType, index: int, value: Any) -> None:
    defaults = list(function.__defaults__ or ())
    defaults[index] = value
    function.__defaults__ = tuple(defaults)
