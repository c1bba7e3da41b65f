"""Running threads: whether they compute, where they are, and how they are ended.

Python does not report what a thread does, so the operating system is asked. Only Linux can tell.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType


def computes(native_id: int | None) -> bool:
    """Return whether a thread of this process computes or reads, or would if it had a processor.

    Only Linux can tell; elsewhere it never does.

    Args:
        native_id: the number that the operating system has given it.
    """
    try:
        with open(f"/proc/self/task/{native_id}/stat", "rb") as stat:
            return stat.read().rpartition(b") ")[2].startswith((b"R", b"D"))
    except OSError:
        return False


def frame_of(thread: threading.Thread) -> FrameType | None:
    """Return where a thread is now; None if it does not run.

    Do not keep the frame: it keeps alive what its code refers to. The table of all frames is not
    kept even here, since it contains the caller's frame, and the two would refer to each other.

    Args:
        thread: the thread.
    """
    return sys._current_frames().get(thread.ident or 0)


def is_idle_in_pool(thread: threading.Thread) -> bool:
    """Return whether a thread runs nothing but the code of a pool of threads."""
    frame = frame_of(thread)
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in _OF_POOLS:
            return False
        frame = frame.f_back
    return True


_OF_POOLS = {"anyio", "asyncio", "concurrent", "flowy_sim", "multiprocessing", "queue", "threading"}
"""The packages of pools of threads, of their queues and of what waits there."""

COMPUTED = 500_000
"""The nanoseconds of processor time from which a thread has computed, and not only looked."""


class ThreadWatch:
    """Watches whether a thread computes.

    Args:
        thread: the thread.
    """

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread
        self._run_time = 0

    def computes(self) -> bool:
        """Return whether it computes, or has since the last look; only Linux can tell."""
        before, native_id = self._run_time, self._thread.native_id
        self._run_time = run_time(native_id)
        return computes(native_id) or self._run_time > before + COMPUTED


def run_time(native_id: int | None) -> int:
    """Return the processor time that a thread of this process has used, in nanoseconds."""
    try:
        with open(f"/proc/self/task/{native_id}/schedstat", "rb") as times:
            return int(times.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


class _Ended(SystemExit):
    """Ends a thread that would call AWS, and those that wait for its result, without a report."""


def end_thread() -> None:
    """End the current thread, which has outlived what answers its calls: they would reach AWS.

    Raises:
        _Ended: always.
    """
    report = threading.excepthook
    if not isinstance(report, _Report):
        # pytest reports SystemExit, too.
        threading.excepthook = _Report(report)
    raise _Ended


class _Report:
    """Reports errors of threads, except that a thread was ended."""

    def __init__(self, report: Callable[[threading.ExceptHookArgs], object]) -> None:
        self._report = report

    def __call__(self, arguments: threading.ExceptHookArgs) -> None:
        if not isinstance(arguments.exc_value, _Ended):
            self._report(arguments)
