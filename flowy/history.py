"""The history of an execution, read in one pass: what was known, and decided, at each turn.

A turn is a decision task that was completed, or the one to be decided now. What the workflow
learns in a turn are the events up to its DecisionTaskStarted that it did not know in the turn
before; what happened while it was deciding belongs to the next. A decision task that timed out
is no turn, as nothing came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flowy.decisions import SHOWN, Trace
from flowy.errors import HistoryError

Event = Mapping[str, Any]


class News(NamedTuple):
    """An event that tells the workflow something."""

    about: str | None
    """The id of the activity or timer it is about, or None if about the execution itself."""
    event_type: str
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class Turn:
    """What the workflow learns before one decision task, and what it decided then."""

    news: list[News]
    shown: list[Trace] = field(default_factory=list)
    """The events that the decisions wrote."""
    completed_event_id: int | None = None
    """The DecisionTaskCompleted event, or None while the task is to be decided."""


class History(NamedTuple):
    """An execution's past as a workflow sees it."""

    input: str | None
    """What the execution was started with."""
    turns: list[Turn]


OPENING = {"ActivityTaskScheduled": "activityId", "TimerStarted": "timerId"}
"""Event that begins something: the attribute with the id that the workflow gave it."""

LINKS = {
    "ActivityTaskCompleted": "scheduledEventId",
    "ActivityTaskFailed": "scheduledEventId",
    "ActivityTaskTimedOut": "scheduledEventId",
    "ActivityTaskCanceled": "scheduledEventId",
    "TimerFired": "startedEventId",
}
"""Event that tells what became of something: the attribute with the event that began it."""

REFUSALS = {
    "ScheduleActivityTaskFailed": "activityId",
    "StartTimerFailed": "timerId",
    "CompleteWorkflowExecutionFailed": None,
    "FailWorkflowExecutionFailed": None,
}
"""Event of a decision that failed: the attribute with the id of what it would have begun."""


def _attributes_member(event_type: str) -> str:
    return f"{event_type[0].lower()}{event_type[1:]}EventAttributes"


_MEMBERS = {name: _attributes_member(name) for name in (*SHOWN, *LINKS)}

_SILENT = frozenset({"DecisionTaskScheduled", "ActivityTaskStarted"})
"""The frequent ones of the events that neither tell a workflow anything nor come of decisions."""


def read(events: Iterable[Event]) -> History:
    """Read the events of an execution.

    Args:
        events: all events from the first one on, oldest first, as the service gives them.

    Returns:
        The history. Its last turn is to be decided if the last decision task was started and
        neither completed nor timed out.

    Raises:
        HistoryError: it does not begin with WorkflowExecutionStarted.
    """
    events = iter(events)
    started = next(events, None)
    if started is None or started.get("eventType") != "WorkflowExecutionStarted":
        raise HistoryError("a history begins with WorkflowExecutionStarted, event 1; this one not")
    turns: list[Turn] = []
    begun: dict[int, str] = {}
    news: list[News] = []
    known = 0  # how much of the news the decision task that was started last knows
    shown: list[Trace] = []
    deciding = False
    for event in events:
        event_type = event["eventType"]
        if event_type in _SILENT:
            continue
        if event_type == "DecisionTaskStarted":
            known, deciding = len(news), True
        elif event_type == "DecisionTaskCompleted":
            shown, deciding = [], False
            turns.append(Turn(news[:known], shown, event["eventId"]))
            del news[:known]
        elif event_type == "DecisionTaskTimedOut":
            deciding = False
        else:
            attributes = event[_MEMBERS.get(event_type) or _attributes_member(event_type)]
            if event_type in LINKS:
                about = begun[attributes[LINKS[event_type]]]
                news.append(News(about, event_type, attributes))
            elif "decisionTaskCompletedEventId" in attributes:
                shown.append(Trace(event["eventId"], event_type, attributes))
                if event_type in OPENING:
                    begun[event["eventId"]] = attributes[OPENING[event_type]]
                elif event_type in REFUSALS:
                    member = REFUSALS[event_type]
                    refused = attributes[member] if member else None
                    news.append(News(refused, event_type, attributes))
    if deciding:
        turns.append(Turn(news[:known]))
    return History(started["workflowExecutionStartedEventAttributes"].get("input"), turns)
