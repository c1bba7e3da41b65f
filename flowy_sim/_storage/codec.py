"""What an engine holds, as plain data that JSON can carry, and back.

An event is ``[time, type, {member: value}]``, with members by their names: so a model that has
gained members reads what was written with an older one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.events import FIRST_MEMBER, TYPE, Event, event_types
from flowy_sim._engine.execution import Execution, Open
from flowy_sim._engine.registered_types import RegisteredType

#: Kinds of deadlines that may be set about what is over, and do nothing then.
EFFECTS = frozenset(
    {
        "activity cancel",
        "child close",
        "child policy",
        "child start",
        "child started",
        "external confirmation",
        "external request",
    }
)

#: Writes JSON as ASCII: what is text in Python need not be text in Unicode, such as a half of a
#: pair of surrogates.
encode = json.JSONEncoder(separators=(",", ":")).encode

#: Reads JSON without looking for space around it, of which there is none here.
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
    """Return the events of a JSON text; the inverse of `encode_events`.

    Raises:
        LookupError, TypeError, ValueError: they are no events.
    """
    types = event_types()
    events, _ = _read(text)
    return [types[name].load(at, members) for at, name, members in events]


def domain_state(domain: Domain) -> dict[str, Any]:
    """Return what a domain holds besides types and executions."""
    return {
        "name": domain.name,
        "description": domain.description,
        "retention": domain.retention_period,
        "tags": domain.tags,
        "deprecated": domain.deprecated,
        "started": domain.started,
        "closed": domain.closed,
    }


def domain_from(engine: Engine, state: dict[str, Any]) -> Domain:
    """Return a domain as it was, but without its counts."""
    domain = Domain(
        engine,
        {
            "name": state["name"],
            "description": state["description"],
            "workflowExecutionRetentionPeriodInDays": state["retention"],
        },
    )
    domain.tags = dict(state["tags"])
    domain.deprecated = state["deprecated"]
    return domain


def type_state(registered: RegisteredType) -> dict[str, Any]:
    """Return what was registered as a type, and what became of it."""
    name, version = registered.key
    return {
        "name": name,
        "version": version,
        "description": registered.description,
        "defaults": registered.defaults,
        "created_at": registered.created_at,
        "deprecated_at": registered.deprecated_at,
    }


def type_from(kind: str, state: dict[str, Any]) -> RegisteredType:
    """Return a type as it was."""
    members = {name: state[name] for name in ("name", "version", "description")}
    registered = RegisteredType(kind, members | state["defaults"], state["created_at"])
    registered.deprecated_at = state["deprecated_at"]
    return registered


def argument_state(argument: Any) -> list[Any]:
    """Return an argument of a deadline: executions by their numbers, what is open by its event."""
    if isinstance(argument, Execution):
        return ["execution", argument.number]
    if isinstance(argument, Open):
        run_id = getattr(argument, "run_id", "")
        return ["open", argument.execution.number, argument.opened_id, run_id]
    return ["value", argument]
