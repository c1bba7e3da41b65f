"""Histories built by hand, event by event, laid out as the service does."""

from __future__ import annotations

from typing import Any


class Past:
    """An execution's history. Each method appends events and returns the ID of the first."""

    def __init__(self, input: str | None = "[[], {}]") -> None:
        self.events: list[dict[str, Any]] = []
        self.completed = 0
        self._task = (0, 0)
        started = {} if input is None else {"input": input}
        self.add("WorkflowExecutionStarted", parentInitiatedEventId=0, **started)
        self.decision_scheduled()

    def add(self, event_type: str, **attributes: Any) -> int:
        event_id = len(self.events) + 1
        member = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
        self.events.append({"eventId": event_id, "eventType": event_type, member: attributes})
        return event_id

    def decision_scheduled(self) -> int:
        event_id = self.add("DecisionTaskScheduled", taskList={"name": "decisions"})
        self._task = (event_id, 0)
        return event_id

    def decision_started(self) -> int:
        event_id = self.add("DecisionTaskStarted", scheduledEventId=self._task[0])
        self._task = (self._task[0], event_id)
        return event_id

    def decision_timed_out(self) -> int:
        event_id = self.add(
            "DecisionTaskTimedOut",
            scheduledEventId=self._task[0],
            startedEventId=self._task[1],
            timeoutType="START_TO_CLOSE",
        )
        self.decision_scheduled()
        return event_id

    def decided(self) -> int:
        """The running decision task is answered; what it decided comes next."""
        scheduled, started = self._task
        self.completed = self.add(
            "DecisionTaskCompleted", scheduledEventId=scheduled, startedEventId=started
        )
        return self.completed

    def by_decision(self, event_type: str, **attributes: Any) -> int:
        return self.add(event_type, decisionTaskCompletedEventId=self.completed, **attributes)

    def scheduled(
        self, activity_id: str, activity: str, input: str = "[[], {}]", version: str = "1"
    ) -> int:
        return self.by_decision(
            "ActivityTaskScheduled",
            activityId=activity_id,
            activityType={"name": activity, "version": version},
            input=input,
        )

    def done(self, scheduled: int, result: str | None = "null") -> int:
        given = {} if result is None else {"result": result}
        return self._ended(scheduled, "ActivityTaskCompleted", **given)

    def failed(self, scheduled: int, reason: str = "it broke", details: str = "there") -> int:
        return self._ended(scheduled, "ActivityTaskFailed", reason=reason, details=details)

    def timed_out(self, scheduled: int, which: str, **more: str) -> int:
        return self.add(
            "ActivityTaskTimedOut",
            scheduledEventId=scheduled,
            startedEventId=0,
            timeoutType=which,
            **more,
        )

    def canceled(self, scheduled: int, **more: str) -> int:
        return self._ended(scheduled, "ActivityTaskCanceled", **more)

    def _ended(self, scheduled: int, event_type: str, **attributes: str) -> int:
        started = self.add("ActivityTaskStarted", scheduledEventId=scheduled)
        return self.add(
            event_type, scheduledEventId=scheduled, startedEventId=started, **attributes
        )

    def turn(self) -> int:
        """A new decision task is scheduled and started."""
        self.decision_scheduled()
        return self.decision_started()
