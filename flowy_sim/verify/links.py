"""Which event of a history started or ended what another event opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowy_sim.verify.recording import Event

#: The events that start what was opened before, with the member that names the opening event.
STARTS = {
    "ActivityTaskStarted": "scheduledEventId",
    "ChildWorkflowExecutionStarted": "initiatedEventId",
    "DecisionTaskStarted": "scheduledEventId",
    "LambdaFunctionStarted": "scheduledEventId",
}
#: The events that end it.
ENDS = {
    "ActivityTaskCanceled": "scheduledEventId",
    "ActivityTaskCompleted": "scheduledEventId",
    "ActivityTaskFailed": "scheduledEventId",
    "ActivityTaskTimedOut": "scheduledEventId",
    "ChildWorkflowExecutionCanceled": "initiatedEventId",
    "ChildWorkflowExecutionCompleted": "initiatedEventId",
    "ChildWorkflowExecutionFailed": "initiatedEventId",
    "ChildWorkflowExecutionTerminated": "initiatedEventId",
    "ChildWorkflowExecutionTimedOut": "initiatedEventId",
    "DecisionTaskCompleted": "scheduledEventId",
    "DecisionTaskTimedOut": "scheduledEventId",
    "ExternalWorkflowExecutionCancelRequested": "initiatedEventId",
    "ExternalWorkflowExecutionSignaled": "initiatedEventId",
    "LambdaFunctionCompleted": "scheduledEventId",
    "LambdaFunctionFailed": "scheduledEventId",
    "LambdaFunctionTimedOut": "scheduledEventId",
    "RequestCancelExternalWorkflowExecutionFailed": "initiatedEventId",
    "SignalExternalWorkflowExecutionFailed": "initiatedEventId",
    "StartChildWorkflowExecutionFailed": "initiatedEventId",
    "StartLambdaFunctionFailed": "scheduledEventId",
    "TimerCanceled": "startedEventId",
    "TimerFired": "startedEventId",
}


class Links:
    """What became of everything that a history opened.

    Attributes:
        started: by the id of the event that opened it, the event that started it.
        ended: by the same id, the event that ended it.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        """Read the links of a history."""
        self.started = self._by_link(events, STARTS)
        self.ended = self._by_link(events, ENDS)
        self._requests: dict[str, list[tuple[Event, Event]]] = {}
        for event in events:
            if event.type.endswith("ExternalWorkflowExecutionInitiated") and event.id in self.ended:
                answered = self._requests.setdefault(event["workflowId"], [])
                answered.append((event, self.ended[event.id]))

    def outcome(self, opened_id: int, member: str) -> Any:
        """Return a member of the event that ended it; None if nothing has."""
        ended = self.ended.get(opened_id)
        return None if ended is None else ended[member]

    def requests(self, workflow_id: str) -> Sequence[tuple[Event, Event]]:
        """Return what was sent to an execution, each with the event that tells what came of it."""
        return self._requests.get(workflow_id, ())

    def missed(self, initiated_id: int) -> Event | None:
        """Return the last event before a child was heard of that shows that it was not there."""
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
        """Return the last event that shows the first run of a child that has started."""
        seen = self.started[initiated_id]
        run = seen["workflowExecution"]
        for _, answer in self.requests(run["workflowId"]):
            if answer["workflowExecution"] == run:
                seen = max(seen, answer, key=lambda event: event.id)
        return seen

    @staticmethod
    def _by_link(events: Sequence[Event], members: dict[str, str]) -> dict[int, Event]:
        return {
            event.link(member): event for event in events if (member := members.get(event.type, ""))
        }
