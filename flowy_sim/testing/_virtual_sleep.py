"""Sleep in simulated time, for poll loops only.

While it is active, every module's reference to `time.sleep` is replaced, because ``from time import
sleep`` keeps one of its own. The replacement really sleeps unless it is called by code that sleeps
virtually. freezegun finds references in the same way. `threading.Event.wait` and
`threading.Condition.wait` with a timeout are replaced, too.

Code of the standard library that waits again and again until a real clock has reached an instant,
such as `queue.Queue.get`, still waits in real time: virtual waits would never end it. That is
logged.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from flowy._safe_text import safe_logger

really_sleep = time.sleep

_really_wait = threading.Condition.wait

logger = safe_logger("flowy_sim.testing")


class Sleeper(Protocol):
    """Code that may sleep virtually."""

    def sleeps(self) -> bool:
        """Return whether the code that runs sleeps virtually."""
        ...

    def sleep(self, seconds: float, woken: Callable[[], bool] | None = None) -> None:
        """Sleep for some seconds, or until `woken` returns that it is over."""
        ...


class _Sleepers:
    """The sleepers of each thread, and the references that are replaced for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[tuple[int, Sleeper]] = []
        self._seen: set[tuple[str, int]] = set()
        self._references: list[tuple[dict[str, Any], str]] = []

    def enter(self, sleeper: Sleeper) -> tuple[int, Sleeper]:
        entry = threading.get_ident(), sleeper
        with self._lock:
            self._find_references()
            for names, name in self._references:
                if names.get(name) is really_sleep:
                    names[name] = _sleep
            self._active.append(entry)
            threading.Condition.wait = _wait  # type: ignore[method-assign]
        return entry

    def leave(self, entry: tuple[int, Sleeper]) -> None:
        with self._lock:
            self._active.remove(entry)
            if self._active:
                return
            threading.Condition.wait = _really_wait  # type: ignore[method-assign]
            self._find_references()
            for names, name in self._references:
                if names.get(name) is _sleep:
                    names[name] = really_sleep

    def running(self) -> Sleeper | None:
        """Return the sleeper of the code that runs; None if it really sleeps."""
        own = threading.get_ident()
        for thread, sleeper in reversed(self._active):
            if thread == own and sleeper.sleeps():
                return sleeper
        return None

    def _find_references(self) -> None:
        """Look through the modules that were imported since."""
        for name, module in list(sys.modules.items()):
            key = name, id(module)
            if key in self._seen or name.startswith("flowy_sim."):
                continue
            self._seen.add(key)
            names = getattr(module, "__dict__", {})
            self._references += [
                (names, each)
                for each, value in list(names.items())
                if value is really_sleep or value is _sleep
            ]


_sleepers = _Sleepers()


def _sleep(seconds: float, /) -> None:
    sleeper = _sleepers.running()
    if sleeper is None or seconds < 0:
        really_sleep(seconds)
    else:
        sleeper.sleep(seconds)


def _wait(self: threading.Condition, timeout: float | None = None) -> bool:
    sleeper = None if timeout is None or timeout <= 0 else _sleepers.running()
    if timeout is None or sleeper is None:
        return _really_wait(self, timeout)
    caller = sys._getframe(1)
    is_event = caller.f_code is threading.Event.wait.__code__
    if caller.f_globals.get("__name__") in _REAL_TIME and not is_event:
        while caller.f_back is not None and caller.f_globals.get("__name__") in _REAL_TIME:
            caller = caller.f_back
        where = f"{caller.f_code.co_filename}:{caller.f_lineno}"
        logger.warning("%s waits in real time for up to %g seconds", where, timeout)
        return _really_wait(self, timeout)
    return _wait_virtually(self, timeout, sleeper)


_REAL_TIME = frozenset({"threading", "queue"})
"""Modules that wait again until a real clock has reached an instant."""


def _wait_virtually(condition: Any, timeout: float, sleeper: Sleeper) -> bool:
    """Wait as `threading.Condition.wait` does, but sleep virtually meanwhile."""
    waiter = threading.Lock()
    waiter.acquire()
    notified = False

    def woken() -> bool:
        nonlocal notified
        notified = notified or waiter.acquire(blocking=False)
        return notified

    condition._waiters.append(waiter)
    saved = condition._release_save()
    try:
        sleeper.sleep(timeout, woken)
        return woken()
    finally:
        condition._acquire_restore(saved)
        if not notified:
            condition._waiters.remove(waiter)


@contextmanager
def virtual_sleep(sleeper: Sleeper) -> Iterator[None]:
    """Let code of this thread sleep virtually in `time.sleep`, however it was imported.

    Args:
        sleeper: decides for each sleep of this thread whether it is virtual.
    """
    entry = _sleepers.enter(sleeper)
    try:
        yield
    finally:
        _sleepers.leave(entry)
