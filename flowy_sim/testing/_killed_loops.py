"""Killed loops: greenlets and coroutines that end without running any more of their code.

A greenlet that is garbage-collected gets a GreenletExit, and a coroutine a GeneratorExit, which
runs its ``finally`` blocks. So each is kept alive by one more reference, until it has ended. One
that never ends stays until the process does; it has no effect, but what it refers to stays in
memory. Therefore code that would do nothing about the exception gets it: most loops poll where no
handler does anything.
"""

from __future__ import annotations

import asyncio
import ctypes
import dis
import inspect
from functools import lru_cache
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenlet import greenlet


def keep(kept: object) -> None:
    """Keep something alive until `release`."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))


def release(kept: object) -> None:
    """Keep something alive no longer."""
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(kept))


def discard(abandoned: greenlet, loops: list[asyncio.AbstractEventLoop]) -> None:
    """End a greenlet that is kept alive, without running any more of its code.

    Args:
        abandoned: the greenlet.
        loops: the event loops that run in it.
    """
    from greenlet import getcurrent

    frame: Any = abandoned.gr_frame
    ends = True
    while frame is not None and ends:
        ends = ignores_exit(frame)
        frame = frame.f_back
    if abandon(loops) and ends:
        abandoned.parent = getcurrent()
        abandoned.throw()
        release(abandoned)


def abandon(loops: list[asyncio.AbstractEventLoop]) -> bool:
    """Never let event loops go on, and close their files.

    Returns:
        Whether all of their coroutines have ended; none has run any more of its code.
    """
    tasks = [task for loop in loops for task in asyncio.all_tasks(loop)]
    has_ended = all(map(_ignores_close, tasks))
    for task in tasks:
        if has_ended:
            task.get_coro().close()
        else:
            keep(task)
    for loop in loops:
        loop.set_exception_handler(_ignore)  # It would report each task that has not ended.
        if loop.is_running():
            _close_files(loop)
        else:
            loop.close()
    return has_ended


def _close_files(loop: Any) -> None:
    """Close the files of an event loop that cannot be closed, because it runs."""
    loop._close_self_pipe()
    loop._selector.close()


def _ignore(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report nothing."""


def _ignores_close(task: asyncio.Task[Any]) -> bool:
    """Return whether no coroutine of a task does anything about a GeneratorExit."""
    awaited: Any = task.get_coro()
    while inspect.iscoroutine(awaited):
        if awaited.cr_running or (
            awaited.cr_frame is not None and not ignores_exit(awaited.cr_frame)
        ):
            return False
        awaited = awaited.cr_await
    return not inspect.isgenerator(awaited) and not inspect.isasyncgen(awaited)


def ignores_exit(frame: FrameType) -> bool:
    """Return whether code does nothing about an exception that ends it, where it waits."""
    if frame.f_globals.get("__name__") in _OWN:
        return True
    return _runs_nothing(frame.f_code, frame.f_lasti)


_OWN = frozenset(
    {
        "asyncio.base_events",
        "selectors",
        "flowy_sim._simulation.event_loop",
        "flowy_sim._simulation.virtual_sleep",
    }
)
"""Modules whose handlers only clean up after an event loop."""

_PASSING = frozenset(
    {
        "CALL_INTRINSIC_1",
        "PUSH_EXC_INFO",
        "POP_EXCEPT",
        "COPY",
        "NOP",
        "CACHE",
        "EXTENDED_ARG",
        "BUILD_TUPLE",
        "CHECK_EXC_MATCH",
        "NOT_TAKEN",
    }
)
"""Instructions of handlers that have no effect."""

_RAISING = frozenset({"CLEANUP_THROW", "RERAISE"})
"""Instructions that raise it again; the first does in ``await``."""

_CAUGHT_BY = frozenset({"BaseException", "GeneratorExit", "GreenletExit"})


@lru_cache(maxsize=1024)
def _runs_nothing(code: CodeType, at: int) -> bool:
    """Return whether no handler does anything about such an exception at an instruction.

    Handlers that only catch other exceptions don't: follow each to where it raises again.
    """
    table = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    instructions = {each.offset: each for each in dis.get_instructions(code)}
    offsets = sorted(instructions)
    while (target := next((e.target for e in table if e.start <= at < e.end), None)) is not None:
        if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
            return False
        at = target
        while (found := instructions[at]).opname not in _RAISING:
            if found.opname.startswith("POP_JUMP") and "FALSE" in found.opname:
                at = int(found.argval)
                continue
            loads = found.opname.startswith("LOAD_") and found.argval not in _CAUGHT_BY
            if not (loads or found.opname in _PASSING):
                return False
            at = offsets[offsets.index(at) + 1]
    return True
