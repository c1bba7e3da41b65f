"""The process that draws executions, beside the one that answers calls.

A history may have 25,000 events, and drawing them takes seconds in which no call would be answered.
So a long one is drawn in another process. That process keeps what it has read and drawn of the
executions that were looked at last, and is sent only the events that it does not have, a few at a
time: what a call waits for while others are packed stays short.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from multiprocessing.connection import wait
from typing import Any, TypeVar

from flowy_sim._console.drawn import DrawnRun, Job
from flowy_sim._console.source import Recorded

T = TypeVar("T")

_AT_ONCE = 100
"""The number of events that are drawn where calls are answered."""
_SENT = 500
"""The number of events that are sent at a time."""
_KEPT = 4
"""The number of executions of which it is kept what was read and drawn."""


class _Sent:
    """What the other process has of an execution.

    Attributes:
        key: the name by which it keeps it.
        count: the number of events that it has.
        last: the last one of them.
    """

    def __init__(self, key: int) -> None:
        self.key = key
        self.count = 0
        self.last: Any = None

    def begins(self, events: Sequence[Any]) -> bool:
        """Return whether a history goes on from what was sent, and is not another one."""
        count = self.count
        return not count or (count <= len(events) and events[count - 1] is self.last)


class _ForgottenError(Exception):
    """The other process does not have what it should have."""


class Drawer:
    """Draws executions, long ones in another process."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._keys = count()
        self._sent: OrderedDict[str, _Sent] = OrderedDict()

    async def run(self, function: Callable[[DrawnRun, Job], T], recorded: Recorded, job: Job) -> T:
        """Return what a function returns about an execution.

        Args:
            function: such as `flowy_sim._console.drawn.draw`.
            recorded: the history of the execution.
            job: what is asked about it.
        """
        # Drawn at once: sending them to another process would take longer.
        if len(recorded.events) <= _AT_ONCE:
            run = DrawnRun()
            run.add(recorded.history())
            return function(run, job)
        try:
            return await self._ask(function, recorded, job)
        except (BrokenProcessPool, _ForgottenError) as error:
            # The process was ended, or a browser left while events were sent.
            if isinstance(error, BrokenProcessPool):
                self._pool = None
                self._sent.clear()
            self._sent.pop(job.run_id, None)
            return await self._ask(function, recorded, job)

    def close(self) -> None:
        """End the other process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _ask(self, function: Callable[[DrawnRun, Job], T], recorded: Recorded, job: Job) -> T:
        loop, events = asyncio.get_running_loop(), recorded.events
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, begin_process)
        sent = self._sent.get(job.run_id)
        if sent is None or not sent.begins(events):
            # A new key, because a simulation that was reset may have the same run IDs again.
            sent = self._sent[job.run_id] = _Sent(next(self._keys))
        self._sent.move_to_end(job.run_id)
        if len(self._sent) > _KEPT:
            self._sent.popitem(last=False)
        while True:
            begin, end = sent.count, min(sent.count + _SENT, len(events))
            part = recorded.part(begin, end)
            # In parts, because all events at once would keep calls waiting while they are pickled.
            if begin < end:
                sent.count, sent.last = end, events[end - 1]
            if end >= len(events):
                return await loop.run_in_executor(
                    self._pool, _answer, sent.key, part, function, job
                )
            await loop.run_in_executor(self._pool, _add, sent.key, part)


def begin_process() -> None:
    """Prepare a process beside the server: calls come first, and it ends with the server."""
    os.nice(5)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


# In the other process

_runs: OrderedDict[int, DrawnRun] = OrderedDict()


def _add(key: int, part: Recorded) -> None:
    """Add events to an execution.

    Raises:
        _ForgottenError: those before them are not here.
    """
    run = _runs.setdefault(key, DrawnRun())
    _runs.move_to_end(key)
    if len(_runs) > _KEPT:
        _runs.popitem(last=False)
    # It was dropped here, or events got lost with an earlier request.
    if len(run.events) < part.first:
        del _runs[key]
        raise _ForgottenError
    run.add(part.history()[len(run.events) - part.first :])


def _answer(key: int, part: Recorded, function: Callable[[DrawnRun, Job], T], job: Job) -> T:
    """Return what a function returns about an execution, after events were added."""
    _add(key, part)
    return function(_runs[key], job)
