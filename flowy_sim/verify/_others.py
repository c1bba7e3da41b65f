"""The other executions that a history names, and what they sent to the one that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from flowy_sim.verify._course import Course
from flowy_sim.verify._decided import decision
from flowy_sim.verify._recording import Event
from flowy_sim.verify._timetable import Timetable

#: The id of the first event that the first decisions of an execution write.
FIRST_DECIDED = 5
#: More events than this no history has.
_MOST_EVENTS = 25_000


class Other(NamedTuple):
    """Another execution, as recorded; without a run id where those were not kept."""

    workflow_id: str
    run_id: str | None


class Duty(NamedTuple):
    """Something that somebody does of which the history tells only what came of it.

    Attributes:
        at: when it is done, in milliseconds.
        after: the event of the history that it is not done before.
        perform: what is done.
    """

    at: int
    after: int
    perform: Callable[[], None]


class Senders:
    """What the others sent: signals and cancel requests."""

    def __init__(self, course: Course, timetable: Timetable) -> None:
        """Read what was received, unless the execution sent it to itself."""
        self._course = course
        self._timetable = timetable
        self._own_id = course.recording.workflow_id
        self._sent: dict[Other, dict[int, Event]] = {}
        recording = course.recording
        for event in recording.events:
            sender = event["externalWorkflowExecution"]
            if sender is None or event["cause"] is not None or recording.sent_itself(event):
                continue
            sent = self._sent.setdefault(self.other(sender), {})
            sent[event.link("externalInitiatedEventId")] = event

    def __iter__(self) -> Iterator[Other]:
        """Yield the senders, in the order in which they were first heard of."""
        return iter(self._sent)

    def other(self, execution: Mapping[str, str]) -> Other:
        """Return who an event names."""
        kept = not self._course.recording.lost.run_ids
        return Other(execution["workflowId"], execution["runId"] if kept else None)

    def first_received(self, sender: Other) -> Event | None:
        """Return the first event that something from a sender has written; None without one."""
        received = self._sent.get(sender, {}).values()
        return min(received, key=lambda event: event.id, default=None)

    def decisions(
        self, sender: Other, more: Mapping[int, dict[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """Return the first decisions of a sender.

        They send all that it ever sent, in events of the recorded ids, to land when recorded;
        markers stand between them.

        Args:
            sender: the execution.
            more: further decisions, by the ids of their events.
        """
        decisions = dict(more or {})
        for initiated_id, event in self._sent.get(sender, {}).items():
            lands = self._course.at(event)
            self._timetable.arrange("external request", sender.workflow_id, initiated_id, lands)
            decisions[initiated_id] = self._request(event)
        padded: list[dict[str, Any]] = []
        for event_id, wanted in sorted(decisions.items()):
            missing = min(event_id, _MOST_EVENTS) - FIRST_DECIDED - len(padded)
            padded += [decision("RecordMarker", markerName="flowy-sim")] * missing
            padded.append(wanted)
        return padded

    def _request(self, event: Event) -> dict[str, Any]:
        if event.type == "WorkflowExecutionCancelRequested":
            return decision("RequestCancelExternalWorkflowExecution", workflowId=self._own_id)
        told = {"workflowId": self._own_id, "signalName": event["signalName"]}
        if event["input"] is not None:
            told["input"] = event["input"]
        return decision("SignalExternalWorkflowExecution", **told)
