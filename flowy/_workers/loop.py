"""The poll loop of a worker, its back-off, and running workers until a signal arrives."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

from flowy import _checks
from flowy._client import Reply, SwfClient, call, fault_code, fault_message
from flowy._payloads.text import error_message
from flowy._safe_text import safe_logger
from flowy._workers.registration import Type, register
from flowy.errors import ConfigurationError
from flowy.payloads import Payloads

logger = safe_logger("flowy.workers")


_ATTEMPTS = 8
"""The number of attempts for a call that must not be lost, over about two minutes."""


_SIGNAL_SECONDS = 0.5
"""The maximum number of seconds until a signal is noticed."""


class Worker:
    """What workers of both kinds share: polling, answering and stopping."""

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
        """The types that this worker works on."""
        raise NotImplementedError

    def register(self, *, wait: bool = True) -> None:
        """Register the types that the domain does not know yet.

        While the service throttles, fails or cannot be reached, the pause before the next try
        grows, up to a minute; `stop` ends the waiting, and then not all types may be registered.

        Args:
            wait: whether to wait for a service that does not answer; otherwise its first error is
                raised.

        Raises:
            RegistrationError: the domain is unknown, or has other defaults for one of them.
            Exception: raised by the client, if waiting cannot help or is not wanted.
        """
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                register(self._client, self.domain, self.types)
            except Exception as error:
                # The other meaning of this fault is that the domain can have no more types.
                lasting = fault_code(error) == "LimitExceededFault" or not is_transient(error)
                if lasting or not wait:
                    raise
                seconds = backoff.next()
                logger.warning(
                    "%s types in %s are not registered yet: %s; next try in %.1f s",
                    self.kind,
                    self.domain,
                    error,
                    seconds,
                )
                self._wait(self._stopping, seconds)
            else:
                return

    def run_once(self) -> bool:
        """Poll once, and work on the task and answer if there is one.

        Returns:
            Whether there was a task.
        """
        raise NotImplementedError

    def run(self, *, handle_signals: bool = False) -> None:
        """Work on tasks until `stop` is called.

        Args:
            handle_signals: whether SIGINT and SIGTERM stop the worker, after its current poll and
                task; a second signal ends the process at once. Only in the main thread.
        """
        run_workers([self], handle_signals=handle_signals)

    def stop(self) -> None:
        """Stop after the current poll and task; may be called from any thread."""
        self._stopping.set()

    def loop(self) -> None:
        """Work on tasks until `stop` is called, without handling SIGINT or SIGTERM.

        While the service throttles, fails or cannot be reached, the pause before the next poll
        grows, up to a minute.

        Raises:
            Exception: raised by a poll, if waiting cannot help, as with an unknown domain.
        """
        logger.info("%s worker polls %s in %s", self.kind, self.task_list, self.domain)
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
        """Answer a task; return whether the service accepted it. If not, nothing has changed."""
        try:
            self._call_with_retries(operation, label, answer)
        except Exception as error:
            if fault_code(error) == "UnknownResourceFault":
                logger.warning("%s: answered too late, the task has ended: %s", label, error)
            else:
                logger.error("%s: the service refused the answer: %s", label, error)
            return False
        return True

    def _call_with_retries(self, operation: str, label: str, request: dict[str, Any]) -> Reply:
        """Call the service, and repeat the call while that may help."""
        backoff: Backoff | None = None
        while True:
            try:
                return call(self._client, operation, request)
            except Exception as error:
                backoff = backoff or Backoff()
                if not is_transient(error) or backoff.failures + 1 >= _ATTEMPTS:
                    raise
                seconds = backoff.next()
                logger.warning("%s: %s: %s; next try in %.1f s", label, operation, error, seconds)
                # Not interrupted by `stop`: the work already done must not be lost.
                self._wait(threading.Event(), seconds)

    def _unknown(self, label: str) -> ConfigurationError:
        known = ", ".join(str(declared) for declared in self.types)
        return ConfigurationError(
            f"the worker on {self.task_list} does not know the {self.kind} {label}, only {known}"
        )


def run_workers(workers: Sequence[Worker], *, handle_signals: bool = False) -> None:
    """Run several workers until all are stopped, each in its own thread.

    If one ends with an error, the others are stopped as well.

    Args:
        workers: the workers.
        handle_signals: whether SIGINT and SIGTERM stop them, after the current poll and task of
            each; a second signal ends the process at once. Only in the main thread.

    Raises:
        BaseException: the first error that a worker ended with.
    """
    with _stopped_by_signals(workers) if handle_signals else nullcontext():
        if len(workers) == 1:
            workers[0].loop()
            return
        errors: list[BaseException] = []

        def work(worker: Worker) -> None:
            try:
                worker.loop()
            except BaseException as error:
                # One that isn't an Exception would otherwise end only this thread, silently.
                said = error_message(error) or type(error).__name__
                logger.error("the worker on %s ended: %s", worker.task_list, said)
                errors.append(error)
                for other in workers:
                    other.stop()

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            # Python handles signals in the main thread only, when it wakes up.
            while thread.is_alive():
                thread.join(_SIGNAL_SECONDS)
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
        logger.info("stopping after the current polls and tasks; signal again to stop at once")
        for worker in workers:
            worker.stop()

    def stop(number: int, frame: object) -> None:
        restore()
        # In a thread, because the interrupted code may hold a lock that stopping needs.
        threading.Thread(target=stop_all, name="stopping").start()

    for number in signals:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()


Wait = Callable[[threading.Event, float], bool]
"""Waits until an event is set or a number of seconds has passed; returns whether it is set."""


# A worker ends only for something that waiting does not fix. These tables say what waiting fixes.

_TRANSIENT_FAULTS = frozenset(
    {
        # Too many polls wait on the task list; one of them ends within a minute.
        "LimitExceededFault",
        # Throttling, by all the names that AWS uses for it (those of botocore's retries).
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
        "SlowDown",
        # The service has trouble, or gave up.
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "RequestAbortedException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        # Credentials are renewed, and a clock is set right.
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
    }
)
"""Faults that a later try may not meet."""


_SKEWED = ("Signature expired", "Signature not yet current")
"""How the message of InvalidSignatureException begins if a clock is wrong, which is set right."""


_TRANSIENT_STATUSES = frozenset({408, 425, 429})
"""Statuses below 500 by which a proxy refuses a request for now, whatever the code is."""


_FILE_ERRORS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""A file of the client's, such as that of the certificates, is missing or cannot be read."""


def is_transient(error: Exception) -> bool:
    """Return whether the same call may succeed later.

    Args:
        error: an exception raised by a method of an SWF client.

    Returns:
        True for throttling, limits on polls, errors within the service, broken connections, and
        replies that are cut off.
    """
    code = fault_code(error)
    if code is not None:
        status = _status(error)
        if code == "InvalidSignatureException" and fault_message(error).startswith(_SKEWED):
            return True
        return code in _TRANSIENT_FAULTS or status in _TRANSIENT_STATUSES or status >= 500
    if isinstance(error, OSError):
        return not isinstance(error, _FILE_ERRORS)
    from botocore.exceptions import ConnectionError as Unreachable
    from botocore.exceptions import (
        CredentialRetrievalError,
        HTTPClientError,
        IncompleteReadError,
        MetadataRetrievalError,
    )
    from botocore.parsers import ResponseParserError

    return isinstance(
        error,
        Unreachable
        | HTTPClientError
        | IncompleteReadError
        | ResponseParserError
        | CredentialRetrievalError
        | MetadataRetrievalError,
    )


def _status(error: Exception) -> int:
    response = getattr(error, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status if isinstance(status, int) else 0


class Backoff:
    """How long to wait after each failure in a row: twice as long each time, with random jitter.

    A random amount between half the wait and all of it is used, so that workers that failed
    at the same time do not retry at the same time (AWS calls this "equal jitter").

    Args:
        first: the longest wait after the first failure, in seconds.
        longest: the longest wait of all, in seconds.
        uniform: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        first: float = 1.0,
        longest: float = 60.0,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._uniform = uniform
        self.failures = 0

    def next(self) -> float:
        """Count a failure, and return the number of seconds to wait."""
        # The exponent is bounded so that the power does not overflow.
        wait = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return wait * (1 + self._uniform()) / 2

    def reset(self) -> None:
        """Forget all failures, because a try has succeeded."""
        self.failures = 0
