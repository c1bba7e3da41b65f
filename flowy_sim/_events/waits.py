"""What open executions wait for, in words, as their histories show it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Protocol

from flowy._calls.waits import SignalCall
from flowy._client import Execution
from flowy._decider.decider import UNKNOWN, Decider
from flowy._decider.history import ReplayedHistory
from flowy._safe_text import safe_text
from flowy.errors import FlowyError, TaskError
from flowy.payloads import PLAIN, Payloads
from flowy.result import Call
from flowy.workflow import Workflow
from flowy_sim._engine.lambda_functions import NOT_FOUND
from flowy_sim._engine.start import run_seconds
from flowy_sim._events import spans
from flowy_sim._events.history import Event, nearest
from flowy_sim._events.schema import ACTIVITY, CHILD, DECISIONS, TIMEOUTS, TIMER, attributes_of

MISSING_LIST = "not implemented"
"""The task list of types without an implementation or a stub; no worker polls it."""

_NEVER = "NONE"
_TO_START = ("SCHEDULE_TO_START", "SCHEDULE_TO_CLOSE")
_WHILE_WORKING = ("SCHEDULE_TO_CLOSE", "START_TO_CLOSE")
_TO_CLOSE = (*_WHILE_WORKING, "HEARTBEAT")


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that poll for tasks.

    Attributes:
        decision_lists, activity_lists: the task lists that they poll; None if that is not known, as
            of a service elsewhere.
        activities: the name and version of each activity type that they implement.
        workflows: the workflow classes that they run, by the name and version of their types.
        payloads: the serialization of arguments and results.
        may_answer: whether they may still take and answer tasks; not if nothing more will happen.
    """

    decision_lists: Sequence[str] | None
    activity_lists: Sequence[str] | None
    activities: Sequence[tuple[str, str]]
    workflows: Mapping[tuple[str, str], type[Workflow]] = field(default_factory=dict)
    payloads: Payloads = PLAIN
    may_answer: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that an execution waits for.

    Attributes:
        sentence: what it is.
        ends: whether the wait will end without help from outside.
        at: when it will end, if that is known.
        times_out: when a task times out, unless it ends earlier; None if it has no such time-out.
        event_id: the event that opened what it waits for; None if it is nothing in the history.
        signal: the name of the signal that it is; empty if it is something else.
    """

    sentence: str
    ends: bool = False
    at: datetime | None = None
    times_out: datetime | None = None
    event_id: int | None = None
    signal: str = ""

    @property
    def until(self) -> str:
        """The sentence, with the instant at which the task times out."""
        if self.times_out is None:
            return self.sentence
        return f"{self.sentence}; it times out at {_instant(self.times_out)}"


class OpenRun(Protocol):
    """An open execution, such as a `flowy_sim.testing.Run`."""

    @property
    def workflow_id(self) -> str:
        """Its workflow ID."""

    @property
    def run_id(self) -> str:
        """Its run ID."""

    @property
    def history(self) -> Sequence[Event]:
        """Its events so far."""

    def describe(self) -> str:
        """Return its type, workflow ID and status."""


def waits(
    history: Sequence[Event],
    workers: Workers,
    execution: Execution = UNKNOWN,
    signals: Sequence[str] | None = None,
    rows: Iterable[spans.Row] | None = None,
) -> list[Wait]:
    """Return what an open execution waits for, apart from its own time-out.

    A child does not count as a wait that ends without help: that depends on what the child waits
    for.

    Args:
        history: the execution's events so far.
        workers: the workers that poll for tasks.
        execution: its IDs, on which its decisions may depend.
        signals: the names of the signals that it waits for; by default, the workers' code tells.
        rows: the rows of its timeline, if they were read already.
    """
    if signals is None:
        signals = _awaited_signals(history, workers, execution)
    found = [
        Wait(f"it waits for the signal {signal!r}, which has not been sent", signal=signal)
        for signal in signals
    ]
    for row in spans.read(history).rows if rows is None else rows:
        span = row.spans[-1]
        describe = _WAITS.get(span.kind)
        if span.ended is None and describe is not None:
            begun = history[span.begun - 1]
            started = None if span.started is None else history[span.started - 1]
            wait = describe(begun, started, workers, history)
            found.append(replace(wait, event_id=span.begun))
    closing = times_out_at(history)
    return [
        replace(
            wait,
            sentence=f"{wait.sentence}, after the execution has timed out",
            ends=False,
            at=None,
        )
        if wait.at is not None and wait.at >= closing
        else wait
        for wait in found
    ] or [Wait(_nothing_open(history))]


def explain(run: OpenRun, others: Iterable[OpenRun], workers: Workers, now: datetime) -> str:
    """Explain why nothing will ever happen.

    Args:
        run: the execution that was to be run to its end.
        others: other open executions.
        workers: the workers that poll for tasks.
        now: the present instant.
    """
    lines = [f"Nothing more will happen after {_instant(now)}, and {run.describe()}:"]
    for each in (run, *others):
        if each is not run:
            lines.append(f"{each.describe()}:")
        lines += [safe_text(f"- {wait.sentence}") for wait in waits_of(each, workers)]
        lines.append(f"- the execution times out at {_instant(times_out_at(each.history))}")
    return "\n".join(lines)


def waits_of(run: OpenRun, workers: Workers) -> list[Wait]:
    """Return what a run waits for; see `waits`."""
    return waits(run.history, workers, Execution(run.workflow_id, run.run_id))


def signals_of(found: Iterable[Wait]) -> tuple[str, ...]:
    """Return the names of the signals among what an execution waits for."""
    return tuple(dict.fromkeys(wait.signal for wait in found if wait.signal))


def times_out_at(history: Sequence[Event]) -> datetime:
    """Return when an execution times out."""
    started: datetime = history[0]["eventTimestamp"]
    timeout = attributes_of(history[0])["executionStartToCloseTimeout"]
    return started + timedelta(seconds=run_seconds(timeout))


def missing_activity(
    history: Sequence[Event],
    missing: Collection[tuple[str, str]],
    known: Iterable[tuple[str, str]],
    polled: Collection[str] = (),
) -> str:
    """Return a sentence about an activity that timed out because it was not implemented.

    A task that a worker has taken, or that waited on a list that a worker polls, does not count:
    that worker may implement the type without flowy.

    Args:
        history: all events of an execution.
        missing: the name and version of each type that is neither implemented nor stubbed.
        known: the same of the types that are.
        polled: the lists that workers poll.

    Returns:
        The sentence; empty if there was no such activity.
    """
    for event in history:
        timed_out = attributes_of(event)
        # A worker that took it could implement it.
        if event["eventType"] == "ActivityTaskTimedOut" and not timed_out["startedEventId"]:
            task = attributes_of(history[timed_out["scheduledEventId"] - 1])
            named = task["activityType"]
            is_missing = (named["name"], named["version"]) in missing
            if is_missing and task["taskList"]["name"] not in polled:
                why = _not_implemented(named["name"], known)
                return f"activity {_label(named)} timed out because {why}"
    return ""


def missing_child(
    history: Sequence[Event],
    missing: Collection[tuple[str, str]],
    known: Iterable[tuple[str, str]],
    history_of: Callable[[Mapping[str, str]], Sequence[Event]],
) -> str:
    """Return a sentence about a child that timed out because no decider took its task.

    Args:
        history: all events of an execution.
        missing: the name and version of each type that is neither implemented nor stubbed.
        known: the same of the types that are.
        history_of: returns the history of a child, given its IDs as in the history.

    Returns:
        The sentence; empty if there was no such child.
    """
    for event in history:
        if event["eventType"] == "ChildWorkflowExecutionTimedOut":
            child = attributes_of(event)
            named = child["workflowType"]
            if (named["name"], named["version"]) in missing and not any(
                each["eventType"] == "DecisionTaskStarted"
                for each in history_of(child["workflowExecution"])
            ):
                why = _not_implemented(named["name"], known)
                return f"child {_label(named)} timed out because {why}"
    return ""


def missing_function(history: Sequence[Event], known: Collection[str]) -> str:
    """Return a sentence about a Lambda function that was called but does not exist.

    Args:
        history: all events of an execution.
        known: the names of the functions that exist.

    Returns:
        The sentence; empty if there was no such function.
    """
    for event in history:
        if event["eventType"] == "LambdaFunctionFailed":
            failed = attributes_of(event)
            name = attributes_of(history[failed["scheduledEventId"] - 1])["name"]
            if failed.get("reason") == NOT_FOUND and name not in known:
                return (
                    f"the Lambda function {name} was called but does not exist"
                    f"{nearest(name, known)}; to stub it, use "
                    f"lambda_function({name!r}, result=…)"
                )
    return ""


class _WatchedDecider(Decider):
    """A decider that remembers what the workflow waits for."""

    waited: Sequence[Call] = ()

    def wait_for_any(self, calls: Sequence[Call]) -> None:
        self.waited = calls
        super().wait_for_any(calls)


def _awaited_signals(history: Sequence[Event], workers: Workers, execution: Execution) -> list[str]:
    named = attributes_of(history[0])["workflowType"]
    workflow = workers.workflows.get((named["name"], named["version"]))
    if workflow is None:
        return []
    try:
        return awaited_signals(history, workflow, workers.payloads, execution)
    # Its code has changed, for example. The other waits can still be explained.
    except FlowyError:
        return []


def awaited_signals(
    history: Sequence[Event], workflow: type[Workflow], payloads: Payloads, execution: Execution
) -> list[str]:
    """Return the names of the signals that a workflow waits for, found by replaying it.

    Only the workflow's code knows them. It can be replayed only up to its last decision.

    Raises:
        FlowyError: the workflow cannot be replayed, such as because its code has changed.
    """
    last = next((e for e in reversed(history) if e["eventType"].startswith("DecisionTask")), None)
    # While a decision task is open, new events may already have brought the signal.
    if last is None or last["eventType"] != "DecisionTaskCompleted":
        return []
    decider: Any = _WatchedDecider(workflow, ReplayedHistory(history), payloads, execution)
    decider.replay()
    waited = [call for call in decider.waited if isinstance(call, SignalCall) and not call.done]
    return [call.failure(TaskError).task_id for call in waited]


def _decision(
    begun: Event, started: Event | None, workers: Workers, history: Sequence[Event]
) -> Wait:
    task = attributes_of(begun)
    if started is not None:
        return Wait(
            f"a decider has had its decision task since {_time(started)} and "
            f"{_unanswered(workers)}",
            times_out=_earliest(task, ("START_TO_CLOSE",), begun, started),
        )
    task_list = task["taskList"]["name"]
    if task_list == MISSING_LIST:
        named = attributes_of(history[0])["workflowType"]["name"]
        where, why = "waiting", _not_implemented(named, workers.workflows)
    else:
        where = f"on the list {task_list!r}"
        why = _not_polled(task_list, workers.decision_lists, workers)
    return Wait(f"its decision task has been {where} since {_time(begun)}; {why}")


def _activity(
    begun: Event, started: Event | None, workers: Workers, history: Sequence[Event]
) -> Wait:
    task = attributes_of(begun)
    named = task["activityType"]
    label = f"activity {_label(named)} ({task['activityId']})"
    if started is not None:
        worker = attributes_of(started).get("identity", "a worker")
        ends = _has_timeout(task, _TO_CLOSE)
        return Wait(
            f"{label} was taken by {worker} at {_time(started)} and "
            f"{_unanswered(workers)}{'' if ends else '; it has no time-out'}",
            ends,
            times_out=_earliest(task, _WHILE_WORKING, begun, started),
        )
    task_list = task["taskList"]["name"]
    polled = workers.activity_lists
    where, why = f"on the list {task_list!r}", _not_polled(task_list, polled, workers)
    # What workers elsewhere implement is unknown.
    is_known = polled is not None and not workers.may_answer
    if is_known and (named["name"], named["version"]) not in workers.activities:
        missing = _not_implemented(named["name"], workers.activities)
        if task_list == MISSING_LIST:
            where, why = "waiting", missing
        elif task_list not in (polled or ()):
            why = f"{why}, and {missing}"
    ends = _has_timeout(task, _TO_START)
    times_out = _earliest(task, _TO_START, begun, None)
    return Wait(f"{label} has been {where} since {_time(begun)}; {why}", ends, times_out=times_out)


def _timer(begun: Event, started: Event | None, workers: Workers, history: Sequence[Event]) -> Wait:
    timer = attributes_of(begun)
    fires = begun["eventTimestamp"] + timedelta(seconds=int(timer["startToFireTimeout"]))
    return Wait(f"timer {timer['timerId']} fires at {_instant(fires)}", ends=True, at=fires)


def _child(begun: Event, started: Event | None, workers: Workers, history: Sequence[Event]) -> Wait:
    child = attributes_of(begun)
    return Wait(f"child {_label(child['workflowType'])} ({child['workflowId']}) is open")


_WAITS: Mapping[str, Callable[[Event, Event | None, Workers, Sequence[Event]], Wait]] = {
    DECISIONS: _decision,
    ACTIVITY: _activity,
    TIMER: _timer,
    CHILD: _child,
}
"""How to describe an open thing, by its kind."""


def _has_timeout(task: Mapping[str, Any], types: Iterable[str]) -> bool:
    return any(task[TIMEOUTS[each]] != _NEVER for each in types)


def _earliest(
    task: Mapping[str, Any], types: Iterable[str], begun: Event, started: Event | None
) -> datetime | None:
    """Return when the first of some time-outs of a task ends."""
    instants: list[datetime] = []
    for each in types:
        seconds = task.get(TIMEOUTS[each], _NEVER)
        # The others count from the scheduling.
        since = started if each == "START_TO_CLOSE" else begun
        if seconds != _NEVER and since is not None:
            instants.append(since["eventTimestamp"] + timedelta(seconds=int(seconds)))
    return min(instants, default=None)


def _unanswered(workers: Workers) -> str:
    may_answer = workers.may_answer or workers.decision_lists is None
    return "has not answered" if may_answer else "never answered"


def _nothing_open(history: Sequence[Event]) -> str:
    for event in reversed(history):
        if event["eventType"] == "DecisionTaskCompleted":
            return (
                "nothing is scheduled: its decider made no decision when it was last asked, at "
                f"{_time(event)} (event {event['eventId']})"
            )
    return "nothing is scheduled"


def _not_polled(task_list: str, polled: Sequence[str] | None, workers: Workers) -> str:
    if polled is None:
        return "no worker has taken it"
    if task_list in polled:
        if workers.may_answer:
            return "no worker has taken it yet"
        return "all workers of that list are busy forever"
    others = ", ".join(map(repr, polled))
    return f"no worker polls that list, only {others}" if others else "no worker polls any list"


def _not_implemented(name: str, implemented: Iterable[tuple[str, str]]) -> str:
    sentence = "it is neither implemented nor stubbed"
    near = get_close_matches(name, [name for name, _ in implemented])
    found = [f"{name} {version}" for name, version in implemented if name in near]
    if found:
        return f"{sentence} (nearest: {', '.join(found)})"
    known = ", ".join(f"{name} {version}" for name, version in implemented)
    return f"{sentence} (known: {known or 'none'})"


def _label(named: Mapping[str, Any]) -> str:
    return f"{named['name']} {named['version']}"


def _time(event: Event) -> str:
    return _instant(event["eventTimestamp"])


def _instant(moment: datetime) -> str:
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)  # boto3 returns local time.
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    return f"{text}.{moment.microsecond // 1000:03}" if moment.microsecond else text
