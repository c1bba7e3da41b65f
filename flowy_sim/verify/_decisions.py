"""The decisions of a decider, as recorded or as the events that they led to show them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from flowy_sim._engine.model import service_model
from flowy_sim._events.schema import EVENTS
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._steps import Step

#: A version that no recorded type has, for a continuation that failed because its type is missing.
MISSING_VERSION = "flowy-sim-missing"


def decisions_of(recording: Recording, step: Step) -> list[dict[str, Any]]:
    """Return the decisions of a DecisionTaskCompleted, as RespondDecisionTaskCompleted takes them.

    Recorded decisions are sent again as they are. Otherwise they are derived from the events that
    link to the DecisionTaskCompleted, with every setting given explicitly.
    """
    recorded = recording.decisions.get(step.cause.link("startedEventId"))
    if recorded is not None:
        return [without_nulls(decision) for decision in recorded.get("decisions") or ()]
    return [_decision(event) for event in step.batch if decision_type(event)]


def decision_type(event: Event) -> str:
    """Return the type of the decision that led to an event; empty if none did."""
    schema = EVENTS.get(event.type)
    return schema.decision if schema is not None else ""


def attributes_of(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a decision; empty if it has none."""
    attributes: dict[str, Any] = decision.get(_attributes_key(str(decision["decisionType"])), {})
    return attributes


def decision(decision_type: str, **attributes: Any) -> dict[str, Any]:
    """Return a decision, as RespondDecisionTaskCompleted takes it."""
    return {"decisionType": decision_type, _attributes_key(decision_type): attributes}


def without_nulls(value: Any) -> Any:
    """Return a copy of a request without the members that were sent as null."""
    if isinstance(value, Mapping):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    return value


def _decision(event: Event) -> dict[str, Any]:
    decided = decision_type(event)
    attributes = {
        member: event.attributes[member]
        for member in _members(decided)
        if member in event.attributes
    }
    match event.type:
        case "WorkflowExecutionContinuedAsNew":
            attributes["workflowTypeVersion"] = event["workflowType"]["version"]
        case "ContinueAsNewWorkflowExecutionFailed":
            attributes = _settings("ContinueAsNewWorkflowExecution", str(event["cause"]))
            if event["cause"] != "UNHANDLED_DECISION":
                attributes["workflowTypeVersion"] = MISSING_VERSION
        case "StartTimerFailed":
            attributes["startToFireTimeout"] = "1"
        case "ScheduleActivityTaskFailed" | "StartChildWorkflowExecutionFailed":
            attributes |= _settings(decided, str(event["cause"]))
    return decision(decided, **attributes)


#: Values for the settings of a decision that failed, because its event does not contain them.
ANY_SETTINGS = {
    "childPolicy": "TERMINATE",
    "executionStartToCloseTimeout": "60",
    "heartbeatTimeout": "NONE",
    "scheduleToCloseTimeout": "NONE",
    "scheduleToStartTimeout": "NONE",
    "startToCloseTimeout": "NONE",
    "taskList": {"name": "flowy-sim"},
    "taskStartToCloseTimeout": "60",
}


def undefined_setting(cause: str) -> str | None:
    """Return the setting that is undefined according to a cause; None for other causes.

    Example:
        >>> undefined_setting("DEFAULT_TASK_LIST_UNDEFINED")
        'taskList'
    """
    if not (cause.startswith("DEFAULT_") and cause.endswith("_UNDEFINED")):
        return None
    first, *rest = cause.removeprefix("DEFAULT_").removesuffix("_UNDEFINED").lower().split("_")
    return first + "".join(map(str.capitalize, rest))


def _settings(decision_type: str, cause: str) -> dict[str, Any]:
    """Return every setting except the one that is undefined according to the cause."""
    members = _members(decision_type)
    undefined = undefined_setting(cause)
    return {
        name: value for name, value in ANY_SETTINGS.items() if name in members and name != undefined
    }


def _attributes_key(decision_type: str) -> str:
    return f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"


@cache
def _members(decision_type: str) -> frozenset[str]:
    return frozenset(service_model().shape_for(f"{decision_type}DecisionAttributes").members)
