"""The decisions that a history records, and how they differ from those that code makes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from textwrap import shorten
from typing import Any, NamedTuple

from flowy._determinism.causes import Reason
from flowy_sim._clients.in_process import Reply
from flowy_sim._engine.model import decision_attributes_key, decision_members
from flowy_sim._engine.registered_types import ACTIVITY, DEFAULTS, WORKFLOW
from flowy_sim._events.history import Event
from flowy_sim._events.schema import EVENTS, attributes_of

_DEFAULTS = frozenset({*DEFAULTS[ACTIVITY], *DEFAULTS[WORKFLOW], "tagList"})
"""The members of a decision for which the type, or the execution, can have a default."""


_MOST = 3
"""The most parts of a decision that a message names."""

_WIDTH = 60
_ABSENT = object()


class Decided(NamedTuple):
    """A decision, as the decider sent it or as an event records it.

    Attributes:
        event_id: the event that records it; 0 if the decider has just sent it.
        type: its type, such as ``StartTimer``.
        attributes: its attributes, as far as they are known.
        is_complete: whether all attributes are known; only a few are if it was refused.
    """

    event_id: int
    type: str
    attributes: Mapping[str, Any]
    is_complete: bool = True

    def __str__(self) -> str:
        """Return the decision with what identifies it."""
        shown = [f"{name}={value!r}" for name, value in self.attributes.items() if value]
        return f"{self.type}({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The differences between recorded and new decisions that do not matter.

    Attributes:
        ignore: members of decisions that may differ, such as ``activityId``, or ``input``.
        any_order: whether the decisions of one decision task may have another order.
    """

    ignore: Collection[str] = field(default=())
    any_order: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.ignore, str):
            object.__setattr__(self, "ignore", (self.ignore,))
        unknown = sorted(set(self.ignore) - _all_members())
        if unknown:
            raise ValueError(
                f"no decision has a member {', '.join(unknown)}; ignore cannot name it"
            )


@dataclass(frozen=True, slots=True)
class RecordedTask:
    """A decision task of a history.

    Attributes:
        started_id: its DecisionTaskStarted event, the last one that the decider knows.
        previous_id: the same of the task that was completed before; 0 if there is none.
        completed_id: its DecisionTaskCompleted event.
        task_list: the list that it waited on.
        recorded: the decisions that were made.
    """

    started_id: int
    previous_id: int
    completed_id: int
    task_list: str
    recorded: list[Decided]


def cause_of(
    there: Decided | None, here: Decided | None, ignore: Collection[str]
) -> tuple[Reason, str]:
    if there is None:
        return Reason.ADDED, "the code makes a decision that it did not make before"
    if here is None:
        return Reason.REMOVED, "the code no longer makes this decision"
    if there.type != here.type:
        return Reason.TYPE, "the code makes another decision in its place"
    names = _different(there, here, ignore)
    details = [each for name in names for each in _differences(name, there, here)]
    more = f"; and {len(details) - _MOST} more" if len(details) > _MOST else ""
    return Reason.ARGUMENTS, (
        f"the code decides the same with another {', '.join(names)}: "
        f"{'; '.join(details[:_MOST])}{more}"
    )


def _differences(name: str, there: Decided, here: Decided) -> list[str]:
    """Return how two decisions differ in a member."""
    old, new = (each.attributes.get(name, _ABSENT) for each in (there, here))
    return list(_parts(name, old, new)) or [f"{name} is the same JSON, written differently"]


def _parts(path: str, old: object, new: object) -> Iterator[str]:
    """Yield how two values differ: for JSON and structures, the parts that do.

    >>> for part in _parts("input", '{"to": 1, "n": [1, 2]}', '{"to": 2, "n": [1], "by": null}'):
    ...     print(part)
    input.by is new: None
    input.n[1] is gone: 2
    input.to was 1 and is 2
    """
    one, other = _structure(old), _structure(new)
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _parts(f"{path}.{key}", one.get(key, _ABSENT), other.get(key, _ABSENT))
    elif isinstance(one, list) and isinstance(other, list):
        for index, pair in enumerate(zip_longest(one, other, fillvalue=_ABSENT)):
            yield from _parts(f"{path}[{index}]", *pair)
    elif old is _ABSENT:
        yield f"{path} is new: {_shown(new)}"
    elif new is _ABSENT:
        yield f"{path} is gone: {_shown(old)}"
    elif old != new:
        yield f"{path} was {_shown(old)} and is {_shown(new)}"


def _structure(value: object) -> object:
    """Return what a text contains that is JSON with parts, and other values as they are."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        with suppress(ValueError):
            return json.loads(value)
    return value


def _shown(value: object) -> str:
    return shorten(repr(value), _WIDTH, placeholder=" …")


def side_by_side(task: RecordedTask, got: Sequence[Decided]) -> str:
    there = [f"  event {each.event_id}: {each}" for each in task.recorded] or ["  nothing"]
    here = [f"  {each}" for each in got] or ["  nothing"]
    return "\n".join([f"the history after event {task.completed_id}:", *there, "the code:", *here])


def is_same(there: Decided, here: Decided, ignore: Collection[str]) -> bool:
    return there.type == here.type and not _different(there, here, ignore)


def _different(there: Decided, here: Decided, ignore: Collection[str]) -> list[str]:
    """Return the members in which two decisions of one type differ."""
    return [
        name
        for name in sorted(decision_members(there.type) - set(ignore))
        if not _equal(name, there, here)
    ]


def _equal(name: str, there: Decided, here: Decided) -> bool:
    old, new = there.attributes.get(name), here.attributes.get(name)
    if old == new:
        return True
    if new is None:
        return name in _DEFAULTS
    return old is None and not there.is_complete


def sent_decision(decision: Reply) -> Decided:
    kind = decision["decisionType"]
    return Decided(0, kind, decision.get(decision_attributes_key(kind)) or {})


def recorded_tasks(events: Sequence[Event]) -> Iterator[RecordedTask]:
    """Yield the decision tasks that were completed."""
    previous = 0
    for event in events:
        if event["eventType"] == "DecisionTaskCompleted":
            completed = attributes_of(event)
            started = completed["startedEventId"]
            scheduled = attributes_of(events[completed["scheduledEventId"] - 1])
            yield RecordedTask(
                started,
                previous,
                event["eventId"],
                scheduled["taskList"]["name"],
                list(_recorded(events, event["eventId"])),
            )
            previous = started


def _recorded(events: Sequence[Event], completed_id: int) -> Iterator[Decided]:
    """Yield the decisions that were made with a DecisionTaskCompleted event."""
    for event in events[completed_id:]:
        attributes = attributes_of(event)
        schema = EVENTS[event["eventType"]]
        if attributes.get("decisionTaskCompletedEventId") != completed_id or not schema.decision:
            continue
        if attributes.get("initiatedEventId"):
            continue  # It reports later what became of another decision.
        known = {
            name: attributes[name]
            for name in sorted(decision_members(schema.decision))
            if name in attributes
        }
        if event["eventType"] == "WorkflowExecutionContinuedAsNew":
            known["workflowTypeVersion"] = attributes["workflowType"]["version"]
        yield Decided(event["eventId"], schema.decision, known, not schema.refuses)


@cache
def _all_members() -> frozenset[str]:
    decisions = {schema.decision for schema in EVENTS.values() if schema.decision}
    return frozenset().union(*map(decision_members, decisions))
