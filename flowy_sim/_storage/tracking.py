"""What has changed in an engine since that was last asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flowy_sim._engine.engine import OUTLIVING, Engine
from flowy_sim._engine.events import Event
from flowy_sim._engine.execution import Execution
from flowy_sim._engine.open_items import OpenItem
from flowy_sim._engine.registered_types import TypeKey
from flowy_sim._engine.timer_queue import Effect
from flowy_sim._storage.plain import argument_state, domain_state, type_state

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


class Tracker:
    """Tells what changes in an engine.

    Args:
        engine: one with no more than a domain in it.

    Attributes:
        engine: the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.begin()
        # The call that makes the first change has been carried out: it has registered a domain.
        for domain in engine.domains.values():
            self._log.domain_changed(domain)

    def begin(self) -> None:
        """Begin to track, with what is there as known."""
        self._log = self.engine.track_changes()
        self._effects: Counter[Key] = Counter()
        for _, _, effect in self.engine.effects.entries():
            self._effects.update(_referred(effect))
        self._leaving: dict[Key, int] = {}

    def forgotten(self, execution: Execution) -> None:
        """Take note of an execution that the engine does not retain any longer."""
        self._leaving[key_of(execution)] = len(execution)

    def drain(self) -> Changes:
        """Return what has changed since this was last called."""
        found = self._log.drain()
        changes = Changes(self.engine.now)
        changes.events = [(key_of(execution), events) for execution, events in found.events]
        for execution in found.executions:
            closed = None if execution.is_open else execution.summary()
            workflow_id, run_id = execution.workflow_id, execution.run_id
            changes.executions.append(
                (key_of(execution), workflow_id, run_id, execution.close_number, {}, closed)
            )
        changes.domains = [domain_state(domain) for domain in found.domains]
        for domain, kind, type_key in found.types:
            registered = domain.types(kind).get(type_key)
            state = None if registered is None else type_state(registered)
            changes.types.append((domain.name, kind, type_key, state))
        for key, effect in found.effects_over:
            changes.deadlines_over.append((key_of(execution_of(effect.arguments[0])), key))
            self._effects.subtract(_referred(effect))
        for key, at, effect in found.effects:
            arguments = [argument_state(argument) for argument in effect.arguments]
            owner = key_of(execution_of(effect.arguments[0]))
            changes.deadlines.append((owner, key, at, effect.kind, arguments))
            self._effects.update(_referred(effect))
        self._effects += Counter()
        for task in found.heartbeats:
            changes.heartbeats.append(
                (
                    key_of(task.execution),
                    task.opened_id,
                    task.heartbeat_at,
                    task.heartbeat_details,
                )
            )
        for execution in found.forgotten:
            self.forgotten(execution)
        self._let_go(changes)
        return changes

    def _let_go(self, changes: Changes) -> None:
        """Let go of executions that are forgotten, and of which no effect is still to come."""
        left = LET_GO
        for key, length in list(self._leaving.items()):
            if left > 0 and key not in self._effects:
                del self._leaving[key]
                changes.forgotten.append(key)
                left -= length


def key_of(execution: Execution) -> Key:
    """Return what an execution is found by."""
    return Key(execution.domain.name, execution.number)


def execution_of(subject: Any) -> Execution:
    """Return the execution that a deadline is about, or that holds what it is about."""
    return subject if isinstance(subject, Execution) else subject.execution


def _referred(effect: Effect) -> set[Key]:
    """Return the executions that an effect may need after they have ended."""
    if effect.kind not in OUTLIVING:
        return set()
    return {
        key_of(execution_of(argument))
        for argument in effect.arguments
        if isinstance(argument, Execution | OpenItem)
    }
