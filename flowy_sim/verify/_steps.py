"""A history as steps, one for each transaction, and the links between its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
        started: the events that start something, by the id of the event that opened it.
        ended: the events that end something, by the same id.
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
