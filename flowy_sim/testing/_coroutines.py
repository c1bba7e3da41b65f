"""What poll loops need that are coroutines: a client, event loops, functions in other threads.

`asyncio.to_thread` and ``run_in_executor`` would run a function that polls in another thread,
which does not take turns. Here it runs in a greenlet, a *strand*, in the thread of the event loop:
where it polls or sleeps, the event loop goes on. SQLAlchemy's asyncio extension works in this way.
A `ThreadPoolExecutor` of the code runs at most as many strands as it would have threads.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

from flowy_sim._clients.in_process import OPERATIONS, Reply

_LOOK = 0.05
"""Simulated seconds between two looks of a strand that waits for an event."""

_MOST_SPINS = 20_000
"""How often an event loop goes round without a call until it waits for something to change."""

_SPINS = 1_000
"""The same, after each change, as long as it makes no call. Then other workers get a turn."""


class AsyncClient:
    """A client whose methods are coroutines, like those of aiobotocore.

    Args:
        client: makes the calls.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        operation = OPERATIONS.get(name)
        if operation is None:
            return getattr(self._client, name)
        return self._method(operation)

    def _method(self, operation: str) -> Callable[..., Any]:
        async def call(**arguments: Any) -> Reply:
            reply: Reply = await self._client.call_in_event_loop(operation, arguments)
            return reply

        return call


@contextmanager
def no_running_event_loop() -> Iterator[None]:
    """Leave the running event loop of this thread, for a while."""
    running = asyncio._get_running_loop()
    hooks = sys.get_asyncgen_hooks()
    asyncio._set_running_loop(None)
    sys.set_asyncgen_hooks(None, None)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)
        sys.set_asyncgen_hooks(*hooks)


def run_in_event_loop(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine in an event loop of its own.

    Unlike `asyncio.run`, this runs nothing more when the coroutine fails or is abandoned.
    """
    loop = asyncio.new_event_loop()
    loop.run_until_complete(coroutine)
    loop.close()


def run_in_strands(loop: Any) -> None:
    """Let an event loop run functions in strands that it would run in threads."""
    executed = loop.run_in_executor
    limits: WeakKeyDictionary[Any, asyncio.Semaphore] = WeakKeyDictionary()

    def run_in_executor(executor: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        if executor is None:
            return loop.create_task(_run_in_strand(function, arguments))
        if type(executor) is not ThreadPoolExecutor:
            return executed(executor, function, *arguments)
        limit = limits.setdefault(executor, asyncio.Semaphore(executor._max_workers))

        async def run() -> Any:
            async with limit:
                return await _run_in_strand(function, arguments)

        return loop.create_task(run())

    loop.run_in_executor = run_in_executor


async def _run_in_strand(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    from greenlet import greenlet

    strand = greenlet(function)
    strand.gr_context = copy_context()
    strand.awaits = True  # type: ignore[attr-defined]
    result = strand.switch(*arguments)
    while not strand.dead:
        try:
            await result
        except BaseException as error:
            result = strand.throw(error)
        else:
            result = strand.switch()
    return result


class Spins:
    """The rounds of an event loop in which nothing changes and its code makes no call.

    A coroutine may go round and round: it waits, by ``asyncio.sleep(0)``, for something that others
    have to do. So they get a turn from time to time, and in the end simulated time passes as well.

    Attributes:
        place: where a coroutine waits busily; empty if none does.
        last_call: the operation that the code has called last.
    """

    def __init__(self) -> None:
        self.place = ""
        self.last_call = ""
        self._most = _MOST_SPINS
        self._made = 0
        self._changes: object = None

    def add(self, changes: object) -> bool:
        """Note a round; return whether others should get a turn.

        Args:
            changes: what is different after each change.
        """
        if changes != self._changes:
            self._changes, self._made = changes, 0
        self._made += 1
        return self._made % _SPINS == 0

    def are_too_many(self) -> bool:
        """Return whether the loop should wait for a change; then note where it goes round."""
        if self._made < self._most:
            return False
        self._most = _SPINS
        self.place = _place_of_spinning()
        return True

    def note_call(self, operation: str) -> None:
        """Note that the code makes a call."""
        self.last_call = operation
        self.note_progress()

    def note_progress(self) -> None:
        """Note that the code makes a call, or waits."""
        self._most, self.place = _MOST_SPINS, ""

    def advice(self) -> str:
        """Return what to do about a coroutine that waits busily; empty if none does."""
        if not self.place:
            return ""
        last = f"since its call of {self.last_call}" if self.last_call else "without any call"
        return (
            f"has waited busily in {self.place} {last}; no time passes in asyncio.sleep(0), "
            "so sleep for some seconds, or await the event that has to happen"
        )


def seconds_until_timer() -> float:
    """Return the number of seconds until the next timer of the running event loop; or infinity."""
    loop: Any = asyncio.get_running_loop()
    return max(0, loop._scheduled[0].when() - loop.time()) if loop._scheduled else inf


def _place_of_spinning() -> str:
    """Return the function and the line of a coroutine that waits for nothing; may be empty."""
    for task in asyncio.all_tasks():
        awaited: Any = task.get_coro()
        if getattr(task, "_fut_waiter", None) is not None or not inspect.iscoroutine(awaited):
            continue
        frame = None
        while inspect.iscoroutine(awaited):
            if awaited.cr_code.co_filename != asyncio.tasks.__file__:
                frame = awaited.cr_frame
            awaited = awaited.cr_await
        if frame is not None:
            return f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})"
    return ""


def runs_in_strand() -> bool:
    """Return whether the code that runs is a strand."""
    from greenlet import getcurrent

    return getattr(getcurrent(), "awaits", False)


def await_in_strand(coroutine: Coroutine[Any, Any, None]) -> None:
    """Let the event loop go on until a coroutine has ended."""
    from greenlet import getcurrent

    parent = getcurrent().parent
    assert parent is not None
    parent.switch(coroutine)


async def sleep_in_event_loop(seconds: float, woken: Callable[[], bool] | None) -> None:
    """Sleep in an event loop, until `woken` returns that it is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not (woken is not None and woken()):
        left = until - loop.time()
        if left <= 0:
            return
        await asyncio.sleep(left if woken is None else min(left, _LOOK))
