"""Workers in threads: begun together, looked after, stopped together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self

import click

from flowy._client import SwfClient
from flowy._workers.worker import Worker

_GRACE = 0.1
"""So many seconds workers have to stop before it is said that they are waited for."""

_PAUSE = 0.1
"""So many seconds there are at least between two polls that find nothing."""


class _Watched:
    """A client of one worker; tells whether the worker waits for a task.

    Attributes:
        waits: whether the worker is in a poll.
    """

    def __init__(self, client: SwfClient) -> None:
        self.waits = False
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return self._poll(call) if name.startswith("poll_for_") else call

    def _poll(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def poll(**request: Any) -> Any:
            began = time.monotonic()
            self.waits = True
            try:
                reply = call(**request)
                if not reply.get("taskToken") and time.monotonic() - began < _PAUSE:
                    # An emulator may not hold polls at all.
                    time.sleep(_PAUSE)
            finally:
                self.waits = False
            return reply

        return poll


class WorkerThread:
    """One worker in a thread.

    Args:
        client: what it calls.
        hire: makes the worker.

    Attributes:
        worker: what `hire` made.
        error: what it ended with, if it did not stop as it was told to.
    """

    def __init__(self, client: SwfClient, hire: Callable[[SwfClient], Worker]) -> None:
        """Have a worker who does not work yet."""
        self._client: Any = _Watched(client)
        self.worker = hire(self._client)
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def idle(self) -> bool:
        """Whether the worker waits for a task."""
        waits: bool = self._client.waits
        return waits

    def start(self) -> None:
        """Let the worker begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the worker has not stopped."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait until the worker has stopped, at most for some time."""
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            self.worker.loop()
        except BaseException as error:
            self.error = error


class WorkerThreads:
    """Several workers.

    They begin when the staff is entered. When it is left they stop, after what they have in hand.

    Args:
        members: the workers.
        give_up_polls: whether a worker who waits for a task may be left alone with that. A task
            that comes in the meantime is lost, until it times out.

    Example:
        ``with WorkerThreads(members, give_up_polls=False) as staff: staff.check()``
    """

    def __init__(self, members: Iterable[WorkerThread], give_up_polls: bool) -> None:
        """Have them; nobody works yet."""
        self._members = list(members)
        self._give_up_polls = give_up_polls

    @property
    def idle(self) -> bool:
        """Whether all wait for a task."""
        return all(member.idle for member in self._members)

    def check(self) -> None:
        """Raise the error that a worker ended with, if there is one."""
        for member in self._members:
            if member.error is not None:
                raise member.error

    def __enter__(self) -> Self:
        """Let them begin."""
        for member in self._members:
            member.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop them, and wait for those who may not be left alone; Ctrl-C ends the waiting."""
        for member in self._members:
            member.worker.stop()
        with suppress(KeyboardInterrupt):
            time.sleep(_GRACE)
            remaining = [member for member in self._members if self._waited_for(member)]
            if remaining:
                click.echo(self._excuse(len(remaining)), err=True)
            for member in remaining:
                while self._waited_for(member):
                    member.join(_GRACE)

    def _waited_for(self, member: WorkerThread) -> bool:
        return member.alive and not (self._give_up_polls and member.idle)

    def _excuse(self, count: int) -> str:
        workers = "a worker" if count == 1 else f"{count} workers"
        if self._give_up_polls:
            return f"Waiting for {workers} to end a task; Ctrl-C goes without."
        return (
            f"Waiting for {workers} to end a task, or up to a minute for one: a poll that is "
            "given up may take the task of another execution with it. Ctrl-C goes without."
        )
