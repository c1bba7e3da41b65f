"""Engines and polls that are served: every change is recorded, and who has gone gets no task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.faults import LimitExceededFault, ThrottlingException
from flowy_sim._server.clients import Clients, Visitor
from flowy_sim._simulation.polls import DECISION_POLL, POLLS, QUESTIONS, Poll, Polls, Reply
from flowy_sim._simulation.presence import TaskList
from flowy_sim._simulation.regions import Engines
from flowy_sim._storage.journal import RecordingError

#: Regions of a simulation that may be in use; there are fewer than that.
MAX_REGIONS = 100


def is_next_page(operation: str, request: Reply) -> bool:
    """Return whether a call asks for more of a decision task that was handed out already."""
    return operation == DECISION_POLL and bool(request.get("nextPageToken"))


class ServedEngines(Engines):
    """The engines of a simulation; every change is recorded as soon as it is made.

    Args:
        make: makes the engine of a region.
        record: is told region, operation, request and instant of each change.
    """

    def __init__(
        self,
        make: Callable[[str], Engine],
        record: Callable[[str, str, dict[str, Any], int], None],
    ) -> None:
        """Start with none."""
        super().__init__(make)
        self._record = record

    def of(self, region: str) -> Engine:
        """Return the engine of a region.

        Raises:
            LimitExceededFault: so many regions are in use as may be.
        """
        if region not in self._by_region and len(self._by_region) >= MAX_REGIONS:
            raise LimitExceededFault(f"At most {MAX_REGIONS} regions of a simulation can be used")
        return super().of(region)

    def __iter__(self) -> Iterator[Engine]:
        """Yield the engines of all regions in use."""
        return iter(self._by_region.values())

    def call(self, region: str, operation: str, request: Reply, instant: int) -> Reply:
        """Carry out a call and record it, if it changes something.

        Raises:
            Fault: the call is refused.
        """
        engine = self.of(region)
        reply = engine.call(operation, request, instant)
        if _changes(operation, request, reply):
            self._record(region, operation, request, engine.now)
        return reply

    def poll(self, task_list: TaskList, request: Reply, instant: int) -> Reply:
        """Poll once, without waiting."""
        return self.call(task_list.region, task_list.poll, request, instant)


class Room:
    """Room for polls that wait, of all simulations of a server together.

    Attributes:
        taken: how many wait.
    """

    def __init__(self, capacity: int) -> None:
        """Be empty."""
        self._capacity = capacity
        self.taken = 0

    def check(self) -> None:
        """Refuse one more poll if there is no room.

        Raises:
            ThrottlingException: as many wait as may.
        """
        if self.taken >= self._capacity:
            raise ThrottlingException("Rate exceeded")


class ServedPoll(Poll):
    """A poll that waits, and the connection that it came over."""

    __slots__ = ("connection",)

    def __init__(
        self,
        visitor: Visitor,
        task_list: TaskList,
        request: Reply,
        empty: Reply,
        *,
        began: int,
        lasts: int,
    ) -> None:
        """Describe a poll that has found nothing."""
        super().__init__(
            visitor, task_list, request, empty, began=began, lasts=lasts, wake=_wake_nobody
        )
        self.connection = visitor.connection


class ServedPolls(Polls):
    """The polls of a simulation that wait; who has gone gets no task.

    Args:
        service: where tasks are.
        clients: who is busy.
        limit: how many polls may wait on one list.
        check: raises `RecordingError` while nothing can be recorded, and so no task handed out.
    """

    def __init__(
        self, service: Engines, clients: Clients, limit: int, check: Callable[[], None]
    ) -> None:
        """Start with none."""
        super().__init__(service, clients, first, limit)
        self._check = check

    def _hand_out(self, poll: Poll, instant: int) -> None:
        if isinstance(poll, ServedPoll) and not poll.connection.is_there():
            self.remove(poll)
            poll.connection.transport.abort()
            return
        try:
            self._check()
        except RecordingError:
            self.answer_empty(poll)
        else:
            super()._hand_out(poll, instant)


def _changes(operation: str, request: Reply, reply: Reply) -> bool:
    if operation in POLLS:
        return bool(reply.get("taskToken")) and not is_next_page(operation, request)
    return not operation.startswith(QUESTIONS)


def _wake_nobody() -> None:
    """Wake nobody: nobody waits for the answer yet."""
