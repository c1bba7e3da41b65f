"""Workers that take turns in one thread, and answers that are given later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from flowy.client import fault_code
from flowy.worker import Worker
from flowy_sim.client import Client, Reply
from flowy_sim.simulation import Simulation
from flowy_sim.stubs import Answer

_POLLS = ("PollForActivityTask", "PollForDecisionTask")


class Held(NamedTuple):
    """An answer that a worker has ready and that is not due yet."""

    operation: str
    request: Reply
    answer: Answer


class Desk(Client):
    """The client that all workers of a runner share, of whom one works at a time.

    Attributes:
        task: the task in hand; None once it is answered.
        held: the answer to it that is to be given later, if it is.
        refusal: why the service refused its answer, other than that nobody waits for it.
    """

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
        self.clear()

    def clear(self) -> None:
        """Make room for the next worker."""
        self.task: Reply | None = None
        self.held: Held | None = None
        self.refusal: Exception | None = None
        self._answer: Answer | None = None

    def hold(self, answer: Answer) -> None:
        """Be told which stub's answer the task in hand is about to get."""
        self._answer = answer

    def give(self, held: Held) -> None:
        """Give an answer that was held back; nobody may wait for it any more."""
        try:
            super()._call(held.operation, held.request)
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
        self._on_answer()

    def _call(self, operation: str, arguments: Reply) -> Reply:
        if not operation.startswith("Respond"):
            reply = super()._call(operation, arguments)
            if operation in _POLLS and reply.get("taskToken") and "nextPageToken" not in arguments:
                self.task = reply
                self._on_task()
            return reply
        if self._answer is not None and self._answer.takes:
            self.held = Held(operation, arguments, self._answer)
            self.task = None
            return {}
        try:
            reply = super()._call(operation, arguments)
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                self.refusal = error
            raise
        finally:
            self.task = None
        self._on_answer()
        return reply


class Crew:
    """The workers on one task list, each of whom does one task at a time.

    Args:
        hire: makes a worker, given its number, from 1.
        size: how many there are; None for as many as there is work for.
    """

    def __init__(self, hire: Callable[[int], Worker], size: int | None) -> None:
        """Be there, with nothing to do."""
        self._hire = hire
        self._hired = size or 0
        self._grows = size is None
        self._idle = deque(hire(number + 1) for number in range(self._hired))

    def leave(self) -> Worker | None:
        """Let the worker go to work who has been idle longest; None if all are busy."""
        if self._idle:
            return self._idle.popleft()
        if not self._grows:
            return None
        self._hired += 1
        return self._hire(self._hired)

    def come_back(self, worker: Worker) -> None:
        """Have a worker back who has nothing to do any more."""
        self._idle.append(worker)
