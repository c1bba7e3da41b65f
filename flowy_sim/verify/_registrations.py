"""Which types have to be registered, and how, for decisions to fare as recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowy_sim.verify._decided import ANY_SETTINGS, attributes_of, undefined_setting
from flowy_sim.verify._recording import Event, Recording

REGISTERED = "REGISTERED"
DEPRECATED = "DEPRECATED"
MISSING = "MISSING"

#: The type's default for each setting of a decision or start.
_DEFAULTS = {
    "Activity": {
        "heartbeatTimeout": "defaultTaskHeartbeatTimeout",
        "scheduleToCloseTimeout": "defaultTaskScheduleToCloseTimeout",
        "scheduleToStartTimeout": "defaultTaskScheduleToStartTimeout",
        "startToCloseTimeout": "defaultTaskStartToCloseTimeout",
        "taskList": "defaultTaskList",
        "taskPriority": "defaultTaskPriority",
    },
    "Workflow": {
        "childPolicy": "defaultChildPolicy",
        "executionStartToCloseTimeout": "defaultExecutionStartToCloseTimeout",
        "lambdaRole": "defaultLambdaRole",
        "taskList": "defaultTaskList",
        "taskPriority": "defaultTaskPriority",
        "taskStartToCloseTimeout": "defaultTaskStartToCloseTimeout",
    },
}


@dataclass(frozen=True, slots=True)
class Need:
    """How a type has to be registered at a moment.

    Attributes:
        kind: ``Activity`` or ``Workflow``.
        name: the type's name.
        version: the type's version.
        status: `REGISTERED`, `DEPRECATED` or `MISSING`.
        defaults: defaults that it has to have, by the registration's member.
        some: defaults that it has to have, of whatever value; one is given.
        undefined: defaults that it must not have.
    """

    kind: str
    name: str
    version: str
    status: str = REGISTERED
    defaults: Mapping[str, Any] = field(default_factory=dict)
    some: Mapping[str, Any] = field(default_factory=dict)
    undefined: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the type."""
        return self.kind, self.name, self.version

    def combined(self, other: Need) -> Need:
        """Return both needs of one type as one."""
        return replace(
            self,
            defaults={**self.defaults, **other.defaults},
            some={**self.some, **other.some},
            undefined=self.undefined | other.undefined,
        )


def needs(
    recording: Recording, decisions: Sequence[Mapping[str, Any]], batch: Sequence[Event]
) -> list[Need]:
    """Return what the decisions of a batch need, once for each type.

    Args:
        recording: the history that they are from.
        decisions: what was decided.
        batch: the events that the decisions wrote, one each.
    """
    found: dict[tuple[str, str, str], Need] = {}
    for decision, event in zip(decisions, batch, strict=False):
        attributes = attributes_of(decision)
        match decision["decisionType"]:
            case "ScheduleActivityTask":
                kind, named = "Activity", attributes.get("activityType")
            case "StartChildWorkflowExecution":
                kind, named = "Workflow", attributes.get("workflowType")
            case "ContinueAsNewWorkflowExecution" if event["cause"] != "UNHANDLED_DECISION":
                kind, named = "Workflow", dict(recording.events[0]["workflowType"])
                named["version"] = attributes.get("workflowTypeVersion") or named["version"]
            case _:
                continue
        if named is not None:
            needed = need(recording, kind, named, attributes, event)
            found[needed.key] = needed.combined(found.get(needed.key, needed))
    return list(found.values())


def need(
    recording: Recording,
    kind: str,
    named: Mapping[str, str],
    given: Mapping[str, Any],
    event: Event,
) -> Need:
    """Return what one decision or start needs of its type.

    Args:
        recording: the history that it is from; its recorded defaults go before all else.
        kind: ``Activity`` or ``Workflow``.
        named: the name and version of the type.
        given: the settings that the decision or start gave itself.
        event: what came of it: settings that were not given come from the type's defaults.
    """
    name, version = named["name"], named["version"]
    cause = str(event["cause"])
    if cause.endswith("_TYPE_DOES_NOT_EXIST"):
        return Need(kind, name, version, MISSING)
    if cause.endswith("_TYPE_DEPRECATED"):
        return Need(kind, name, version, DEPRECATED)
    open_settings = {
        setting: member for setting, member in _DEFAULTS[kind].items() if setting not in given
    }
    recorded = recording.type_defaults.get((kind.lower(), f"{name}@{version}"))
    if recorded is not None:
        undefined = frozenset(_DEFAULTS[kind].values()) - recorded.keys()
        return Need(kind, name, version, REGISTERED, recorded, undefined=undefined)
    if event["cause"] is None:
        told = event.attributes
        defaults = {member: told[name] for name, member in open_settings.items() if name in told}
        undefined = frozenset(open_settings.values()) - defaults.keys()
        return Need(kind, name, version, REGISTERED, defaults, undefined=undefined)
    if cause.endswith("_ALREADY_IN_USE"):
        return Need(kind, name, version)
    missing = open_settings.get(undefined_setting(cause) or "")
    some = {
        member: ANY_SETTINGS[setting]
        for setting, member in open_settings.items()
        if setting in ANY_SETTINGS and member != missing
    }
    undefined = frozenset() if missing is None else frozenset({missing})
    return Need(kind, name, version, REGISTERED, some=some, undefined=undefined)


class Registrations:
    """The types that are registered in the simulation now."""

    def __init__(self, call: Callable[[str, Mapping[str, Any]], object]) -> None:
        """Start with none; `call` carries out an operation with a request in the domain."""
        self._call = call
        self._current: dict[tuple[str, str, str], Need] = {}

    def ensure(self, need: Need) -> None:
        """Register, change, deprecate or delete a type until it is as needed."""
        current = self._current.get(need.key, Need(*need.key, MISSING))
        if (
            current.status == need.status
            and need.defaults.items() <= current.defaults.items()
            and need.some.keys() - need.undefined <= current.defaults.keys()
            and not need.undefined & current.defaults.keys()
        ):
            return
        defaults = {**need.some, **current.defaults, **need.defaults}
        defaults = {name: value for name, value in defaults.items() if name not in need.undefined}
        structure = {"name": need.name, "version": need.version}
        named = {f"{need.kind.lower()}Type": structure}
        if current.status == REGISTERED:
            self._call(f"Deprecate{need.kind}Type", named)
        if current.status != MISSING:
            self._call(f"Delete{need.kind}Type", named)
        if need.status != MISSING:
            self._call(f"Register{need.kind}Type", structure | defaults)
        if need.status == DEPRECATED:
            self._call(f"Deprecate{need.kind}Type", named)
        self._current[need.key] = Need(*need.key, need.status, defaults)
