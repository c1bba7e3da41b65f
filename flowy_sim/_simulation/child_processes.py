"""Processes that poll loops start: they work in real time, so simulated time waits for their work.

What another process does is not simulated, and no call shows when it is done. So time waits while a
process runs that a loop has started, and while a pool of processes owes a loop a result: for each
of them until it has ended, but at most for the patience, because it may be a server that never
ends. The processes of a pool are no work by themselves: they wait there for more.

A process that was forked has the memory of the test, with everything in it that sleeps virtually.
It has real time; see `flowy_sim._simulation.virtual_sleep`. Calls that it makes are refused, see
`flowy_sim._simulation.waiters`.
"""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import Future
from concurrent.futures import process as executor
from multiprocessing import pool
from multiprocessing.connection import wait
from multiprocessing.pool import ApplyResult
from multiprocessing.process import BaseProcess
from typing import Any
from weakref import finalize

from flowy._safe_text import safe_logger
from flowy_sim._simulation.time_functions import really_monotonic

_log = safe_logger("flowy_sim")

Work = BaseProcess | subprocess.Popen[Any] | threading.Thread | Future[Any] | ApplyResult[Any]
"""What may be waited for; the thread is one that passes data between processes."""

_OF_POOLS = {getattr(executor, "_process_worker", None), getattr(pool, "worker", None)} - {None}
"""The functions that processes of pools run; private ones, which may be gone one day."""

_WITH_SERVANTS = frozenset({"concurrent.futures.process", "multiprocessing.queues"})
"""Modules whose threads pass data between processes, and run none of the code."""


def is_of_pool(process: BaseProcess) -> bool:
    """Return whether a process, which has not been started yet, is one of a pool."""
    return getattr(process, "_target", None) in _OF_POOLS


def serves_processes(thread: threading.Thread) -> bool:
    """Return whether a thread only passes data between processes, in real time."""
    target = getattr(thread, "_target", None)
    modules = {type(thread).__module__, getattr(target, "__module__", None)}
    return not modules.isdisjoint(_WITH_SERVANTS)


class ChildProcesses:
    """The processes that the poll loops of a test have started, and what their pools work on.

    Args:
        patience: for how many real seconds time waits for each.

    Attributes:
        end: kills the processes that still run, because their loop never goes on.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._until: dict[Work, float] = {}
        self._started: list[BaseProcess] = []
        self.end = finalize(self, _kill, self._started)  # At the latest when the interpreter ends.

    def note(self, work: Work, *, has_started: bool = False) -> None:
        """Note that a loop may wait for something that takes real time.

        Args:
            work: a process, or what a pool of processes has to do.
            has_started: whether the loop has just started this process.
        """
        if has_started and isinstance(work, BaseProcess):
            self._started.append(work)
        self._until[work] = really_monotonic() + self._patience

    def are_at_work(self) -> bool:
        """Return whether simulated time has to wait for one of them."""
        for work, until in list(self._until.items()):
            if _is_over(work):
                del self._until[work]
            elif really_monotonic() < until:
                return True
            else:
                del self._until[work]
                _log.warning(
                    "%s has not finished within %g real seconds; simulated time no longer waits "
                    "for it. To wait longer, set the patience of the simulation.",
                    _name(work),
                    self._patience,
                )
        return False

    def advice(self) -> str:
        """Return what to do about processes that run, or have failed; may be empty."""
        names = ", ".join(
            each.name for each in self._started if not _is_over(each) or _failed(each)
        )
        if not names:
            return ""
        return (
            f"- the code has started other processes ({names}), and nothing that they call reaches "
            "this simulation: let the code poll in this process, or serve the simulation to "
            "all of its processes with swf_endpoint"
        )


# Not a method: `finalize` would then keep the object itself alive.
def _kill(processes: list[BaseProcess]) -> None:
    for process in processes:
        if not _is_over(process):
            process.kill()
    processes.clear()


def _is_over(work: Work) -> bool:
    match work:
        case Future():
            return work.done()
        case ApplyResult():
            return work.ready()
        case threading.Thread():
            return not work.is_alive()
        case subprocess.Popen():
            return work.poll() is not None
        case _:
            try:  # Not is_alive(), which would take the exit code from a thread that waits for it.
                return bool(wait([work.sentinel], 0))
            except (OSError, ValueError):
                return True  # It was closed.


def _failed(process: BaseProcess) -> bool:
    """Return whether a process has failed, as one that calls Amazon SWF does."""
    try:
        return process.exitcode != 0
    except ValueError:
        return False  # It was closed.


def _name(work: Work) -> str:
    match work:
        case BaseProcess():
            return f"The process {work.name}"
        case subprocess.Popen():
            return f"The program {work.args!r}"
        case _:
            return "A pool of processes"
