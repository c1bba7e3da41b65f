"""Poll loops: code that polls with its own loop, suspended wherever it polls or sleeps.

Each loop runs in a greenlet, so that it keeps its place and its variables while other workers take
their turns. It goes on when its list has a task. Three rules let a loop take tasks that wait on
another list than the one that it is polling, or poll ahead:

-   If a task waits on a list that the loop has polled before, its poll is answered, empty, once
    after each change in the simulation. The loop will come to the other list.
-   If a task waits on a list that no worker has polled yet, and nothing else can be done, its poll
    is answered, empty, once. The loop may be about to poll that list for the first time.
-   If a loop polls while it holds a task, and nothing else can be done, its poll is answered,
    empty, once. The loop may poll ahead, and be about to answer that task.

The first two rules say when a loop that has returned is called again.

A loop that is killed is never resumed: if its ``finally`` blocks ran, they could make calls that
a dead process does not make. See `flowy_sim.testing._killed_loops`.

In an event loop, coroutines poll at the same time: each waits at its own `Pause`. The event loop
gives way where it has nothing to do, and also if it goes round many times without a call: a
coroutine may wait, by ``asyncio.sleep(0)``, for something that others have to do.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextvars import ContextVar, copy_context
from hashlib import blake2b
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, Any

from flowy_sim.faults._fault import is_injected
from flowy_sim.testing._coroutines import (
    AsyncClient,
    Spins,
    await_in_strand,
    no_running_event_loop,
    run_in_event_loop,
    run_in_strands,
    runs_in_strand,
    seconds_until_timer,
    sleep_in_event_loop,
)
from flowy_sim.testing._killed_loops import abandon, discard, keep, release
from flowy_sim.testing._polling_code import PollingCode, is_async, made, takes_client
from flowy_sim.testing._watchdog import BLOCKED_SECONDS
from flowy_sim.testing._worker_pool import PolledList

if TYPE_CHECKING:
    from greenlet import greenlet

    from flowy_sim.testing._loop_threads import LoopThread
    from flowy_sim.testing._worker_client import WorkerClient

_END = "end of the turn"

_OTHER_EVENT_LOOPS = "trio", "gevent", "eventlet"
"""Libraries with event loops of their own, whose clocks and waits are not those of asyncio."""

POLLED: ContextVar[set[PolledList]] = ContextVar("polled")
"""The lists that a coroutine, or what it has started, has polled."""


def _advice_on_library(module: object) -> str:
    """Return what to do about code that runs on another event loop; empty if it does not."""
    library = str(module).partition(".")[0]
    if library not in _OTHER_EVENT_LOOPS:
        return ""
    return (
        f"{library} waits in real time, and cannot be suspended: run the code on asyncio or in "
        "threads, or test it as a program that calls swf_endpoint"
    )


class BlockedLoopError(RuntimeError):
    """A poll loop waits for something that cannot happen while it waits, such as a lock."""

    __module__ = "flowy_sim.testing"


class Pause:
    """A place where code waits for a task.

    Args:
        polled: the list that it polls there; None if it has returned.
        go_on: called when the poll may be answered, if a coroutine waits for that.
    """

    def __init__(
        self, polled: PolledList | None, go_on: Callable[[], object] | None = None
    ) -> None:
        self.polled = polled
        self.go_on = go_on


class LoopWorker:
    """Code that polls with its own loop, as a worker.

    Args:
        code: the code, or a class or a function that makes it.
        client: the client of all workers.
        lists: the lists that this code has polled so far, in this or in another worker.

    Attributes:
        answers: what the loop has received: each reply and error, each sleep. Two loops that have
            received the same are in the same state.
        threads: the threads that it has started and that have not ended.
        spins: how often its event loop has gone round without any change.
    """

    def __init__(self, code: PollingCode, client: WorkerClient, lists: list[PolledList]) -> None:
        self._own_client = client.client_of_loop()
        self._code = made(code, self._own_client)
        # An instance may keep something from call to call; a function is assumed not to.
        self._keeps_state = self._code is not code
        self._client = client
        self._lists = lists
        self._greenlet: greenlet | None = None
        self._event_loops: list[asyncio.AbstractEventLoop] = []
        self._pauses = [Pause(None)]
        self._wakes_at: int | None = None
        self._woken: Callable[[], bool] | None = None
        self._is_new = True
        self._released: dict[tuple[PolledList, PolledList | None], object] = {}
        self._stranger: Pause | None = None
        self._held: dict[str, None] = {}
        self._gone_on = 0
        self.spins = Spins()
        self._failure: BaseException | None = None
        self._digest = blake2b(digest_size=8)
        self.answers: list[object] = []
        self.threads: list[LoopThread] = []
        self._started = 0

    @property
    def process(self) -> LoopWorker:
        """The loop to whose process this code belongs: this one."""
        return self

    @property
    def wants_turn(self) -> bool:
        """Whether the code has not begun yet."""
        return self._is_new

    def next_thread(self) -> int:
        """Return the number of the next thread."""
        self._started += 1
        return self._started

    def is_ready(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code can go on, or may find a task on the given lists."""
        if self._is_new or self._is_over():
            return True
        return any(
            pause.polled in waiting or self._reason(pause, waiting) is not None
            for pause in self._pauses
        )

    def is_ready_for_strangers(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code may be about to poll one of the given lists for the first time.

        Args:
            waiting: lists with tasks that no worker has polled.
        """
        for each in waiting:
            for pause in self._pauses:
                if each not in self._lists and (each, pause.polled) not in self._released:
                    self._released[each, pause.polled] = None
                    self._stranger = pause
                    return True
        return False

    def is_ready_to_answer(self) -> bool:
        """Return whether the code polls while it holds a task, and may answer that one next."""
        held = [token for token in self._held if self._client.is_unanswered(token)]
        polling = [pause for pause in self._pauses if pause.polled is not None]
        if not held or not polling:
            return False
        # Once for each task: the loop may be polling ahead without end.
        self._held.clear()
        self._stranger = polling[0]
        return True

    def run_once(self) -> bool:
        """Let the code go on until it has worked on a task; return whether it got one.

        Raises:
            BaseException: what the code raises, or what has killed it.
        """
        from greenlet import getcurrent, greenlet

        self._is_new = False
        current = self._greenlet
        # The loop has returned, so it is called again.
        if current is None:
            self._release(self._pauses[0])
            self._pauses = []
            current = self._greenlet = greenlet(self._run, getcurrent())
            # Like a task of asyncio, it has context variables of its own.
            current.gr_context = copy_context()
            # If it were collected, it would run its `finally` blocks.
            keep(current)
        current.parent = getcurrent()
        self._client.loop = self
        self._client.watchdog.enter()
        try:
            with no_running_event_loop():
                outcome = current.switch()
        except BaseException as error:
            self._end()
            if advice := _advice_on_library(type(error).__module__):
                error.add_note(advice)
            raise
        finally:
            self._client.watchdog.leave()
            self._client.loop = None
            self._stranger = None
            self._held.update((task["taskToken"], None) for task in self._client.received)
        if outcome is not _END:
            self._end()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self.discard()
            raise failure
        return bool(self._client.received)

    def discard(self) -> None:
        """Never let the code go on."""
        for thread in list(self.threads):
            thread.discard()
        if self._client.loop is self:
            return  # It has killed itself, and is discarded when it has left its greenlet.
        abandoned, self._greenlet = self._greenlet, None
        loops = [loop for loop in self._event_loops if not loop.is_closed()]
        self._event_loops = []
        if abandoned is not None:
            with no_running_event_loop():
                discard(abandoned, loops)

    def digest(self) -> tuple[object, ...]:
        """Return what is the same, in any process, if the loop has received the same answers.

        It differs, too, if the code has not been started yet, or waits elsewhere.
        """
        for each in self.answers:
            self._digest.update(repr(_without_ids(each)).encode(errors="backslashreplace"))
        self.answers.clear()
        polled = tuple(pause.polled for pause in self._pauses)
        threads = tuple(thread.state() for thread in self.threads)
        return self._digest.digest(), self._is_new, polled, self._wakes_at, threads

    # Called by the code, in its greenlet

    def poll(self, polled: PolledList) -> None:
        """Wait until a poll of a list may be answered."""
        if runs_in_strand():
            await_in_strand(self.poll_in_event_loop(polled))
            return
        self._note_list(polled)
        pause = Pause(polled)
        # The coroutines that wait cannot go on: this call blocks their event loop.
        others, self._pauses = self._pauses, [pause]
        # After a task, the turn ends at the next poll, so that other workers get theirs.
        while self._client.received or not self._may_be_answered(pause):
            self._suspend()
        self._pauses = others

    async def poll_in_event_loop(self, polled: PolledList | None) -> None:
        """Wait until a poll may be answered, while other coroutines go on.

        Args:
            polled: the list that a coroutine polls; None if it has returned.
        """
        if polled is not None:
            self._note_list(polled)
        answered = asyncio.get_running_loop().create_future()

        def go_on() -> None:
            if not answered.done():
                answered.set_result(None)

        pause = Pause(polled, go_on)
        self._pauses.append(pause)
        try:
            await answered
        finally:
            self._pauses.remove(pause)

    def sleep(self, seconds: float, woken: Callable[[], bool] | None = None) -> None:
        """Wait for some simulated time, or until `woken` returns that it is over."""
        if runs_in_strand():
            await_in_strand(sleep_in_event_loop(seconds, woken))
            return
        others, self._pauses = self._pauses, []
        is_woken = self._sleep(seconds, woken)
        self._pauses = others
        self.answers.append((seconds, is_woken))

    def idle(self, seconds: float, wait: Callable[[float | None], bool]) -> None:
        """Wait for something to happen in the event loop of the code."""
        if self._answer_poll():
            return
        if seconds == 0:
            self._go_round(wait)
            return
        self.spins.note_progress()
        is_woken = self._sleep(seconds, lambda: wait(0), self._answer_poll)
        self.answers.append((seconds, is_woken))

    def _go_round(self, wait: Callable[[float | None], bool]) -> None:
        """Note that the event loop has something to do, and let others do something, too."""
        changes = self._client.changes()
        if self.spins.add((changes, len(self.answers))):
            is_over = self.spins.are_too_many()
            self._sleep(
                seconds_until_timer() if is_over else inf,
                lambda: not is_over or wait(0) or self._client.changes() != changes,
                self._answer_poll,
            )

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that an event loop runs in the code."""
        self._event_loops = [each for each in self._event_loops if not each.is_closed()]
        if loop not in self._event_loops:
            self._event_loops.append(loop)
            run_in_strands(loop)

    def fail(self, error: BaseException) -> None:
        """Note that a call of the code fails: if a fault has struck a poll, it may poll again."""
        self.answers.append(type(error).__name__)
        # Code that meets an error usually polls again, and then must not wait for a change.
        if is_injected(error):
            self._gone_on += 1

    def block(self, frame: FrameType) -> None:
        """Report that the code waits for real. This never returns."""
        code = frame.f_code
        advice = _advice_on_library(frame.f_globals.get("__name__")) or (
            "if it waits for a lock or an event of another loop, that loop is suspended: "
            "don't poll or sleep while holding a lock"
        )
        self.die(
            BlockedLoopError(
                f"the loop {self._client.worker} has been blocked for {BLOCKED_SECONDS:.0f} real "
                f"seconds in {code.co_name} ({code.co_filename}:{frame.f_lineno}), while all other "
                f"workers wait for it; {advice}"
            )
        )

    def die(self, error: BaseException) -> None:
        """End the code here, because of an error that it must not see. This never returns."""
        self._failure = error
        while True:
            self._suspend()

    def _run(self) -> None:
        with_client = takes_client(self._code)
        client = AsyncClient(self._own_client) if is_async(self._code) else self._own_client
        made: Any = self._code(client) if with_client else self._code()
        if inspect.iscoroutine(made):
            run_in_event_loop(made)
        elif callable(made) and not with_client and not self._lists:
            self._code = made  # It was a function that makes the code.
            self._keeps_state = True
            self._is_new = True

    def _suspend(self) -> None:
        current = self._greenlet
        assert current is not None
        parent = current.parent
        assert parent is not None
        with no_running_event_loop():
            parent.switch(_END)

    def _sleep(
        self,
        seconds: float,
        woken: Callable[[], bool] | None,
        answered: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until time has passed, or a function returns True; return whether `woken` has."""
        key = None
        if seconds < inf:
            self._wakes_at, key = self._client.wake_after(seconds)
        self._woken = woken
        self._suspend()
        while not (self._is_over() or answered()):
            self._suspend()
        self._wakes_at = self._woken = None
        is_woken = woken is not None and woken()
        if key is not None:
            self._client.cancel_sleep(key)
        return is_woken

    def _is_over(self) -> bool:
        """Return whether the code slept, and does not any more."""
        if self._wakes_at is not None and self._client.now() >= self._wakes_at:
            return True
        return self._woken is not None and self._woken()

    def _end(self) -> None:
        if self._greenlet is not None:
            release(self._greenlet)
        self._greenlet = self._wakes_at = self._woken = None
        self._held.clear()
        abandon([loop for loop in self._event_loops if not loop.is_closed()])
        self._event_loops = []
        self._pauses = [Pause(None)]
        # It begins from scratch, so what it received before makes no difference any more.
        if not self._keeps_state and not self.threads:
            self.answers.clear()
            self._digest = blake2b(digest_size=8)

    def _note_list(self, polled: PolledList) -> None:
        if polled not in self._lists:
            self._lists.append(polled)
        POLLED.get(set()).add(polled)

    def _answer_poll(self) -> bool:
        """Let a coroutine go on whose poll may be answered; return whether there is one."""
        if self._client.received:
            return False
        waiting = self._client.waiting()
        # Several coroutines may poll the list. The schedule chooses which of them gets the task.
        found = [pause for pause in self._pauses if pause.polled in waiting]
        if found:
            self._gone_on += 1
            chosen = found[self._client.choose("poll", len(found)) if len(found) > 1 else 0]
        else:
            released = next((pause for pause in self._pauses if self._release(pause)), None)
            if released is None:
                return False
            chosen = released
        assert chosen.go_on is not None
        chosen.go_on()
        return True

    def _changes(self) -> object:
        """Return what is different after each change that may concern the code."""
        return self._client.changes(), self._gone_on

    def _may_be_answered(self, pause: Pause) -> bool:
        return pause.polled in self._client.waiting() or self._release(pause)

    def _release(self, pause: Pause) -> bool:
        """Return whether to answer a poll empty, so that the code polls another list."""
        if self._stranger is pause:
            self._stranger = None
            return True
        reason = self._reason(pause, self._client.waiting())
        if reason is None:
            return False
        self._released[reason, pause.polled] = self._changes()
        return True

    def _reason(self, pause: Pause, waiting: AbstractSet[PolledList]) -> PolledList | None:
        """Return another list that the code polls and that has a task, unless it was tried."""
        changes = self._changes()
        polled = [each.polled for each in self._pauses]
        for each in self._lists:
            if (
                each in waiting
                and each not in polled
                and self._released.get((each, pause.polled)) != changes
            ):
                return each
        return None


def _without_ids(answer: Any) -> Any:
    """Return an answer without what differs between equal runs: tokens and run IDs."""
    if isinstance(answer, dict):
        return {
            name: _without_ids(value)
            for name, value in answer.items()
            if name not in _IDS and not name.endswith("RunId")
        }
    if isinstance(answer, list | tuple):
        return [_without_ids(each) for each in answer]
    return answer


_IDS = frozenset({"ResponseMetadata", "taskToken", "runId", "nextPageToken"})
