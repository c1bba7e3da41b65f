"""An engine put together again from what was kept of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowy_sim._engine import closing
from flowy_sim._engine.activity_tasks import ActivityTask
from flowy_sim._engine.children import Child
from flowy_sim._engine.domains import DAY, Domain
from flowy_sim._engine.events import TYPE, Event
from flowy_sim._engine.execution import Execution, Open
from flowy_sim._engine.life_cycles import CLOSED
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW
from flowy_sim._engine.task_lists import TaskLists
from flowy_sim._engine.timer_queue import Deadline
from flowy_sim._storage.closed import close_again
from flowy_sim._storage.codec import EFFECTS, decode_events, domain_from, type_from
from flowy_sim._storage.folding import fold
from flowy_sim._storage.tracking import Changes, Key, Tracker


def restore(changes: Changes, tracker: Tracker) -> None:
    """Let an engine be as changes tell that are all there ever were.

    Args:
        changes: with executions in an order in which no run of a workflow id comes before the
            one before it has closed.
        tracker: that of an engine with nothing in it.

    Raises:
        LookupError, TypeError, ValueError, AssertionError: such an engine cannot be.
    """
    restoring = Restoring(tracker)
    for state in changes.domains:
        restoring.add_domain(state)
    for domain, kind, _, registered in changes.types:
        if registered is not None:
            restoring.add_type(domain, kind, registered)
    for execution in changes.executions:
        restoring.add_execution(*execution)
    for written in changes.events:
        restoring.add_events(*written)
    restoring.end_histories()
    for heartbeat in changes.heartbeats:
        restoring.add_heartbeat(*heartbeat)
    for owner, key, at, kind, arguments in changes.deadlines:
        restoring.add_deadline(owner.domain, key, at, kind, arguments)
    restoring.finish(changes.now)


class Restoring:
    """Puts an engine together again.

    First domains, then their types and executions, then events, each execution's in their order
    and no run of a workflow id before the one before it has closed; when these have ended, all
    else.

    Args:
        tracker: that of an engine with nothing in it, made with the seed that it had.

    Attributes:
        events: how many events were added.
    """

    def __init__(self, tracker: Tracker) -> None:
        """Begin with nothing."""
        self._tracker = tracker
        self._engine = tracker.engine
        self._executions: dict[Key, Execution] = {}
        self._close_numbers: dict[Execution, int | None] = {}
        self._places: dict[Execution, dict[str, int]] = {}
        self._counts: dict[Domain, tuple[int, int]] = {}
        self._set: list[tuple[int, int, Deadline]] = []
        self._closed: dict[Execution, tuple[dict[str, Any], list[str]]] = {}
        self.events = 0

    def add_domain(self, state: dict[str, Any]) -> None:
        """Add a domain, without what is in it."""
        domain = domain_from(self._engine, state)
        self._engine.domains[domain.name] = domain
        self._counts[domain] = (state["started"], state["closed"])

    def add_type(self, domain: str, kind: str, state: dict[str, Any]) -> None:
        """Add a type to a domain."""
        if kind not in (WORKFLOW, ACTIVITY):
            raise LookupError(f"there is no kind {kind!r} of types")
        self._engine.domains[domain].types(kind).add(type_from(kind, state))

    def add_execution(
        self,
        key: Key,
        workflow_id: str,
        run_id: str,
        close_number: int | None,
        places: dict[str, int],
        closed: dict[str, Any] | None = None,
    ) -> None:
        """Add an execution, without its events.

        Args:
            key: its own.
            workflow_id: its workflow id.
            run_id: its run id.
            close_number: counts the executions of the domain in the order of their close.
            places: tells in which order its tasks wait on their lists, by the events that
                scheduled them; those that are not named, in the order of events.
            closed: what its history has come to, if it is closed and that is known; see
                `flowy_sim._storage.closed`.
        """
        execution = Execution(self._engine, self._engine.domains[key.domain], workflow_id, run_id)
        execution.number = key.number
        self._executions[key] = execution
        self._close_numbers[execution] = close_number
        self._places[execution] = places
        if closed is not None:
            self._closed[execution] = closed, []

    def add_text(self, key: Key, text: str) -> None:
        """Add events to an execution, as JSON text; see `add_events`."""
        _, texts = self._closed.get(self._executions[key], (None, None))
        if texts is None:
            self.add_events(key, decode_events(text))
        else:
            texts.append(text)

    def add_events(self, key: Key, events: Iterable[Event]) -> None:
        """Add events to an execution, and all that follows from them."""
        execution = self._executions[key]
        for event in events:
            self.events += 1
            fold(execution, event, self.events, self._close_numbers[execution])
            if event[TYPE] == "WorkflowExecutionStarted":
                self._open(execution)
            elif not execution.is_open:
                self._close(execution)

    def end_histories(self) -> None:
        """Take note that all events have been added."""
        for execution, (state, texts) in self._closed.items():
            close_number = self._close_numbers[execution]
            if close_number is None:
                raise LookupError(f"{execution.describe()} is closed, but not counted as closed")
            close_again(execution, state, close_number, texts)
            self._engine.executions[execution.run_id] = execution
            execution.domain.visibility.closed_before(execution)

    def add_heartbeat(self, key: Key, scheduled_id: int, at: int, details: str | None) -> None:
        """Add the latest heartbeat of an activity task; that of one that is over is ignored."""
        execution = self._executions[key]
        if not execution.is_open:
            return
        task = execution.activities.get(execution.member(scheduled_id, "activityId"))
        if task is not None and task.opened_id == scheduled_id:
            task.heartbeat_at = at
            task.heartbeat_details = details

    def add_deadline(
        self, domain: str, key: int, at: int, kind: str, arguments: list[list[Any]]
    ) -> None:
        """Add something that will happen by itself."""
        found = tuple(self._argument(domain, *argument) for argument in arguments)
        self._set.append((at, key, Deadline(kind, found)))
        if kind not in EFFECTS:
            found[0].deadline = key

    def finish(self, now: int) -> None:
        """Let the engine be as it was at an instant in milliseconds."""
        engine = self._engine
        engine.now = now
        self._tracker.deadlines.restore(self._set)
        for domain, (started, finished) in self._counts.items():
            domain.started, domain.closed = started, finished
        engine.tokens.skip(sum(domain.started for domain in self._counts))
        self._let_wait()
        self._retain()

    def _open(self, execution: Execution) -> None:
        domain = execution.domain
        if execution.workflow_id in domain.open_executions:
            raise LookupError(f"two executions of {execution.workflow_id!r} are open")
        self._engine.executions[execution.run_id] = execution
        domain.open_executions[execution.workflow_id] = execution
        domain.visibility.opened(execution)

    def _close(self, execution: Execution) -> None:
        del execution.domain.open_executions[execution.workflow_id]
        execution.domain.visibility.closed(execution)

    def _let_wait(self) -> None:
        """Let tasks wait on their lists, in the order in which they came to them."""
        waiting: list[tuple[int, TaskLists[Any], Any]] = []
        for execution, places in self._places.items():
            domain = execution.domain
            decisions = () if execution.decision_task is None else (execution.decision_task,)
            for lists, tasks in (
                (domain.decision_lists, decisions),
                (domain.activity_lists, execution.activities.values()),
            ):
                for task in tasks:
                    if task.waits_under:
                        place = places.get(str(task.opened_id), task.waits_under)
                        waiting.append((place, lists, task))
        waiting.sort(key=lambda entry: entry[0])
        for _, lists, task in waiting:
            task.waits_under = lists.add(task.task_list, task.priority, task)

    def _retain(self) -> None:
        """Forget executions whose time is up, as far as that was so at the present instant."""
        engine = self._engine
        for execution in self._executions.values():
            if execution.closed_at is None:
                continue
            expiry = execution.closed_at + execution.domain.retention * DAY
            if expiry <= engine.now:
                closing.forget(execution)
                self._tracker.forgotten(execution)
            else:
                engine.retentions.set(expiry, "retention", execution)

    def _argument(
        self, domain: str, tag: str, value: Any, opened_id: int = 0, run_id: str = ""
    ) -> Any:
        if tag == "value":
            return value
        execution = self._executions[Key(domain, value)]
        if tag == "execution":
            return execution
        found = _opened(execution, opened_id)
        if isinstance(found, Child):
            found.run_id = run_id
        return found


def _opened(execution: Execution, opened_id: int) -> Open:
    """Return what an event has opened, or something like it if it is over.

    Raises:
        LookupError: the event has opened nothing about which anything can be set.
    """
    found: Open | None = None
    over: Open | None = None
    match execution.event_type(opened_id):
        case "DecisionTaskScheduled":
            found = execution.decision_task
            if found is None or found.opened_id != opened_id:
                found = execution.running_decision_task
        case "ActivityTaskScheduled":
            activity_id = execution.member(opened_id, "activityId")
            found = execution.activities.get(activity_id)
            over = ActivityTask(execution, activity_id)
        case "TimerStarted":
            found = execution.timers.get(execution.member(opened_id, "timerId"))
        case "StartChildWorkflowExecutionInitiated":
            found = execution.children.get(opened_id)
            over = Child(execution)
        case "LambdaFunctionScheduled":
            found = execution.lambda_functions.get(execution.member(opened_id, "id"))
    if found is not None and found.opened_id == opened_id:
        return found
    if over is None:
        raise LookupError(f"what event {opened_id} of {execution.describe()} opened is over")
    over.opened_id = opened_id
    over.state = CLOSED
    return over
