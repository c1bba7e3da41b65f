"""Threads that sleep in simulated time, because they have called a simulation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

from flowy._safe_text import safe_logger
from flowy_sim._simulation.child_processes import Work
from flowy_sim._simulation.running_threads import computes, frame_of, is_idle_in_pool
from flowy_sim._simulation.time_functions import really_monotonic, really_wait_on
from flowy_sim._simulation.time_skipping import Sleep
from flowy_sim._simulation.virtual_sleep import place_of_wait, really_sleep, virtual_sleep
from flowy_sim._simulation.waiters import ThreadPoller, Threads

_LOOK = 0.005
"""Real seconds between two checks by a thread that sleeps until something wakes it."""

_WATCH = 0.05
_MANY = 20
"""The number of looks after which a thread that waits, and does not compute, waits in real time."""

_log = safe_logger("flowy_sim")


_MOMENT = 0.1
"""Real seconds that a job may need to begin, and its result to arrive."""


class _Job:
    """What code that sleeps virtually has given to a thread of a pool, or to one of asyncio.

    Attributes:
        joins: whether it only waits for the threads of the pool to end.
        thread: the thread that works on it; None before it has begun.
        until: the real instant until which others wait for it.
    """

    def __init__(self, patience: float, joins: bool) -> None:
        self.joins = joins
        self.thread: threading.Thread | None = None
        self.until = really_monotonic() + _MOMENT
        self._patience = patience

    def begin(self) -> None:
        """Note that the current thread works on the job."""
        self.thread = threading.current_thread()
        self.until = really_monotonic() + self._patience

    def end(self, _: object = None) -> None:
        """Note that the job is over; its result is about to arrive."""
        self.thread = None
        self.until = really_monotonic() + _MOMENT

    def is_awaited(self) -> bool:
        """Return whether it may end soon, or computes."""
        if really_monotonic() < self.until:
            return True
        return self.thread is not None and computes(self.thread.native_id)


class SleepingThreads:
    """The threads of a simulation, as code that sleeps virtually.

    Work that they give to other threads, such as those of a pool by `asyncio.to_thread`, is done in
    real time. Before they sleep, they wait for it, unless it polls or sleeps in the simulation.

    Args:
        threads: the threads that call the simulation.
        runner: a thread that moves the time itself, and does not sleep; None if there is none.
    """

    can_be_suspended = False
    virtual_sleep = True

    def __init__(self, threads: Threads, runner: threading.Thread | None = None) -> None:
        self._threads = threads
        self._runner = runner
        self._test = threading.current_thread()
        self._lock = threads.lock
        self._jobs: list[_Job] = []

    def sleeps(self) -> bool:
        """Return whether the code that runs sleeps virtually."""
        return self._threads.has_called() and threading.current_thread() is not self._runner

    def now(self) -> int:
        """Return the simulated time in milliseconds since 1970."""
        return self._threads.host.clock.milliseconds

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do nothing: an event loop runs in this thread as in any other."""

    def start_thread(self, thread: threading.Thread, really_start: Callable[[], None]) -> None:
        """Let a thread sleep virtually that a worker starts, for its heartbeats for example.

        Threads that the test itself starts keep real time: they may be anything, such as servers.
        """
        if threading.current_thread() is not self._test or self._threads.current().tasks:
            self._threads.adopt(thread)
        really_start()

    def job(
        self, function: Callable[..., Any], *, joins: bool = False
    ) -> tuple[Callable[..., Any], Callable[..., None]]:
        """Wrap a function that another thread is to run; see `Sleeper.job`."""
        job = _Job(self._threads.host.presence.patience, joins)
        self._jobs.append(job)

        def run(*args: Any, **kwargs: Any) -> Any:
            job.begin()
            return function(*args, **kwargs)

        return run, job.end

    def _awaits_jobs(self) -> bool:
        """Return whether the code waits for jobs that other threads do in real time."""
        self._jobs = [each for each in self._jobs if each.thread or each.is_awaited()]
        threads = self._threads.asleep()
        asleep = [each for each in self._jobs if each.thread in threads]
        return any(
            each.is_awaited() and each not in asleep and not (each.joins and asleep)
            for each in self._jobs
        )

    def _end_polls_of_ending_pool(self) -> None:
        """End the polls that a pool waits for while it shuts down: nothing else would end them."""
        if any(each.joins and each.thread for each in self._jobs):
            working = {each.thread for each in self._jobs}
            with self._lock:
                for poll in list(self._threads.host.polls):
                    if getattr(poll.poller, "thread", None) in working:
                        self._threads.host.polls.end_early(poll)

    def note_process(self, work: Work, *, has_started: bool = False) -> None:
        """Do nothing: time waits for a thread that holds a task, whatever that waits for."""

    def sleep(self, seconds: float, woken: Callable[[], bool] | None = None) -> None:
        """Sleep for some seconds, or until `woken` returns that the sleep is over."""
        while woken is not None and self._awaits_jobs():
            if woken():
                return
            really_sleep(_LOOK)
        with self._lock:
            condition = threading.Condition(self._lock)
            sleep = self._threads.begin_sleep(seconds, condition.notify)
            try:
                while not (woken is not None and woken()):
                    pause = self._watch(sleep)
                    if sleep.is_over:
                        break
                    if woken is not None:
                        pause = _LOOK if pause is None else min(pause, _LOOK)
                    really_wait_on(condition, pause)
                    self._threads.end_if_released()
            finally:
                self._threads.end_sleep(sleep)

    def wait(self, woken: Callable[[float], bool], seconds: float = inf) -> None:
        """Refuse to be suspended: a thread waits by itself."""
        raise NotImplementedError

    def idle(self, seconds: float, wait: Callable[[float | None], bool]) -> None:
        """Sleep until something happens in the event loop of this thread."""
        if seconds <= 0:
            return
        while self._awaits_jobs():
            if wait(_LOOK):
                return
        self._end_polls_of_ending_pool()
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, _do_nothing)
        with self._lock:
            sleep = self._threads.begin_sleep(seconds, wake)
        try:
            while True:
                with self._lock:
                    pause = self._watch(sleep)
                    if sleep.is_over:
                        return
                if wait(pause):
                    return
                self._threads.end_if_released()
        finally:
            with self._lock:
                self._threads.end_sleep(sleep)

    def _watch(self, sleep: Sleep) -> float | None:
        return self._threads.watch(sleep) if self._runner is None else None


@contextmanager
def threads_sleep_virtually(
    threads: Threads, runner: threading.Thread | None = None
) -> Iterator[None]:
    """Let the threads that have called a simulation sleep in simulated time, for a while.

    Args:
        threads: the threads that call the simulation.
        runner: a thread that moves the time itself, and does not sleep; None if there is none.
    """
    ended = threading.Event()
    watcher = threading.Thread(
        target=_RealWaits(threads, runner).watch,
        args=(ended,),
        name="flowy_sim sleep",
        daemon=True,
    )
    threads.ignore(watcher)
    watcher.start()
    threads.sleep_virtually = threads.host.time_skipping.idle_polls_last = True
    try:
        with virtual_sleep(SleepingThreads(threads, runner)):
            yield
    finally:
        threads.sleep_virtually = threads.host.time_skipping.idle_polls_last = False
        ended.set()
        watcher.join()


class _RealWaits:
    """Logs where threads that sleep virtually wait in real time.

    Args:
        threads: the threads that call the simulation.
        runner: a thread that moves the time itself, and does not sleep; None if there is none.
    """

    def __init__(self, threads: Threads, runner: threading.Thread | None) -> None:
        self._threads = threads
        self._runner = runner
        self._seen: dict[int, tuple[object, int]] = {}
        self._logged: set[str] = set()

    def watch(self, ended: threading.Event) -> None:
        """Look from time to time, until an event is set."""
        while not ended.wait(_WATCH):
            for poller in self._threads.awake():
                if poller.thread is not self._runner and not computes(poller.thread.native_id):
                    self.look(poller)

    def look(self, poller: ThreadPoller) -> None:
        """Log where a thread waits if it has been there for many looks."""
        frame = frame_of(poller.thread)
        if frame is None:
            return
        place = id(frame), frame.f_lasti
        before, looks = self._seen.get(id(poller), (None, 0))
        self._seen[id(poller)] = place, looks + 1 if before == place else 0
        where = place_of_wait(frame) if looks == _MANY else ""
        if where and where not in self._logged and not is_idle_in_pool(poller.thread):
            self._logged.add(where)
            _log.warning("%s waits in real time at %s", poller, where)


def _do_nothing() -> None:
    """Wake up an event loop."""
