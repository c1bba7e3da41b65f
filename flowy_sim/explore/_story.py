"""A run told in a few lines, in the words of workflows."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping
from itertools import groupby
from textwrap import shorten
from typing import Any, NamedTuple

from flowy_sim._engine.execution import Execution
from flowy_sim._engine.life_cycles import CLOSE_STATUS
from flowy_sim._events.vocabulary import attributes_of
from flowy_sim.testing import Runner
from flowy_sim.testing._run import Event

MOST_LINES = 12
_MOST_TOLD = MOST_LINES - 3
_WIDTH = 100
_LONGEST = 400

_ACCIDENT, _TURNING, _DECISION, _ENDING, _BEGINNING = 5, 4, 3, 2, 1
"""How much a line tells; when there are too many, those that tell least are left out."""


Attributes = Mapping[str, Any]


class Line(NamedTuple):
    """Something that happened.

    Attributes:
        instant: when, in milliseconds.
        weight: how much it tells.
        words: what it was.
    """

    instant: int
    weight: int
    words: str


class Story:
    """Listens to a run, to tell of it."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._lines: list[Line] = []
        self._heard: dict[str, int] = {}
        self._runner: Runner | None = None
        self._began = 0

    def listen(self, runner: Runner) -> None:
        """Hear what has happened since the last turn."""
        if self._runner is None:
            self._runner = runner
            self._began = runner.simulation.clock.milliseconds
        for execution in list(runner.simulation.engine().executions.values()):
            heard = self._heard.get(execution.run_id, 0)
            self._heard[execution.run_id] = len(execution)
            self._lines += _told(execution, execution.events(heard + 1, len(execution)))

    def accident(self, runner: Runner, words: str) -> None:
        """Hear what went wrong on purpose."""
        self.listen(runner)
        self._lines.append(Line(runner.simulation.clock.milliseconds, _ACCIDENT, f"! {words}"))

    def lines(self) -> list[str]:
        """Tell it, in as many lines as there may be."""
        lines = list(_without_repeats(self._lines))
        order = sorted(range(len(lines)), key=lambda i: (-lines[i].weight, -i))
        told = []
        for index in sorted(order[:_MOST_TOLD]):
            line = lines[index]
            seconds = (line.instant - self._began) / 1000
            told.append(f"{seconds:>8g} s  {shorten(line.words, _WIDTH, placeholder=' …')}")
        return told


def _without_repeats(lines: list[Line]) -> Iterator[Line]:
    """Tell once what is the same again and again."""
    for (_, words), same in groupby(lines, lambda line: (line.weight, line.words)):
        first, *others = same
        times = f", {len(others)} more times" if others else ""
        yield first._replace(words=f"{words}{times}")


def blame(error: BaseException) -> str:
    """Say in a line what a test failed with."""
    frames = traceback.extract_tb(error.__traceback__)
    first, _, more = str(error).strip().partition("\n")
    if first.endswith(":"):
        first += more.partition("\n")[0].removeprefix("-")
    first = first or (frames[-1].line if frames else "") or ""
    where = frames[-1].name.strip("_").replace("_", " ") if frames else ""
    is_assertion = type(error) is AssertionError
    name = where if is_assertion and " " in where else type(error).__name__
    return shorten(f"{name}: {first}".removesuffix(": "), _LONGEST, placeholder=" …")


def _told(execution: Execution, events: list[Event]) -> list[Line]:
    lines: list[Line] = []
    decided: list[str] = []
    answer = place = 0
    who = execution.workflow_id
    for event in events:
        kind, attributes = event["eventType"], attributes_of(event)
        instant = execution.time(event["eventId"])
        of_answer = answer > 0 and attributes.get("decisionTaskCompletedEventId") == answer
        if kind == "DecisionTaskCompleted":
            answer, place, decided = event["eventId"], len(lines), []
            lines.append(Line(instant, _BEGINNING, f"{who} decides nothing yet"))
        elif kind in CLOSE_STATUS:
            if of_answer and not decided:
                del lines[place]
            lines.append(Line(instant, _TURNING, _closing(who, kind, attributes)))
        elif of_answer:
            phrase = _DECIDED.get(kind)
            decided.append(
                _refused(kind, attributes) if phrase is None else phrase.format_map(attributes)
            )
            lines[place] = Line(instant, _DECISION, f"{who} decides: {', '.join(decided)}")
        elif kind in _HAPPENED:
            weight, phrase = _HAPPENED[kind]
            lines.append(Line(instant, weight, _happened(phrase, execution, attributes)))
        elif "cause" in attributes:
            lines.append(Line(instant, _TURNING, f"{who}: {_refused(kind, attributes)}"))
    return lines


def _closing(who: str, kind: str, attributes: Attributes) -> str:
    said = _result(attributes) or f": {_reason(attributes)}"
    return f"{who} {_CLOSING[CLOSE_STATUS[kind]]}{said}".removesuffix(": ")


def _refused(kind: str, attributes: Attributes) -> str:
    return f"{kind.removesuffix('Failed')} ({attributes['cause']})"


def _happened(phrase: str, execution: Execution, attributes: Attributes) -> str:
    return phrase.format_map(
        {
            **attributes,
            "who": execution.workflow_id,
            "what": _scheduled(execution, attributes) if "{what}" in phrase else "",
            "taker": attributes.get("identity") or "a worker",
            "why": _reason(attributes),
            "result": _result(attributes),
        }
    )


def _scheduled(execution: Execution, attributes: Attributes) -> str:
    event_id = attributes["scheduledEventId"]
    member = "id" if execution.event_type(event_id).startswith("Lambda") else "activityId"
    return str(execution.member(event_id, member))


def _reason(attributes: Attributes) -> str:
    return str(attributes.get("reason") or attributes.get("timeoutType") or "")


def _result(attributes: Attributes) -> str:
    result = attributes.get("result")
    if not result:
        return ""
    try:
        return f" = {json.loads(result)!r}"
    except ValueError:
        return f" = {result}"


_CLOSING = {
    "COMPLETED": "completes",
    "FAILED": "fails",
    "CANCELED": "is canceled",
    "TERMINATED": "is terminated",
    "CONTINUED_AS_NEW": "continues as new",
    "TIMED_OUT": "times out",
}

_DECIDED = {
    "ActivityTaskScheduled": "{activityId}",
    "ActivityTaskCancelRequested": "cancel {activityId}",
    "TimerStarted": "timer {timerId} of {startToFireTimeout} s",
    "TimerCanceled": "cancel timer {timerId}",
    "MarkerRecorded": "marker {markerName}",
    "LambdaFunctionScheduled": "{id}",
    "StartChildWorkflowExecutionInitiated": "child {workflowId}",
    "SignalExternalWorkflowExecutionInitiated": "signal {signalName} to {workflowId}",
    "RequestCancelExternalWorkflowExecutionInitiated": "cancel {workflowId}",
}
"""What was decided, by the event that shows it; with the event's attributes."""

_HAPPENED = {
    "WorkflowExecutionStarted": (_DECISION, "{who} starts"),
    "WorkflowExecutionSignaled": (_TURNING, "{who} is signaled: {signalName}"),
    "WorkflowExecutionCancelRequested": (_TURNING, "{who} is asked to cancel itself"),
    "DecisionTaskTimedOut": (_TURNING, "a decision task of {who} times out"),
    "ActivityTaskStarted": (_BEGINNING, "{taker} takes {what}"),
    "ActivityTaskCompleted": (_ENDING, "{what} is done{result}"),
    "ActivityTaskFailed": (_TURNING, "{what} fails: {why}"),
    "ActivityTaskTimedOut": (_TURNING, "{what} times out: {why}"),
    "ActivityTaskCanceled": (_TURNING, "{what} is canceled"),
    "TimerFired": (_ENDING, "timer {timerId} fires"),
    "LambdaFunctionCompleted": (_ENDING, "{what} is done{result}"),
    "LambdaFunctionFailed": (_TURNING, "{what} fails: {why}"),
}
"""How much an event tells, and in which words; what they can be made of `_happened` shows."""
