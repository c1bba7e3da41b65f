"""Histories written by hand, as Amazon SWF writes them."""

from __future__ import annotations

from typing import Any

TASK_LIST = {"name": "list"}
TYPE = {"name": "Order", "version": "1"}
SETTINGS = {
    "childPolicy": "TERMINATE",
    "executionStartToCloseTimeout": "3600",
    "taskList": TASK_LIST,
    "taskStartToCloseTimeout": "60",
}
TIMEOUTS = {
    "heartbeatTimeout": "NONE",
    "scheduleToCloseTimeout": "NONE",
    "scheduleToStartTimeout": "NONE",
    "startToCloseTimeout": "NONE",
}
ACTIVITY = {"activityType": {"name": "Pack", "version": "1"}, "taskList": TASK_LIST}
OTHER = {"workflowId": "other", "runId": "run-of-other"}


def attributes(event: dict[str, Any]) -> dict[str, Any]:
    name = event["eventType"]
    found: dict[str, Any] = event[f"{name[0].lower()}{name[1:]}EventAttributes"]
    return found


class Written:
    """A history that is being written; decision tasks are scheduled by the service's rule.

    Example:
        >>> written = Written()
        >>> written.decide(("TimerStarted", {"timerId": "t", "startToFireTimeout": "5"}))
        [5]
        >>> written.later(5).trigger("TimerFired", timerId="t", startedEventId=5)
        6
    """

    def __init__(self, **started: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.now = 1_500_000_000.0
        self._waiting = 0
        started = {"parentInitiatedEventId": 0, "workflowType": TYPE, **SETTINGS, **started}
        self.trigger("WorkflowExecutionStarted", **started)

    def later(self, seconds: float) -> Written:
        self.now = round(self.now + seconds, 3)
        return self

    def write(self, event_type: str, **members: Any) -> int:
        self.events.append(
            {
                "eventId": len(self.events) + 1,
                "eventTimestamp": self.now,
                "eventType": event_type,
                f"{event_type[0].lower()}{event_type[1:]}EventAttributes": members,
            }
        )
        return len(self.events)

    def trigger(self, event_type: str, **members: Any) -> int:
        """Write an event that a decider must know about."""
        written = self.write(event_type, **members)
        if not self._waiting:
            self._waiting = self.write(
                "DecisionTaskScheduled",
                scheduleToStartTimeout="NONE",
                startToCloseTimeout="60",
                taskList=TASK_LIST,
            )
        return written

    def start_deciding(self) -> tuple[int, int]:
        scheduled, self._waiting = self._waiting, 0
        started = self.later(0.05).write("DecisionTaskStarted", scheduledEventId=scheduled)
        return scheduled, started

    def decide(self, *batch: tuple[str, dict[str, Any]]) -> list[int]:
        """Let a decider take the waiting task and complete it; return the IDs it led to."""
        scheduled, started = self.start_deciding()
        self.later(0.2)
        completed = self.write(
            "DecisionTaskCompleted", scheduledEventId=scheduled, startedEventId=started
        )
        return [
            self.write(event_type, decisionTaskCompletedEventId=completed, **members)
            for event_type, members in batch
        ]

    def start_activity(self, **settings: Any) -> tuple[int, int]:
        """Let an activity be scheduled and started; return the IDs of both events."""
        members = {"activityId": "a", **ACTIVITY, **TIMEOUTS, **settings}
        (scheduled,) = self.decide(("ActivityTaskScheduled", members))
        started = self.later(0.1).write("ActivityTaskStarted", scheduledEventId=scheduled)
        return scheduled, started

    def start_child(self, **settings: Any) -> tuple[int, int, dict[str, Any]]:
        """Let a child start; return the IDs of both events, and what later events repeat."""
        members = {"workflowId": "child", "workflowType": TYPE, **SETTINGS, **settings}
        (initiated,) = self.decide(("StartChildWorkflowExecutionInitiated", members))
        child = {
            "initiatedEventId": initiated,
            "workflowExecution": {"workflowId": "child", "runId": "run-of-child"},
            "workflowType": TYPE,
        }
        started = self.later(0.1).trigger("ChildWorkflowExecutionStarted", **child)
        return initiated, started, {**child, "startedEventId": started}
