"""The likely reason why a workflow's code makes decisions that differ from its history.

The cause is guessed from what comes later in both. If the code decides later what the history
records here, something new precedes it. If the history records later what the code decides here,
something that preceded it is gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from flowy._decisions import CLOSING
from flowy._payloads.stores import refers_to
from flowy._safe_text import safe_text


class Reason(Enum):
    """Why code and history differ."""

    ADDED = auto()
    """The code makes a call that it did not make before."""
    REMOVED = auto()
    """The code no longer makes a call."""
    REORDERED = auto()
    """The code makes two calls in another order."""
    RENUMBERED = auto()
    """Calls that decided nothing in this turn were added or removed before it."""
    ARGUMENTS = auto()
    """The arguments differ."""
    VERSION = auto()
    """The version of the type differs."""
    TYPE = auto()
    """The code makes a different call in its place."""
    OUTCOME = auto()
    """The execution ends with a different result or failure."""
    ENDS_EARLIER = auto()
    """The code ends the execution where it continued before."""
    ENDS_LATER = auto()
    """The code continues where the execution ended before."""
    RAISES = auto()
    """``run`` raises an exception that it did not raise before."""
    SIDE_EFFECT_REMOVED = auto()
    """The code no longer calls ``self.side_effect``, or uses ``self.random``."""
    PATCH_REMOVED = auto()
    """The code no longer calls ``self.patched``."""


class RequestedAction(NamedTuple):
    """What a decision, or the event that records it, asks for."""

    decision: str
    """The type of the decision."""
    name: str
    """The name of an activity, child, marker or signal; the ID of what is canceled."""
    version: str
    text: str | None
    """The arguments, the result or the time; None if it is not known."""

    def __str__(self) -> str:
        """Return it as part of a sentence."""
        if self.decision == "RecordMarker":
            return _marker_text(self.name)
        noun = _KINDS[self.decision].noun if self.decision in _KINDS else self.decision
        return safe_text(" ".join(part for part in (noun, self.name, self.version) if part))

    def same_as(self, other: RequestedAction) -> bool:
        """Whether both ask for the same, regardless of the number of the call."""
        return self[:3] == other[:3] and (
            None in (self.text, other.text) or same_text(self.text, other.text)
        )

    @property
    def closing(self) -> bool:
        """Whether it ends the execution."""
        return self.decision in CLOSING


def requested_action(decision: str, attributes: Mapping[str, Any]) -> RequestedAction:
    """Describe what a decision asks for.

    Args:
        decision: the type of the decision.
        attributes: its attributes, or those of the event that records it.
    """
    kind = _KINDS.get(decision, _Kind(decision))
    named = attributes.get(kind.name, "")
    name, version = (
        (named.get("name", ""), named.get("version", ""))
        if isinstance(named, Mapping)
        else (named, "")
    )
    if "signalName" in attributes:
        name = f"{name} to {attributes.get('workflowId')}"
    return RequestedAction(decision, name, version, attributes.get(kind.text))


def likely_cause(
    decided: list[RequestedAction], recorded: list[RequestedAction], index: int
) -> tuple[Reason, str]:
    """Guess why code and history differ.

    Args:
        decided: what the code asks for in a turn.
        recorded: what the history records for it.
        index: the first position at which they differ; one of them may end there.

    Returns:
        The reason, and a sentence that states it.
    """
    here = decided[index] if index < len(decided) else None
    there = recorded[index] if index < len(recorded) else None
    put_off = there is not None and any(map(there.same_as, decided[index + 1 :]))
    came_up = here is not None and any(map(here.same_as, recorded[index + 1 :]))
    if there is None or here is None:
        return _one_missing(here, there)
    if here.same_as(there):
        return Reason.RENUMBERED, (
            f"calls were added or removed in run before {here}, so its number has changed"
        )
    if put_off and came_up:
        return Reason.REORDERED, f"the code asks for {here} before {there}, not after it"
    if put_off:
        return _one_missing(here, None)
    if came_up:
        return _one_missing(None, there)
    return _exchanged(here, there)


def _one_missing(here: RequestedAction | None, there: RequestedAction | None) -> tuple[Reason, str]:
    """Explain why the code makes one call more, or one call less."""
    if here is not None:
        if here.closing:
            return _ends(here)
        return Reason.ADDED, f"the code asks for {here}, which it did not do before"
    assert there is not None
    if there.closing:
        return Reason.ENDS_LATER, f"the code still waits where the execution ended before: {there}"
    if there.name.startswith(_PATCH):
        return Reason.PATCH_REMOVED, f"the code no longer calls {there}"
    if there.decision == "RecordMarker":
        return Reason.SIDE_EFFECT_REMOVED, f"the code no longer uses {there}"
    return Reason.REMOVED, f"the code no longer asks for {there}"


def _exchanged(here: RequestedAction, there: RequestedAction) -> tuple[Reason, str]:
    """Explain why the code makes one call instead of another."""
    if here.decision == there.decision and here.closing:
        return Reason.OUTCOME, f"the execution ends differently: {changed(there.text, here.text)}"
    if here.closing:
        return _ends(here)
    if there.closing:
        return Reason.ENDS_LATER, f"the code asks for {here} where the execution ended before"
    if here[:3] == there[:3]:
        return Reason.ARGUMENTS, f"{here} differs: {changed(there.text, here.text)}"
    if here[:2] == there[:2]:
        return Reason.VERSION, f"the code asks for {here} instead of version {there.version}"
    if here.decision != there.decision and here.decision == "RecordMarker":
        return _one_missing(here, None)
    if here.decision != there.decision and there.decision == "RecordMarker":
        return _one_missing(None, there)
    return Reason.TYPE, f"the code asks for {here} where it asked for {there}"


def _ends(here: RequestedAction) -> tuple[Reason, str]:
    if here.decision == "FailWorkflowExecution":
        return (
            Reason.RAISES,
            f"run raises an exception that it did not raise before: {safe_text(here.text)}",
        )
    return Reason.ENDS_EARLIER, f"the code ends the execution where it continued before: {here}"


# What differs between two texts.


def changed(then: str | None, now: str | None) -> str:
    """Describe how arguments, or another text, have changed."""
    before, after = _arguments(then), _arguments(now)
    if before is None or after is None:
        return f"then {_short(then)}, now {_short(now)}"
    for name in [*before, *after]:
        if before.get(name, _ABSENT) != after.get(name, _ABSENT):
            was, is_ = (_value(values, name) for values in (before, after))
            return f"argument {name} was {was} and is {is_}"
    return "nothing that matters"


_ABSENT = object()


def same_text(one: object, other: object) -> bool:
    """Whether two texts are equal, or the same JSON in another layout, order or place.

    The place is a store, to which an earlier version may have sent what is short enough now.
    """
    if one == other:
        return True
    if not (isinstance(one, str) and isinstance(other, str)):
        return False
    if refers_to(one, other) or refers_to(other, one):
        return True
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False


def _arguments(text: str | None) -> dict[str, object] | None:
    """Return arguments by number, from 1, and by keyword; None if the text holds none."""
    try:
        match json.loads(text or ""):
            case [list() as args, dict() as kwargs, *_]:
                return {str(number): value for number, value in enumerate(args, 1)} | kwargs
    except (ValueError, RecursionError):
        pass
    return None


def _value(arguments: dict[str, object], name: str) -> str:
    return (
        _short(json.dumps(arguments[name], ensure_ascii=False)) if name in arguments else "absent"
    )


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    return safe_text(text if len(text) <= _SHORT else f"{text[:_SHORT]}…")


_SHORT = 80


# What decisions are about.


class _Kind(NamedTuple):
    """What a decision asks for, and which of its attributes identify it."""

    noun: str
    name: str = ""
    text: str = ""


_KINDS = {
    "ScheduleActivityTask": _Kind("the activity", "activityType", "input"),
    "RequestCancelActivityTask": _Kind("canceling the activity", "activityId"),
    "StartTimer": _Kind("a timer", "", "startToFireTimeout"),
    "CancelTimer": _Kind("stopping the timer", "timerId"),
    "RecordMarker": _Kind("the marker", "markerName", "details"),
    "StartChildWorkflowExecution": _Kind("the child workflow", "workflowType", "input"),
    "SignalExternalWorkflowExecution": _Kind("sending the signal", "signalName", "input"),
    "RequestCancelExternalWorkflowExecution": _Kind("canceling the execution", "workflowId"),
    "ScheduleLambdaFunction": _Kind("the lambda function", "name", "input"),
    "CompleteWorkflowExecution": _Kind("its completion", "", "result"),
    "FailWorkflowExecution": _Kind("its failure", "", "reason"),
    "CancelWorkflowExecution": _Kind("its cancellation", "", "details"),
    "ContinueAsNewWorkflowExecution": _Kind("a new run", "", "input"),
}

_PATCH = "patched: "
_SIDE_EFFECT = "side effect "


def _marker_text(name: str) -> str:
    """Return the call in ``run`` that records a marker."""
    if name.startswith(_PATCH):
        return f'self.patched("{name.removeprefix(_PATCH)}")'
    if name.startswith(_SIDE_EFFECT):
        return "self.side_effect()"
    return "self.random or self.uuid()" if name == "random" else f"the marker {name}"
