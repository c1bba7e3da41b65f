"""Sleep in simulated time, for poll loops only.

While it is active, every module's reference to `time.sleep` is replaced, because ``from time import
sleep`` keeps one of its own. The replacement really sleeps unless it is called by code that sleeps
virtually. freezegun finds references in the same way.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_really_sleep = time.sleep

Sleeper = Callable[[float], bool]
"""Sleeps for some seconds if the code that runs is to sleep virtually; returns whether it did."""


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
                if names.get(name) is _really_sleep:
                    names[name] = _sleep
            self._active.append(entry)
        return entry

    def leave(self, entry: tuple[int, Sleeper]) -> None:
        with self._lock:
            self._active.remove(entry)
            if self._active:
                return
            self._find_references()
            for names, name in self._references:
                if names.get(name) is _sleep:
                    names[name] = _really_sleep

    def of_thread(self) -> list[Sleeper]:
        own = threading.get_ident()
        return [sleeper for thread, sleeper in self._active if thread == own]

    def _find_references(self) -> None:
        """Look through the modules that were imported since."""
        for name, module in list(sys.modules.items()):
            key = name, id(module)
            if key in self._seen or module is sys.modules[__name__]:
                continue
            self._seen.add(key)
            names = getattr(module, "__dict__", {})
            self._references += [
                (names, each)
                for each, value in list(names.items())
                if value is _really_sleep or value is _sleep
            ]


_sleepers = _Sleepers()


def _sleep(seconds: float, /) -> None:
    if not any(sleeper(seconds) for sleeper in reversed(_sleepers.of_thread())):
        _really_sleep(seconds)


@contextmanager
def virtual_sleep(sleeper: Sleeper) -> Iterator[None]:
    """Let code of this thread sleep virtually in `time.sleep`, however it was imported.

    Args:
        sleeper: called first with each sleep of this thread.
    """
    entry = _sleepers.enter(sleeper)
    try:
        yield
    finally:
        _sleepers.leave(entry)
