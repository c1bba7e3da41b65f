"""Polls that wait: in which order they are answered, and when they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import inf
from typing import Any, Protocol

from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.faults import Fault, LimitExceededFault
from flowy_sim._engine.timer_queue import TimerQueue
from flowy_sim._simulation.presence import Poller, Presence
from flowy_sim._simulation.tasks import Task, TaskList, handed_out

Reply = dict[str, Any]


def waiting_time(seconds: float) -> float:
    """Return for how many seconds polls are to wait.

    Raises:
        ValueError: it is not a number of at least 0.
    """
    if not 0 <= seconds < inf:
        raise ValueError(f"Polls cannot wait for {seconds!r} seconds; give a number of at least 0.")
    return seconds


class Service(Protocol):
    """What polls need of the service."""

    def of(self, region: str) -> Engine:
        """Return the engine of a region."""
        ...

    def poll(self, task_list: TaskList, request: Reply, instant: int) -> Reply:
        """Poll once, without waiting."""
        ...

    def has_task(self, task_list: TaskList) -> bool:
        """Return whether a poll of the list would find a task."""
        ...

    def drain_arrivals(self) -> Iterable[TaskList]:
        """Return the lists to which tasks have come since this was last called."""
        ...


class Poll:
    """A poll that waits for a task.

    Args:
        poller: the client that polls.
        task_list: the list polled.
        request: the request, as it came.
        empty: the reply if no task comes.
        began: when it began, in milliseconds.
        lasts: after how many milliseconds it ends.

    Attributes:
        poller, task_list, request, empty, began, lasts: as given.
        end: the key of its end; 0 while it is endless.
        wake: called when it is answered; set by whatever waits for that.
        reply: the answer; None while it waits.
        fault: why there will be no reply; None unless that is so.
    """

    __slots__ = (
        "began",
        "empty",
        "end",
        "fault",
        "lasts",
        "poller",
        "reply",
        "request",
        "task_list",
        "wake",
    )

    def __init__(
        self,
        poller: Poller,
        task_list: TaskList,
        request: Reply,
        empty: Reply,
        *,
        began: int,
        lasts: int,
    ) -> None:
        self.poller = poller
        self.task_list = task_list
        self.request = request
        self.empty = empty
        self.began = began
        self.lasts = lasts
        self.wake: Callable[[], None] = _wake_nothing
        self.end = 0
        self.reply: Reply | None = None
        self.fault: Fault | None = None

    @property
    def is_answered(self) -> bool:
        """Whether there is a reply or a fault."""
        return self.reply is not None or self.fault is not None

    def result(self) -> Reply:
        """Return the reply; that there is no task if nothing has answered it.

        Raises:
            Fault: it was refused.
        """
        if self.fault is not None:
            raise self.fault
        return self.empty if self.reply is None else self.reply


class Polls:
    """The polls of a simulation that wait, first come first served.

    A list on which polls wait holds no task: tasks that come to it are handed out by `serve`.

    Args:
        service: where tasks are.
        presence: the pollers.
        choose: chooses which of several polls receives a task.
        limit: how many polls may wait on one list.
    """

    def __init__(
        self,
        service: Service,
        presence: Presence,
        choose: Callable[[str, int], int],
        limit: int,
    ) -> None:
        self._service = service
        self._presence = presence
        self._choose = choose
        self._limit = limit
        self._waiting: dict[Poll, None] = {}
        self._by_list: dict[TaskList, dict[Poll, None]] = {}
        self._ends = TimerQueue(first)
        self._endless: dict[Poll, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Poll]:
        return iter(self._waiting)

    def first(self) -> Poll | None:
        """Return the poll that has waited longest."""
        return next(iter(self._waiting), None)

    def waits_on(self, task_list: TaskList) -> bool:
        """Return whether a poll waits on the list."""
        return task_list in self._by_list

    def check_limit(self, task_list: TaskList) -> None:
        """Refuse another poll of a list on which too many wait (as reported).

        Raises:
            LimitExceededFault: the limit is reached.
        """
        if len(self._by_list.get(task_list, ())) >= self._limit:
            raise LimitExceededFault(
                "Limit on maximum concurrent poll requests per task list reached"
            )

    def add(self, poll: Poll, endless: bool) -> None:
        """Let a poll wait; an endless one does not end until `set_ends` is called."""
        self._waiting[poll] = None
        self._by_list.setdefault(poll.task_list, {})[poll] = None
        if endless:
            self._endless[poll] = None
        else:
            self._set_end(poll, poll.began + poll.lasts)
        self._presence.waits(poll.poller)

    def remove(self, poll: Poll) -> None:
        """Let a poll wait no longer; a poll that does not wait is ignored."""
        if poll not in self._waiting:
            return
        del self._waiting[poll]
        self._endless.pop(poll, None)
        self._ends.cancel(poll.end)
        queue = self._by_list[poll.task_list]
        del queue[poll]
        if not queue:
            del self._by_list[poll.task_list]

    def serve(self, instant: int) -> bool:
        """Hand out tasks that have come to lists on which polls wait; return whether any had."""
        served = False
        for task_list in list(self._service.drain_arrivals()):
            queue = self._by_list.get(task_list, {})
            while queue and self._service.has_task(task_list):
                index = self._choose("poll", len(queue)) if len(queue) > 1 else 0
                self._hand_out(next(islice(queue, index, None)), instant)
                served = True
        return served

    def end(self, instant: int) -> None:
        """Answer the polls whose time is over, empty."""
        while (end := self._ends.next_instant()) is not None and end <= instant:
            (poll,) = self._ends.pop(end).arguments
            empties = poll.poller.empties
            empties[poll.task_list] = empties.get(poll.task_list, 0) + 1
            self.answer_empty(poll)

    def next_end(self) -> int | None:
        """Return when the next poll ends, in milliseconds; None if none does."""
        return self._ends.next_instant()

    def set_ends(self, now: int) -> None:
        """Let endless polls end, at the next whole number of their durations."""
        for poll in self._endless:
            self._set_end(poll, now + poll.lasts - (now - poll.began) % poll.lasts)
        self._endless.clear()

    def answer_empty(self, poll: Poll) -> None:
        """Answer a poll, empty."""
        poll.reply = poll.empty
        self._answered(poll, None)

    def _hand_out(self, poll: Poll, instant: int) -> None:
        task = None
        try:
            poll.reply = self._service.poll(poll.task_list, poll.request, instant)
        except Fault as fault:
            poll.fault = fault
        else:
            if poll.reply.get("taskToken"):
                engine = self._service.of(poll.task_list.region)
                task = handed_out(engine, poll.task_list, poll.reply)
        self._answered(poll, task)

    def _answered(self, poll: Poll, task: Task | None) -> None:
        self.remove(poll)
        self._presence.answered(poll.poller, task)
        poll.wake()

    def _set_end(self, poll: Poll, instant: int) -> None:
        poll.end = self._ends.set(instant, "end of a poll", poll)


def _wake_nothing() -> None:
    """Nothing waits for the answer yet."""
