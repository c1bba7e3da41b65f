"""What an activity knows of the task it is run for, and how it tells that the work goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from flowy._workers.backoff import Wait

logger = logging.getLogger("flowy.workers")


class Heartbeat(NamedTuple):
    """What came of a heartbeat."""

    canceled: bool = False
    """Whether the workflow has asked for the activity's cancellation."""
    missed: bool = False
    """Whether nobody waits for the activity any more."""


class _Later:
    """The type of `LATER`."""

    def __repr__(self) -> str:
        return "flowy.LATER"


LATER: Any = _Later()
"""What an activity returns that another process finishes; see `flowy.async_completion`."""


class ActivityContext:
    """The task that an activity is being run for.

    An activity's class has it as ``self.context``; a function under ``@activity`` gets it as its
    first parameter, if that is annotated with this class. Outside a worker, as in a test that
    calls the activity, an ``ActivityContext()`` stands in: its texts are empty, and its heartbeats
    go nowhere.

    Attributes:
        type: name and version of the activity's type, such as ``resize 1``.
        activity_id: the activity's id in the history, such as ``resize-1``.
        workflow_id: the id of the execution that waits for it.
        run_id: the id of that execution's run.
        token: the task's token, with which any process can finish it; see `flowy.async_completion`.

    Example:
        ::

            @activity("export", 1, "reports", heartbeat=60)
            def export(context: ActivityContext, table: str) -> int:
                for count, row in enumerate(rows(table)):
                    if not context.heartbeat(f"{count} rows"):
                        break
                ...
    """

    def __init__(
        self,
        type: str = "",
        activity_id: str = "",
        workflow_id: str = "",
        run_id: str = "",
        token: str = "",
        send: Callable[[str | None], Heartbeat] = lambda details: Heartbeat(),
    ) -> None:
        """Keep all that is known of the task.

        Args:
            type: see above.
            activity_id: see above.
            workflow_id: see above.
            run_id: see above.
            token: see above.
            send: sends a heartbeat with details, or None, and tells what came of it.
        """
        self.type = type
        self.activity_id = activity_id
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.token = token
        self._send = send
        self._known = Heartbeat()
        self._details: str | None = None
        self._turn = threading.Lock()

    @property
    def cancel_requested(self) -> bool:
        """Whether the last heartbeat heard that the workflow asks for cancellation."""
        return self._known.canceled

    @property
    def goes_on(self) -> bool:
        """Whether there is reason to go on, as far as the last heartbeat knows."""
        return not (self._known.canceled or self._known.missed)

    def heartbeat(self, details: str | None = None) -> bool:
        """Tell the service that the work goes on.

        Args:
            details: how far the work is; kept by the service if the activity times out. Cut to
                2,048 characters.

        Returns:
            Whether to go on: False once the workflow has asked for the activity's cancellation,
            or no longer waits for it, as after a time-out or its own end.
        """
        with self._turn:
            if details is not None:
                self._details = details
            if not self._known.missed:
                self._known = self._send(details)
            return self.goes_on

    def repeat(self) -> bool:
        """Send a heartbeat with the details of the one before; tell whether anybody waits."""
        with self._turn:
            if not self._known.missed:
                self._known = self._send(self._details)
            return not self._known.missed


@contextmanager
def kept_alive(context: ActivityContext, every: float, wait: Wait) -> Iterator[None]:
    """Send heartbeats from a thread of their own while something else is done.

    Args:
        context: the task.
        every: seconds between two heartbeats.
        wait: waits; see `Wait`.
    """
    done = threading.Event()

    def beat() -> None:
        while not wait(done, every):
            try:
                if not context.repeat():
                    return
            except Exception as error:
                logger.warning("%s: a heartbeat failed: %s", context.type, error)

    thread = threading.Thread(target=beat, name=f"heartbeats of {context.activity_id}")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
