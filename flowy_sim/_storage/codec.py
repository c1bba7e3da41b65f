"""Converts what an engine holds into values that JSON can carry, and back.

An event is ``[time, type, {member: value}]``, with members by name: a service model that has gained
members still reads what was written with an older one. An execution is identified by its domain and
its number there, and what an event opened is identified by that event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from flowy_sim._engine.domains import Domain
from flowy_sim._engine.execution import Execution
from flowy_sim._engine.life_cycles import OpenItem
from flowy_sim._engine.model import FIRST_MEMBER, TYPE, Event, event_types
from flowy_sim._engine.registered_types import RegisteredType

#: Writes JSON as ASCII: text in Python can be invalid Unicode, for example half a surrogate pair.
encode = json.JSONEncoder(separators=(",", ":")).encode

#: Reads JSON without skipping white space, of which there is none here.
_read = json.JSONDecoder().raw_decode


def encode_events(events: Iterable[Event]) -> str:
    """Return events as JSON text."""
    types = event_types()
    return encode(
        [
            (
                event[0],
                event[TYPE],
                {
                    member: value
                    for member, value in zip(
                        types[event[TYPE]].members, event[FIRST_MEMBER:], strict=True
                    )
                    if value is not None
                },
            )
            for event in events
        ]
    )


def decode_events(text: str) -> list[Event]:
    """Return the events in JSON text; the inverse of `encode_events`.

    Raises:
        LookupError, TypeError, ValueError: the text does not hold events.
    """
    types = event_types()
    events, _ = _read(text)
    return [types[name].load(at, members) for at, name, members in events]


def domain_state(domain: Domain) -> dict[str, Any]:
    """Return a domain without its types and executions, as `Restore.domain` takes it."""
    return {
        "name": domain.name,
        "description": domain.description,
        "retention": domain.retention_period,
        "tags": domain.tags,
        "deprecated": domain.deprecated,
        "started": domain.started,
        "closed": domain.closed,
    }


def type_state(registered: RegisteredType) -> dict[str, Any]:
    """Return a type, as `Restore.type` takes it."""
    name, version = registered.key
    return {
        "name": name,
        "version": version,
        "description": registered.description,
        "defaults": registered.defaults,
        "created_at": registered.created_at,
        "deprecated_at": registered.deprecated_at,
    }


def execution_state(
    execution: Execution, places: Mapping[str, int] | None = None, closed_before: int = 0
) -> list[Any]:
    """Return an execution without its key and its events.

    That of a closed one includes a summary of its history, so that the history need not be read.

    Args:
        execution: the execution.
        places: the order in which its waiting tasks are handed out, by the events that scheduled
            them. Tasks that are not in it wait in the order of events.
        closed_before: is added to its close number.
    """
    number, summary = execution.close_number, None
    if number is not None:
        number, summary = number + closed_before, execution.summary()
    return [execution.workflow_id, execution.run_id, number, places or {}, summary]


def argument_state(argument: Any, started_before: int = 0) -> list[Any]:
    """Return an argument of an effect.

    Args:
        argument: a value, an execution, or something that an event has opened.
        started_before: is added to the numbers of executions.
    """
    if isinstance(argument, Execution):
        return ["execution", argument.number + started_before]
    if isinstance(argument, OpenItem):
        run_id = getattr(argument, "run_id", "")
        number = argument.execution.number + started_before
        return ["open", number, argument.opened_id, run_id]
    return ["value", argument]


def execution_of(subject: Any) -> Execution:
    """Return the execution that the first argument of an effect is, or belongs to."""
    return subject if isinstance(subject, Execution) else subject.execution
