"""The story of a run: what happened, in a few lines and in the terms of workflows."""

from __future__ import annotations

import json
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from textwrap import shorten
from typing import Any, NamedTuple

from flowy._safe_text import safe_text
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import CLOSE_STATUS
from flowy_sim._events.history import Event
from flowy_sim._events.schema import attributes_of
from flowy_sim.explore._user_output import OutputLine
from flowy_sim.testing import Runner

MOST_LINES = 12
"""The most lines of a failure: the headline, the story, what it leaves out, how to repeat it, and
one to spare."""

_MOST_STORY_LINES = MOST_LINES - 4
_MOST_OUTPUT_LINES = 10
_LONGEST_LINE = 400
_WIDTH = 100
_HEADLINE_WIDTH = 400

_ACCIDENT, _TURNING_POINT, _DECISION, _END, _START, _NOTHING = 5, 4, 3, 2, 1, 0
"""Weights of lines. If there are too many lines, those with the least weight are left out."""

_SHOW_ALL = "--story full, or pytest --swf-story=full"

_NAMED, _RELATED = 7, 3
"""What is added to the weight of a line that shares a name, or a word, with the error."""

_STEM, _ENDING = 4, 2
"""The fewest letters that related words have in common, and the most that their endings have."""

_WORD = re.compile(r"[^\W\d_]{4,}")
"""A word that is long enough to tell something."""

_NAME = re.compile(r"[\w.:-]*\d[\w.:-]*|\w+-[\w.:-]+")
"""The name of an execution, activity or timer, such as ``order-7`` or ``charge-1.2``."""

_OF_WORKER = re.compile(r"^\w[\w ]* \((.+?)\)(?: at .+?)?: ")
"""The beginning of a fault that strikes a worker with a task, such as ``worker 1 (charge-1): ``."""

Attributes = Mapping[str, Any]


class StoryLine(NamedTuple):
    """Something that happened.

    Attributes:
        instant: when, in milliseconds since 1970.
        weight: how much it matters to the reader.
        words: what happened.
        about: the ID of the activity, timer or Lambda task that it is about, and the workflow ID
            of its execution; nothing if it is about an execution.
        full_words: what happened, with that workflow ID; empty if there is none.
    """

    instant: int
    weight: int
    words: str
    about: tuple[str, str] | None = None
    full_words: str = ""


class Accident(NamedTuple):
    """A fault that was injected, or a worker that crashed.

    Attributes:
        instant: when, in milliseconds since 1970.
        words: what happened.
        run_id: the execution whose task the worker had; empty if it had none.
    """

    instant: int
    words: str
    run_id: str


class RunStory:
    """Collects the story of a run while it is made.

    Attributes:
        accidents: the faults that were injected, and the workers that crashed.
    """

    def __init__(self) -> None:
        self.accidents: list[Accident] = []
        self._lines: list[StoryLine] = []
        self._read: dict[str, int] = {}
        self._reported = self._chosen = 0

    def update(self, runner: Runner) -> None:
        """Add what has happened since the last turn."""
        news = [StoryLine(now, _ACCIDENT, words) for now, words in runner.chosen[self._chosen :]]
        self._chosen = len(runner.chosen)
        for execution in list(runner.simulation.engine().executions.values()):
            read = self._read.get(execution.run_id, 0)
            self._read[execution.run_id] = len(execution)
            news += _lines_of(execution, execution.events(read + 1, len(execution)))
        self._lines += sorted(news, key=lambda line: line.instant)

    def add_accident(self, runner: Runner, words: str) -> None:
        """Add a fault that was injected, or a worker that crashed."""
        self.update(runner)
        now = runner.simulation.clock.milliseconds
        self._lines.append(StoryLine(now, _ACCIDENT, f"! {words}"))
        about = _OF_WORKER.match(words)
        run_id = _struck_execution(runner, about[1]) if about is not None else ""
        execution = runner.simulation.engine().executions.get(run_id)
        if about is not None and execution is not None and about[1] != execution.workflow_id:
            owned = f"{about[1]} of {execution.workflow_id}"
            self._lines[-1] = self._lines[-1]._replace(
                about=(about[1], execution.workflow_id),
                full_words=f"! {words.replace(f'({about[1]})', f'({owned})', 1)}",
            )
        self.accidents.append(Accident(now, _OF_WORKER.sub("", words), run_id))

    def news(self) -> list[str]:
        """Return what was added since this was called before."""
        lines = self._lines[self._reported :]
        self._reported = len(self._lines)
        return [each.words for each in lines]

    def lines(self, error: BaseException, full: bool = False) -> list[str]:
        """Return the story, shortened to the lines that matter most.

        Args:
            error: what the test failed with. Lines about what it names matter more.
            full: whether to leave nothing out.
        """
        lines = list(_without_repeats(_with_owners(self._lines)))
        if full or len(lines) <= _MOST_STORY_LINES + 1:
            return [self._shown(each) for each in lines]
        subject = _Subject(error, lines)
        weights = [each.weight + subject.weight(each) for each in lines]
        # Of lines of equal weight, the later ones: they are closer to the failure.
        order = sorted(range(len(lines)), key=lambda i: (-weights[i], -i))
        story = [self._shown(lines[index]) for index in sorted(order[:_MOST_STORY_LINES])]
        left_out = len(lines) - len(story)
        return [*story, _left_out(left_out)]

    def output(self, lines: Sequence[OutputLine], full: bool = False) -> list[str]:
        """Return what user code has logged and printed: all of it, or the last lines."""
        shown = lines if full else lines[-_MOST_OUTPUT_LINES:]
        left_out = len(lines) - len(shown)
        written = [self._shown(each) for each in shown]
        return [_left_out(left_out), *written] if left_out else written

    def _shown(self, line: StoryLine | OutputLine) -> str:
        began = self._lines[0].instant if self._lines else line.instant
        words = line.words
        if isinstance(line, StoryLine):
            words = shorten(line.full_words, _WIDTH, placeholder=" …")
        return f"{_since(line.instant - began):>10}  {safe_text(words, _LONGEST_LINE)}"


def _since(milliseconds: int) -> str:
    """Return a time in days, hours and seconds: two events may be a millisecond apart.

    >>> [_since(ms) for ms in (0, 1, 61_500, 3_600_000, 86_400_004, 90_000_000)]
    ['0 s', '0.001 s', '61.5 s', '1 h 0 s', '1 d 0.004 s', '1 d 1 h 0 s']
    """
    days, rest = divmod(milliseconds, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    return f"{days} d " * bool(days) + f"{hours} h " * bool(hours) + f"{rest / 1000:.7g} s"


class _Subject:
    """What an error is about: the names and words in it, and in the assertion that failed.

    A line is about the same if it shares a name with it, such as ``order-7``, or a word. Inflected
    words count, so an assertion about what was ``charged`` is about the activity ``charge``. Words
    that many lines have in common tell nothing.

    Args:
        error: the error.
        lines: the story.
    """

    def __init__(self, error: BaseException, lines: Sequence[StoryLine]) -> None:
        frames = traceback.extract_tb(error.__traceback__)[-1:]
        asserted = " ".join(f"{frame.name} {frame.line}" for frame in frames)
        text = f"{asserted} {error}".replace("_", " ")
        self._names = set(_NAME.findall(text))
        self._words = set(_WORD.findall(text.lower()))
        counts = Counter(word for each in lines for word in _words(each.words))
        # A word in more than half of the lines does not tell them apart.
        self._common = {word for word, count in counts.items() if 2 * count > len(lines)}

    def weight(self, line: StoryLine) -> int:
        """Return what is added to the weight of a line, if it is about the same."""
        if not self._names.isdisjoint(_NAME.findall(line.words)):
            return _NAMED
        words = _words(line.words) - self._common if line.weight > _NOTHING else ()
        return _RELATED * any(_are_related(word, other) for word in words for other in self._words)


def _are_related(word: str, other: str) -> bool:
    """Return whether two words differ in their endings only, as ``charged`` and ``charge`` do."""
    stem = max(_STEM, min(len(word), len(other)) - _ENDING)
    return word[:stem] == other[:stem]


def _words(line: str) -> set[str]:
    return set(_WORD.findall(line.lower().replace("_", " "))) - _PHRASES


def _struck_execution(runner: Runner, about: str) -> str:
    """Return the run ID of the execution whose worker a fault has struck; empty if it is not known.

    Args:
        runner: runs it.
        about: the ID of the activity, or of the execution, that the worker was busy with.
    """
    client = runner.scheduler.worker_client
    task = client.task or (client.held.call.task if client.held is not None else None)
    if task:
        return str(task["workflowExecution"]["runId"])
    # An answer that was held back is sent later, when no worker has a task.
    found = [
        each.run_id
        for each in runner.simulation.engine().executions.values()
        if about == each.workflow_id
        or any(about == task.activity_id for task in each.activities.values())
    ]
    return found[0] if len(found) == 1 else ""


def _left_out(lines: int) -> str:
    return f"{'':>12}… {lines} lines left out ({_SHOW_ALL})"


def _with_owners(lines: list[StoryLine]) -> Iterator[StoryLine]:
    """Yield lines of which only those have full words that need them to be unambiguous."""
    owners: dict[str, set[str]] = {}
    for line in lines:
        if line.about is not None:
            owners.setdefault(line.about[0], set()).add(line.about[1])
    for line in lines:
        is_unique = line.about is None or len(owners[line.about[0]]) == 1
        yield line._replace(full_words="") if is_unique else line


def _without_repeats(lines: Iterable[StoryLine]) -> Iterator[StoryLine]:
    """Merge equal lines that follow each other, and put their number into the full words."""
    for (_, words), same in groupby(
        lines, lambda line: (line.weight, line.full_words or line.words)
    ):
        first, *others = same
        times = f", {len(others)} more time{'s'[: len(others) - 1]}" if others else ""
        yield first._replace(full_words=f"{words}{times}")


def headline(error: BaseException) -> str:
    """Return the error of a failed test in one line.

    A failed assertion is named by its function: an invariant's name says what does not hold.
    """
    frames = traceback.extract_tb(error.__traceback__)
    first, _, more = str(error).strip().partition("\n")
    # Such as the messages of `StuckError`, whose reasons are on the next lines.
    if first.endswith(":"):
        first += more.partition("\n")[0].removeprefix("-")
    first = first or (frames[-1].line if frames else "") or ""
    where = frames[-1].name.strip("_").replace("_", " ") if frames else ""
    is_assertion = type(error) is AssertionError
    name = where if is_assertion and " " in where else type(error).__name__
    line = shorten(f"{name}: {first}".removesuffix(": "), _HEADLINE_WIDTH, placeholder=" …")
    return safe_text(line)


def _lines_of(execution: WorkflowExecution, events: list[Event]) -> list[StoryLine]:
    lines: list[StoryLine] = []
    decided: list[str] = []
    answer = place = 0
    workflow_id = execution.workflow_id
    for event in events:
        kind, attributes = event["eventType"], attributes_of(event)
        instant = execution.time(event["eventId"])
        of_answer = answer > 0 and attributes.get("decisionTaskCompletedEventId") == answer
        if kind == "DecisionTaskCompleted":
            answer, place, decided = event["eventId"], len(lines), []
            lines.append(StoryLine(instant, _NOTHING, f"{workflow_id} decides nothing"))
        elif kind in CLOSE_STATUS:
            # The line that said "decides nothing" is wrong: it decided to close.
            if of_answer and not decided:
                del lines[place]
            lines.append(
                StoryLine(instant, _TURNING_POINT, _closing(workflow_id, kind, attributes))
            )
        elif of_answer:
            phrase = _DECIDED.get(kind)
            decided.append(
                _refused(kind, attributes) if phrase is None else phrase.format_map(attributes)
            )
            lines[place] = StoryLine(
                instant, _DECISION, f"{workflow_id} decides: {', '.join(decided)}"
            )
        elif kind in _HAPPENED:
            weight, phrase = _HAPPENED[kind]
            lines.append(_happened(instant, weight, phrase, execution, attributes))
        elif "cause" in attributes:
            lines.append(
                StoryLine(instant, _TURNING_POINT, f"{workflow_id}: {_refused(kind, attributes)}")
            )
    return lines


def _closing(workflow_id: str, kind: str, attributes: Attributes) -> str:
    result = _value(attributes.get("result")) or f": {_reason(attributes)}"
    return f"{workflow_id} {_CLOSING[CLOSE_STATUS[kind]]}{result}".removesuffix(": ")


def _refused(kind: str, attributes: Attributes) -> str:
    return f"{kind.removesuffix('Failed')} ({attributes['cause']})"


def _worker(attributes: Attributes) -> str:
    """Return who took a task. An identity that describes a whole process is left out."""
    identity = str(attributes.get("identity") or "")
    return identity if 0 < len(identity) <= _LONGEST_IDENTITY else "a worker"


def _happened(
    instant: int, weight: int, phrase: str, execution: WorkflowExecution, attributes: Attributes
) -> StoryLine:
    values = {
        **attributes,
        "execution": execution.workflow_id,
        "worker": _worker(attributes),
        "reason": _reason(attributes),
        "result": _value(attributes.get("result")),
        "value": _value(attributes.get("input")),
        "arguments": _arguments(attributes.get("input")),
    }
    if "{task}" not in phrase:
        return StoryLine(instant, weight, phrase.format_map(values))
    task, owner = _task(execution, attributes), execution.workflow_id
    words, owned = (
        phrase.format_map({**values, "task": each}) for each in (task, f"{task} of {owner}")
    )
    return StoryLine(instant, weight, words, (task, owner), owned)


def _task(execution: WorkflowExecution, attributes: Attributes) -> str:
    """Return the ID of the activity, Lambda task or timer that an event is about."""
    if "timerId" in attributes:
        return str(attributes["timerId"])
    event_id = attributes["scheduledEventId"]
    member = "id" if execution.event_type(event_id).startswith("Lambda") else "activityId"
    return str(execution.member(event_id, member))


def _reason(attributes: Attributes) -> str:
    return str(attributes.get("reason") or attributes.get("timeoutType") or "")


def _value(text: str | None) -> str:
    """Return a value after a sign of equality; nothing if there is none."""
    if not text:
        return ""
    try:
        return f" = {json.loads(text)!r}"
    except ValueError:
        return f" = {text}"


def _arguments(text: str | None) -> str:
    """Return the input of an execution: the arguments that flowy has encoded, or text."""
    if not text:
        return ""
    try:
        args, kwargs = json.loads(text)
        shown = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
    except (ValueError, TypeError, AttributeError):
        return f" with {text}"
    return f" with {', '.join(shown)}" if shown else ""


_LONGEST_IDENTITY = 40

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
"""What a decision is called, by the event that it leads to; formatted with its attributes."""

_HAPPENED = {
    "WorkflowExecutionStarted": (_DECISION, "{execution} starts{arguments}"),
    "WorkflowExecutionSignaled": (
        _TURNING_POINT,
        "{execution} receives the signal {signalName}{value}",
    ),
    "WorkflowExecutionCancelRequested": (
        _TURNING_POINT,
        "the cancellation of {execution} is requested",
    ),
    "DecisionTaskTimedOut": (_TURNING_POINT, "a decision task of {execution} times out"),
    "ActivityTaskStarted": (_START, "{worker} takes {task}"),
    "ActivityTaskCompleted": (_END, "{task} completes{result}"),
    "ActivityTaskFailed": (_TURNING_POINT, "{task} fails: {reason}"),
    "ActivityTaskTimedOut": (_TURNING_POINT, "{task} times out: {reason}"),
    "ActivityTaskCanceled": (_TURNING_POINT, "{task} is canceled"),
    "TimerFired": (_END, "timer {task} fires"),
    "LambdaFunctionCompleted": (_END, "{task} completes{result}"),
    "LambdaFunctionFailed": (_TURNING_POINT, "{task} fails: {reason}"),
}
"""The weight of an event and its words; `_happened` lists what they are formatted with."""

_PHRASES = {
    word
    for phrase in (
        *_CLOSING.values(),
        *_DECIDED.values(),
        *(words for _, words in _HAPPENED.values()),
    )
    for word in _WORD.findall(re.sub(r"{\w+}", "", phrase.lower()))
} | {"decides", "nothing", "worker", "decider"}
"""The words of all lines, which tell nothing about one of them."""
