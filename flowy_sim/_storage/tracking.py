"""What has changed in an engine since that was last asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.events import TYPE, Event
from flowy_sim._engine.execution import CLOSE_STATUS, Execution, Open
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW, TypeKey, type_key
from flowy_sim._engine.timer_queue import Deadline, Deadlines
from flowy_sim._engine.tokens import ACTIVITY as ACTIVITY_TASK
from flowy_sim._storage.closed import closed_state
from flowy_sim._storage.codec import EFFECTS, argument_state, domain_state, type_state

#: Events of executions that are over and are let go of at a time, about: to delete many takes long.
LET_GO = 5_000


class Key(NamedTuple):
    """What an execution is found by.

    Attributes:
        domain: the domain's name.
        number: counts the domain's executions in the order of their start.
    """

    domain: str
    number: int


@dataclass(slots=True)
class Changes:
    """What has changed in an engine, as plain data, to be applied in the order of the attributes.

    Attributes:
        now: the engine's latest instant, in milliseconds.
        domains: those that are new or different.
        types: domain, kind, name and version of types; None for those that were deleted.
        executions: workflow id, run id, close number, places and, of those that have closed, what
            their histories have come to; of those that have started or closed (see
            `Restoring.add_execution`).
        events: in the order in which they were written, with the execution that has them.
        deadlines_over: keys of what will not happen any more.
        deadlines: key, instant, kind and arguments of what will happen by itself.
        heartbeats: event that scheduled the task, instant and details of the latest ones.
        forgotten: executions that are not retained any longer.
    """

    now: int
    domains: list[dict[str, Any]] = field(default_factory=list)
    types: list[tuple[str, str, TypeKey, dict[str, Any] | None]] = field(default_factory=list)
    executions: list[tuple[Key, str, str, int | None, dict[str, int], dict[str, Any] | None]] = (
        field(default_factory=list)
    )
    events: list[tuple[Key, tuple[Event, ...]]] = field(default_factory=list)
    deadlines_over: list[tuple[Key, int]] = field(default_factory=list)
    deadlines: list[tuple[Key, int, int, str, list[list[Any]]]] = field(default_factory=list)
    heartbeats: list[tuple[Key, int, int, str | None]] = field(default_factory=list)
    forgotten: list[Key] = field(default_factory=list)


class TrackedDeadlines(Deadlines):
    """Deadlines that tell which were set and which are over since they were last asked.

    Attributes:
        added: when they fall due, by their keys.
        over: keys and deadlines of those that are over and were there before.
        effects: how many effects that are still to come refer to an execution.
    """

    def __init__(self, choose: Callable[[str, int], int]) -> None:
        """Start empty; `choose` picks among deadlines that fall due at one instant."""
        super().__init__(choose)
        self.added: dict[int, int] = {}
        self.over: list[tuple[int, Deadline]] = []
        self.effects: Counter[Key] = Counter()

    def restore(self, deadlines: Iterable[tuple[int, int, Deadline]]) -> None:
        """Set what was set before, each with its instant and its key; not told as added."""
        for at, key, deadline in deadlines:
            self._alive[key] = deadline
            self._queue.append((at, key))
            self._next_key = max(self._next_key, key + 1)
            self.effects.update(_referred(deadline))
        heapify(self._queue)

    def set(self, at: int, kind: str, *arguments: Any) -> int:
        """Set a deadline at an instant in milliseconds; return the key that cancels it."""
        key = super().set(at, kind, *arguments)
        self.added[key] = at
        if kind in EFFECTS:
            self.effects.update(_referred(self._alive[key]))
        return key

    def cancel(self, key: int) -> None:
        """Cancel a deadline; one that has fired, or key 0, is ignored."""
        deadline = self._alive.get(key) or self._ready.get(key)
        super().cancel(key)
        if deadline is not None:
            self._is_over(key, deadline)

    def drain(self) -> Iterator[tuple[int, int, Deadline]]:
        """Yield key, instant and deadline of those that were set since they were last asked."""
        for key, at in self.added.items():
            yield key, at, self._alive.get(key) or self._ready[key]
        self.added.clear()

    def _take(self, instant: int) -> tuple[int, Deadline]:
        key, deadline = super()._take(instant)
        self._is_over(key, deadline)
        return key, deadline

    def _is_over(self, key: int, deadline: Deadline) -> None:
        if self.added.pop(key, None) is None:
            self.over.append((key, deadline))
        if deadline.kind in EFFECTS:
            for referred in _referred(deadline):
                self.effects[referred] -= 1
                if not self.effects[referred]:
                    del self.effects[referred]


class Tracker:
    """Tells what changes in an engine.

    Args:
        engine: one in which no execution has been started yet.

    Attributes:
        engine: the engine.
        deadlines: the engine's own.
    """

    def __init__(self, engine: Engine) -> None:
        """Begin to track."""
        self.engine = engine
        self.deadlines = TrackedDeadlines(engine.choose)
        self._retentions = TrackedDeadlines(first)
        engine.deadlines, engine.retentions = self.deadlines, self._retentions
        self._log: list[tuple[Execution, Event]] = []
        engine.observe = self._written
        self._domains: dict[str, None] = {}
        self._types: dict[tuple[str, str, TypeKey], None] = {}
        self._heartbeats: dict[tuple[Execution, str], None] = {}
        self._leaving: dict[Key, int] = {}

    def _written(self, execution: Execution, event: Event) -> None:
        self._log.append((execution, event))

    def called(self, operation: str, request: Mapping[str, Any]) -> None:
        """Take note of a call that was carried out: some change what no event tells."""
        if operation in _DOMAIN_OPERATIONS:
            name = request["name"]
            self._domains[name] = None
            if operation == "DeprecateDomain":
                domain = self.engine.domains[name]
                for kind in (WORKFLOW, ACTIVITY):
                    for key in domain.types(kind).keys(None):
                        self._types[name, kind, key] = None
        elif operation in _TAG_OPERATIONS:
            self._domains[request["resourceArn"].partition("/domain/")[2]] = None
        elif operation.endswith((WORKFLOW, ACTIVITY)):
            kind = WORKFLOW if operation.endswith(WORKFLOW) else ACTIVITY
            registers = operation.startswith("Register")
            named: Any = request if registers else request[kind[0].lower() + kind[1:]]
            self._types[request["domain"], kind, type_key(named)] = None
        elif operation == "RecordActivityTaskHeartbeat":
            token = self.engine.tokens.read(request["taskToken"], ACTIVITY_TASK)
            execution = self.engine.executions[token.run_id]
            activity_id = execution.member(token.scheduled_id, "activityId")
            self._heartbeats[execution, activity_id] = None

    def forgotten(self, execution: Execution) -> None:
        """Take note of an execution that the engine does not retain any longer."""
        self._leaving[key_of(execution)] = len(execution)

    def drain(self) -> Changes:
        """Return what has changed since this was last called."""
        changes = Changes(self.engine.now)
        self._drain_events(changes)
        self._drain_registrations(changes)
        for key, deadline in self.deadlines.over:
            subject = execution_of(deadline.arguments[0])
            changes.deadlines_over.append((key_of(subject), key))
        self.deadlines.over.clear()
        for key, at, (kind, arguments) in self.deadlines.drain():
            state = [argument_state(argument) for argument in arguments]
            changes.deadlines.append((key_of(execution_of(arguments[0])), key, at, kind, state))
        for execution, activity_id in self._heartbeats:
            task = execution.activities.get(activity_id)
            if task is not None and task.started_id:
                changes.heartbeats.append(
                    (key_of(execution), task.opened_id, task.heartbeat_at, task.heartbeat_details)
                )
        self._heartbeats.clear()
        self._let_go(changes)
        return changes

    def _drain_events(self, changes: Changes) -> None:
        log = self._log[:]
        self._log.clear()
        for execution, written in groupby(log, itemgetter(0)):
            events = tuple([event for _, event in written])
            key = key_of(execution)
            changes.events.append((key, events))
            if any(event[TYPE] in _COUNTED for event in events):
                self._domains[key.domain] = None
                closed = None if execution.is_open else closed_state(execution)
                number = execution.close_number
                changes.executions.append(
                    (key, execution.workflow_id, execution.run_id, number, {}, closed)
                )
                if execution.run_id not in self.engine.executions:
                    self.forgotten(execution)

    def _drain_registrations(self, changes: Changes) -> None:
        domains = self.engine.domains
        changes.domains = [domain_state(domains[name]) for name in self._domains]
        self._domains.clear()
        for name, kind, key in self._types:
            registered = domains[name].types(kind).get(key)
            state = None if registered is None else type_state(registered)
            changes.types.append((name, kind, key, state))
        self._types.clear()

    def _let_go(self, changes: Changes) -> None:
        """Let go of executions that are forgotten, and of which no effect is still to come."""
        for _, (_, (execution,)) in self._retentions.over:
            self.forgotten(execution)
        self._retentions.over.clear()
        self._retentions.added.clear()
        left = LET_GO
        for key, length in list(self._leaving.items()):
            if left > 0 and key not in self.deadlines.effects:
                del self._leaving[key]
                changes.forgotten.append(key)
                left -= length


#: Events that change how many executions a domain has ever had.
_COUNTED = frozenset({"WorkflowExecutionStarted", *CLOSE_STATUS})
_DOMAIN_OPERATIONS = frozenset({"RegisterDomain", "DeprecateDomain", "UndeprecateDomain"})
_TAG_OPERATIONS = frozenset({"TagResource", "UntagResource"})


def key_of(execution: Execution) -> Key:
    """Return what an execution is found by."""
    return Key(execution.domain.name, execution.number)


def execution_of(subject: Any) -> Execution:
    """Return the execution that a deadline is about, or that holds what it is about."""
    return subject if isinstance(subject, Execution) else subject.execution


def _referred(deadline: Deadline) -> set[Key]:
    """Return the executions that a deadline needs."""
    return {
        key_of(execution_of(argument))
        for argument in deadline.arguments
        if isinstance(argument, Execution | Open)
    }
