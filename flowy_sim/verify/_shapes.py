"""Checks that a document can be a history, by the shapes of the service model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowy_sim._engine.model import input_shape, service_model

#: A bound that no history reaches.
MOST_EVENTS = 50_000


class MalformedHistoryError(ValueError):
    """A document is not a history that can be verified."""


_PYTHON_TYPES: dict[str, type[Any]] = {
    "structure": Mapping,
    "list": Sequence,
    "string": str,
    "long": int,
}


def check_shape(shape: Any, value: Any, name: str, required: Sequence[str]) -> None:
    """Refuse a value that the service cannot have written. Scalar members may be missing.

    Args:
        shape: the value's shape in the service model.
        value: the value.
        name: what to call it in the message.
        required: the members that it must have.

    Raises:
        MalformedHistoryError: the value has another shape.
    """
    kind = shape.type_name
    if not isinstance(value, _PYTHON_TYPES.get(kind, object)) or (
        kind == "list" and isinstance(value, str)
    ):
        raise MalformedHistoryError(f"{name} is {value!r:.40}, which is not a {kind}.")
    if kind == "long" and not 0 <= value <= MOST_EVENTS:
        raise MalformedHistoryError(f"{name} is {value!r:.40}, which is not the ID of an event.")
    if kind == "list":
        for element in value:
            if element is not None:
                check_shape(shape.member, element, f"{name}[]", _required(shape.member))
    if kind == "structure":
        for member in required:
            if value.get(member) in (None, ""):
                raise MalformedHistoryError(
                    f"{name} has no {member}, which the service always writes."
                )
        for member, inner in shape.members.items():
            if value.get(member) is not None and not member.endswith("EventAttributes"):
                check_shape(inner, value[member], f"{name}.{member}", _required(inner))


def modelled_part(shape: Any, value: Any) -> Any:
    """Return a value without the members, at any depth, that its shape does not have."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        return {
            member: modelled_part(shape.members[member], inner)
            for member, inner in value.items()
            if member in shape.members
        }
    if shape.type_name == "list" and isinstance(value, Sequence):
        return [modelled_part(shape.member, element) for element in value]
    return value


def _required(shape: Any) -> Sequence[str]:
    return shape.required_members if shape.type_name == "structure" else ()


def structures(shape: Any) -> list[str]:
    """Return the required members of a structure that are themselves structures."""
    return [name for name in shape.required_members if shape.members[name].type_name == "structure"]


def check_extras(document: Mapping[str, Any]) -> None:
    """Refuse a recording if anything in it other than the events has the wrong shape.

    Args:
        document: a recording; see `flowy_sim.verify._recording.read`.

    Raises:
        MalformedHistoryError: something has the wrong shape.
    """
    execution = document.get("workflowExecution") or document
    _kind(execution, Mapping, "workflowExecution")
    for member in ("workflowId", "runId"):
        _kind(execution.get(member) or "", str, member)
    for name, kind in (("recordedHeartbeats", Sequence), ("lossy", Sequence)):
        _kind(document.get(name) or [], kind, name)
    for lost in document.get("lossy") or ():
        _kind(lost, str, "lossy")
    for name, shape, value, required in _recorded_calls(document):
        check_shape(shape, value, name, required)
    for name, poll in _members(document, "recordedPolls"):
        _kind(poll, Mapping, name)
        for member in ("previousStartedEventId", "firstEventId"):
            _kind(poll.get(member, 0), int, f"{name}.{member}")
    for heartbeat in document.get("recordedHeartbeats") or ():
        _check_heartbeat(heartbeat)


def _recorded_calls(
    document: Mapping[str, Any],
) -> Iterator[tuple[str, Any, Any, Sequence[str]]]:
    """Yield the recorded requests, each as name, shape, value and required members."""
    if document.get("recordedStart") is not None:
        shape = input_shape("StartWorkflowExecution")
        yield "recordedStart", shape, document["recordedStart"], ["workflowType"]
    shape = input_shape("RespondDecisionTaskCompleted")
    for name, response in _members(document, "recordedDecisions"):
        _kind(response, Mapping, name)
        yield name, shape, response, ()
        yield from _decisions(name, response)
    for kind, types in _members(document, "typeDefaults"):
        _kind(types, Mapping, kind)
        shape = input_shape(
            f"Register{'Workflow' if kind.endswith('workflow') else 'Activity'}Type"
        )
        for name, defaults in _members({kind: types}, kind):
            yield name, shape, defaults, ()


def _decisions(
    name: str, response: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any, Sequence[str]]]:
    for decision in response.get("decisions") or ():
        _kind(decision, Mapping, f"{name}.decisions[]")
        for member, shape in service_model().shape_for("Decision").members.items():
            if member.endswith("Attributes") and decision.get(member) is not None:
                yield f"{name}.{member}", shape, decision[member], structures(shape)


def _members(document: Mapping[str, Any], member: str) -> Iterator[tuple[str, Any]]:
    """Yield the members of an object, each with its name. Recorded calls are named by event IDs."""
    value = document.get(member) or {}
    _kind(value, Mapping, member)
    for name, inner in value.items():
        if member.startswith("recorded") and not (isinstance(name, int) or str(name).isdecimal()):
            raise MalformedHistoryError(
                f"{member} has {name!r:.40}, which is not the ID of an event."
            )
        yield f"{member}.{name}", inner


def _check_heartbeat(heartbeat: Any) -> None:
    _kind(heartbeat, Mapping, "recordedHeartbeats[]")
    _kind(heartbeat.get("startedEventId"), int, "recordedHeartbeats[].startedEventId")
    _kind(heartbeat.get("details") or "", str, "recordedHeartbeats[].details")
    _kind(heartbeat.get("response", {}), Mapping, "recordedHeartbeats[].response")


def _kind(value: Any, kind: type[Any], name: str) -> None:
    if not isinstance(value, kind) or (kind is Sequence and isinstance(value, str)):
        raise MalformedHistoryError(f"{name} is {value!r:.40}, which has the wrong type.")
