"""What open executions wait for, in words: read from their histories."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from flowy._client import Execution
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow
from flowy_sim._clients.in_process import Client
from flowy_sim._engine.lambda_functions import NOT_FOUND
from flowy_sim._events import spans
from flowy_sim._events.vocabulary import ACTIVITY, CHILD, DECISIONS, TIMER, attributes_of
from flowy_sim.testing._awaited_signals import awaited_signals
from flowy_sim.testing._registry import MISSING_LIST
from flowy_sim.testing._run import Event, Run, fetch, open_executions

_NEVER = "NONE"
_MOST_OPEN = 1000
_MOST_TOLD = 5
_TIME_OUTS = ("scheduleToCloseTimeout", "startToCloseTimeout", "heartbeatTimeout")


class StuckError(Exception):
    """Nothing moves any more and an execution is still open; the message says what waits for what.

    Attributes:
        run: the execution that was to come to its end.
    """

    __module__ = "flowy_sim"

    def __init__(self, message: str, run: Run) -> None:
        """Keep both."""
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[type, tuple[str, Run]]:
        """Let the error travel between processes."""
        return type(self), (str(self), self.run)


@dataclass(frozen=True, slots=True)
class Workers:
    """Who is there to take tasks.

    Attributes:
        decision_lists, activity_lists: the task lists that are polled.
        activities: the types that can be worked on, by name and version.
        workflows: the classes that decide, by name and version of their types.
        payloads: how arguments and results travel.
    """

    decision_lists: Sequence[str]
    activity_lists: Sequence[str]
    activities: Sequence[tuple[str, str]]
    workflows: Mapping[tuple[str, str], type[Workflow]] = field(default_factory=dict)
    payloads: Payloads = PLAIN


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that an execution waits for.

    Attributes:
        sentence: what it is.
        ends: whether it comes to an end by itself, at some time.
        at: when it does, if that is known.
    """

    sentence: str
    ends: bool = False
    at: datetime | None = None


def waits(history: Sequence[Event], workers: Workers) -> list[Wait]:
    """Say what an open execution waits for, other than its own time-out and its children's ends.

    Args:
        history: its events so far.
        workers: who is there to take tasks.
    """
    found = [Wait(sentence) for sentence in _signals(history, workers)]
    for row in spans.read(history).rows:
        span = row.spans[-1]
        describe = _WAITS.get(span.kind)
        if span.ended is None and describe is not None:
            begun = history[span.begun - 1]
            started = None if span.started is None else history[span.started - 1]
            found.append(describe(begun, started, workers, history))
    closing = times_out_at(history)
    found = [_never(wait) if wait.at is not None and wait.at >= closing else wait for wait in found]
    return found or [Wait(_nothing_open(history))]


def _never(wait: Wait) -> Wait:
    return Wait(f"{wait.sentence}, when it has timed out as a whole")


def _signals(history: Sequence[Event], workers: Workers) -> list[str]:
    """Say which signals a workflow waits for."""
    named = attributes_of(history[0])["workflowType"]
    workflow = workers.workflows.get((named["name"], named["version"]))
    last = next((e for e in reversed(history) if e["eventType"].startswith("DecisionTask")), None)
    if workflow is None or last is None or last["eventType"] != "DecisionTaskCompleted":
        return []
    return [
        f"it waits for {signal}, which nobody has sent"
        for signal in awaited_signals(workflow, history, workers.payloads)
    ]


def stuck_at(
    now: datetime, client: Client, domain: str, execution: Execution, workers: Workers
) -> StuckError | None:
    """Say why nothing will ever happen to an open execution, while nobody has anything to do.

    Args:
        now: the present instant.
        client: asks the simulation.
        domain: the execution's domain.
        execution: its ids.
        workers: who is there to take tasks.

    Returns:
        An error to be raised; None if the execution, or another open one, waits for something
        that ends by itself.
    """
    run = fetch(client, domain, execution, workers.payloads)
    others = [
        fetch(client, domain, other, workers.payloads)
        for other in open_executions(client, domain, _MOST_OPEN)
        if other != execution
    ]
    open_waits = [wait for each in (run, *others) for wait in waits(each.history, workers)]
    if any(wait.ends for wait in open_waits):
        return None
    return StuckError(explain(run, others[:_MOST_TOLD], workers, now), run)


def explain(run: Run, others: Iterable[Run], workers: Workers, now: datetime) -> str:
    """Say why nothing moves any more.

    Args:
        run: the execution that was to come to its end.
        others: what else is open.
        workers: who is there to take tasks.
        now: the present instant.
    """
    lines = [f"Nothing moves any more at {_instant(now)}, and {run.describe()}:"]
    for each in (run, *others):
        if each is not run:
            lines.append(f"{each.describe()}:")
        lines += [f"- {wait.sentence}" for wait in waits(each.history, workers)]
        lines.append(f"- as a whole it times out at {_instant(times_out_at(each.history))}")
    return "\n".join(lines)


def timed_out_in_vain(
    history: Sequence[Event], missing: Collection[tuple[str, str]], known: Iterable[tuple[str, str]]
) -> str:
    """Say which activity timed out as there was neither an implementation nor a stub of it.

    Args:
        history: all events of an execution.
        missing: the types that nobody can work on, by name and version.
        known: those that somebody can.

    Returns:
        A sentence; nothing if there was none.
    """
    for event in history:
        if event["eventType"] == "ActivityTaskTimedOut":
            opened = history[attributes_of(event)["scheduledEventId"] - 1]
            named = attributes_of(opened)["activityType"]
            if (named["name"], named["version"]) in missing:
                said = _not_implemented(named["name"], known)
                return f"activity {_label(named)} timed out, as {said}"
    return ""


def called_in_vain(history: Sequence[Event], known: Iterable[str]) -> str:
    """Say which Lambda function was called that is not there.

    Args:
        history: all events of an execution.
        known: the names of those that are.

    Returns:
        A sentence; nothing if there was none.
    """
    for event in history:
        if event["eventType"] == "LambdaFunctionFailed":
            failed = attributes_of(event)
            name = attributes_of(history[failed["scheduledEventId"] - 1])["name"]
            if failed.get("reason") == NOT_FOUND and name not in known:
                near = get_close_matches(name, known, 1)
                nearest = f"; the nearest that is there is {near[0]}" if near else ""
                return (
                    f"the Lambda function {name} was called, and it is not there{nearest}; let a "
                    f"stub stand in for it: lambda_function({name!r}, result=…)"
                )
    return ""


def times_out_at(history: Sequence[Event]) -> datetime:
    """Return when an execution times out as a whole."""
    started: datetime = history[0]["eventTimestamp"]
    timeout = attributes_of(history[0])["executionStartToCloseTimeout"]
    return started + timedelta(seconds=int(timeout))


def _decision(
    begun: Event, started: Event | None, workers: Workers, history: Sequence[Event]
) -> Wait:
    if started is not None:
        return Wait(
            f"a decider has had its decision task since {_time(started)} and never answered"
        )
    task_list = attributes_of(begun)["taskList"]["name"]
    if task_list == MISSING_LIST:
        named = attributes_of(history[0])["workflowType"]["name"]
        where, why = "waiting", _not_implemented(named, workers.workflows)
    else:
        where = f"on the list {task_list!r}"
        why = _nobody_polls(task_list, workers.decision_lists)
    return Wait(f"its decision task has been {where} since {_time(begun)}; {why}")


def _activity(
    begun: Event, started: Event | None, workers: Workers, history: Sequence[Event]
) -> Wait:
    task = attributes_of(begun)
    named = task["activityType"]
    label = _label(named)
    if started is not None:
        worker = attributes_of(started).get("identity", "a worker")
        ends = any(task[timeout] != _NEVER for timeout in _TIME_OUTS)
        return Wait(
            f"activity {label} ({task['activityId']}) was taken by {worker} at {_time(started)} "
            f"and never answered{'' if ends else '; it has no time-out'}",
            ends,
        )
    task_list = task["taskList"]["name"]
    if (named["name"], named["version"]) in workers.activities:
        where = f"on the list {task_list!r}"
        why = _nobody_polls(task_list, workers.activity_lists)
    else:
        where, why = "waiting", _not_implemented(named["name"], workers.activities)
    ends = any(task[name] != _NEVER for name in ("scheduleToStartTimeout", _TIME_OUTS[0]))
    return Wait(
        f"activity {label} ({task['activityId']}) has been {where} since {_time(begun)}; {why}",
        ends,
    )


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
"""How to speak of what is open, by the kind of its row in a timeline."""


def _nothing_open(history: Sequence[Event]) -> str:
    for event in reversed(history):
        if event["eventType"] == "DecisionTaskCompleted":
            return (
                "nothing is scheduled: when it was last decided on, at "
                f"{_time(event)} (event {event['eventId']}), its decider decided nothing"
            )
    return "nothing is scheduled"


def _nobody_polls(task_list: str, polled: Sequence[str]) -> str:
    if task_list in polled:
        return "all workers of that list are busy for ever"
    others = ", ".join(map(repr, polled))
    return f"no worker polls that list, only {others}" if others else "no worker polls any list"


def _not_implemented(name: str, implemented: Iterable[tuple[str, str]]) -> str:
    sentence = "it is neither implemented nor stubbed"
    near = get_close_matches(name, [name for name, _ in implemented])
    nearest = [f"{name} {version}" for name, version in implemented if name in near]
    if nearest:
        return f"{sentence} (nearest: {', '.join(nearest)})"
    known = ", ".join(f"{name} {version}" for name, version in implemented)
    return f"{sentence} (known: {known or 'none'})"


def _label(named: Mapping[str, Any]) -> str:
    return f"{named['name']} {named['version']}"


def _time(event: Event) -> str:
    return _instant(event["eventTimestamp"])


def _instant(moment: datetime) -> str:
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    return f"{text}.{moment.microsecond // 1000:03}" if moment.microsecond else text
