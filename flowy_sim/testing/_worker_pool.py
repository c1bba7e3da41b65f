"""Workers that take turns in one thread, and the client that they share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Set
from functools import partial
from typing import Any, NamedTuple, Protocol

from flowy._client import fault_code
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._simulation.polls import POLLS
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.faults._fault import HEARTBEAT, WorkerCall
from flowy_sim.faults._injection import FaultInjector
from flowy_sim.testing._stub_answers import Answer

PolledList = tuple[str, str]
"""A task list: by which operation it is polled, and its name."""


class TurnIsOverError(BaseException):
    """Code that polls in a loop has come round to the list that it began with."""


class HeldAnswer(NamedTuple):
    """An answer that a worker has ready and that is not due yet.

    Attributes:
        call: the answer.
        takes: how many seconds it takes; infinity if it never comes.
        heartbeat: seconds between two heartbeats meanwhile, or None.
    """

    call: WorkerCall
    takes: float
    heartbeat: float | None


class Poller(Protocol):
    """Who takes turns."""

    def run_once(self) -> bool:
        """Poll once and do what there is to do; return whether there was a task."""
        ...


class WorkerClient(Client):
    """The client that all workers of a runner share, of whom one works at a time.

    Attributes:
        fault_injector: injects faults into calls.
        arrange: given a decision task and the answer to it; returns what is sent, or None if
            nothing is.
        worker: who is at work; empty if nobody is.
        task: the task in hand; None once it is answered.
        held: the answer to it that is to be given later, if it is.
        refusal: why the service refused its answer, other than that nobody waits for it.
        late: the tasks that are late and have come by now, by the list that they were polled from.
        polled: the lists that were polled in this turn.
        given: the tasks that were found there.
    """

    fault_injector: FaultInjector
    arrange: Callable[[Reply, Reply], Reply | None]

    def __init__(
        self, simulation: Simulation, on_task: Callable[[], None], on_answer: Callable[[], None]
    ) -> None:
        """Lie empty.

        Args:
            simulation: what is called; polls do not wait.
            on_task: called when a worker has got a task, before it works on it.
            on_answer: called when a task was answered.
        """
        super().__init__(simulation, simulation.region, poll_seconds=0)
        self._on_task = on_task
        self._on_answer = on_answer
        self.late: dict[PolledList, deque[Reply]] = {}
        self.clear("")

    def clear(self, worker: str) -> None:
        """Make room for the next worker."""
        self.worker = worker
        self.task: Reply | None = None
        self.held: HeldAnswer | None = None
        self.refusal: Exception | None = None
        self.polled: list[PolledList] = []
        self._answer: Answer | None = None
        self._in_hand: Reply | None = None
        self.given: list[Reply] = []

    @property
    def has_effects(self) -> bool:
        """Whether the work of this turn may have done what no history shows."""
        return self._answer is None or not self._answer.constant

    def hold(self, answer: Answer) -> None:
        """Be told which stub's answer the task in hand is about to get."""
        self._answer = answer

    def give(self, held: HeldAnswer) -> None:
        """Give an answer that was held back; nobody may wait for it any more."""
        self.held = None
        try:
            self.fault_injector.call(held.call)
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
        self._on_answer()

    def cancellation(self, held: HeldAnswer) -> HeldAnswer:
        """Return the answer that a task was canceled, to be given in place of another."""
        operation = "RespondActivityTaskCanceled"
        request = {"taskToken": held.call.request["taskToken"]}
        send = partial(super()._call, operation, request)
        call = held.call._replace(operation=operation, request=request, send=send)
        return HeldAnswer(call, 0, None)

    def put_off(self, call: WorkerCall, seconds: float) -> None:
        """Hold an answer back."""
        self.held = HeldAnswer(call, seconds, None)
        self.task = None

    def _call(self, operation: str, arguments: Reply) -> Reply:
        if operation == "RespondDecisionTaskCompleted" and self._in_hand is not None:
            arranged = self.arrange(self._in_hand, arguments)
            if arranged is None:
                self.task = None
                return {}
            arguments = arranged
        send = partial(super()._call, operation, arguments)
        call = WorkerCall(self.worker, operation, arguments, send, self._in_hand)
        if operation in POLLS and "nextPageToken" not in arguments:
            return self._poll(call)
        if not operation.startswith("Respond"):
            return self.fault_injector.call(call) if operation == HEARTBEAT else send()
        if self._answer is not None and self._answer.takes:
            self.held = HeldAnswer(call, self._answer.takes, self._answer.heartbeat)
            self.task = None
            return {}
        return self._respond(call)

    def _poll(self, call: WorkerCall) -> Reply:
        polled = call.operation, call.request["taskList"]["name"]
        if polled in self.polled:
            raise TurnIsOverError
        self.polled.append(polled)
        late = self.late.get(polled)
        reply = late.popleft() if late else self.fault_injector.call(call)
        if not reply.get("taskToken"):
            return reply
        self._in_hand = reply
        self.given.append(reply)
        given = self.fault_injector.task(
            WorkerCall(self.worker, call.operation, call.request, lambda: reply, reply)
        )
        if given.get("taskToken"):
            self.task = given
            self._on_task()
        return given

    def _respond(self, call: WorkerCall) -> Reply:
        try:
            reply = self.fault_injector.call(call)
        except Exception as error:
            injected: Any = getattr(error, "injected", False)
            if fault_code(error) != "UnknownResourceFault" and not injected:
                self.refusal = error
            raise
        finally:
            self.task = None
        self._on_answer()
        return reply


class WorkerPool:
    """The workers on some task lists, each of whom does one task at a time.

    Args:
        hire: makes a worker, given its name.
        role: what its members are; the names are this and a number, from 1.
        size: how many there are; None for as many as there is work for.
        lists: the lists that they are known to poll.
    """

    def __init__(
        self, hire: Callable[[str], Poller], role: str, size: int | None, lists: list[PolledList]
    ) -> None:
        """Be there, with nothing to do."""
        self._hire = hire
        self._role = role
        self._size = size
        self.lists = lists
        self.untried = not lists
        """Whether it is not known yet what they do."""
        self._hired = 0
        self.renew()

    def renew(self) -> None:
        """Let everybody go, and hire others in their place."""
        self._busy: set[str] = set()
        self._idle: deque[tuple[str, Poller]] = deque()
        for _ in range(self._size or 0):
            self.hire_one()

    def hire_one(self) -> None:
        """Hire one more worker."""
        self._hired += 1
        name = f"{self._role} {self._hired}"
        self._idle.append((name, self._hire(name)))

    @property
    def has_idle(self) -> bool:
        """Whether somebody can go to work."""
        return bool(self._idle) or self._size is None

    def is_ready(self, waiting: Set[PolledList]) -> bool:
        """Return whether somebody can go to work, and may find it on the lists given."""
        return self.has_idle and (self.untried or not waiting.isdisjoint(self.lists))

    def leave(self) -> tuple[str, Poller]:
        """Let the worker go to work who has been idle longest; return its name and itself."""
        if not self._idle:
            self.hire_one()
        name, worker = self._idle.popleft()
        self._busy.add(name)
        return name, worker

    def come_back(self, name: str, worker: Poller) -> None:
        """Have a worker back who has nothing to do any more, unless others have come for it."""
        if name in self._busy:
            self._busy.remove(name)
            self._idle.append((name, worker))

    def lose(self, name: str) -> None:
        """Replace a worker who has died, unless others have come already."""
        if name in self._busy:
            self._busy.remove(name)
            if self._size is not None:
                self.hire_one()
