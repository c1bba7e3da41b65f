"""Running workers: side by side, and until a signal comes."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowy._workers.worker import Worker

logger = logging.getLogger("flowy.workers")

_LOOK = 0.5
"""Seconds after which a signal is noticed at the latest."""


def run_workers(workers: Sequence[Worker], *, handle_signals: bool = False) -> None:
    """Let several workers work until all are stopped, each in a thread of its own.

    If one ends with an error, the others are stopped as well.

    Args:
        workers: the workers.
        handle_signals: whether SIGINT and SIGTERM stop them, after the poll and the task each
            has in hand; the second one ends the process at once. Only in the main thread.

    Raises:
        Exception: the first that a worker ended with.
    """
    with _stopped_by_signals(workers) if handle_signals else nullcontext():
        if len(workers) == 1:
            workers[0].loop()
            return
        errors: list[Exception] = []

        def work(worker: Worker) -> None:
            try:
                worker.loop()
            except Exception as error:
                logger.error("the worker on %s ended: %s", worker.task_list, error)
                errors.append(error)
                for other in workers:
                    other.stop()

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            # A signal that reaches another thread is handled when this one wakes up.
            while thread.is_alive():
                thread.join(_LOOK)
        if errors:
            raise errors[0]


@contextmanager
def _stopped_by_signals(workers: Iterable[Worker]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.getsignal(number) for number in signals}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def stop_all() -> None:
        logger.info("stopping after the poll and the task in hand; once more to stop at once")
        for worker in workers:
            worker.stop()

    def stop(number: int, frame: object) -> None:
        restore()
        # Not here: what the signal interrupts may hold a lock that this needs.
        threading.Thread(target=stop_all, name="stopping").start()

    for number in signals:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
