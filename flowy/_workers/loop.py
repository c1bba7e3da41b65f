"""Workers: they wait for tasks, work on them and answer.

Any number of workers may wait on one task list, in threads, processes or machines.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from flowy import _checks
from flowy._client import Reply, SwfClient, fault_code
from flowy._workers.backoff import Backoff, Wait, is_transient
from flowy._workers.registration import Type, register
from flowy.errors import ConfigurationError
from flowy.payloads import Payloads

logger = logging.getLogger("flowy.workers")


_ATTEMPTS = 8
"""How often a call is made that must not be lost, over two minutes or so."""


class Worker:
    """What both kinds of workers have in common: polling, and when to stop."""

    kind: ClassVar[str]

    def __init__(
        self,
        client: SwfClient,
        domain: str,
        task_list: str,
        identity: str | None,
        payloads: Payloads,
        wait: Wait,
    ) -> None:
        self._client = client
        self._payloads = payloads
        self._wait = wait
        self.domain = _checks.text("domain", domain)
        self.task_list = _checks.text("task_list", task_list)
        self._poll_request: dict[str, Any] = {"domain": domain, "taskList": {"name": task_list}}
        if identity is not None:
            self._poll_request["identity"] = _checks.text("identity", identity)
        self._stopping = threading.Event()

    @property
    def types(self) -> list[Type]:
        """The types this worker works on."""
        raise NotImplementedError

    def register(self) -> None:
        """Register the types that the domain does not know yet.

        Raises:
            RegistrationError: the domain is unknown, or has other defaults for one of them.
        """
        register(self._client, self.domain, self.types)

    def run_once(self) -> bool:
        """Poll once; work on the task and answer, if there is one.

        Returns:
            Whether there was a task.
        """
        raise NotImplementedError

    def run(self, *, handle_signals: bool = False) -> None:
        """Work on tasks until `stop` is called.

        Args:
            handle_signals: whether SIGINT and SIGTERM stop the worker, after the poll and the
                task in hand; the second one ends the process at once. Only in the main thread.
        """
        run_workers([self], handle_signals=handle_signals)

    def stop(self) -> None:
        """Stop after the poll and the task in hand; from any thread."""
        self._stopping.set()

    def loop(self) -> None:
        """Work on tasks until `stop` is called, whatever signals come.

        While the service throttles, has trouble of its own or cannot be reached, polls wait ever
        longer, up to a minute.

        Raises:
            Exception: what a poll raised that waiting does not fix, such as an unknown domain.
        """
        logger.info("%s worker waits on %s in %s", self.kind, self.task_list, self.domain)
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                self.run_once()
            except Exception as error:
                if not is_transient(error):
                    raise
                seconds = backoff.next()
                logger.warning(
                    "%s worker on %s: %s; next poll in %.1f s",
                    self.kind,
                    self.task_list,
                    error,
                    seconds,
                )
                self._wait(self._stopping, seconds)
            else:
                backoff.reset()
        logger.info("%s worker on %s in %s stopped", self.kind, self.task_list, self.domain)

    def _answer(self, operation: str, label: str, **answer: Any) -> bool:
        """Answer a task, and tell whether the service took it; if not, nothing is changed."""
        try:
            self._call_with_retries(operation, label, answer)
        except Exception as error:
            if fault_code(error) == "UnknownResourceFault":
                logger.warning("%s: too late to answer, as the task has ended: %s", label, error)
            else:
                logger.error("%s: the service refuses the answer: %s", label, error)
            return False
        return True

    def _call_with_retries(self, operation: str, label: str, request: dict[str, Any]) -> Reply:
        """Call the service, again and again while it may help."""
        backoff = Backoff()
        call: Callable[..., Reply] = getattr(self._client, operation)
        while True:
            try:
                return call(**request)
            except Exception as error:
                if not is_transient(error) or backoff.failures + 1 >= _ATTEMPTS:
                    raise
                seconds = backoff.next()
                logger.warning("%s: %s: %s; again in %.1f s", label, operation, error, seconds)
                # A worker that is to stop does not lose what it has done.
                self._wait(threading.Event(), seconds)

    def _unknown(self, label: str) -> ConfigurationError:
        known = ", ".join(str(declared) for declared in self.types)
        return ConfigurationError(
            f"the worker on {self.task_list} knows no {self.kind} {label}, only {known}"
        )


if TYPE_CHECKING:
    pass


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
