"""Workers in threads: they are started, checked and stopped together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self

import click

from flowy._client import SwfClient
from flowy._workers.loop import Worker

_GRACE = 0.1
"""Seconds that workers have to stop before a message says that they are waited for."""

_PAUSE = 0.1
"""The minimum of seconds between two polls that find nothing."""


class _PollTracker:
    """The client of one worker, which knows whether the worker waits for a task.

    Attributes:
        polling: whether the worker is in a poll.
    """

    def __init__(self, client: SwfClient) -> None:
        self.polling = False
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return self._tracked(call) if name.startswith("poll_for_") else call

    def _tracked(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def poll(**request: Any) -> Any:
            began = time.monotonic()
            self.polling = True
            try:
                reply = call(**request)
                if not reply.get("taskToken") and time.monotonic() - began < _PAUSE:
                    # An emulator may answer empty polls at once.
                    time.sleep(_PAUSE)
            finally:
                self.polling = False
            return reply

        return poll


class WorkerThread:
    """A worker in a thread.

    Args:
        client: the client that it uses.
        create: makes the worker.

    Attributes:
        worker: the worker.
        error: the error that it ended with; None while it runs, and if it was stopped.
    """

    def __init__(self, client: SwfClient, create: Callable[[SwfClient], Worker]) -> None:
        self._client: Any = _PollTracker(client)
        self.worker = create(self._client)
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def idle(self) -> bool:
        """Whether the worker waits for a task."""
        polling: bool = self._client.polling
        return polling

    def start(self) -> None:
        """Start the worker."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the worker has not stopped yet."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait until the worker has stopped, at most for a number of seconds."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.worker.loop()
        except BaseException as error:
            self.error = error


class WorkerThreads:
    """Several workers in threads.

    They start when the context is entered. When it is left, they finish their tasks and stop.

    Args:
        threads: the workers.
        give_up_polls: whether a worker that waits for a task can be left behind. A task that its
            poll then returns is lost until it times out.

    Example:
        ``with WorkerThreads(threads, give_up_polls=False) as workers: workers.check()``
    """

    def __init__(self, threads: Iterable[WorkerThread], give_up_polls: bool) -> None:
        self._threads = list(threads)
        self._give_up_polls = give_up_polls

    @property
    def idle(self) -> bool:
        """Whether all workers wait for a task."""
        return all(thread.idle for thread in self._threads)

    def check(self) -> None:
        """Raise the error that a worker has ended with, if there is one."""
        for thread in self._threads:
            if thread.error is not None:
                raise thread.error

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the workers, and wait for those that cannot be left behind; Ctrl-C ends the wait."""
        for thread in self._threads:
            thread.worker.stop()
        with suppress(KeyboardInterrupt):
            time.sleep(_GRACE)
            remaining = [thread for thread in self._threads if self._is_busy(thread)]
            if remaining:
                click.echo(self._explanation(len(remaining)), err=True)
            for thread in remaining:
                while self._is_busy(thread):
                    thread.join(_GRACE)

    def _is_busy(self, thread: WorkerThread) -> bool:
        return thread.alive and not (self._give_up_polls and thread.idle)

    def _explanation(self, count: int) -> str:
        workers = "a worker" if count == 1 else f"{count} workers"
        if self._give_up_polls:
            return f"Waiting for {workers} to finish a task; press Ctrl-C to exit now."
        return (
            f"Waiting for {workers} to finish a task, or up to a minute for a poll: a poll that is "
            "abandoned may take the task of another execution. Press Ctrl-C to exit now."
        )
