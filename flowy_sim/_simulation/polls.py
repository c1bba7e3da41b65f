"""Polls that wait: in which order they are answered, and when they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from math import inf
from typing import Any, Protocol

from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.faults import Fault, LimitExceededFault
from flowy_sim._engine.queues import TimerQueue
from flowy_sim._simulation.presence import Poller, Presence
from flowy_sim._simulation.regions import (
    ACTIVITY_POLL,
    DECISION_POLL,
    Engines,
    HandedOutTask,
    TaskList,
    handed_out,
)

Reply = dict[str, Any]


def waiting_time(seconds: float) -> float:
    """Return for how many seconds polls are to wait.

    Raises:
        ValueError: it is not a number of at least 0.
    """
    if not 0 <= seconds < inf:
        raise ValueError(f"Polls cannot wait for {seconds!r} seconds; give a number of at least 0.")
    return seconds


class TaskSource(Protocol):
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
        began: when it began, in milliseconds of simulated time.
        lasts: after how many milliseconds it ends on a clock that runs on its own.
        real_end: when it ends on a clock that does not, in real seconds; infinite for never.
        exact: whether the answer takes no simulated time.

    Attributes:
        poller, task_list, request, empty, began, lasts, real_end, exact: as given.
        end: the key of its end; 0 if it has none.
        wake: called when it is answered; set by whatever waits for that.
        reply: the answer; None while it waits.
        fault: why there will be no reply; None if there is no such reason.
    """

    __slots__ = (
        "began",
        "empty",
        "end",
        "exact",
        "fault",
        "lasts",
        "poller",
        "real_end",
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
        real_end: float = inf,
        exact: bool = True,
    ) -> None:
        self.poller = poller
        self.task_list = task_list
        self.request = request
        self.empty = empty
        self.began = began
        self.lasts = lasts
        self.real_end = real_end
        self.exact = exact
        self.wake: Callable[[], None] = _wake_nothing
        self.end = 0
        self.reply: Reply | None = None
        self.fault: Fault | None = None

    @property
    def is_answered(self) -> bool:
        """Whether there is a reply or a fault."""
        return self.reply is not None or self.fault is not None

    def result(self) -> Reply:
        """Return the reply; the empty one if nothing has answered the poll.

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

    Attributes:
        waiting: the polls, in the order in which they came.
    """

    def __init__(
        self,
        service: TaskSource,
        presence: Presence,
        choose: Callable[[str, int], int],
        limit: int,
    ) -> None:
        self._service = service
        self._presence = presence
        self._choose = choose
        self._limit = limit
        self.waiting: dict[Poll, None] = {}
        self._by_list: dict[TaskList, dict[Poll, None]] = {}
        # In milliseconds of simulated time on a clock that runs, of real time on any other.
        self._ends = TimerQueue(first)

    def __len__(self) -> int:
        return len(self.waiting)

    def __iter__(self) -> Iterator[Poll]:
        return iter(self.waiting)

    def first(self) -> Poll | None:
        """Return the poll that has waited longest."""
        return next(iter(self.waiting), None)

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

    def add(self, poll: Poll, runs: bool) -> None:
        """Let a poll wait.

        Args:
            poll: the poll.
            runs: whether the clock runs on its own.
        """
        self.waiting[poll] = None
        self._by_list.setdefault(poll.task_list, {})[poll] = None
        self._set_end(poll, runs)
        self._presence.waits(poll.poller)

    def remove(self, poll: Poll) -> None:
        """Remove a poll; one that does not wait is ignored."""
        if poll not in self.waiting:
            return
        del self.waiting[poll]
        self._ends.cancel(poll.end)
        queue = self._by_list[poll.task_list]
        del queue[poll]
        if not queue:
            del self._by_list[poll.task_list]
        self._presence.waits_no_longer(poll.poller)

    def serve(self, instant: int) -> Poll | None:
        """Hand out tasks that have come to lists on which polls wait.

        Returns:
            The last poll that has received one and takes simulated time; None if there is none.
        """
        served = None
        for task_list in list(self._service.drain_arrivals()):
            queue = self._by_list.get(task_list, {})
            while queue and self._service.has_task(task_list):
                index = self._choose("poll", len(queue)) if len(queue) > 1 else 0
                poll = next(islice(queue, index, None))
                self._hand_out(poll, instant)
                served = served if poll.exact else poll
        return served

    def end(self, instant: int) -> bool:
        """Answer the polls whose time is over, empty; return whether there were any.

        Args:
            instant: now, in milliseconds: of simulated time if the clock runs, else of real time.
        """
        ended = False
        while (end := self._ends.next_instant()) is not None and end <= instant:
            (poll,) = self._ends.pop(end).arguments
            self.end_early(poll)
            ended = True
        return ended

    def end_early(self, poll: Poll) -> None:
        """Answer a poll, empty, for which nothing more will happen, and count it."""
        empties = poll.poller.empties
        empties[poll.task_list] = empties.get(poll.task_list, 0) + 1
        self.answer_empty(poll)

    def may_end(self, instant: float) -> bool:
        """Return False if no poll ends up to an instant; True means that one may. Cheap to ask."""
        return self._ends.none_before <= instant

    def next_end(self) -> int | None:
        """Return when the next poll ends, in milliseconds as for `end`; None if none does."""
        return self._ends.next_instant()

    def reset_ends(self, runs: bool, now: int) -> None:
        """Let polls end as they do on another clock.

        Args:
            runs: whether the clock runs on its own.
            now: the current instant of the clock, in milliseconds.
        """
        for poll in self.waiting:
            self._ends.cancel(poll.end)
            poll.began = now
            self._set_end(poll, runs)

    def answer_empty(self, poll: Poll) -> None:
        """Answer a poll, empty."""
        poll.reply = poll.empty
        self._answered(poll, None)

    def _set_end(self, poll: Poll, runs: bool) -> None:
        poll.end = 0
        if runs:
            poll.end = self._ends.set(poll.began + poll.lasts, "end of a poll", poll)
        elif poll.real_end < inf:
            poll.end = self._ends.set(round(poll.real_end * 1000), "end of a poll", poll)

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

    def _answered(self, poll: Poll, task: HandedOutTask | None) -> None:
        self.remove(poll)
        self._presence.answered(poll.poller, task)
        poll.wake()


def _wake_nothing() -> None:
    """Nothing waits for the answer yet."""


def why_empty(engines: Engines, polled: TaskList) -> str:
    """Explain why polls of a list have found nothing, when no execution is open.

    Args:
        engines: the service.
        polled: the list.

    Returns:
        A clause that names the nearest cause: nothing was started, or in another domain or region;
        a task waited on another list, or on one of the other kind; or how executions closed.
    """
    engine = engines.of(polled.region)
    here = [each for each in engine.executions.values() if each.domain.name == polled.domain]
    if not here:
        return _started_elsewhere(engines, engine, polled)
    untaken = [(each, *task) for each in here for task in _untaken(each, polled)]
    if not untaken:
        last = here[-1]
        return f"the last execution in this domain, {last.workflow_id}, {_closed(last)}"
    same = [each for each in untaken if each[2] == polled.name]
    execution, kind, name = (same or untaken)[-1]
    if kind != polled.poll and name == polled.name:
        where = f"on the list of the other kind: poll that one with {kind}"
    else:
        where = f"on the {TaskList(polled.region, kind, polled.domain, name)}"
    task = "decision task" if kind == DECISION_POLL else "activity task"
    return (
        f"the {task} of the execution {execution.workflow_id} waited {where}; the execution "
        f"{_closed(execution)}"
    )


def _started_elsewhere(engines: Engines, engine: Engine, polled: TaskList) -> str:
    for other in engines:
        for execution in reversed(other.executions.values()):
            where = f"in the domain {execution.domain.name!r}"
            if other is not engine:
                where += f" of the region {other.region}, while {polled.region} is polled"
            return f"the execution {execution.workflow_id} was started {where}"
    return "no execution was ever started"


def _untaken(execution: WorkflowExecution, polled: TaskList) -> Iterator[tuple[str, str]]:
    """Yield how to poll for each task that no client took, and its list, if it is another one."""
    ids = range(1, len(execution) + 1)
    taken = {
        execution.member(each, "scheduledEventId")
        for each in ids
        if execution.event_type(each).endswith("TaskStarted")
    }
    for each in ids:
        poll = _POLLS.get(execution.event_type(each))
        if poll is not None and each not in taken:
            name = execution.attributes(each)["taskList"]["name"]
            if (poll, name) != (polled.poll, polled.name):
                yield poll, name


def _closed(execution: WorkflowExecution) -> str:
    """Return how an execution closed, and when."""
    status = str(execution.close_status).lower().replace("_", " ")
    at = datetime.fromtimestamp((execution.closed_at or 0) / 1000, UTC)
    return f"{status} at {at:%Y-%m-%d %H:%M:%S}"


_POLLS = {"DecisionTaskScheduled": DECISION_POLL, "ActivityTaskScheduled": ACTIVITY_POLL}
