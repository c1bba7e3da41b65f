"""Calls that wait: a thread blocks in a long poll, a coroutine awaits it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from weakref import WeakSet

from flowy_sim._simulation.host import Host
from flowy_sim._simulation.polls import Poll, Reply
from flowy_sim._simulation.presence import Poller


class ThreadPoller(Poller):
    """A thread; if it polls repeatedly, it has dropped its task or passed it on."""

    __slots__ = ("thread",)

    drops_task = True

    def __init__(self, thread: threading.Thread) -> None:
        self.thread = thread
        at_work = partial(computes, thread.native_id)
        super().__init__(f"thread {thread.name!r}", thread.is_alive, at_work)


class Threads:
    """The threads that call a simulation; each is a poller.

    Of all threads that wait, the one that came first watches: it alone wakes up from time to time
    to see whether time may pass (the leader/follower pattern: no thread of the simulation has to
    run, and a hundred waiting threads do not all wake up).

    Args:
        host: the simulation.
        lock: held while it is used.

    Attributes:
        intercept: called first with each call, without the lock: operation, members and region. It
            returns the reply, or None to let the call be carried out; set by a test runner.
    """

    def __init__(self, host: Host, lock: threading.RLock) -> None:
        self._host = host
        self._lock = lock
        self._local = threading.local()
        self._watching: Poll | None = None
        self.intercept: Callable[[str, Reply, str], Reply | None] | None = None
        # Threads that were not started by one that has called. The machine does not tell which
        # thread has started another, but these were there before the simulation.
        self._strangers = WeakSet(threading.enumerate())
        self._strangers.discard(threading.current_thread())
        host.time_skipping.settle_soon = self._wake_watcher

    def call(self, operation: str, request: Reply, region: str, poll_seconds: float) -> Reply:
        """Carry out a call of the current thread; a poll waits for a task.

        Args:
            operation: such as ``PollForActivityTask``.
            request: its members.
            region: the region whose service is called.
            poll_seconds: for how many simulated seconds a poll waits.

        Raises:
            Fault: the call is refused.
        """
        if self.intercept is not None:
            reply = self.intercept(operation, request, region)
            if reply is not None:
                return reply
        with self._lock:
            poller = self._current()
            answer = self._host.call(poller, operation, request, region, poll_seconds)
            return self._wait(answer) if isinstance(answer, Poll) else answer

    def others_can_call(self) -> bool:
        """Return whether a thread may make a call that is not inside a poll."""
        waiting = {
            poll.poller.thread for poll in self._host.polls if isinstance(poll.poller, ThreadPoller)
        }
        return any(
            thread not in waiting and thread not in self._strangers
            for thread in threading.enumerate()
        )

    def ignore(self, thread: threading.Thread) -> None:
        """Note that a thread never makes a call."""
        self._strangers.add(thread)

    def another_can_call(self) -> bool:
        """Return whether a thread other than the current one may make a call."""
        return any(True for _ in self._others())

    def another_computes(self) -> bool:
        """Return whether such a thread computes; only Linux can tell."""
        return any(computes(thread.native_id) for thread in self._others())

    def _others(self) -> Iterator[threading.Thread]:
        current = threading.current_thread()
        for thread in threading.enumerate():
            if thread is not current and thread not in self._strangers:
                yield thread

    def _wait(self, poll: Poll) -> Reply:
        """Block until a poll is answered."""
        condition = threading.Condition(self._lock)
        poll.wake = condition.notify
        try:
            self._watch(poll, condition)
        except BaseException:
            self._host.presence.drop(poll.poller)
            self._host.presence.works(poll.poller)
            raise
        finally:
            self._host.leave(poll)
            self._hand_over_watch(poll)
        return poll.result()

    def _watch(self, poll: Poll, condition: threading.Condition) -> None:
        polls = self._host.polls
        while True:
            pause = self._host.time_skipping.settle()
            if poll.is_answered:
                return
            watches = polls.first() is poll
            if watches:
                self._watching = poll
            condition.wait(pause if watches else None)

    def _hand_over_watch(self, poll: Poll) -> None:
        """Let another thread watch, if the one that leaves did so, or was about to."""
        if self._watching is poll:
            self._watching = None
        following = self._host.polls.first()
        if following is not None and self._watching is None:
            following.wake()

    def _wake_watcher(self) -> None:
        """Wake the thread that waits for the next instant: it may have changed."""
        if self._host.clock.runs:
            watcher = self._host.polls.first()
            if watcher is not None:
                watcher.wake()

    def _current(self) -> Poller:
        try:
            poller: Poller = self._local.poller
        except AttributeError:
            thread = threading.current_thread()
            poller = self._local.poller = ThreadPoller(thread)
            self._strangers.discard(thread)
        return poller


def computes(native_id: int | None) -> bool:
    """Return whether a thread of this process computes, or would if it had a processor.

    Only Linux can tell; elsewhere it never does.

    Args:
        native_id: the number that the operating system has given it.
    """
    try:
        with open(f"/proc/self/task/{native_id}/stat", "rb") as stat:
            return stat.read().rpartition(b") ")[2].startswith(b"R")
    except OSError:
        return False


_DAY = 86_400.0


class EventLoop:
    """Lets the time of a simulation pass in the running event loop.

    Time settles soon after every change, and again when it has said that it should.

    Args:
        host: the simulation; it is used in this event loop only.
    """

    def __init__(self, host: Host) -> None:
        self._time_skipping = host.time_skipping
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False
        self._is_stopped = False
        host.time_skipping.settle_soon = self.settle_soon

    def wait(self, poll: Poll) -> asyncio.Future[None]:
        """Return a future that is done when `wake` of a poll is called: when it is answered."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        poll.wake = wake
        if poll.is_answered:
            wake()
        self.settle_soon()
        return waiter

    def settle_soon(self) -> None:
        """Let time settle as soon as the loop comes round: something has changed."""
        if self._is_due or self._is_stopped:
            return
        self._is_due = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asyncio.get_running_loop().call_soon(self._settle)

    def stop(self) -> None:
        """Let time pass no more."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self) -> None:
        self._is_due = False
        if self._is_stopped:
            return
        pause = self._time_skipping.settle()
        if pause is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(pause, _DAY), self._settle)
