"""Which types must be registered, and how, for decisions to have the recorded outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowy_sim._engine.registered_types import DEFAULTS
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._steps import ANY_SETTINGS, attributes_of, undefined_setting

REGISTERED = "REGISTERED"
DEPRECATED = "DEPRECATED"
MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class Requirement:
    """How a type must be registered at some instant.

    Attributes:
        kind: ``Activity`` or ``Workflow``.
        name: the type's name.
        version: the type's version.
        status: `REGISTERED`, `DEPRECATED` or `MISSING`.
        defaults: defaults that it must have, by the registration's member.
        some: defaults that it must have with any value, with a value to use.
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
        """The identity of the type."""
        return self.kind, self.name, self.version

    def combined(self, other: Requirement) -> Requirement:
        """Return two requirements of one type as one."""
        return replace(
            self,
            defaults={**self.defaults, **other.defaults},
            some={**self.some, **other.some},
            undefined=self.undefined | other.undefined,
        )


def requirements(
    recording: Recording, decisions: Sequence[Mapping[str, Any]], batch: Sequence[Event]
) -> list[Requirement]:
    """Return what the decisions of a batch require, one requirement for each type.

    Args:
        recording: the history that they are from.
        decisions: the decisions.
        batch: the events that the decisions wrote, one each.
    """
    found: dict[tuple[str, str, str], Requirement] = {}
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
            required = requirement(recording, kind, named, attributes, event)
            found[required.key] = required.combined(found.get(required.key, required))
    return list(found.values())


def requirement(
    recording: Recording,
    kind: str,
    named: Mapping[str, str],
    given: Mapping[str, Any],
    event: Event,
) -> Requirement:
    """Return what one decision or start requires of its type.

    Args:
        recording: the history that it is from; recorded defaults take precedence.
        kind: ``Activity`` or ``Workflow``.
        named: the name and version of the type.
        given: the settings in the decision or start itself.
        event: the event that it wrote; settings that were not given come from the type's defaults.
    """
    name, version = named["name"], named["version"]
    cause = str(event["cause"])
    if cause.endswith("_TYPE_DOES_NOT_EXIST"):
        return Requirement(kind, name, version, MISSING)
    if cause.endswith("_TYPE_DEPRECATED"):
        return Requirement(kind, name, version, DEPRECATED)
    open_settings = {
        setting: member
        for setting, member in DEFAULTS[f"{kind}Type"].items()
        if setting not in given
    }
    recorded = recording.type_defaults.get((kind.lower(), f"{name}@{version}"))
    if recorded is not None:
        undefined = frozenset(DEFAULTS[f"{kind}Type"].values()) - recorded.keys()
        return Requirement(kind, name, version, REGISTERED, recorded, undefined=undefined)
    if event["cause"] is None:
        settings = event.attributes
        defaults = {
            member: settings[name] for name, member in open_settings.items() if name in settings
        }
        undefined = frozenset(open_settings.values()) - defaults.keys()
        return Requirement(kind, name, version, REGISTERED, defaults, undefined=undefined)
    if cause.endswith("_ALREADY_IN_USE"):
        return Requirement(kind, name, version)
    missing = open_settings.get(undefined_setting(cause) or "")
    some = {
        member: ANY_SETTINGS[setting]
        for setting, member in open_settings.items()
        if setting in ANY_SETTINGS and member != missing
    }
    undefined = frozenset() if missing is None else frozenset({missing})
    return Requirement(kind, name, version, REGISTERED, some=some, undefined=undefined)


class Registrations:
    """The types that are registered in the simulation.

    Args:
        call: carries out an operation with a request in the domain.
    """

    def __init__(self, call: Callable[[str, Mapping[str, Any]], object]) -> None:
        self._call = call
        self._current: dict[tuple[str, str, str], Requirement] = {}

    def ensure(self, requirement: Requirement) -> None:
        """Register, change, deprecate or delete a type so that it is as required."""
        current = self._current.get(requirement.key, Requirement(*requirement.key, MISSING))
        if (
            current.status == requirement.status
            and requirement.defaults.items() <= current.defaults.items()
            and requirement.some.keys() - requirement.undefined <= current.defaults.keys()
            and not requirement.undefined & current.defaults.keys()
        ):
            return
        defaults = {**requirement.some, **current.defaults, **requirement.defaults}
        defaults = {
            name: value for name, value in defaults.items() if name not in requirement.undefined
        }
        structure = {"name": requirement.name, "version": requirement.version}
        named = {f"{requirement.kind.lower()}Type": structure}
        if current.status == REGISTERED:
            self._call(f"Deprecate{requirement.kind}Type", named)
        if current.status != MISSING:
            self._call(f"Delete{requirement.kind}Type", named)
        if requirement.status != MISSING:
            self._call(f"Register{requirement.kind}Type", structure | defaults)
        if requirement.status == DEPRECATED:
            self._call(f"Deprecate{requirement.kind}Type", named)
        self._current[requirement.key] = Requirement(*requirement.key, requirement.status, defaults)
