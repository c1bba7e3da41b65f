"""What changes in an engine, for a component that stores it elsewhere, such as in a file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from flowy_sim._engine.life_cycles import CLOSE_STATUS
from flowy_sim._engine.model import TYPE, Event
from flowy_sim._engine.queues import Effect
from flowy_sim._engine.registered_types import TypeKey

if TYPE_CHECKING:
    from flowy_sim._engine.domains import Domain
    from flowy_sim._engine.execution import WorkflowExecution
    from flowy_sim._engine.life_cycles import ActivityTask, Task


@dataclass(slots=True)
class Changes:
    """What has changed in an engine between two drains of its log.

    These are the engine's own objects, not copies: read them before anything else happens.

    Attributes:
        events: new events, in the order in which they were written; neighbors that belong to the
            same execution are together.
        executions: those that have started or closed.
        domains: those that are new, or whose tags, status or counts have changed.
        types: domain, kind and key of types that are new, deleted, or have another status.
        heartbeats: activity tasks that their workers have reported on, and still hold.
        handed_out: tasks that a poll has taken, and that are still held.
        effects: key, instant and effect of what was scheduled and is still pending.
        effects_over: key and effect of what has happened or was canceled, if an earlier drain
            has returned it as scheduled.
        forgotten: closed executions that are no longer retained. Pending effects may still
            refer to them.
    """

    events: list[tuple[WorkflowExecution, tuple[Event, ...]]]
    executions: list[WorkflowExecution]
    domains: list[Domain]
    types: list[tuple[Domain, str, TypeKey]]
    heartbeats: list[ActivityTask]
    handed_out: list[Task]
    effects: list[tuple[int, int, Effect]]
    effects_over: list[tuple[int, Effect]]
    forgotten: list[WorkflowExecution]


class ChangeLog:
    """Collects what changes in an engine until it is drained; see `Engine.track_changes`.

    Attributes:
        count: grows with every change, so a call that leaves it unchanged has changed nothing.
        watched: the executions that have changed since a watcher last emptied it; None while there
            is no watcher.
        only_counts: whether changes are only counted.
    """

    def __init__(self) -> None:
        self.count = 0
        self.watched: dict[WorkflowExecution, None] | None = None
        self.only_counts = False
        self._begin()

    def only_count(self) -> None:
        """Only count changes from now on, and forget those noted: nothing will drain them."""
        if not self.only_counts:
            self.only_counts = True
            self._begin()

    def _begin(self) -> None:
        self._drained_at = self.count
        self._events: list[tuple[WorkflowExecution, Event]] = []
        self._executions: dict[WorkflowExecution, None] = {}
        self._domains: dict[Domain, None] = {}
        self._types: dict[tuple[Domain, str, TypeKey], None] = {}
        self._heartbeats: dict[ActivityTask, None] = {}
        self._handed_out: list[Task] = []
        self._effects: dict[int, tuple[int, Effect]] = {}
        self._effects_over: list[tuple[int, Effect]] = []
        self._forgotten: list[WorkflowExecution] = []

    def __bool__(self) -> bool:
        """Whether anything has changed since the last drain."""
        return self.count != self._drained_at

    def drain(self) -> Changes:
        """Return what has changed since the last drain."""
        changes = Changes(
            events=[
                (execution, tuple([event for _, event in written]))
                for execution, written in groupby(self._events, itemgetter(0))
            ],
            executions=list(self._executions),
            domains=list(self._domains),
            types=list(self._types),
            heartbeats=[task for task in self._heartbeats if task.is_held],
            handed_out=[task for task in self._handed_out if task.is_held],
            effects=[(key, at, effect) for key, (at, effect) in self._effects.items()],
            effects_over=self._effects_over,
            forgotten=self._forgotten,
        )
        self._begin()
        return changes

    # What the engine reports

    def event_written(self, execution: WorkflowExecution, event: Event) -> None:
        """Note an event."""
        self.count += 1
        if self.watched is not None:
            self.watched[execution] = None
        if self.only_counts:
            return
        self._events.append((execution, event))
        if event[TYPE] in _COUNTED:
            self._executions[execution] = None
            self._domains[execution.domain] = None

    def domain_changed(self, domain: Domain) -> None:
        """Note a domain that is new or has changed."""
        self.count += 1
        if not self.only_counts:
            self._domains[domain] = None

    def type_changed(self, domain: Domain, kind: str, key: TypeKey) -> None:
        """Note a type that is new, deleted, or has another status."""
        self.count += 1
        if not self.only_counts:
            self._types[domain, kind, key] = None

    def heartbeat_recorded(self, task: ActivityTask) -> None:
        """Note a heartbeat."""
        self.count += 1
        if not self.only_counts:
            self._heartbeats[task] = None

    def task_handed_out(self, task: Task) -> None:
        """Note a task that a poll has taken."""
        if not self.only_counts:
            self._handed_out.append(task)

    def effect_scheduled(self, key: int, at: int, effect: Effect) -> None:
        """Note an effect that will happen."""
        self.count += 1
        if not self.only_counts:
            self._effects[key] = (at, effect)

    def effect_over(self, key: int, effect: Effect) -> None:
        """Note an effect that was canceled, or that happens now."""
        self.count += 1
        if not self.only_counts and self._effects.pop(key, None) is None:
            self._effects_over.append((key, effect))

    def execution_forgotten(self, execution: WorkflowExecution) -> None:
        """Note an execution that is no longer retained."""
        self.count += 1
        if not self.only_counts:
            self._forgotten.append(execution)


#: Events that change how many executions a domain has had.
_COUNTED = frozenset({"WorkflowExecutionStarted", *CLOSE_STATUS})
