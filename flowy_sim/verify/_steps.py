"""A history as steps, one for each transaction: its events, their links, and its decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowy_sim._engine.model import decision_attributes_key, decision_members
from flowy_sim._events.schema import ENDS, EVENTS, STARTS
from flowy_sim.verify._recording import Event, Recording


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of the service.

    Attributes:
        events: the events that it wrote; the first is the cause of the others.
    """

    events: tuple[Event, ...]

    @property
    def cause(self) -> Event:
        """The event that the other events of the step follow from."""
        return self.events[0]

    @property
    def batch(self) -> tuple[Event, ...]:
        """The events that the decisions of a DecisionTaskCompleted wrote, in order."""
        return tuple(event for event in self.events[1:] if event.type != "DecisionTaskScheduled")

    @property
    def is_effect(self) -> bool:
        """Whether the service took the step on its own, not for a call."""
        cause = self.cause
        match cause.type:
            case "ActivityTaskCanceled":
                return not cause.link("startedEventId")
            case "WorkflowExecutionSignaled" | "WorkflowExecutionCancelRequested":
                return cause["externalWorkflowExecution"] is not None
            case "WorkflowExecutionTerminated":
                return cause["cause"] not in (None, "OPERATOR_INITIATED")
        return cause.type not in EVENTS or not EVENTS[cause.type].operation


def steps_of(recording: Recording) -> Sequence[Step]:
    """Return the steps of a history, in order."""
    grouped: list[list[Event]] = []
    for event in recording.events:
        if grouped and _follows(event, grouped[-1][0]):
            grouped[-1].append(event)
        else:
            grouped.append([event])
    return [Step(tuple(events)) for events in grouped]


def _follows(event: Event, cause: Event) -> bool:
    """Return whether an event belongs to the transaction of the cause before it."""
    if event.type == "DecisionTaskScheduled":
        return True
    return (
        cause.type == "DecisionTaskCompleted"
        and event.link("decisionTaskCompletedEventId") == cause.id
        # A decision that fails later links to its decision task as well.
        and not (event.type.endswith("Failed") and event.link("initiatedEventId"))
    )


class Links:
    """Which event started and ended what another event opened.

    Args:
        events: the events of a history.

    Attributes:
        started: the events that start something, by the ID of the event that opened it.
        ended: the events that end something, by the same ID.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        types = {event.id: event.type for event in events}
        self.started = _by_opening(events, types, STARTS)
        self.ended = _by_opening(events, types, ENDS)
        self._requests: dict[str, list[tuple[Event, Event]]] = {}
        for event in events:
            if event.type.endswith("ExternalWorkflowExecutionInitiated") and event.id in self.ended:
                answered = self._requests.setdefault(event["workflowId"], [])
                answered.append((event, self.ended[event.id]))

    def outcome(self, opened_id: int, member: str) -> Any:
        """Return a member of the event that ended something; None if it is open."""
        ended = self.ended.get(opened_id)
        return None if ended is None else ended[member]

    def requests(self, workflow_id: str) -> Sequence[tuple[Event, Event]]:
        """Return the requests that were sent to an execution, with the events of their outcomes."""
        return self._requests.get(workflow_id, ())

    def missed(self, initiated_id: int) -> Event | None:
        """Return the last event that shows that a child had not started yet; None without one."""
        started = self.started.get(initiated_id)
        if started is None:
            return None
        answers = [
            answer
            for _, answer in self.requests(started["workflowExecution"]["workflowId"])
            if answer.type.endswith("Failed") and initiated_id < answer.id < started.id
        ]
        return answers[-1] if answers else None

    def last_seen(self, initiated_id: int) -> Event:
        """Return the last event that shows the first run of a child to exist."""
        seen = self.started[initiated_id]
        run = seen["workflowExecution"]
        for _, answer in self.requests(run["workflowId"]):
            if answer["workflowExecution"] == run:
                seen = max(seen, answer, key=lambda event: event.id)
        return seen


def _by_opening(events: Sequence[Event], types: Mapping[int, str], phase: str) -> dict[int, Event]:
    """Return the events of a phase by the event that opened what they are about.

    Events that name an event of the wrong type are left out.
    """
    found: dict[int, Event] = {}
    for event in events:
        schema = EVENTS.get(event.type)
        if schema is not None and schema.phase == phase and schema.about:
            opening_id = event.link(schema.about)
            if types.get(opening_id) == schema.links[schema.about]:
                found[opening_id] = event
    return found


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
    key = decision_attributes_key(str(decision["decisionType"]))
    attributes: dict[str, Any] = decision.get(key, {})
    return attributes


def decision(decision_type: str, **attributes: Any) -> dict[str, Any]:
    """Return a decision, as RespondDecisionTaskCompleted takes it."""
    return {"decisionType": decision_type, decision_attributes_key(decision_type): attributes}


def without_nulls(value: Any) -> Any:
    """Return a copy of a request without the members that were sent as null."""
    if isinstance(value, Mapping):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    return value


def _decision(event: Event) -> dict[str, Any]:
    decided = decision_type(event)
    attributes = {
        member: event.attributes[member]
        for member in decision_members(decided)
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
    members = decision_members(decision_type)
    undefined = undefined_setting(cause)
    return {
        name: value for name, value in ANY_SETTINGS.items() if name in members and name != undefined
    }
