"""A history as steps: one step for each thing that happened, with all the events it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowy_sim._events.schema import EVENTS
from flowy_sim.verify._recording import Event, Recording


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of the service.

    Attributes:
        events: what it wrote; the first is its cause, the others follow from that.
    """

    events: tuple[Event, ...]

    @property
    def cause(self) -> Event:
        """The event that the rest of the step follows from."""
        return self.events[0]

    @property
    def batch(self) -> tuple[Event, ...]:
        """The events that the decisions of a DecisionTaskCompleted wrote, in their order."""
        return tuple(event for event in self.events[1:] if event.type != "DecisionTaskScheduled")

    @property
    def is_effect(self) -> bool:
        """Whether the service did it by itself, rather than for a call."""
        cause = self.cause
        match cause.type:
            case "ActivityTaskCanceled":
                return not cause.link("startedEventId")
            case "WorkflowExecutionSignaled" | "WorkflowExecutionCancelRequested":
                return cause["externalWorkflowExecution"] is not None
            case "WorkflowExecutionTerminated":
                return cause["cause"] not in (None, "OPERATOR_INITIATED")
        return cause.type not in EVENTS or not EVENTS[cause.type].operation


def steps(recording: Recording) -> Sequence[Step]:
    """Return the steps of a history, in order."""
    grouped: list[list[Event]] = []
    for event in recording.events:
        if grouped and _follows(event, grouped[-1][0]):
            grouped[-1].append(event)
        else:
            grouped.append([event])
    return [Step(tuple(events)) for events in grouped]


def _follows(event: Event, cause: Event) -> bool:
    """Tell whether an event belongs to the transaction of the cause before it."""
    if event.type == "DecisionTaskScheduled":
        return True
    return (
        cause.type == "DecisionTaskCompleted"
        and event.link("decisionTaskCompletedEventId") == cause.id
        # A decision that fails later, by itself, names the decision task as well.
        and not (event.type.endswith("Failed") and event.link("initiatedEventId"))
    )
