"""The engines of a simulation, one for each region, with their task lists and tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine
from flowy_sim._engine.queues import ACTIVITY, DECISION, ListName

DECISION_POLL = "PollForDecisionTask"
ACTIVITY_POLL = "PollForActivityTask"


POLLS = frozenset({DECISION_POLL, ACTIVITY_POLL})


class TaskList(NamedTuple):
    """A task list of one kind; lists of either kind may have the same name.

    Attributes:
        region: such as ``us-east-1``.
        poll: the operation that polls it.
        domain: the name of its domain.
        name: its name.
    """

    region: str
    poll: str
    domain: str
    name: str

    def __str__(self) -> str:
        kind = "decision" if self.poll == DECISION_POLL else "activity"
        return f"{kind} task list {self.name!r} of domain {self.domain!r}"


TaskKey = tuple[str, int]
"""Identifies a task, as a token does: the run ID, and the ID of the event that started it."""


class HandedOutTask(NamedTuple):
    """A task that was handed out.

    Attributes:
        engine: the engine it belongs to.
        task_list: where it was handed out.
        workflow_id, run_id: its execution.
        started_id: the event that started it.
        activity_id: empty for a decision task.
    """

    engine: Engine
    task_list: TaskList
    workflow_id: str
    run_id: str
    started_id: int
    activity_id: str

    @property
    def key(self) -> TaskKey:
        """The key by which it is found."""
        return self.run_id, self.started_id

    def is_open(self) -> bool:
        """Return whether it was neither answered nor ended in another way."""
        execution = self.engine.executions.get(self.run_id)
        if execution is None or not execution.is_open:
            return False
        task: Any
        if self.activity_id:
            task = execution.activities.get(self.activity_id)
        else:
            task = execution.running_decision_task
        return task is not None and bool(task.started_id == self.started_id)

    def __str__(self) -> str:
        kind = f"activity task {self.activity_id!r}" if self.activity_id else "decision task"
        return f"{kind} of {self.workflow_id!r}"

    @property
    def in_full(self) -> str:
        """What a message calls it, with its list."""
        return f"{self} from {self.task_list}"


def handed_out(engine: Engine, task_list: TaskList, reply: Mapping[str, Any]) -> HandedOutTask:
    """Return the task that the reply to a poll hands out."""
    execution = reply["workflowExecution"]
    return HandedOutTask(
        engine,
        task_list,
        execution["workflowId"],
        execution["runId"],
        reply["startedEventId"],
        reply.get("activityId", ""),
    )


def all_handed_out(engine: Engine) -> Iterator[HandedOutTask]:
    """Yield all tasks of an engine that were handed out and are open."""
    for name, domain in engine.domains.items():
        for execution in domain.open_executions.values():
            started = {"": execution.running_decision_task, **execution.activities}
            for activity_id, task in started.items():
                if task is not None and task.started_id:
                    poll = ACTIVITY_POLL if activity_id else DECISION_POLL
                    yield HandedOutTask(
                        engine,
                        TaskList(engine.region, poll, name, task.task_list),
                        execution.workflow_id,
                        execution.run_id,
                        task.started_id,
                        activity_id,
                    )


POLL_OF = {DECISION: DECISION_POLL, ACTIVITY: ACTIVITY_POLL}
"""The operation that a task list is polled with, by the list's kind."""


class Engines:
    """The engines of a simulation, taken together.

    Args:
        make: makes the engine of a region.
    """

    def __init__(self, make: Callable[[str], Engine]) -> None:
        self._make = make
        self._by_region: dict[str, Engine] = {}

    def of(self, region: str) -> Engine:
        """Return the engine of a region."""
        engine = self._by_region.get(region)
        if engine is None:
            engine = self._by_region[region] = self._make(region)
        return engine

    def call(
        self, region: str, operation: str, request: Mapping[str, Any], instant: int
    ) -> dict[str, Any]:
        """Carry out a call.

        Raises:
            Fault: the call is refused.
        """
        engine = self._by_region.get(region) or self.of(region)
        return engine.call(operation, request, instant)

    def duration_of_call(self, region: str) -> int:
        """Return how many milliseconds the next call of a client takes; none in a function."""
        for engine in self._by_region.values():  # A loop, as in `in_function`: each call asks.
            if engine.in_function:
                return 0
        return self.of(region).duration_of_call()

    def empty_reply(self, region: str, operation: str) -> dict[str, Any]:
        """Return the reply to a poll that finds no task."""
        ids = {"startedEventId": 0}
        if operation == DECISION_POLL:
            ids["previousStartedEventId"] = 0
        return {**self.of(region).no_task, **ids}

    @property
    def in_function(self) -> bool:
        """Whether a Lambda function is being called."""
        for engine in self._by_region.values():  # noqa: SIM110 - each call asks; any() is slower
            if engine.in_function:
                return True
        return False

    def __iter__(self) -> Iterator[Engine]:
        return iter(self._by_region.values())

    def next_instant(self, group: frozenset[str] | None = None) -> int | None:
        """Return when the next effect is due, in milliseconds; None if none is pending.

        Args:
            group: `flowy_sim._engine.latency.FOLLOWING` or `TIME_OUTS`, to consider only those
                kinds of effects.
        """
        earliest = None
        for engine in self._by_region.values():
            instant = engine.next_instant(group)
            if instant is not None and (earliest is None or instant < earliest):
                earliest = instant
        return earliest

    def may_be_due(self, instant: float) -> bool:
        """Return False if nothing happens up to an instant; True means it may. Cheap to ask."""
        for engine in self._by_region.values():  # noqa: SIM110 - each call asks; any() is slower
            if engine.effects.none_before <= instant:
                return True
        return False

    def run_until(self, instant: int) -> None:
        """Let everything happen up to an instant."""
        for engine in self._by_region.values():
            engine.run_until(instant)

    def poll(self, task_list: TaskList, request: dict[str, Any], instant: int) -> dict[str, Any]:
        """Poll once, without waiting."""
        return self.call(task_list.region, task_list.poll, request, instant)

    def has_task(self, task_list: TaskList) -> bool:
        """Return whether a poll of the list would find a task."""
        kind = DECISION if task_list.poll == DECISION_POLL else ACTIVITY
        engine = self.of(task_list.region)
        return engine.has_task(ListName(kind, task_list.domain, task_list.name))

    def lists_with_tasks(self) -> Iterator[TaskList]:
        """Yield the lists on which a poll would find a task."""
        for region, engine in self._by_region.items():
            for domain in engine.domains:
                for found in engine.lists_with_tasks(domain):
                    yield _polled(region, found)

    def drain_arrivals(self) -> Iterator[TaskList]:
        """Yield the lists to which tasks have come since this was last called."""
        for region, engine in self._by_region.items():
            for arrived in engine.drain_arrivals():
                yield _polled(region, arrived)


def _polled(region: str, found: ListName) -> TaskList:
    return TaskList(region, POLL_OF[found.kind], found.domain, found.name)
