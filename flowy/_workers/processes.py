"""Workers in processes of their own, watched over: one that dies is replaced."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from typing import Any

from flowy._workers.backoff import Backoff
from flowy._workers.loop import Worker, run_workers

logger = logging.getLogger("flowy.workers")

_SPAWN = multiprocessing.get_context("spawn")

_HEALTHY = 60.0
"""Seconds after which a process that dies counts as having been well."""


def run_processes(
    count: int,
    make_workers: Callable[..., Sequence[Worker]],
    *arguments: Any,
    backoff: Callable[[], Backoff] = Backoff,
) -> None:
    """Let workers work in several processes until SIGINT or SIGTERM comes.

    The signal is handed on: each process stops after the poll and the task that each of its
    workers has in hand. A second signal ends all at once. A process that dies is replaced, at
    once or, if it dies again and again, after a while. Only in the main thread.

    Args:
        count: how many processes.
        make_workers: makes the workers of one process, in that process; a function that can be
            imported.
        *arguments: what it is called with; they are pickled.
        backoff: makes what says how long to wait before a process is replaced.
    """
    places = [_Slot(number, make_workers, arguments, backoff()) for number in range(1, count + 1)]
    asked = _StopRequests()
    with asked.by_signals():
        for place in places:
            place.fill()
        while any(place.process is not None for place in places) or not asked.to_stop:
            asked.release_dependents(places)
            _watch(places, asked)


class _Slot:
    """Where there is to be a process."""

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
        """See that the process has ended, and plan the next one."""
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
            "worker process %d %s; another takes its place in %.1f s",
            self.number,
            _how_it_ended(status),
            seconds,
        )

    def _first(self) -> float:
        """Replace a process that was well at once, and count it as the first failure."""
        self._backoff.next()
        return 0.0


class _StopRequests:
    """Which signals have come, and which of them were handed on."""

    def __init__(self) -> None:
        self.times = 0
        self._handed_on = 0

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

    def release_dependents(self, places: Sequence[_Slot]) -> None:
        if self._handed_on == self.times:
            return
        self._handed_on = self.times
        if self.times == 1:
            logger.info("stopping after the polls and tasks in hand; once more to stop at once")
        for place in places:
            if place.process is not None:
                if self.times == 1:
                    place.process.terminate()
                else:
                    place.process.kill()


def _watch(places: Sequence[_Slot], asked: _StopRequests) -> None:
    """Wait a moment for a process to end; put others in the place of those that have."""
    running = [place for place in places if place.process is not None]
    sentinels = [place.process.sentinel for place in running if place.process is not None]
    # A signal does not end the wait, so it is a short one.
    wait_for(sentinels, timeout=0.5) if sentinels else time.sleep(0.05)
    for place in running:
        if place.process is not None and place.process.exitcode is not None:
            place.clear(replace=not asked.to_stop)
    for place in places:
        if place.process is None and not asked.to_stop and time.monotonic() >= place.due:
            place.fill()


def _how_it_ended(status: int | None) -> str:
    if status is not None and status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _work(make_workers: Callable[..., Sequence[Worker]], arguments: tuple[Any, ...]) -> None:
    """Be one of the processes."""
    workers: list[Worker] = []
    asked: list[bool] = []

    def stop() -> None:
        asked.append(True)
        for worker in workers:
            worker.stop()

    def stop_by_signal(number: int, frame: object) -> None:
        # Not here: what the signal interrupts may hold a lock that this needs.
        threading.Thread(target=stop, name="stopping").start()

    # A signal from a terminal reaches all processes; the one that watches hands it on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop_by_signal)
    threading.Thread(target=_stop_without_parent, args=(stop,), daemon=True).start()
    workers.extend(make_workers(*arguments))
    if asked:
        stop()
    run_workers(workers)


def _stop_without_parent(stop: Callable[[], None]) -> None:
    """Stop when the process that watches is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        stop()
