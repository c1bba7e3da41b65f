"""The code of workflows, which shows what histories do not: the signals that they wait for.

The code belongs to users, and may end the process or never return. So it runs in a separate
process, for a limited time, and its results are kept: it runs once for each new event of an
execution that a browser shows.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from flowy._client import Execution
from flowy._workers.registration import scan
from flowy.errors import FlowyError
from flowy.payloads import PLAIN
from flowy.workflow import Workflow
from flowy_sim._console.drawer import begin_process
from flowy_sim._console.source import OPEN, ExecutionRow, Place, Recorded
from flowy_sim._events.waits import awaited_signals

SECONDS = 5.0
"""Real seconds for which code may run, once it is imported."""
_IMPORT_SECONDS = 30.0
"""Real seconds for which it may be imported."""
_PAUSE = 60.0
"""Real seconds for which code does not run again on an execution that it did not come back from."""
_KEPT = 500
"""The number of executions for which results of their code are kept."""


class Inspection(NamedTuple):
    """What the code of a workflow shows about an execution.

    Attributes:
        signals: the names of the signals that it waits for.
        target: where the workflow is imported from, such as ``shop.orders:Order``; empty if its
            class was not found.
        problem: why the code does not show more, as a sentence; empty if it does.
    """

    signals: Sequence[str] = ()
    target: str = ""
    problem: str = ""


class _Kept(NamedTuple):
    """What was found up to the last known event, and when code may run on newer ones."""

    last: tuple[Any, ...]
    found: Inspection
    again_at: float


class WorkflowCode:
    """The packages with the code of workflows.

    Args:
        packages: their names; without any, nothing is known of any workflow.
        seconds: the number of real seconds for which code may run.
    """

    def __init__(self, packages: Sequence[str] = (), seconds: float = SECONDS) -> None:
        self._packages = tuple(packages)
        self._seconds = seconds
        self._pool: ProcessPoolExecutor | None = None
        self._turn = asyncio.Lock()
        self._kept: OrderedDict[tuple[Place, str], _Kept] = OrderedDict()

    async def inspect(self, place: Place, row: ExecutionRow, recorded: Recorded) -> Inspection:
        """Return what the code shows about an execution.

        Args:
            place: where it is.
            row: the execution.
            recorded: its history.
        """
        if not self._packages:
            return Inspection()
        key, last = (place, row.run_id), (len(recorded.events), *recorded.events[-1:])
        # One at a time: there is one process, and code that takes too long ends it.
        async with self._turn:
            kept = self._kept.get(key)
            # A live page asks again at each new event; code that has just failed is left alone for
            # a while.
            if kept is None or (kept.last != last and time.monotonic() >= kept.again_at):
                kept = self._kept[key] = _Kept(last, *await self._ask(row, recorded))
                self._kept.move_to_end(key)
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return kept.found

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _ask(self, row: ExecutionRow, recorded: Recorded) -> tuple[Inspection, float]:
        """Return what the code shows, and from when on it may be asked about other events."""
        if self._pool is None:
            # Not forked: the threads and connections of the server must not be copied.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, _begin)
        loop = asyncio.get_running_loop()
        question = (self._packages, self._seconds, row, recorded)
        try:
            return await loop.run_in_executor(self._pool, _inspected, *question), 0.0
        except BrokenProcessPool:
            self.close()
            problem = (
                f"The code of {row.type_name} {row.type_version} ended its process, or took longer "
                f"than {self._seconds:g} s."
            )
            return Inspection(problem=problem), time.monotonic() + _PAUSE


def _begin() -> None:
    """Prepare the process: what the code prints is not an answer of the server."""
    begin_process()
    os.dup2(2, 1)


def _inspected(
    packages: Sequence[str], seconds: float, row: ExecutionRow, recorded: Recorded
) -> Inspection:
    named = f"{row.type_name} {row.type_version}"
    try:
        with _at_most(_IMPORT_SECONDS):
            cls = _workflows(tuple(packages)).get((row.type_name, row.type_version))
        if cls is None:
            return Inspection(problem=f"There is no workflow {named} in {_named(packages)}.")
        target = f"{cls.__module__}:{cls.__qualname__}"
        # What is closed waits for nothing.
        if row.status != OPEN:
            return Inspection(target=target)
        execution = Execution(row.workflow_id, row.run_id)
        with _at_most(seconds):
            return Inspection(awaited_signals(recorded.history(), cls, PLAIN, execution), target)
    except (Exception, SystemExit) as error:
        words = str(error) if isinstance(error, FlowyError) else f"{type(error).__name__}: {error}"
        return Inspection(
            problem=f"The code of {named} does not show which signals it awaits: {words}"
        )


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End the process if something takes longer."""
    # Nothing else ends code that computes forever.
    limit = threading.Timer(seconds, os._exit, (1,))
    limit.daemon = True
    limit.start()
    try:
        yield
    finally:
        limit.cancel()


@cache
def _workflows(packages: tuple[str, ...]) -> Mapping[tuple[str, str], type[Workflow]]:
    found = scan(*packages).workflows
    return {(each.flowy_type.name, each.flowy_type.version): each for each in found}


def _named(packages: Sequence[str]) -> str:
    return ", ".join(packages)
