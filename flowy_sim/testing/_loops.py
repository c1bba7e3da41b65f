"""Poll loops: code that polls with its own loop, suspended wherever it polls or sleeps.

Each loop runs in a greenlet, so that it keeps its place and its variables while other workers take
their turns. It goes on when its list has a task. Two rules let a loop take tasks that wait on
another list than the one that it is polling:

-   If a task waits on a list that the loop has polled before, its poll is answered, empty, once
    after each change in the simulation. The loop will come to the other list.
-   If a task waits on a list that no worker has polled yet, and nothing else can be done, its poll
    is answered, empty, once. The loop may be about to poll that list for the first time.

The same rules say when a loop that has returned is called again.

A loop that is killed is never resumed: if its ``finally`` blocks ran, they could make calls that
a dead process does not make. See `_discard`.
"""

from __future__ import annotations

import ctypes
import dis
import inspect
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextvars import copy_context
from functools import lru_cache
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from flowy._client import SwfClient
from flowy._installation import install_command
from flowy_sim.testing._watchdog import BLOCKED_SECONDS
from flowy_sim.testing._worker_pool import PolledList, WorkerClient, WorkerPool

if TYPE_CHECKING:
    from greenlet import greenlet

PollingCode = Callable[..., object]
"""Code that polls with an SWF client and works on the tasks, once or in a loop."""

_END = "end of the turn"


class BlockedLoopError(RuntimeError):
    """A poll loop waits for something that does not happen while it waits, such as a lock."""

    __module__ = "flowy_sim.testing"


class LoopWorker:
    """Code that polls with its own loop, as a worker.

    Args:
        code: the code, or a class or a function that makes it.
        client: the client that it is called with, if it has a parameter.
        lists: the lists that this code has polled so far, in this or in another worker.

    Attributes:
        answers: what the loop has received: each reply and error, each sleep. Two loops that have
            received the same are in the same state.
    """

    def __init__(self, code: PollingCode, client: WorkerClient, lists: list[PolledList]) -> None:
        self._code = _made(code, client)
        self._keeps_state = self._code is not code
        self._client = client
        self._lists = lists
        self._greenlet: greenlet | None = None
        self._polls: PolledList | None = None
        self._wakes_at: int | None = None
        self._woken: Callable[[], bool] | None = None
        self._is_new = True
        self._released: dict[tuple[PolledList, PolledList | None], object] = {}
        self._stranger: PolledList | None = None
        self._failure: BaseException | None = None
        self._digest = 0
        self.answers: list[object] = []

    def is_ready(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code can go on, or may find a task on the given lists."""
        if self._wakes_at is not None:
            is_woken = self._woken is not None and self._woken()
            return is_woken or self._client.now() >= self._wakes_at
        return self._is_new or self._polls in waiting or self._reason(waiting) is not None

    def is_ready_for_strangers(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code may be about to poll one of the given lists for the first time.

        Args:
            waiting: lists with tasks that no worker has polled.
        """
        if self._wakes_at is not None:
            return False
        for each in waiting:
            if each not in self._lists and (each, self._polls) not in self._released:
                self._released[each, self._polls] = None
                self._stranger = each
                return True
        return False

    def run_once(self) -> bool:
        """Let the code go on until it has worked on a task; return whether it got one.

        Raises:
            BaseException: what the code raises, or what has killed it.
        """
        from greenlet import getcurrent, greenlet

        self._is_new = False
        if self._polls is None and self._wakes_at is None:
            self._note_release()
        self._wakes_at = None
        current = self._greenlet
        if current is None:
            current = self._greenlet = greenlet(self._run, getcurrent())
            current.gr_context = copy_context()
            _keep(current)
        current.parent = getcurrent()
        self._client.loop = self
        self._client.watchdog.enter()
        try:
            outcome = current.switch()
        except BaseException:
            self._end()
            raise
        finally:
            self._client.watchdog.leave()
            self._client.loop = None
            self._stranger = None
        if outcome is not _END:
            self._end()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self.discard()
            raise failure
        return bool(self._client.received)

    def discard(self) -> None:
        """Never let the code go on."""
        if self._client.loop is self:
            return  # It has killed itself, and is discarded when it has left its greenlet.
        abandoned, self._greenlet = self._greenlet, None
        if abandoned is not None:
            _discard(abandoned)

    def digest(self) -> int:
        """Return a number that is the same if the loop has received the same answers.

        It differs, too, if the code has not been started yet, or waits elsewhere.
        """
        for each in self.answers:
            self._digest = hash((self._digest, repr(_without_ids(each))))
        self.answers.clear()
        return hash((self._digest, self._is_new, self._polls, self._wakes_at))

    # Called by the code, in its greenlet

    def poll(self, polled: PolledList, has_task: Callable[[], bool]) -> None:
        """Wait until a poll may be answered.

        Args:
            polled: the list that the code polls.
            has_task: returns whether it has a task now.
        """
        self._polls = polled
        if polled not in self._lists:
            self._lists.append(polled)
        while self._client.received or not (has_task() or self._note_release()):
            self._suspend()
        self._polls = None

    def sleep(self, seconds: float, woken: Callable[[], bool] | None = None) -> None:
        """Wait for some simulated time, or until `woken` returns that it is over."""
        self._wakes_at, key = self._client.wake_after(seconds)
        self._woken = woken
        self._suspend()
        self._woken = None
        is_woken = woken is not None and woken()
        if is_woken:
            self._client.cancel_sleep(key)
        self.answers.append((seconds, is_woken))

    def block(self, frame: FrameType) -> None:
        """Report that the code waits for real. This never returns."""
        code = frame.f_code
        self.die(
            BlockedLoopError(
                f"the loop {self._client.worker} has been blocked for {BLOCKED_SECONDS:.0f} real "
                f"seconds in {code.co_name} ({code.co_filename}:{frame.f_lineno}), while all other "
                "workers wait for it; if it waits for a lock or an event of another loop, that "
                "loop is suspended: don't poll or sleep while holding a lock"
            )
        )

    def die(self, error: BaseException) -> None:
        """End the code here, because of an error that it must not see. This never returns."""
        self._failure = error
        while True:
            self._suspend()

    def _run(self) -> None:
        takes_client = _has_parameter(self._code)
        made = self._code(self._client) if takes_client else self._code()
        if callable(made) and not takes_client and not self._lists:
            self._code = made  # It was a function that makes the code.
            self._keeps_state = True
            self._is_new = True

    def _suspend(self) -> None:
        current = self._greenlet
        assert current is not None
        parent = current.parent
        assert parent is not None
        parent.switch(_END)

    def _end(self) -> None:
        if self._greenlet is not None:
            _release(self._greenlet)
        self._greenlet = self._polls = None
        if not self._keeps_state:
            self.answers.clear()
            self._digest = 0

    def _note_release(self) -> bool:
        """Return whether to answer the poll empty, so that the code polls another list."""
        if self._stranger is not None:
            self._stranger = None
            return True
        reason = self._reason(self._client.waiting())
        if reason is None:
            return False
        self._released[reason, self._polls] = self._client.changes()
        return True

    def _reason(self, waiting: AbstractSet[PolledList]) -> PolledList | None:
        """Return another list that the code polls and that has a task, unless it was tried."""
        changes = self._client.changes()
        for each in self._lists:
            if (
                each in waiting
                and each != self._polls
                and self._released.get((each, self._polls)) != changes
            ):
                return each
        return None


class LoopPool(WorkerPool):
    """The one worker that runs some polling code.

    Args:
        current: returns the code of a new worker, or a class or a function that makes it.
        client: the client of all workers.
        role: the name of the worker, before its number.

    Attributes:
        abandoned: the lists that the workers before the present one have polled.
    """

    def __init__(self, current: Callable[[], PollingCode], client: WorkerClient, role: str) -> None:
        self._alive: list[LoopWorker] = []
        self.abandoned: set[PolledList] = set()
        lists: list[PolledList] = []

        def create(_: str) -> LoopWorker:
            for killed in self._alive:
                killed.discard()
            # A new worker may poll other lists, such as one of its own host.
            self.abandoned.update(lists)
            lists.clear()
            self._alive = [LoopWorker(current(), client, lists)]
            return self._alive[0]

        super().__init__(create, role, 1, lists)

    @property
    def answers(self) -> int:
        """A digest of what the worker has received."""
        return self._alive[0].digest()

    def is_ready(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code can go on, or may find a task on the given lists."""
        return any(worker.is_ready(waiting) for worker in self._loops())

    def discard(self) -> None:
        """Never let the code go on."""
        for each in self._alive:
            each.discard()

    def is_ready_for_strangers(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code may be about to poll one of these lists for the first time."""
        return any(worker.is_ready_for_strangers(waiting) for worker in self._loops())

    def _loops(self) -> Iterator[LoopWorker]:
        for _, worker in self._idle:
            assert isinstance(worker, LoopWorker)
            yield worker


def check_greenlet() -> None:
    """Check that poll loops can be suspended.

    Raises:
        ImportError: greenlet is not installed.
    """
    try:
        import greenlet  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "poll loops need greenlet, which is not installed; install it: "
            f"{install_command('pytest')}"
        ) from error


def _made(code: PollingCode, client: SwfClient) -> PollingCode:
    """Return the code of a new worker: an instance, if it is a class."""
    if not isinstance(code, type):
        return code
    made: PollingCode = code(client) if _has_parameter(code) else code()
    return made


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


def _has_parameter(code: PollingCode) -> bool:
    """Return whether code must be called with an argument, or can be."""
    try:
        parameters = inspect.signature(code).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return any(each.kind in positional for each in parameters)


# Killed loops

# A greenlet that is garbage-collected gets a GreenletExit, which runs its ``finally`` blocks. So
# each is kept alive by one more reference, until it has ended. One that never ends stays until the
# process does; it has no effect, but what it refers to stays in memory. Therefore code that would
# do nothing about the exception gets it: most loops poll where no handler does anything.


def _keep(kept: greenlet) -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))


def _release(kept: greenlet) -> None:
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(kept))


def _discard(abandoned: greenlet) -> None:
    """End a greenlet without running any more of its code."""
    from greenlet import getcurrent

    frame: Any = abandoned.gr_frame
    while frame is not None:
        if not _ignores_exit(frame):
            return
        frame = frame.f_back
    abandoned.parent = getcurrent()
    abandoned.throw()
    _release(abandoned)


def _ignores_exit(frame: FrameType) -> bool:
    return _runs_nothing(frame.f_code, frame.f_lasti)


_PASSING = frozenset(
    {
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

_CAUGHT_BY = frozenset({"BaseException", "GreenletExit"})


@lru_cache(maxsize=1024)
def _runs_nothing(code: CodeType, at: int) -> bool:
    """Return whether no handler does anything about a GreenletExit at an instruction.

    Handlers that only catch other exceptions don't: follow each to where it raises again.
    """
    table = dis._parse_exception_table(code)  # type: ignore[attr-defined]
    instructions = {each.offset: each for each in dis.get_instructions(code)}
    offsets = sorted(instructions)
    while (target := next((e.target for e in table if e.start <= at < e.end), None)) is not None:
        if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE):
            return False
        at = target
        while (found := instructions[at]).opname != "RERAISE":
            if found.opname.startswith("POP_JUMP") and "FALSE" in found.opname:
                at = int(found.argval)
                continue
            loads = found.opname.startswith("LOAD_") and found.argval not in _CAUGHT_BY
            if not (loads or found.opname in _PASSING):
                return False
            at = offsets[offsets.index(at) + 1]
    return True
