"""Calls that wait: a thread blocks in a long poll, a coroutine awaits it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import thread as pools
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from flowy_sim._simulation.event_loop import follows_simulation
from flowy_sim._simulation.host import Host
from flowy_sim._simulation.polls import Poll, Reply
from flowy_sim._simulation.presence import Poller
from flowy_sim._simulation.running_threads import (
    COMPUTED,
    computes,
    end_thread,
    is_idle_in_pool,
    run_time,
)
from flowy_sim._simulation.time_functions import really_wait_on
from flowy_sim._simulation.time_skipping import Sleep

_FORKED = (
    "A process that was forked from a test has its own copy of the simulation, so nothing that it "
    "does is seen. Let the code work on tasks in the process that polls, or serve the simulation "
    "with swf_endpoint."
)


class _Forks:
    """Counts how often this process was forked from another. Asking for its ID takes longer."""

    made = 0

    @classmethod
    def note(cls) -> None:
        cls.made += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Forks.note)


ADOPTED_BY: WeakKeyDictionary[threading.Thread, Threads] = WeakKeyDictionary()
"""The threads that workers have started, with those of the simulation that they belong to."""


class ThreadPoller(Poller):
    """A thread; if it polls repeatedly, it has dropped its task or passed it on."""

    __slots__ = ("__weakref__", "_threads", "thread")

    drops_task = True

    def __init__(self, thread: threading.Thread, threads: Threads) -> None:
        self.thread = thread
        self._threads = threads
        at_work = partial(computes, thread.native_id)
        super().__init__(f"thread {thread.name!r}", thread.is_alive, at_work)

    def is_asleep(self) -> bool:
        """Return whether it sleeps in simulated time, or has passed on its task to code that does.

        A thread of a pool polls for a coroutine, for example, and then waits for other work.
        """
        return self.sleeping or (self._threads.sleep_virtually and self._threads.all_idle())


class TaskPoller(Poller):
    """A coroutine; what applies to threads applies to it, too.

    Args:
        task: the task that runs it.
        thread: the thread of its event loop.
    """

    __slots__ = ("_thread", "thread")

    drops_task = True

    def __init__(self, task: asyncio.Task[object], thread: ThreadPoller) -> None:
        self.thread = thread.thread
        self._thread = thread
        loop = task.get_loop()

        def is_there() -> bool:
            """Even a task that has returned may have passed on its reply to others of its loop."""
            if not task.done():
                return True
            return not task.cancelled() and task.exception() is None and loop.is_running()

        super().__init__(f"task {task.get_name()!r}", is_there, thread.computes)

    def is_asleep(self) -> bool:
        """Return whether its event loop waits in simulated time."""
        return self._thread.sleeping


class Threads:
    """The threads that call a simulation, and the coroutines in them; each is a poller.

    Of all threads that wait, the one that came first watches: it alone wakes up from time to time
    to see whether time may pass (the leader/follower pattern: no thread of the simulation has to
    run, and a hundred waiting threads do not all wake up). A coroutine watches if no thread does.

    Args:
        host: the simulation.
        lock: held while it is used.

    Attributes:
        host, lock: as given.
        intercept: called first with each call, without the lock: operation, members and region. It
            returns the reply, or None to let the call be carried out; set by a test runner.
        intercept_in_event_loop: the same for calls of coroutines.
        taking_turns: threads that a test runner resumes one at a time; time does not wait for them.
        sleep_virtually: whether threads sleep in simulated time.
        runner: the thread of a test runner while it takes turns; its calls take no simulated time.
    """

    def __init__(self, host: Host, lock: threading.RLock) -> None:
        self.host = host
        self.lock = lock
        self._forks = _Forks.made
        self._run_times: dict[int | None, int] = {}
        self._local = threading.local()
        self._waiting: dict[Poll | Sleep, None] = {}
        self._waiting_tasks: dict[Poll, None] = {}
        self._watching: Poll | Sleep | None = None
        self.taking_turns: WeakSet[threading.Thread] = WeakSet()
        self.sleep_virtually = False
        self._is_released = False
        self.runner: threading.Thread | None = None
        self._tasks: WeakKeyDictionary[asyncio.Task[object], TaskPoller] = WeakKeyDictionary()
        self.intercept: Callable[[str, Reply, str], Reply | None] | None = None
        self.intercept_in_event_loop: (
            Callable[[str, Reply, str], Awaitable[Reply | None]] | None
        ) = None
        # Threads that were not started by one that has called. The machine does not tell which
        # thread has started another, but these were there before the simulation.
        self._callers: WeakSet[ThreadPoller] = WeakSet()
        self._strangers = WeakSet(threading.enumerate())
        self._strangers.discard(threading.current_thread())
        host.time_skipping.settle_soon = self._wake_watcher

    def call(
        self,
        operation: str,
        request: Reply,
        region: str,
        poll_seconds: float,
        exact: bool = False,
    ) -> Reply:
        """Carry out a call of the current thread; a poll waits for a task.

        Args:
            operation: such as ``PollForActivityTask``.
            request: its members.
            region: the region whose service is called.
            poll_seconds: for how many simulated seconds a poll waits.
            exact: whether the call takes no simulated time.

        Raises:
            Fault: the call is refused.
            SystemExit: the process was forked from that of the simulation.
        """
        if self._forks != _Forks.made:
            # Not an Exception, which code may catch to try again: the error would stay unseen.
            raise SystemExit(_FORKED)
        if self._is_released:
            self.end_if_released()
        if self.intercept is not None:
            reply = self.intercept(operation, request, region)
            if reply is not None:
                return reply
        with self.lock:
            poller = self.current()
            exact = exact or poller.thread is self.runner
            answer = self.host.call(poller, operation, request, region, poll_seconds, exact)
            reply = self._wait(answer) if isinstance(answer, Poll) else answer
        if self._is_released:
            self.end_if_released()
        return reply

    def others_can_call(self) -> bool:
        """Return whether a thread may make a call that is not inside a poll."""
        pollers = [each.poller for each in (*self.host.polls, *self.host.time_skipping.sleeps)]
        waiting = {each.thread for each in pollers if isinstance(each, ThreadPoller)}
        return any(
            thread not in waiting and self._may_call(thread) for thread in threading.enumerate()
        )

    def ignore(self, thread: threading.Thread) -> None:
        """Note that a thread never makes a call."""
        self._strangers.add(thread)

    def another_can_call(self) -> bool:
        """Return whether a thread other than the current one may make a call."""
        return any(True for _ in self._others())

    def another_computes(self) -> bool:
        """Return whether another thread computes, or has since the last look; only Linux can tell.

        While this looks, a thread that computes may wait for the interpreter's lock.
        """
        before = self._run_times
        self._run_times = {each.native_id: run_time(each.native_id) for each in self._others()}
        return any(
            computes(native_id) or used > before.get(native_id, 0) + COMPUTED
            for native_id, used in self._run_times.items()
        )

    def _others(self) -> Iterator[threading.Thread]:
        current = threading.current_thread()
        for thread in threading.enumerate():
            if thread is not current and thread is not self.runner and self._may_call(thread):
                yield thread

    def _may_call(self, thread: threading.Thread) -> bool:
        return thread not in self._strangers and thread not in self.taking_turns

    def _wait(self, poll: Poll) -> Reply:
        """Block until a poll is answered."""
        condition = threading.Condition(self.lock)
        poll.wake = condition.notify
        self._waiting[poll] = None
        try:
            while True:
                pause = self.watch(poll)
                if poll.is_answered:
                    return poll.result()
                really_wait_on(condition, pause)
        except BaseException:
            self._drop(poll)
            raise
        finally:
            del self._waiting[poll]
            self._leave(poll)

    def _drop(self, poll: Poll) -> None:
        """Note that a poll ends because of an error in its thread."""
        self.host.presence.drop(poll.poller)
        self.host.presence.works(poll.poller)

    def _leave(self, poll: Poll) -> None:
        self.host.leave(poll)
        self._hand_over_watch(poll)

    # Coroutines

    async def call_in_event_loop(
        self,
        operation: str,
        request: Reply,
        region: str,
        poll_seconds: float,
        exact: bool = False,
    ) -> Reply:
        """Carry out a call of the current coroutine; see `call` for arguments and errors."""
        if self.intercept_in_event_loop is not None:
            reply = await self.intercept_in_event_loop(operation, request, region)
            if reply is not None:
                return reply
        with self.lock:
            poller = self._current_task()
            answer = self.host.call(poller, operation, request, region, poll_seconds, exact)
        return await self._await(answer) if isinstance(answer, Poll) else answer

    async def _await(self, poll: Poll) -> Reply:
        """Suspend the coroutine until a poll is answered."""
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        poll.wake = wake
        self._waiting_tasks[poll] = None
        try:
            while True:
                changed.clear()
                with self.lock:
                    pause = self.watch(poll)
                    if poll.is_answered:
                        return poll.result()
                if self.sleep_virtually and follows_simulation(loop):
                    pause = None  # The event loop watches where it sleeps.
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), pause)
        except BaseException:
            with self.lock:
                self._drop(poll)
            raise
        finally:
            with self.lock:
                del self._waiting_tasks[poll]
                self._leave(poll)

    # Sleeps

    def begin_sleep(self, seconds: float, wake: Callable[[], object]) -> Sleep:
        """Let the current thread sleep in simulated time; the lock must be held.

        Args:
            seconds: the number of seconds; infinity if it is to be woken otherwise.
            wake: called when the time is over, and when the thread is to call `watch`.
        """
        sleep = self.host.time_skipping.begin_sleep(self.current(), seconds)
        sleep.wake = wake
        self._waiting[sleep] = None
        return sleep

    def end_sleep(self, sleep: Sleep) -> None:
        """End the sleep of the current thread; the lock must be held."""
        self.host.time_skipping.end_sleep(sleep)
        del self._waiting[sleep]
        self._hand_over_watch(sleep)

    # The watch

    def watch(self, waiting: Poll | Sleep) -> float | None:
        """Let time pass if it may; the lock must be held.

        Returns:
            After how many real seconds to do so again; None if another thread watches.
        """
        # Also if another thread watches: time may have waited just for this one to wait.
        pause = self.host.time_skipping.settle()
        if self._first() is not waiting:
            return None
        self._watching = waiting
        return pause

    def _first(self) -> Poll | Sleep | None:
        return next(iter(self._waiting), None) or next(iter(self._waiting_tasks), None)

    def _hand_over_watch(self, waiting: Poll | Sleep) -> None:
        """Let another thread watch, if the one that leaves did so, or was about to."""
        if self._watching is waiting:
            self._watching = None
        following = self._first()
        if following is not None and self._watching is None:
            following.wake()

    def _wake_watcher(self) -> None:
        """Wake the thread that waits for the next instant: it may have changed."""
        if self.host.clock.runs:
            watcher = self._first()
            if watcher is not None:
                watcher.wake()

    def awake(self) -> list[ThreadPoller]:
        """Return the threads that have called, and neither poll nor sleep."""
        return [
            each
            for each in self._callers
            if not (each.waiting or each.sleeping or each.thread in self.taking_turns)
        ]

    def asleep(self) -> set[threading.Thread]:
        """Return the threads that poll or sleep."""
        return {each.thread for each in self._callers if each.waiting or each.sleeping}

    def all_idle(self) -> bool:
        """Return whether all threads that have called sleep, poll, or wait for work in a pool."""
        idle = all(is_idle_in_pool(each.thread) for each in self.awake() if each.alive())
        return idle and not self.another_computes()

    def adopt(self, thread: threading.Thread) -> None:
        """Note that a worker starts a thread: it counts as one that has called the simulation."""
        ADOPTED_BY[thread] = self

    @property
    def has_runner(self) -> bool:
        """Whether a test runner lets its loops call, and has not ended."""
        return self.intercept is not None and not self._is_released

    def release(self) -> None:
        """End the threads that workers have started, where they next poll or sleep."""
        queues: Any = pools._threads_queues
        with self.lock:
            self._is_released = True
            for thread in self._adopted():
                queues.pop(thread, None)  # The interpreter would wait for it.
            # The polls return to their threads, which then end.
            for poll in list(self.host.polls):
                self.host.polls.answer_empty(poll)
            for waiting in self._waiting:
                waiting.wake()

    def end_if_released(self) -> None:
        """End the current thread, if a worker has started it that is never resumed.

        Raises:
            SystemExit: it ends.
        """
        is_over: bool = self._is_released or pools._shutdown  # The interpreter waits for pools.
        if is_over and ADOPTED_BY.get(threading.current_thread()) is self:
            end_thread()

    def _adopted(self) -> list[threading.Thread]:
        return [thread for thread, owner in list(ADOPTED_BY.items()) if owner is self]

    def has_called(self) -> bool:
        """Return whether the current thread has called the simulation, or counts as such."""
        adopted_by = ADOPTED_BY.get(threading.current_thread())
        return hasattr(self._local, "poller") or adopted_by is self

    def _current_task(self) -> TaskPoller:
        task = asyncio.current_task()
        assert task is not None
        if task not in self._tasks:
            self._tasks[task] = TaskPoller(task, self.current())
        return self._tasks[task]

    def current(self) -> ThreadPoller:
        """Return the current thread as a poller."""
        try:
            poller: ThreadPoller = self._local.poller
        except AttributeError:
            thread = threading.current_thread()
            poller = self._local.poller = ThreadPoller(thread, self)
            self._callers.add(poller)
            self._strangers.discard(thread)
        return poller
