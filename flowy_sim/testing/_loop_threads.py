"""Threads that poll loops start: they take turns, as the loops do.

Such a thread is a real one, so it has its own identity, locks and thread-local values. But it goes
on only when it has the turn: where it polls, sleeps, or waits for an event, a queue or the end of
another thread, it gives the turn back and stays there. So the calls of a worker with threads come
in an order that the schedule chooses, and faults strike them as they strike those of a loop.

A thread that waits for anything else, such as a socket or a lock, does not keep other workers
waiting: after a moment the others go on, and it takes turns again from its next call.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flowy._client import fault_code
from flowy_sim._simulation.running_threads import ThreadWatch, frame_of
from flowy_sim._simulation.time_functions import really_monotonic
from flowy_sim._simulation.virtual_sleep import WorkQueue, really_join
from flowy_sim._simulation.waiters import Threads
from flowy_sim.faults._fault import is_injected
from flowy_sim.testing._killed_loops import ignores_exit
from flowy_sim.testing._loops import LoopWorker
from flowy_sim.testing._worker_pool import PolledList

if TYPE_CHECKING:
    from flowy_sim.testing._worker_client import WorkerClient

LOOK = 0.005
"""Real seconds between two looks whether a thread still computes."""

GRACE = 4 if sys.platform == "linux" else 100
"""The number of looks for which it may seem not to; only Linux can tell."""

UNUSED_SECONDS = 10.0
"""Real seconds without turns for anybody after which a thread ends: its test is over."""

_LOOK_FOR_USE = 0.5
_JOIN_SECONDS = 5.0


class ThreadEnded(SystemExit):
    """A thread ends, because its process was killed or its test is over."""


class LoopThread(LoopWorker):
    """A thread that a poll loop has started, as a worker.

    Args:
        thread: the thread, which has not been started.
        process: the loop whose process it belongs to.
        client: the client of all workers.
        threads: the threads of the simulation.
        note_accident: called with a description if a fault ends the thread.

    Attributes:
        number: its number among the threads of the process, from 1.
        lists: the lists that it has polled so far.
        has_turn: whether it goes on, while all others wait.
        has_ended: whether its function has returned, or was ended.
        starts_another: whether it waits until a thread that it starts has begun.
    """

    def __init__(
        self,
        thread: threading.Thread,
        process: LoopWorker,
        client: WorkerClient,
        threads: Threads,
        note_accident: Callable[[str], None],
    ) -> None:
        self.lists: list[PolledList] = []
        super().__init__(thread.run, client, self.lists)
        self.number = process.next_thread()
        self.answers = process.answers
        self.has_turn = False
        self.has_ended = False
        self._pauses = []
        self._is_new = False
        self._thread = thread
        self._process = process
        self._threads = threads
        self._note_accident = note_accident
        self._wants_turn = False
        self._is_awaited = False
        self._is_killed = False
        self.starts_another = False
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._paused = threading.Lock()
        self._turn.acquire()
        self._paused.acquire()

    @property
    def process(self) -> LoopWorker:
        """The loop that has started it, or the thread that has."""
        return self._process

    @property
    def wants_turn(self) -> bool:
        """Whether the thread waits for nothing but its turn."""
        return self._wants_turn

    def start(self, starter: LoopWorker, really_start: Callable[[], None]) -> None:
        """Start the thread, and let it go on until it makes a call or waits for something."""
        thread = self._thread
        thread.daemon = True  # It must not keep the interpreter from ending.
        thread.run = self._run_thread  # type: ignore[method-assign]
        self._threads.adopt(thread)
        self._threads.taking_turns.add(thread)
        self._process.threads.append(self)
        self._is_awaited = True
        if isinstance(starter, LoopThread):
            starter.starts_another = True
        try:
            really_start()
            self._await_pause()
        finally:
            if isinstance(starter, LoopThread):
                starter.starts_another = False

    def is_ready(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the thread can go on, or may find a task on the given lists."""
        if self.has_ended or self._is_killed or self._thread not in self._threads.taking_turns:
            return False
        return self._wants_turn or super().is_ready(waiting)

    def run_once(self) -> bool:
        """Let the thread go on until it waits again; return whether it got a task.

        Raises:
            BaseException: what has killed it.
        """
        self._wants_turn = False
        # The order of turns makes a difference to what the threads share.
        self.answers.append(("thread", self.number))
        self._client.loop = self
        try:
            with self._lock:
                self.has_turn = self._is_awaited = True
            self._turn.release()
            self._await_pause()
        finally:
            self._client.loop = None
            self._stranger = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return bool(self._client.received)

    def discard(self) -> None:
        """Never let the thread go on.

        If its code would notice that it ends, it stays where it is until the test is over.
        """
        if self.has_ended or self._is_killed:
            return
        self._kill()
        frame = frame_of(self._thread)
        while frame is not None:
            if not ignores_exit(frame):
                return
            frame = frame.f_back
        self.end()

    def end(self) -> None:
        """End the thread, wherever it waits."""
        self._kill()
        with self._lock:
            if self.has_ended or self.has_turn or not self._is_parked():
                return
            self._is_awaited = True
        self._turn.release()
        self._await_pause()

    def _kill(self) -> None:
        self._is_killed = True
        for argument in getattr(self._thread, "_args", ()):
            if isinstance(argument, WorkQueue):
                argument.has_ended = True

    def state(self) -> tuple[object, ...]:
        """Return where it waits."""
        polled = tuple(pause.polled for pause in self._pauses)
        return self.number, polled, self._wakes_at, self._wants_turn

    # Called by the thread

    def await_turn(self) -> None:
        """Wait for the turn, unless the thread has it.

        Raises:
            ThreadEnded: it gets no more turns.
        """
        if self._is_killed:
            raise ThreadEnded
        if not self.has_turn:
            self._wants_turn = True
            self._suspend()

    def _suspend(self) -> None:
        # The lock decides whether it pauses in time, or `_await_pause` has given up on it.
        with self._lock:
            self.has_turn = False
            self._threads.taking_turns.add(self._thread)
            self._pass_on()
        while not self._turn.acquire(timeout=_LOOK_FOR_USE):
            if self._client.loop_threads.unused_seconds() > UNUSED_SECONDS:
                self._kill()
                break
        if self._is_killed:
            raise ThreadEnded

    def _pass_on(self) -> None:
        if self._is_awaited:
            self._is_awaited = False
            self._paused.release()

    def _run_thread(self) -> None:
        self._client.loop_threads.enter(self)
        try:
            self._code()
        except BaseException as error:
            if self._is_killed:
                return  # What it does about that is not seen any more.
            late = isinstance(error, Exception) and fault_code(error) == "UnknownResourceFault"
            if not late and not is_injected(error):
                raise
            self._note_accident(f"{self._client.worker} crashes: {type(error).__name__}")
        finally:
            self._client.loop_threads.leave()
            with self._lock:
                self.has_ended, self.has_turn = True, False
                self._process.threads.remove(self)
                self._pass_on()

    # Called by the thread that waits for it

    def _is_parked(self) -> bool:
        return self._thread in self._threads.taking_turns

    def _await_pause(self) -> None:
        """Wait until the thread waits or ends, or for a moment if it waits for something real."""
        looks, watch = 0, ThreadWatch(self._thread)
        while not self._paused.acquire(timeout=LOOK):
            looks = 0 if self.starts_another or watch.computes() else looks + 1
            if looks < GRACE:
                continue
            with self._lock:
                if self._is_awaited:
                    self._is_awaited = self.has_turn = False
                    self._threads.taking_turns.discard(self._thread)
                    return
            # It has paused since the last look, so this does not wait.
            self._paused.acquire()
            break
        if self.has_ended:
            really_join(self._thread, _JOIN_SECONDS)


class LoopThreads:
    """The threads that the poll loops of a runner have started, and that have not ended."""

    def __init__(self) -> None:
        self._threads: dict[int, LoopThread] = {}
        self._unused_since: float | None = really_monotonic()

    def current(self) -> LoopThread | None:
        """Return the current thread; None if it is none of these."""
        return self._threads.get(threading.get_ident())

    def await_turn(self) -> bool:
        """Return whether the current thread is one of these; if so, wait for its turn."""
        own = self.current()
        if own is None:
            return False
        own.await_turn()
        return True

    def enter(self, own: LoopThread) -> None:
        """Note that the current thread takes turns."""
        self._threads[threading.get_ident()] = own

    def leave(self) -> None:
        """Note that the current thread no longer takes turns."""
        del self._threads[threading.get_ident()]

    def end(self) -> None:
        """End all of them."""
        for each in list(self._threads.values()):
            each.end()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let them wait for their turns, also for a long time."""
        before, self._unused_since = self._unused_since, None
        try:
            yield
        finally:
            self._unused_since = before and really_monotonic()

    def unused_seconds(self) -> float:
        """Return for how many real seconds no worker has been able to take a turn."""
        since = self._unused_since
        return 0 if since is None else really_monotonic() - since
