"""Histories made by hand, an event a call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Self

START = datetime(2024, 1, 1, tzinfo=UTC)
RESIZE = {"name": "resize", "version": "1"}


class History:
    """A history that is written event by event; each method adds what happened, and when."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.began: dict[str, int] = {}
        self.add(0, "WorkflowExecutionStarted", workflowType={"name": "photo", "version": "7"})

    def add(self, seconds: float, event_type: str, **attributes: Any) -> Self:
        """Write any event, a number of seconds after the start."""
        member = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
        event = {
            "eventId": len(self.events) + 1,
            "eventType": event_type,
            "eventTimestamp": START + timedelta(seconds=seconds),
            member: attributes,
        }
        self.events.append(event)
        return self

    def decide(self, seconds: float, until: float | None = None) -> Self:
        """Schedule, start and complete a decision task."""
        self.add(seconds, "DecisionTaskScheduled")
        scheduled = len(self.events)
        self.add(seconds, "DecisionTaskStarted", scheduledEventId=scheduled)
        end = seconds if until is None else until
        return self.add(
            end,
            "DecisionTaskCompleted",
            scheduledEventId=scheduled,
            startedEventId=scheduled + 1,
        )

    def schedule(self, seconds: float, task_id: str, type: dict[str, str] = RESIZE) -> Self:
        """Schedule an activity."""
        self.began[task_id] = len(self.events) + 1
        return self.add(seconds, "ActivityTaskScheduled", activityId=task_id, activityType=type)

    def start(self, seconds: float, task_id: str) -> Self:
        """Let a worker take an activity."""
        return self.add(seconds, "ActivityTaskStarted", scheduledEventId=self.began[task_id])

    def end(self, seconds: float, task_id: str, how: str = "Completed", **attributes: Any) -> Self:
        """End an activity."""
        scheduled = self.began[task_id]
        return self.add(seconds, f"ActivityTask{how}", scheduledEventId=scheduled, **attributes)

    def timer(self, seconds: float, timer_id: str) -> Self:
        """Start a timer."""
        self.began[timer_id] = len(self.events) + 1
        return self.add(seconds, "TimerStarted", timerId=timer_id)

    def fire(self, seconds: float, timer_id: str, how: str = "Fired") -> Self:
        """Let a timer fire."""
        started = self.began[timer_id]
        return self.add(seconds, f"Timer{how}", timerId=timer_id, startedEventId=started)
