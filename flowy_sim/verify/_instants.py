"""When each step of a history happens in the simulation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flowy_sim._events.schema import TIMEOUTS
from flowy_sim.verify._links import Links
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._steps import Step

#: How late the service may be, in milliseconds, with what happens by itself. Recorded are up to
#: 19 for time-outs and 250 for the other effects.
LATENESS = 500

#: How far what the service does by itself is kept from the step before, in milliseconds: others
#: may have to do something in between.
_APART = 2

_CHILD_TIMEOUT = "executionStartToCloseTimeout"
#: The instant of the first event where the source did not keep the time: 2024-01-01.
_INVENTED_START = 1_704_067_200_000


@dataclass(frozen=True, slots=True)
class Span:
    """Two steps that a time-out or a timer ties together.

    Attributes:
        start: the index of the step that sets it.
        end: the index of the step that it leads to or that clears it.
        milliseconds: how long it lasts.
        passed: whether it leads to that step.
        exact: whether that step follows within `LATENESS`; False where something that leaves no
            event, such as a heartbeat, may have put it off.
    """

    start: int
    end: int
    milliseconds: int
    passed: bool
    exact: bool = True


def seconds(timeout: object) -> int | None:
    """Return a time-out of an event as a number; None for ``NONE`` and what is none."""
    return int(timeout) if isinstance(timeout, str) and timeout.isdecimal() else None


def instants(recording: Recording, steps: Sequence[Step]) -> list[int]:
    """Return the instant of each step, in milliseconds since the epoch.

    Recorded instants are kept, but for a millisecond here and there: what the service does by
    itself never happens at the instant of the step before it, so that the order is plain. Where
    none were recorded they are invented such that every timer and time-out of the history passes
    in time, and no other does.
    """
    spans = list(_spans(recording, steps))
    ending: dict[int, list[Span]] = {}
    for span in spans:
        if span.passed:
            ending.setdefault(span.end, []).append(span)
    if recording.timed:
        at = [step.cause.at or 0 for step in steps]
        for index, leading in ending.items():
            # A step recorded well before it was due is left there, for the comparison to find.
            ending[index] = [
                span
                for span in leading
                if span.milliseconds <= at[index] - at[span.start] + LATENESS
            ]
        _forward(at, steps, ending)
    else:
        at = [_INVENTED_START] * len(steps)
        _forward(at, steps, ending)
        _invent(at, steps, spans, ending)
    return at


def _forward(at: list[int], steps: Sequence[Step], ending: dict[int, list[Span]]) -> None:
    """Push steps later until each comes after the one before it and after what leads to it."""
    for index in range(1, len(steps)):
        least = at[index - 1] + (_APART if steps[index].is_effect else 0)
        for span in ending.get(index, ()):
            least = max(least, at[span.start] + span.milliseconds)
        at[index] = max(at[index], least)


def _invent(
    at: list[int], steps: Sequence[Step], spans: list[Span], ending: dict[int, list[Span]]
) -> None:
    """Push the starts of spans later until none passes too early, if that is possible."""
    attempt = list(at)
    for _ in range(len(steps)):
        changed = False
        for span in reversed(spans):
            latest = span.milliseconds + (LATENESS if span.passed else -1)
            if span.exact and attempt[span.end] - attempt[span.start] > latest:
                attempt[span.start] = attempt[span.end] - latest
                changed = True
        if not changed:
            at[:] = attempt
            return
        _forward(attempt, steps, ending)


def _spans(recording: Recording, steps: Sequence[Step]) -> Iterator[Span]:
    """Yield every span of a history."""
    links = Links(recording.events)
    index_of = {event.id: index for index, step in enumerate(steps) for event in step.events}

    def spans_of(
        start: Event, end: Event | None, timeout: object, passed: bool, exact: bool = True
    ) -> Iterator[Span]:
        length = seconds(timeout)
        if length is not None:
            end_index = len(steps) - 1 if end is None else index_of[end.id]
            yield Span(index_of[start.id], end_index, length * 1000, passed, exact)

    for event in recording.events:
        started, ended = links.started.get(event.id), links.ended.get(event.id)
        kind = links.outcome(event.id, "timeoutType")
        match event.type:
            case "WorkflowExecutionStarted":
                last = recording.events[-1]
                passed = last.type == "WorkflowExecutionTimedOut"
                yield from spans_of(event, last, event["executionStartToCloseTimeout"], passed)
            case "TimerStarted":
                passed = ended is not None and ended.type == "TimerFired"
                yield from spans_of(event, ended, event["startToFireTimeout"], passed)
            case "DecisionTaskScheduled" | "ActivityTaskScheduled" | "LambdaFunctionScheduled":
                for timeout_type, origin, end in (
                    ("SCHEDULE_TO_START", event, started or ended),
                    ("SCHEDULE_TO_CLOSE", event, ended),
                    ("START_TO_CLOSE", started, ended),
                ):
                    if origin is not None:
                        timeout = event[TIMEOUTS[timeout_type]]
                        yield from spans_of(origin, end, timeout, kind == timeout_type)
                if started is not None and kind == "HEARTBEAT":
                    yield from spans_of(started, ended, event["heartbeatTimeout"], True, False)
            case "StartChildWorkflowExecutionInitiated" if started and ended and kind is not None:
                same = started["workflowExecution"] == ended["workflowExecution"]
                if same or recording.lost.run_ids:
                    start, timeout = links.missed(event.id) or event, event[_CHILD_TIMEOUT]
                else:
                    # A run that it continued as has timed out, after a second at least.
                    start, timeout = links.last_seen(event.id), "1"
                for span in spans_of(start, ended, timeout, True, False):
                    # It started after that event, not with it.
                    yield replace(span, milliseconds=span.milliseconds + 1)
