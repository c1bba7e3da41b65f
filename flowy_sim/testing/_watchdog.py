"""A watchdog for code that must not block its thread: it reports where the code waits.

A lock that is held by a suspended loop is never released, and the thread that waits for it cannot
be reached by an exception. A signal can: its handler runs in the middle of the wait.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from flowy._safe_text import safe_logger
from flowy_sim._simulation.running_threads import computes, frame_of
from flowy_sim._simulation.virtual_sleep import place_of_wait

BLOCKED_SECONDS = 10.0
"""Real seconds after which code that waits, and does not compute, counts as blocked."""

_LOOK = 0.05
_NOTICED = 20
"""The number of looks after which such a wait is logged."""

_log = safe_logger("flowy_sim")
_SIGNAL: signal.Signals | None = getattr(signal, "SIGURG", None)
"""A signal that is ignored by default, so that one that comes late does no harm."""


class Watchdog:
    """Calls a function in the main thread if a section of code blocks there.

    In other threads, and where there are no such signals, it does nothing.

    Args:
        blocked: called with the frame that waits; it must not return to it.
        started: called with the thread that watches.
    """

    def __init__(
        self,
        blocked: Callable[[FrameType], object],
        started: Callable[[threading.Thread], object],
    ) -> None:
        self._blocked = blocked
        self._started = started
        self._section = 0
        self._inside = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the sections that are entered meanwhile."""
        main = threading.main_thread()
        if _SIGNAL is None or threading.current_thread() is not main:
            yield
            return
        ended = threading.Event()
        before = signal.signal(_SIGNAL, self._handle)
        watcher = threading.Thread(
            target=self._watch, args=(ended, main, _SIGNAL), name="flowy_sim watchdog", daemon=True
        )
        self._started(watcher)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            signal.signal(_SIGNAL, before)

    def enter(self) -> None:
        """Begin a section that must not block."""
        self._section += 1
        self._inside = True

    def leave(self) -> None:
        """End it."""
        self._inside = False

    def _watch(self, ended: threading.Event, main: threading.Thread, number: int) -> None:
        # Looks are counted, because a test may have frozen the time.
        section = looks = 0
        while not ended.wait(_LOOK):
            looks += 1
            if not self._inside or section != self._section or computes(main.native_id):
                section, looks = self._section, 0
            elif looks == _NOTICED:
                _log_wait(main)
            elif looks * _LOOK > BLOCKED_SECONDS and main.ident is not None:
                looks = 0
                signal.pthread_kill(main.ident, number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._inside:
            self._blocked(frame or sys._getframe())


def _log_wait(thread: threading.Thread) -> None:
    """Log where a thread waits in real time."""
    frame = frame_of(thread)
    where = place_of_wait(frame) if frame is not None else ""
    if where:
        _log.warning("%s waits in real time", where)
