"""Worker processes: start them, replace those that die, and stop them on a signal."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from typing import Any

from flowy._safe_text import safe_logger
from flowy._workers.loop import Backoff, Worker, run_workers

logger = safe_logger("flowy.workers")

# Not "fork": it copies the locks of other threads in whatever state they are.
_SPAWN = multiprocessing.get_context("spawn")

_HEALTHY = 60.0
"""A process that dies after this many seconds counts as having been healthy."""


def run_processes(
    count: int,
    make_workers: Callable[..., Sequence[Worker]],
    *arguments: Any,
    backoff: Callable[[], Backoff] = Backoff,
) -> None:
    """Run workers in several processes until SIGINT or SIGTERM arrives.

    The signal is forwarded: each process stops after the current poll and task of each of its
    workers. A second signal ends all of them at once. A process that dies is replaced, at once or,
    if it dies repeatedly, after a growing pause. Only in the main thread.

    Args:
        count: the number of processes.
        make_workers: creates the workers of one process, in that process; must be importable.
        *arguments: its arguments; they are pickled.
        backoff: creates the back-off between replacements of one process.
    """
    slots = [_Slot(number, make_workers, arguments, backoff()) for number in range(1, count + 1)]
    stops = _StopRequests()
    with stops.by_signals():
        for slot in slots:
            slot.fill()
        while any(slot.process is not None for slot in slots) or not stops.to_stop:
            stops.forward(slots)
            _watch(slots, stops)


class _Slot:
    """A place for one process, which is filled again when the process dies."""

    def __init__(
        self,
        number: int,
        make_workers: Callable[..., Sequence[Worker]],
        arguments: tuple[Any, ...],
        backoff: Backoff,
    ) -> None:
        self.number = number
        self.process: BaseProcess | None = None
        self._work = (make_workers, arguments)
        self._backoff = backoff
        self._begun = 0.0
        self.due = 0.0
        """When the process is to be replaced."""

    def fill(self) -> None:
        self.process = _SPAWN.Process(
            target=_work, args=self._work, name=f"flowy worker {self.number}"
        )
        self._begun = time.monotonic()
        self.process.start()
        logger.info("worker process %d of pid %d started", self.number, self.process.pid)

    def clear(self, replace: bool) -> None:
        """Join a process that has ended, and schedule the next one."""
        assert self.process is not None
        self.process.join()
        status = self.process.exitcode
        self.process = None
        if not replace:
            return
        if time.monotonic() - self._begun >= _HEALTHY:
            self._backoff.reset()
        seconds = self._backoff.next() if self._backoff.failures else self._first()
        self.due = time.monotonic() + seconds
        logger.error(
            "worker process %d %s; it is replaced in %.1f s",
            self.number,
            _how_it_ended(status),
            seconds,
        )

    def _first(self) -> float:
        """Return no pause for a process that was healthy, and count its first failure."""
        self._backoff.next()
        return 0.0


class _StopRequests:
    """The stop signals that have arrived, and those that have been forwarded."""

    def __init__(self) -> None:
        self.times = 0
        self._forwarded = 0

    @property
    def to_stop(self) -> bool:
        return self.times > 0

    @contextmanager
    def by_signals(self) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:
            self.times += 1

        signals = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, stop) for number in signals}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def forward(self, slots: Sequence[_Slot]) -> None:
        if self._forwarded == self.times:
            return
        self._forwarded = self.times
        if self.times == 1:
            logger.info("stopping after the current polls and tasks; signal again to stop at once")
        for slot in slots:
            if slot.process is not None:
                if self.times == 1:
                    slot.process.terminate()
                else:
                    slot.process.kill()


def _watch(slots: Sequence[_Slot], stops: _StopRequests) -> None:
    """Wait a moment for a process to end, and replace those that have ended."""
    running = [slot for slot in slots if slot.process is not None]
    sentinels = [slot.process.sentinel for slot in running if slot.process is not None]
    # Short, because a signal does not end the wait.
    wait_for(sentinels, timeout=0.5) if sentinels else time.sleep(0.05)
    for slot in running:
        if slot.process is not None and slot.process.exitcode is not None:
            slot.clear(replace=not stops.to_stop)
    for slot in slots:
        if slot.process is None and not stops.to_stop and time.monotonic() >= slot.due:
            slot.fill()


def _how_it_ended(status: int | None) -> str:
    if status is not None and status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _work(make_workers: Callable[..., Sequence[Worker]], arguments: tuple[Any, ...]) -> None:
    """Run the workers of one process."""
    workers: list[Worker] = []
    asked: list[bool] = []

    def stop() -> None:
        asked.append(True)
        for worker in workers:
            worker.stop()

    def stop_by_signal(number: int, frame: object) -> None:
        # In a thread, because the interrupted code may hold a lock that stopping needs.
        threading.Thread(target=stop, name="stopping").start()

    # Ctrl-C reaches all processes of a terminal; the parent process forwards it in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop_by_signal)
    threading.Thread(target=_stop_without_parent, args=(stop,), daemon=True).start()
    workers.extend(make_workers(*arguments))
    if asked:
        stop()
    run_workers(workers)


def _stop_without_parent(stop: Callable[[], None]) -> None:
    """Stop when the parent process is gone, even if it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        stop()
