"""When the simulation's own doings land: where the recording says that they did."""

from __future__ import annotations

from collections.abc import Iterator

from flowy_sim._engine import Latency
from flowy_sim.verify._course import Course
from flowy_sim.verify._instants import LATENESS
from flowy_sim.verify._links import LINKS
from flowy_sim.verify._recording import Event, Recording

_REQUESTS_CONFIRMED = (
    "ExternalWorkflowExecutionSignaled",
    "ExternalWorkflowExecutionCancelRequested",
)
#: The events that what happens by itself writes into the history of its cause, by its kind.
_WRITES = {
    "timer": ("TimerFired",),
    "zero timer": ("TimerFired",),
    "activity task time-out": ("ActivityTaskTimedOut",),
    "activity cancel": ("ActivityTaskCanceled",),
    "decision task time-out": ("DecisionTaskTimedOut",),
    "execution time-out": ("WorkflowExecutionTimedOut",),
    "external request": (
        "WorkflowExecutionSignaled",
        "WorkflowExecutionCancelRequested",
        *_REQUESTS_CONFIRMED,
        "SignalExternalWorkflowExecutionFailed",
        "RequestCancelExternalWorkflowExecutionFailed",
    ),
    "external confirmation": _REQUESTS_CONFIRMED,
    "child start": ("StartChildWorkflowExecutionFailed",),
    "child started": ("ChildWorkflowExecutionStarted",),
    "child close": (
        "ChildWorkflowExecutionCanceled",
        "ChildWorkflowExecutionCompleted",
        "ChildWorkflowExecutionFailed",
        "ChildWorkflowExecutionTerminated",
        "ChildWorkflowExecutionTimedOut",
    ),
    "lambda start": ("LambdaFunctionStarted", "StartLambdaFunctionFailed"),
    "lambda close": ("LambdaFunctionCompleted", "LambdaFunctionFailed"),
    "lambda time-out": ("LambdaFunctionTimedOut",),
}
#: The kinds that come when they are due, or a little later.
_PUNCTUAL = frozenset(kind for kind in _WRITES if kind == "timer" or kind.endswith("time-out"))


class Timetable(Latency):
    """A latency with which everything lands when the recording says that it did.

    That decides only what the service leaves open: how late something comes, and in which order
    things come that do not depend on each other. Nothing lands before it is due, no timer and no
    time-out more than `LATENESS` after, and what the recording does not show lands then, too,
    or, if no times were recorded, after its end.
    """

    def __init__(self, course: Course) -> None:
        """Note when everything landed that the execution's history shows."""
        self._workflow_id = course.recording.workflow_id
        self._recorded = {
            (step.cause.type, cause_id): instant
            for step, instant in zip(course.steps, course.instants, strict=True)
            for cause_id in _causes(course.recording, step.cause)
        }
        self._end = course.end
        self._timed = course.recording.timed
        self._arranged: dict[tuple[str, str, int], list[int]] = {}

    def arrange(self, kind: str, workflow_id: str, event_id: int, instant: int) -> None:
        """Let the next thing of a kind that follows from an event land at an instant.

        Args:
            kind: what it is, such as ``child start``.
            workflow_id: the execution whose event is the cause.
            event_id: that event.
            instant: when it lands, in milliseconds.
        """
        self._arranged.setdefault((kind, workflow_id, event_id), []).append(instant)

    def delays(self, kind: str, workflow_id: str, event_id: int, due: int) -> tuple[int, ...]:
        """Return the delay in milliseconds with which something lands."""
        return (max(0, self._landing(kind, workflow_id, event_id, due) - due),)

    def _landing(self, kind: str, workflow_id: str, event_id: int, due: int) -> int:
        # The run before, or a parent, may have the same workflow id and an event of the same id.
        arranged = self._arranged.get((kind, workflow_id, event_id))
        if arranged:
            return arranged.pop()
        if workflow_id != self._workflow_id:
            return due
        for event_type in _WRITES.get(kind, ()):
            instant = self._recorded.get((event_type, event_id))
            if instant is not None and (kind not in _PUNCTUAL or instant - due <= LATENESS):
                return instant
        if not self._timed and kind not in _PUNCTUAL:
            # Invented times say nothing of what was still under way at the end.
            return max(due, self._end) + LATENESS
        return due + LATENESS


def _causes(recording: Recording, event: Event) -> Iterator[int]:
    """Yield the events that count as the cause of what wrote this one."""
    match event.type:
        case "WorkflowExecutionTimedOut":
            yield 1
        case "DecisionTaskTimedOut":
            yield event.link("startedEventId") or event.link("scheduledEventId")
        case "ActivityTaskCanceled":
            yield event.link("latestCancelRequestedEventId")
        case name if name in LINKS:
            yield event.link(LINKS[name])
        case _ if recording.sent_itself(event):
            yield event.link("externalInitiatedEventId")
