"""Restores an engine from what was stored: events, and what events do not contain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from flowy_sim._engine.closing import forget
from flowy_sim._engine.domains import DAY, Domain
from flowy_sim._engine.engine import OUTLIVING, Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import CLOSE_STATUS, CLOSED, ActivityTask, Child, OpenItem, Task
from flowy_sim._engine.model import TYPE, Event
from flowy_sim._engine.queues import Effect
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW, RegisteredType


class Restore:
    """Restores an engine: domains, types, executions, events, and then the rest.

    Events are added in the order in which they were written, over all executions: it is the order
    in which tasks wait on their lists.

    Args:
        engine: an empty one, made with the seed that it had, without tracked changes.

    All methods raise LookupError, TypeError, ValueError, AttributeError or AssertionError if their
    arguments cannot have been stored from an engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executions: list[WorkflowExecution] = []
        self._counts: dict[Domain, tuple[int, int]] = {}
        self._close_numbers: dict[WorkflowExecution, int | None] = {}
        self._places: dict[WorkflowExecution, Mapping[int, int]] = {}
        self._effects: list[tuple[int, int, Effect]] = []
        self._events = 0

    def domain(
        self,
        *,
        name: str,
        description: str | None,
        retention: str,
        tags: Mapping[str, str],
        deprecated: bool,
        started: int,
        closed: int,
    ) -> Domain:
        """Add a domain.

        Args:
            name: its name.
            description: as registered, or None.
            retention: days as text, or ``NONE``.
            tags: its resource tags.
            deprecated: whether it is deprecated.
            started: the number of executions that have ever started in it.
            closed: the number of those that have closed.
        """
        request = {
            "name": name,
            "description": description,
            "workflowExecutionRetentionPeriodInDays": retention,
        }
        domain = self._engine.domains[name] = Domain(self._engine, request)
        domain.tags = dict(tags)
        domain.deprecated = deprecated
        self._counts[domain] = (started, closed)
        return domain

    def type(
        self,
        domain: Domain,
        kind: str,
        *,
        name: str,
        version: str,
        description: str | None,
        defaults: Mapping[str, Any],
        created_at: int,
        deprecated_at: int | None,
    ) -> None:
        """Add a type to a domain; the arguments are the attributes of `RegisteredType`."""
        if kind not in (WORKFLOW, ACTIVITY):
            raise LookupError(f"there is no kind {kind!r} of types")
        request = {"name": name, "version": version, "description": description, **defaults}
        registered = RegisteredType(kind, request, created_at)
        registered.deprecated_at = deprecated_at
        domain.types(kind).add(registered)

    def execution(
        self,
        domain: Domain,
        number: int,
        workflow_id: str,
        run_id: str,
        close_number: int | None,
        places: Mapping[int, int] | None = None,
    ) -> WorkflowExecution:
        """Add an execution without its events.

        Args:
            domain: the domain that it runs in.
            number: counts the executions of the domain in the order of their start.
            workflow_id: its workflow ID.
            run_id: its run ID.
            close_number: counts them in the order of their close; None while open.
            places: if its events are not added in the order in which they were written: the
                order in which its tasks wait on their lists, by the events that scheduled them.
        """
        execution = WorkflowExecution(self._engine, domain, workflow_id, run_id, number)
        self._executions.append(execution)
        self._close_numbers[execution] = close_number
        if places:
            self._places[execution] = places
        return execution

    def events(self, execution: WorkflowExecution, events: Iterable[Event]) -> None:
        """Add events to an execution, with all that follows from them."""
        for event in events:
            self._events += 1
            event_type = event[TYPE]
            if event_type in CLOSE_STATUS:
                self._count_close(execution)
            execution.apply(event)
            if event_type in _DECISION_TASK_MAY_WAIT:
                self._wait(execution.decision_task)
            elif event_type == "ActivityTaskScheduled":
                self._wait(execution.activities[execution.member(len(execution), "activityId")])

    def closed(
        self, execution: WorkflowExecution, events: Sequence[Event], summary: Mapping[str, Any]
    ) -> None:
        """Add the events of a closed execution without going through them.

        Args:
            execution: one without events.
            events: all of them; only the first and the last are read now.
            summary: what `Execution.summary` returned.
        """
        self._count_close(execution)
        execution.restore_closed(events, summary)

    def heartbeat(
        self, execution: WorkflowExecution, scheduled_id: int, at: int, details: str | None
    ) -> None:
        """Add the latest heartbeat of an activity task; ignore it if the task has ended."""
        if not execution.is_open:
            return
        task = execution.activities.get(execution.member(scheduled_id, "activityId"))
        if task is not None and task.opened_id == scheduled_id:
            task.heartbeat_at = at
            task.heartbeat_details = details

    def opened(self, execution: WorkflowExecution, opened_id: int, run_id: str = "") -> OpenItem:
        """Return what an event has opened, or a substitute if it has ended.

        Args:
            execution: whose event.
            opened_id: the event.
            run_id: that of a child, as its parent knows it.

        Raises:
            LookupError: no effect can be about what the event has opened.
        """
        found = _open_item(execution, opened_id)
        if found is None:
            event = execution.stored(opened_id - 1)[0]
            outlived = _OUTLIVED.get(event[TYPE])
            if outlived is None:
                name = execution.describe()
                raise LookupError(f"what event {opened_id} of {name} has opened has ended")
            found = outlived(execution, opened_id, event)
            found.state = CLOSED
        if isinstance(found, Child):
            found.run_id = run_id
        return found

    def effect(self, key: int, at: int, kind: str, arguments: Iterable[Any]) -> None:
        """Add a pending effect.

        Args:
            key: the key that cancels it.
            at: its instant, in milliseconds.
            kind: one of `flowy_sim._engine.engine.EFFECTS`.
            arguments: plain values, executions, and what `opened` has returned.
        """
        effect = Effect(kind, tuple(arguments))
        self._effects.append((at, key, effect))
        if kind not in OUTLIVING:
            effect.arguments[0].effect = key

    def finish(self, now: int) -> list[WorkflowExecution]:
        """Complete the engine; everything else has been added.

        Args:
            now: its latest instant, in milliseconds.

        Returns:
            Closed executions that are not retained at that instant, and are forgotten.
        """
        engine = self._engine
        engine.now = now
        engine.effects.restore(self._effects)
        for domain, (started, closed) in self._counts.items():
            domain.started, domain.closed = started, closed
        engine.tokens.skip(sum(domain.started for domain in self._counts))
        self._fill_task_lists()
        return self._retain()

    def _count_close(self, execution: WorkflowExecution) -> None:
        """Give an execution that is about to close the number that it had."""
        number = self._close_numbers[execution]
        if number is None:
            raise LookupError(f"{execution.describe()} is closed, but not counted as closed")
        execution.domain.closed = number - 1

    def _wait(self, task: Task | None) -> None:
        """Note since when a task waits, in place of the key that it will have on its list."""
        if task is not None and not task.waiting_key and task.can_be_taken:
            task.waiting_key = self._events

    def _fill_task_lists(self) -> None:
        """Let tasks wait on their lists in the order in which they came to them."""
        waiting: list[tuple[int, Task]] = []
        for execution in self._executions:
            places = self._places.get(execution, {})
            decision_tasks = (execution.decision_task, execution.running_decision_task)
            for task in (*decision_tasks, *execution.activities.values()):
                if task is not None:
                    if task.can_be_taken:
                        waiting.append((places.get(task.opened_id, task.waiting_key), task))
                    task.waiting_key = 0
        waiting.sort(key=itemgetter(0))
        for _, waiter in waiting:
            waiter.execution.domain.task_lists(waiter.kind).add(waiter)

    def _retain(self) -> list[WorkflowExecution]:
        forgotten = []
        for execution in self._executions:
            if execution.closed_at is None:
                continue
            expiry = execution.closed_at + execution.domain.retention * DAY
            if expiry <= self._engine.now:
                forget(execution)
                forgotten.append(execution)
            else:
                self._engine.retentions.set(expiry, "retention", execution)
        return forgotten


def _open_item(execution: WorkflowExecution, opened_id: int) -> OpenItem | None:
    """Return what an event has opened; None if it has ended."""
    found: list[OpenItem | None]
    match execution.event_type(opened_id):
        case "DecisionTaskScheduled":
            found = [execution.decision_task, execution.running_decision_task]
        case "ActivityTaskScheduled":
            found = [execution.activities.get(execution.member(opened_id, "activityId"))]
        case "TimerStarted":
            found = [execution.timers.get(execution.member(opened_id, "timerId"))]
        case "StartChildWorkflowExecutionInitiated":
            found = [execution.children.get(opened_id)]
        case "LambdaFunctionScheduled":
            found = [execution.lambda_functions.get(execution.member(opened_id, "id"))]
        case _:
            found = []
    return next((item for item in found if item is not None and item.opened_id == opened_id), None)


#: Events after which a decision task may wait on its list.
_DECISION_TASK_MAY_WAIT = frozenset(
    {"DecisionTaskScheduled", "DecisionTaskCompleted", "DecisionTaskTimedOut"}
)
#: What effects can be about although it has ended, by the event that opened it.
_OUTLIVED: dict[str, type[OpenItem]] = {
    "ActivityTaskScheduled": ActivityTask,
    "StartChildWorkflowExecutionInitiated": Child,
}
