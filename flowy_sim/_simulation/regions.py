"""The engines of a simulation: one for each region, made when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowy_sim._engine.engine import Engine
from flowy_sim._engine.task_lists import ACTIVITY, DECISION, ListName
from flowy_sim._simulation.tasks import ACTIVITY_POLL, DECISION_POLL, TaskList

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
        return self.of(region).call(operation, request, instant)

    @property
    def in_function(self) -> bool:
        """Whether a Lambda function is being called."""
        return any(engine.in_function for engine in self._by_region.values())

    def __iter__(self) -> Iterator[Engine]:
        return iter(self._by_region.values())

    def next_instant(self, group: frozenset[str] | None = None) -> int | None:
        """Return when the next effect is due, in milliseconds; None if none is pending.

        Args:
            group: `flowy_sim._engine.latency.FOLLOWING` or `TIME_OUTS`, to consider only those
                kinds of effects.
        """
        instants = [engine.next_instant(group) for engine in self._by_region.values()]
        return min((instant for instant in instants if instant is not None), default=None)

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
