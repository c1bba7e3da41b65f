"""Sleep in simulated time, for poll loops and for threads that call a simulation.

While it is active, `time.sleep` is replaced wherever a module, a class or a default argument refers
to it, because ``from time import sleep`` keeps a reference of its own. The replacement really
sleeps unless it is called by code that sleeps virtually. freezegun finds references in the same
way; see `flowy_sim._simulation.time_functions`. `threading.Event.wait` and
`threading.Condition.wait` with a timeout are replaced, too; they release their locks by the methods
that any lock has for a condition. A poll loop can be suspended, so it also waits without a timeout,
and joins threads, while others go on. asyncio follows by the clock of its
event loops; see `flowy_sim._simulation.event_loop`.

Code that waits until a clock has reached an instant, such as `queue.Queue.get`, needs that clock to
follow: `time.monotonic` and `time.time` are replaced, too.

A forked process keeps real time: it has no runner that would let its code go on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, _base
from concurrent.futures.thread import ThreadPoolExecutor, _threads_queues
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from math import inf
from multiprocessing import connection
from multiprocessing.pool import ApplyResult, ThreadPool
from multiprocessing.process import BaseProcess
from queue import Queue
from types import FrameType
from typing import Any, Protocol

from flowy_sim._simulation.child_processes import Work, is_of_pool, serves_processes
from flowy_sim._simulation.event_loop import IdleSleeper, simulated_time
from flowy_sim._simulation.time_functions import (
    REALLY_WAIT,
    WAITS,
    ClockAhead,
    TimeFunctions,
    really_monotonic,
    really_wait_on,
)

really_sleep = time.sleep

really_join = threading.Thread.join
_really_start = threading.Thread.start
_really_submit = ThreadPoolExecutor.submit
_really_submit_to_process = ProcessPoolExecutor.submit
_really_give_to_process = ApplyResult.__init__
_really_join_process = BaseProcess.join
_really_start_process = BaseProcess.start
_really_wait_for_processes = connection.wait
_really_start_program = subprocess.Popen.__init__
_really_end_pool: Any = asyncio.BaseEventLoop._do_shutdown  # type: ignore[attr-defined]
_really_run_forever = asyncio.BaseEventLoop.run_forever

_LOOK = 0.005
"""Real seconds between two checks whether a real wait is over."""


class Sleeper(IdleSleeper, Protocol):
    """Code that may sleep virtually.

    Attributes:
        can_be_suspended: whether other code in its thread goes on while it waits.
        virtual_sleep: whether it does sleep virtually, so that its clocks are ahead.
    """

    can_be_suspended: bool
    virtual_sleep: bool

    def sleeps(self) -> bool:
        """Return whether the code that runs sleeps virtually."""
        ...

    def sleep(self, seconds: float, woken: Callable[[], bool] | None = None) -> None:
        """Sleep for some seconds, or until `woken` returns that the sleep is over."""
        ...

    def start_thread(self, thread: threading.Thread, really_start: Callable[[], None]) -> None:
        """Start a thread of the code."""
        ...

    def job(
        self, function: Callable[..., Any], *, joins: bool = False
    ) -> tuple[Callable[..., Any], Callable[..., None]]:
        """Wrap a function that another thread is to run; only for code that cannot be suspended.

        Args:
            function: the function.
            joins: whether it only waits for the threads of a pool to end.

        Returns:
            What to run instead, and what to call when its result has been set.
        """
        ...

    def note_process(self, work: Work, *, has_started: bool = False) -> None:
        """Note that the code has started a process, or may wait for what processes do."""
        ...

    def wait(self, woken: Callable[[float], bool], seconds: float = inf) -> None:
        """Wait until `woken` returns that the wait is over; only for code that can be suspended.

        Args:
            woken: is called with the real seconds for which it may wait.
            seconds: the number of seconds after which to wait no longer.
        """
        ...


class _Sleepers:
    """The code that may sleep virtually, and what is replaced for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[Sleeper] = []
        self._clocks: dict[Sleeper, ClockAhead] = {}
        self._functions = TimeFunctions(_sleep, self._clock)

    def enter(self, sleeper: Sleeper) -> None:
        with self._lock:
            self._clocks[sleeper] = ClockAhead(sleeper.now)
            self._functions.replace()
            self._active.append(sleeper)
            for (owner, name), replacement in _REPLACED.items():
                setattr(owner, name, replacement)

    def leave(self, sleeper: Sleeper) -> None:
        with self._lock:
            if sleeper not in self._active:
                return  # The process was forked meanwhile.
            self._active.remove(sleeper)
            del self._clocks[sleeper]
            if not self._active:
                self._restore()

    def end_in_child(self) -> None:
        """Let all code of a process that was just forked really sleep."""
        self._lock = threading.Lock()  # Another thread of the parent may hold it.
        self._active.clear()
        self._clocks.clear()
        self._restore()

    def _restore(self) -> None:
        for (owner, name), real in _REAL.items():
            setattr(owner, name, real)
        self._functions.restore()

    def running(self) -> Sleeper | None:
        """Return the sleeper of the code that runs; None if it really sleeps."""
        # The innermost first, as with mocks.
        for sleeper in reversed(self._active):
            if sleeper.sleeps():
                return sleeper
        return None

    def _clock(self) -> ClockAhead | None:
        sleeper = self.running()
        if sleeper is None or not sleeper.virtual_sleep:
            return None
        return self._clocks.get(sleeper)


def _sleep(seconds: float, /) -> None:
    sleeper = _sleepers.running()
    # A negative time is left to the real function, which refuses it.
    caller = sys._getframe().f_back  # None if it is the function of a thread, or a strand.
    if (
        sleeper is None
        or seconds < 0
        or (caller is not None and caller.f_globals.get("__name__") in REALLY_WAIT)
    ):
        really_sleep(seconds)
    else:
        sleeper.sleep(seconds)


def _run_forever(self: asyncio.BaseEventLoop) -> None:
    sleeper = _sleepers.running()
    if sleeper is not None:
        sleeper.adopt(self)
    with simulated_time(self, _sleepers.running):
        _really_run_forever(self)


def _wait(self: threading.Condition, timeout: float | None = None) -> bool:
    sleeper = None if timeout is not None and timeout <= 0 else _sleepers.running()
    # Without a time-out, a thread waits for another one and not for time.
    if sleeper is None or (timeout is None and not sleeper.can_be_suspended):
        return really_wait_on(self, timeout)
    return _wait_virtually(self, timeout, sleeper)


def _start(self: threading.Thread) -> None:
    sleeper = _sleepers.running()
    # `loop.shutdown_default_executor()` starts a thread that only joins those of the pool.
    ends_pool = getattr(getattr(self, "_target", None), "__func__", None) is _really_end_pool
    if sleeper is not None and ends_pool and not sleeper.can_be_suspended:
        thread: Any = self
        thread._target, _ = sleeper.job(thread._target, joins=True)
    if sleeper is None or serves_processes(self):
        _really_start(self)
    else:
        sleeper.start_thread(self, partial(_really_start, self))


class WorkQueue(Queue[Any]):
    """What the threads of a pool wait at: like every wait for a `Queue`, it can be virtual.

    Attributes:
        has_ended: whether the threads don't go on any more.
    """

    has_ended = False


def _submit(self: ThreadPoolExecutor, function: Any, /, *args: Any, **kwargs: Any) -> Any:
    sleeper, pool = _sleepers.running(), _Pool(self)
    if sleeper is not None and not sleeper.can_be_suspended:
        run, end = sleeper.job(function)
        job = _really_submit(self, run, *args, **kwargs)
        job.add_done_callback(end)
        return job
    if sleeper is not None:
        pool.wait_virtually()
    future = _really_submit(self, function, *args, **kwargs)
    pool.let_interpreter_end()
    return future


def _is_no_end(record: logging.LogRecord) -> bool:
    """Return whether a pool logs a real error, rather than that one of its threads was ended."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, SystemExit)


class _Pool:
    """A pool of threads whose threads may take turns."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor

    def wait_virtually(self) -> None:
        """Let its threads wait virtually for work, if it has not started any yet."""
        executor = self._executor
        queue = executor._work_queue
        if isinstance(queue, WorkQueue):
            if not queue.has_ended:
                return
            executor._threads.clear()  # They have ended with their process, or an earlier test.
            executor._idle_semaphore = threading.Semaphore(0)
        if not executor._threads:
            executor._work_queue = WorkQueue()
            # A pool logs every exception of a thread, also the one that ends it.
            _base.LOGGER.addFilter(_is_no_end)

    def let_interpreter_end(self) -> None:
        """Keep the interpreter from waiting for threads that don't go on any more."""
        queues: Any = _threads_queues
        if isinstance(self._executor._work_queue, WorkQueue):
            for each in self._executor._threads:
                queues.pop(each, None)


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    sleeper = None if timeout is not None and timeout <= 0 else _sleepers.running()
    if sleeper is None or not sleeper.can_be_suspended:
        really_join(self, timeout)
        return
    if serves_processes(self):
        sleeper.note_process(self)

    def woken(seconds: float) -> bool:
        really_join(self, seconds)
        return not self.is_alive()

    sleeper.wait(woken, inf if timeout is None else timeout)


def place_of_wait(frame: FrameType) -> str:
    """Return the file and line of the code that waits; empty if it waits without a timeout.

    Args:
        frame: where its thread is now.
    """
    caller: FrameType | None = frame
    while caller is not None and caller.f_globals.get("__name__") in WAITS:
        if caller.f_locals.get("timeout", 0) is None:
            return ""
        caller = caller.f_back
    caller = caller or frame
    return f"{caller.f_code.co_filename}:{caller.f_lineno}"


def _wait_virtually(condition: Any, timeout: float | None, sleeper: Sleeper) -> bool:
    """Wait as `threading.Condition.wait` does, but sleep virtually meanwhile."""
    waiter = threading.Lock()
    waiter.acquire()
    notified = False

    def woken(seconds: float = 0) -> bool:
        nonlocal notified
        notified = notified or waiter.acquire(timeout=seconds)
        return notified

    # As in CPython's `Condition.wait`, apart from the wait itself. A thread that notifies
    # releases the lock of a waiter.
    condition._waiters.append(waiter)
    saved = condition._release_save()
    try:
        if timeout is None:
            sleeper.wait(woken)
        else:
            sleeper.sleep(timeout, woken)
        return woken()
    finally:
        condition._acquire_restore(saved)
        if not notified:
            with suppress(ValueError):  # It was notified since.
                condition._waiters.remove(waiter)


def really_wait(seconds: float, woken: Callable[[], bool] | None = None) -> None:
    """Wait in real time, or until `woken` returns that it is over."""
    if woken is None:
        really_sleep(seconds)
        return
    until = really_monotonic() + seconds
    while not woken() and really_monotonic() < until:
        really_sleep(_LOOK)


def _wait_for_processes(objects: Any, timeout: float | None = None) -> list[Any]:
    sleeper = None if timeout is not None and timeout <= 0 else _sleepers.running()
    if sleeper is None or not sleeper.can_be_suspended:
        return _really_wait_for_processes(objects, timeout)
    ready: list[Any] = []

    def woken(seconds: float) -> bool:
        ready[:] = _really_wait_for_processes(objects, seconds)
        return bool(ready)

    sleeper.wait(woken, inf if timeout is None else timeout)
    return ready


@contextmanager
def _starting() -> Iterator[None]:
    """Let simulated time wait for the start of a process."""
    started: Future[None] = Future()
    _note_process(started)
    try:
        yield
    finally:
        started.set_result(None)


def _start_process(self: BaseProcess) -> None:
    of_pool = is_of_pool(self)
    with _starting():
        _really_start_process(self)
        if not of_pool:
            _note_process(self, has_started=True)


def _join_process(self: BaseProcess, timeout: float | None = None) -> None:
    _note_process(self)
    sleeper = _sleepers.running()
    if sleeper is not None and sleeper.can_be_suspended and self.pid is not None:
        # After that, joining only fetches the exit status, if there is one.
        timeout = None if _wait_for_processes([self.sentinel], timeout) else 0
    _really_join_process(self, timeout)


def _start_program(self: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> None:
    with _starting():
        _really_start_program(self, *args, **kwargs)
        _note_process(self)


def _submit_to_process(
    self: ProcessPoolExecutor, function: Any, /, *args: Any, **kwargs: Any
) -> Any:
    future = _really_submit_to_process(self, function, *args, **kwargs)
    _note_process(future)
    return future


def _give_to_process(self: ApplyResult[Any], pool: Any, *args: Any, **kwargs: Any) -> None:
    _really_give_to_process(self, pool, *args, **kwargs)
    if not isinstance(pool, ThreadPool):
        _note_process(self)


def _note_process(work: Work, *, has_started: bool = False) -> None:
    sleeper = _sleepers.running()
    if sleeper is not None and sleeper.can_be_suspended:
        sleeper.note_process(work, has_started=has_started)


# Methods are replaced on their classes, so it does not matter how code refers to these.
_REPLACED: dict[tuple[Any, str], Any] = {
    (threading.Condition, "wait"): _wait,
    (threading.Thread, "join"): _join,
    (threading.Thread, "start"): _start,
    (ThreadPoolExecutor, "submit"): _submit,
    (ProcessPoolExecutor, "submit"): _submit_to_process,
    (connection, "wait"): _wait_for_processes,
    (ApplyResult, "__init__"): _give_to_process,
    (BaseProcess, "join"): _join_process,
    (BaseProcess, "start"): _start_process,
    (subprocess.Popen, "__init__"): _start_program,
    (asyncio.BaseEventLoop, "run_forever"): _run_forever,
}
"""What is replaced besides functions of the module ``time``."""

_REAL = {(owner, name): getattr(owner, name) for owner, name in _REPLACED}

_sleepers = _Sleepers()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_sleepers.end_in_child)


@contextmanager
def virtual_sleep(sleeper: Sleeper) -> Iterator[None]:
    """Let code sleep virtually, however it has imported `time.sleep`.

    Args:
        sleeper: decides for each sleep, in any thread, whether it is virtual.
    """
    # A loop that runs already, as around an async test, began before `run_forever` was replaced.
    loop = asyncio._get_running_loop()
    _sleepers.enter(sleeper)
    try:
        with simulated_time(loop, _sleepers.running) if loop else nullcontext():
            yield
    finally:
        _sleepers.leave(sleeper)
