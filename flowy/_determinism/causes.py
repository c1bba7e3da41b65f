"""Why a workflow's code decides otherwise than its history shows, most likely.

It is guessed from what comes later in both: what the history shows here and the code decides later
was put off by something new; what the code decides here and the history shows later lost something
that was before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from flowy._decider.decisions import CLOSING


class Reason(Enum):
    """Why code and history differ."""

    ADDED = auto()
    """The code asks for something that it did not ask for then."""
    REMOVED = auto()
    """The code no longer asks for something."""
    REORDERED = auto()
    """The code asks for two things in another order."""
    RENUMBERED = auto()
    """Calls that decided nothing in this turn were added or removed before."""
    ARGUMENTS = auto()
    """The arguments are others."""
    VERSION = auto()
    """The version is another."""
    TYPE = auto()
    """The code asks for something else in its place."""
    OUTCOME = auto()
    """The execution ends with something else."""
    ENDS_EARLIER = auto()
    """The code ends the execution where it went on then."""
    ENDS_LATER = auto()
    """The code goes on where the execution ended then."""
    RAISES = auto()
    """``run`` raises an exception that it did not raise then."""
    SIDE_EFFECT_REMOVED = auto()
    """The code no longer calls ``self.side_effect``, or uses ``self.random``."""
    PATCH_REMOVED = auto()
    """The code no longer calls ``self.patched``."""


class RequestedAction(NamedTuple):
    """What was asked for, told by a decision or by the event that shows it."""

    decision: str
    """The type of the decision."""
    name: str
    """The name of an activity, a child, a marker or a signal; the id of what is canceled."""
    version: str
    text: str | None
    """The arguments, the result or the time; None if that is not told."""

    def __str__(self) -> str:
        if self.decision == "RecordMarker":
            return _marker_text(self.name)
        noun = _KINDS[self.decision].noun if self.decision in _KINDS else self.decision
        return " ".join(part for part in (noun, self.name, self.version) if part)

    def same_as(self, other: RequestedAction) -> bool:
        """Whether both ask for the same, whatever the number of the call."""
        return self[:3] == other[:3] and (
            None in (self.text, other.text) or same_text(self.text, other.text)
        )

    @property
    def closing(self) -> bool:
        """Whether it ends the execution."""
        return self.decision in CLOSING


def requested_action(decision: str, attributes: Mapping[str, Any]) -> RequestedAction:
    """Find what is asked for.

    Args:
        decision: the type of the decision.
        attributes: those of the decision, or of the event that shows it.
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
        recorded: what it asked for then.
        index: the first place at which they differ; at the end of one of them it holds nothing.

    Returns:
        The reason, and a sentence that says it.
    """
    here = decided[index] if index < len(decided) else None
    there = recorded[index] if index < len(recorded) else None
    put_off = there is not None and any(map(there.same_as, decided[index + 1 :]))
    came_up = here is not None and any(map(here.same_as, recorded[index + 1 :]))
    if there is None or here is None:
        return _one_missing(here, there)
    if here.same_as(there):
        return Reason.RENUMBERED, (
            f"calls were added or removed in run before {here}, so that its number is another"
        )
    if put_off and came_up:
        return Reason.REORDERED, f"the code asks for {here} before {there}, not after it"
    if put_off:
        return _one_missing(here, None)
    if came_up:
        return _one_missing(None, there)
    return _exchanged(here, there)


def _one_missing(here: RequestedAction | None, there: RequestedAction | None) -> tuple[Reason, str]:
    """The code asks for something more, or for something less."""
    if here is not None:
        if here.closing:
            return _ends(here)
        return Reason.ADDED, f"the code asks for {here}, and did not then"
    assert there is not None
    if there.closing:
        return Reason.ENDS_LATER, f"the code still waits where the execution ended then: {there}"
    if there.name.startswith(_PATCH):
        return Reason.PATCH_REMOVED, f"the code no longer calls {there}, as it did then"
    if there.decision == "RecordMarker":
        return Reason.SIDE_EFFECT_REMOVED, f"the code no longer uses {there}, as it did then"
    return Reason.REMOVED, f"the code no longer asks for {there}"


def _exchanged(here: RequestedAction, there: RequestedAction) -> tuple[Reason, str]:
    """The code asks for one thing instead of another."""
    if here.decision == there.decision and here.closing:
        return Reason.OUTCOME, f"the execution ends otherwise: {changed(there.text, here.text)}"
    if here.closing:
        return _ends(here)
    if there.closing:
        return Reason.ENDS_LATER, f"the code asks for {here} where the execution ended then"
    if here[:3] == there[:3]:
        return Reason.ARGUMENTS, f"{here} is given something else: {changed(there.text, here.text)}"
    if here[:2] == there[:2]:
        return Reason.VERSION, f"the code asks for {here} instead of version {there.version}"
    if here.decision != there.decision and here.decision == "RecordMarker":
        return _one_missing(here, None)
    if here.decision != there.decision and there.decision == "RecordMarker":
        return _one_missing(None, there)
    return Reason.TYPE, f"the code asks for {here} where it asked for {there}"


def _ends(here: RequestedAction) -> tuple[Reason, str]:
    if here.decision == "FailWorkflowExecution":
        return Reason.RAISES, f"run raises an exception that it did not raise then: {here.text}"
    return Reason.ENDS_EARLIER, f"the code ends the execution, where it went on then: {here}"


# What differs between two texts.


def changed(then: str | None, now: str | None) -> str:
    """Say how a text of arguments, or another one, has changed."""
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
    """Whether two texts are equal, or the same JSON, though spaced or ordered otherwise."""
    if one == other:
        return True
    try:
        return (
            isinstance(one, str) and isinstance(other, str) and json.loads(one) == json.loads(other)
        )
    except (ValueError, RecursionError):
        return False


def _arguments(text: str | None) -> dict[str, object] | None:
    """Read arguments by number, from 1, and by keyword; None if that is not what the text holds."""
    try:
        match json.loads(text or ""):
            case [list() as args, dict() as kwargs, *_]:
                return {str(number): value for number, value in enumerate(args, 1)} | kwargs
    except (ValueError, RecursionError):
        pass
    return None


def _value(arguments: dict[str, object], name: str) -> str:
    return _short(json.dumps(arguments[name])) if name in arguments else "absent"


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


_SHORT = 80


# What decisions are about.


class _Kind(NamedTuple):
    """What a decision asks for, and which of its attributes say what exactly."""

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
    """Write a marker as what asks for it in ``run``."""
    if name.startswith(_PATCH):
        return f'self.patched("{name.removeprefix(_PATCH)}")'
    if name.startswith(_SIDE_EFFECT):
        return "self.side_effect()"
    return "self.random or self.uuid()" if name == "random" else f"the marker {name}"
