"""Requests with one thing wrong, for every operation and every member, made from the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flowy_sim._engine.faults import SerializationException, ValidationException
from flowy_sim._engine.model import enum, input_shape, operation_names

Path = tuple[str | int, ...]

#: A value of the wrong type, for each type that a member can have.
WRONG: dict[str, tuple[Any, ...]] = {
    "string": (5, 40_000, -3_000_000_000, 1 << 70, 1.5, True, [], {}, ["x"], b"x", object()),
    "integer": ("5", "", True, [], {}, float("nan"), float("inf"), b"5", object()),
    "boolean": ("yes", 1, 0, 1.5, [], {}, object()),
    "timestamp": ("2024", "", True, [], {}, float("inf"), float("nan"), 1e308, object()),
    "list": ("x", 5, 1.5, True, {}, {"x": 1}, object()),
    "structure": ("x", 5, 1.5, True, [], [{}], object()),
}
EXCLUSIVE = ("executionFilter", "typeFilter", "tagFilter", "closeStatusFilter", "closeTimeFilter")
AMOUNTS = ("DurationInSecondsOptional", "DurationInSeconds", "DurationInDays", "TaskPriority")


@dataclass(frozen=True)
class Case:
    """A request and the answer of the service.

    Attributes:
        operation: whose request it is.
        what: what is wrong with it.
        request: the request.
        fault: the type of the fault, or None if the request is good enough.
        message: what the fault's message contains; None where it has no message.
    """

    operation: str
    what: str
    request: Any
    fault: type[Exception] | None = None
    message: str | None = None


def cases() -> Iterator[Case]:
    """Yield every case."""
    for operation in sorted(operation_names()):
        for request in good_requests(operation):
            yield Case(operation, "nothing", request)
            yield from broken(operation, request, input_shape(operation), ())


def good_requests(operation: str) -> Iterator[dict[str, Any]]:
    """Yield requests that together have every member that the operation's request can have."""
    full = example(input_shape(operation))
    if operation == "RespondDecisionTaskCompleted":
        for kind in enum("DecisionType"):
            yield full | {"decisions": [decision(kind)]}
        return
    given = [name for name in EXCLUSIVE if name in full]
    for chosen in given:
        left_out = {*given, "startTimeFilter" if chosen == "closeTimeFilter" else ""} - {chosen}
        yield {name: value for name, value in full.items() if name not in left_out}
    if not given:
        yield full


def decision(kind: str) -> dict[str, Any]:
    """Return a decision with all its attributes."""
    name = f"{kind[0].lower()}{kind[1:]}DecisionAttributes"
    members = input_shape("RespondDecisionTaskCompleted").members["decisions"].member.members
    return {"decisionType": kind, name: example(members[name])}


def example(shape: Any) -> Any:
    """Return a valid value of a shape, with all members that it can have."""
    match shape.type_name:
        case "structure":
            return {name: example(member) for name, member in shape.members.items()}
        case "list":
            return [example(shape.member)]
        case "timestamp":
            return datetime(2024, 1, 1, tzinfo=UTC)
        case "integer":
            return 5
        case "boolean":
            return False
    return shape.enum[0] if shape.enum else "5"


def broken(operation: str, request: Any, shape: Any, path: Path) -> Iterator[Case]:
    """Yield the request with one thing wrong at or below a path."""
    if path:
        yield from broken_here(operation, request, shape, path)
    if shape.type_name == "structure":
        value = at(request, path)
        strange = {"unknown": 1, "Domain": [], "TaskList": {"name": 5}, 7: None, None: {}}
        changed = changed_at(request, path, {**value, **strange}) if path else value | strange
        yield Case(operation, f"{dotted(path)} has unknown members", changed)
        for name, member in shape.members.items():
            if name not in value:
                continue
            required = name in shape.required_members
            yield missing(operation, request, (*path, name), required)
            yield null(operation, request, (*path, name), member, required)
            yield from broken(operation, request, member, (*path, name))
    elif shape.type_name == "list":
        yield from broken(operation, request, shape.member, (*path, 0))


def missing(operation: str, request: Any, path: Path, required: bool) -> Case:
    """Return the request without a member."""
    changed = deepcopy(request)
    del at(changed, path[:-1])[path[-1]]
    return expected(operation, f"{dotted(path)} is missing", changed, path, required)


def null(operation: str, request: Any, path: Path, shape: Any, required: bool) -> Case:
    """Return the request with a member that is null."""
    what, changed = f"{dotted(path)} is null", changed_at(request, path, None)
    if shape.type_name in ("boolean", "integer"):
        return Case(operation, what, changed, SerializationException)
    return expected(operation, what, changed, path, required)


def expected(operation: str, what: str, changed: Any, path: Path, required: bool) -> Case:
    """Return the case of a member that is not there."""
    if required:
        message = f"Value null at '{dotted(path)}' failed to satisfy constraint: "
        message += "Member must not be null"
        return Case(operation, what, changed, ValidationException, message)
    if path[-1] == "startTimeFilter":
        return Case(operation, what, changed, ValidationException, "Must specify time filter")
    if str(path[-1]).endswith("DecisionAttributes") and needs_attributes(path):
        return Case(operation, what, changed, ValidationException, "DecisionAttributes must be")
    if path[-1] == "closeTimeFilter":
        return Case(operation, what, changed, ValidationException, "Must specify time filter")
    return Case(operation, what, changed)


def needs_attributes(path: Path) -> bool:
    """Return whether a decision must have the attributes at a path."""
    members = input_shape("RespondDecisionTaskCompleted").members["decisions"].member.members
    return bool(members[path[-1]].required_members)


def broken_here(operation: str, request: Any, shape: Any, path: Path) -> Iterator[Case]:
    """Yield the request with wrong values of the member at a path."""
    for value in WRONG[shape.type_name]:
        yield Case(
            operation,
            f"{dotted(path)} is {value!r}",
            changed_at(request, path, value),
            SerializationException,
        )
    for value, constraint in out_of_bounds(shape):
        yield Case(
            operation,
            f"{dotted(path)} is {str(value)[:20]!r}",
            changed_at(request, path, value),
            ValidationException,
            f"failed to satisfy constraint: {constraint}" if isinstance(path[-1], str) else "at '",
        )


def out_of_bounds(shape: Any) -> Iterator[tuple[Any, str]]:
    """Yield values that break a shape's constraints, with the beginning of the constraint."""
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
    if shape.type_name == "integer":
        yield low - 1, f"Member must have value greater than or equal to {low}"
        yield high + 1, f"Member must have value less than or equal to {high}"
    elif shape.type_name == "list" and high:
        tags = [example(shape.member)] * (high + 1)
        yield tags, f"Member must have length less than or equal to {high}"
    elif shape.type_name == "string":
        if low:
            yield "", f"Member must have length greater than or equal to {low}"
        if high:
            for character, end in (("x", "xx"), ("é", "xx"), ("😀", "xx"), ("x", "x\ud800")):
                text = character * (high // len(character.encode("utf-16-le")) * 2)
                yield text + end, f"Member must have length less than or equal to {high}"
        if shape.enum:
            for value in ("", "NEVER", shape.enum[0].lower()):
                yield value, "Member must satisfy enum value set: ["
        if shape.name in AMOUNTS:
            for value in ("abc", "1.5", "-", "٣", " 1", "1e3", "none"):
                yield value, "Member must be a number"


def at(request: Any, path: Path) -> Any:
    """Return the part of a request at a path."""
    for step in path:
        request = request[step]
    return request


def changed_at(request: Any, path: Path, value: Any) -> Any:
    """Return a copy of a request with another value at a path."""
    changed = deepcopy(request)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def dotted(path: Path) -> str:
    """Return a path as the service writes it."""
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else step for step in path)


def same(one: Any, other: Any) -> bool:
    """Return whether two requests are equal and share no list or dictionary."""
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and one is not other
            and one.keys() == other.keys()
            and all(same(one[name], other[name]) for name in one)
        )
    if isinstance(one, list):
        return one is not other and len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
