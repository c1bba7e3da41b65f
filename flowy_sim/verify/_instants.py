"""When each step of a history, and each effect of the service, happens in the simulation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flowy_sim._engine import Latency
from flowy_sim._events.schema import CHILD, ENDS, EVENTS, TIMEOUTS
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._steps import Links, Step, steps_of

#: How late an effect may happen, in milliseconds. As recorded, time-outs are up to 19 ms late and
#: other effects up to 250 ms.
LATENESS = 500

#: The least time between an effect and the step before it, in milliseconds: other executions may
#: have to act in between.
_APART = 2

_CHILD_TIMEOUT = "executionStartToCloseTimeout"

#: The instant of the first event if the source did not keep times: 2024-01-01.
_INVENTED_START = 1_704_067_200_000


@dataclass(frozen=True, slots=True)
class Interval:
    """The time of a timer or time-out, between two steps.

    Attributes:
        start: the index of the step that sets it.
        end: the index of the step that it leads to, or that clears it.
        milliseconds: its length.
        passed: whether it passed and led to the step at its end.
        exact: whether that step follows within `LATENESS`; False if something that writes no
            event, such as a heartbeat, may have extended it.
    """

    start: int
    end: int
    milliseconds: int
    passed: bool
    exact: bool = True


def seconds(timeout: object) -> int | None:
    """Return a time-out as a number; None for ``NONE`` and for what is not a time-out."""
    return int(timeout) if isinstance(timeout, str) and timeout.isdecimal() else None


def instants(recording: Recording, steps: Sequence[Step]) -> list[int]:
    """Return the instant of each step, in milliseconds since the epoch.

    Recorded instants are kept, except for a millisecond here and there: an effect never happens
    at the instant of the step before it, so that their order is unambiguous. If no times were
    recorded, they are invented so that every timer and time-out that passed in the history passes
    in time, and no other one does.
    """
    intervals = list(_intervals(recording, steps))
    ending: dict[int, list[Interval]] = {}
    for interval in intervals:
        if interval.passed:
            ending.setdefault(interval.end, []).append(interval)
    if recording.timed:
        at = [step.cause.at or 0 for step in steps]
        for index, leading in ending.items():
            # A step recorded well before it was due stays there, for the comparison to find.
            ending[index] = [
                interval
                for interval in leading
                if interval.milliseconds <= at[index] - at[interval.start] + LATENESS
            ]
        _forward(at, steps, ending)
    else:
        at = [_INVENTED_START] * len(steps)
        _forward(at, steps, ending)
        _invent(at, steps, intervals, ending)
    return at


def _forward(at: list[int], steps: Sequence[Step], ending: dict[int, list[Interval]]) -> None:
    """Move steps later until each comes after the one before it, and after what leads to it."""
    for index in range(1, len(steps)):
        least = at[index - 1] + (_APART if steps[index].is_effect else 0)
        for interval in ending.get(index, ()):
            least = max(least, at[interval.start] + interval.milliseconds)
        at[index] = max(at[index], least)


def _invent(
    at: list[int],
    steps: Sequence[Step],
    intervals: list[Interval],
    ending: dict[int, list[Interval]],
) -> None:
    """Move the starts of intervals later until none passes too early, if that is possible."""
    attempt = list(at)
    for _ in range(len(steps)):
        changed = False
        for interval in reversed(intervals):
            latest = interval.milliseconds + (LATENESS if interval.passed else -1)
            if interval.exact and attempt[interval.end] - attempt[interval.start] > latest:
                attempt[interval.start] = attempt[interval.end] - latest
                changed = True
        if not changed:
            at[:] = attempt
            return
        _forward(attempt, steps, ending)


def _intervals(recording: Recording, steps: Sequence[Step]) -> Iterator[Interval]:
    """Yield every interval of a history."""
    links = Links(recording.events)
    index_of = {event.id: index for index, step in enumerate(steps) for event in step.events}

    def intervals_of(
        start: Event, end: Event | None, timeout: object, passed: bool, exact: bool = True
    ) -> Iterator[Interval]:
        length = seconds(timeout)
        if length is not None:
            end_index = len(steps) - 1 if end is None else index_of[end.id]
            yield Interval(index_of[start.id], end_index, length * 1000, passed, exact)

    for event in recording.events:
        started, ended = links.started.get(event.id), links.ended.get(event.id)
        kind = links.outcome(event.id, "timeoutType")
        match event.type:
            case "WorkflowExecutionStarted":
                last = recording.events[-1]
                passed = last.type == "WorkflowExecutionTimedOut"
                yield from intervals_of(event, last, event["executionStartToCloseTimeout"], passed)
            case "TimerStarted":
                passed = ended is not None and ended.type == "TimerFired"
                yield from intervals_of(event, ended, event["startToFireTimeout"], passed)
            case "DecisionTaskScheduled" | "ActivityTaskScheduled" | "LambdaFunctionScheduled":
                for timeout_type, origin, end in (
                    ("SCHEDULE_TO_START", event, started or ended),
                    ("SCHEDULE_TO_CLOSE", event, ended),
                    ("START_TO_CLOSE", started, ended),
                ):
                    if origin is not None:
                        timeout = event[TIMEOUTS[timeout_type]]
                        yield from intervals_of(origin, end, timeout, kind == timeout_type)
                if started is not None and kind == "HEARTBEAT":
                    yield from intervals_of(started, ended, event["heartbeatTimeout"], True, False)
            case "StartChildWorkflowExecutionInitiated" if started and ended and kind is not None:
                begin, timeout = _run_of_child(recording, links, event, started, ended)
                for interval in intervals_of(begin, ended, timeout, True, False):
                    # It started after that event, not at the same time.
                    yield replace(interval, milliseconds=interval.milliseconds + 1)


def _run_of_child(
    recording: Recording, links: Links, initiated: Event, started: Event, ended: Event
) -> tuple[Event, object]:
    """Return the last event before the run of a child that timed out, and its time-out."""
    same = started["workflowExecution"] == ended["workflowExecution"]
    if same or recording.lost.run_ids:
        return links.missed(initiated.id) or initiated, initiated[_CHILD_TIMEOUT]
    # A later run of the child timed out, after one second or more.
    return links.last_seen(initiated.id), "1"


class Plan:
    """The plan of a redrive: the steps of a history and the instant of each.

    Args:
        recording: the history.

    Attributes:
        recording: the history.
        steps: its steps.
        instants: the instant of each step, in milliseconds.
        links: the links between its events.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.steps = steps_of(recording)
        self.instants = instants(recording, self.steps)
        self.links = Links(recording.events)
        self._at = {
            event.id: instant
            for step, instant in zip(self.steps, self.instants, strict=True)
            for event in step.events
        }

    @property
    def end(self) -> int:
        """The instant of the last step."""
        return self.instants[-1]

    def at(self, event: Event) -> int:
        """Return the instant at which an event should be written."""
        return self._at[event.id]


_REQUESTS_CONFIRMED = (
    "ExternalWorkflowExecutionSignaled",
    "ExternalWorkflowExecutionCancelRequested",
)

#: The events that an effect writes into the history of the execution that caused it, by its kind.
_WRITTEN_BY = {
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
    "child close": tuple(
        name
        for name, event in EVENTS.items()
        if event.kind == CHILD and event.phase == ENDS and not event.refuses
    ),
    "lambda start": ("LambdaFunctionStarted", "StartLambdaFunctionFailed"),
    "lambda close": ("LambdaFunctionCompleted", "LambdaFunctionFailed"),
    "lambda time-out": ("LambdaFunctionTimedOut",),
}

#: The kinds of effects that happen when they are due, or a little later.
_PUNCTUAL = frozenset(kind for kind in _WRITTEN_BY if kind == "timer" or kind.endswith("time-out"))


class RecordedLatency(Latency):
    """A latency with which effects happen when they did in a recording.

    It decides only what the service does not promise: how late an effect happens, and the order
    of effects that do not depend on each other. No effect happens before it is due, and no timer
    or time-out more than `LATENESS` later. Effects that the recording does not show happen
    `LATENESS` after they are due or, if no times were recorded, after its end.

    Args:
        plan: when the effects in the execution's own history happen.
    """

    def __init__(self, plan: Plan) -> None:
        self._workflow_id = plan.recording.workflow_id
        self._recorded = {
            (step.cause.type, cause_id): instant
            for step, instant in zip(plan.steps, plan.instants, strict=True)
            for cause_id in _causes(plan.recording, step.cause)
        }
        self._end = plan.end
        self._timed = plan.recording.timed
        self._arranged: dict[tuple[str, str, int], list[int]] = {}

    def arrange(self, kind: str, workflow_id: str, event_id: int, instant: int) -> None:
        """Make the next effect of a kind that an event causes happen at an instant.

        Args:
            kind: the kind of the effect, such as ``child start``.
            workflow_id: the execution whose event is the cause.
            event_id: the ID of that event.
            instant: when the effect happens, in milliseconds.
        """
        self._arranged.setdefault((kind, workflow_id, event_id), []).append(instant)

    def delays(self, kind: str, workflow_id: str, event_id: int, due: int) -> tuple[int, ...]:
        """Return the delay of an effect, in milliseconds."""
        return (max(0, self._instant(kind, workflow_id, event_id, due) - due),)

    def _instant(self, kind: str, workflow_id: str, event_id: int, due: int) -> int:
        # The run before, or a parent, may have the same workflow ID and an event of the same ID.
        arranged = self._arranged.get((kind, workflow_id, event_id))
        if arranged:
            return arranged.pop()
        if workflow_id != self._workflow_id:
            return due
        for event_type in _WRITTEN_BY.get(kind, ()):
            instant = self._recorded.get((event_type, event_id))
            if instant is not None and (kind not in _PUNCTUAL or instant - due <= LATENESS):
                return instant
        if not self._timed and kind not in _PUNCTUAL:
            # Invented times do not show which effects were still pending at the end.
            return max(due, self._end) + LATENESS
        return due + LATENESS


def _causes(recording: Recording, event: Event) -> Iterator[int]:
    """Yield the IDs of the events that caused the effect that wrote this event."""
    match event.type:
        case "WorkflowExecutionTimedOut":
            yield 1
        case "DecisionTaskTimedOut":
            yield event.link("startedEventId") or event.link("scheduledEventId")
        case "ActivityTaskCanceled":
            yield event.link("latestCancelRequestedEventId")
        case name if name in EVENTS and EVENTS[name].about:
            yield event.link(EVENTS[name].about)
        case _ if recording.sent_itself(event):
            yield event.link("externalInitiatedEventId")
