"""Replaying histories with deciders that poll by themselves.

The decider gets each decision task of the history, with the events that were known at the time, in
answer to its polls. What it decides is compared with the decisions that the history records.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from math import inf
from typing import Any

from flowy._client import Execution
from flowy._decider.decider import UNKNOWN
from flowy._determinism.causes import Reason
from flowy._determinism.differences import Difference
from flowy.errors import HistoryError, NonDeterminismError
from flowy_sim._clients.in_process import Client, Reply, metadata, request
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.faults import Fault
from flowy_sim._events.history import Event
from flowy_sim._events.schema import attributes_of
from flowy_sim._simulation.virtual_sleep import virtual_sleep
from flowy_sim.testing._coroutines import (
    AsyncClient,
    is_async,
    no_running_event_loop,
    run_in_strands,
)
from flowy_sim.testing._killed_loops import abandon
from flowy_sim.testing._loops import PollingCode, takes_client
from flowy_sim.testing._recorded_decisions import (
    Decided,
    RecordedTask,
    Tolerance,
    cause_of,
    is_same,
    recorded_tasks,
    sent_decision,
    side_by_side,
)

_MOST_IDLE = 100
"""The number of calls in a row that a decider may make without asking for a decision task."""

_FIRST_EVENTS = 1000
"""The number of events on a page of a decision task, if the decider does not ask for fewer."""

_REGISTER = ("RegisterDomain", "RegisterActivityType", "RegisterWorkflowType")
"""Calls that always succeed, as if they had been made only once."""

_ON_TYPES = re.compile("(Describe|List|Deprecate|Undeprecate)(Domain|WorkflowType|ActivityType)s?")
"""Calls that are answered from what the decider has registered."""


class _ReplayIsOver(BaseException):
    """There is no further decision task. It leaves the decider, even if that is an endless loop."""


def replay_loop(
    code: PollingCode,
    events: Sequence[Mapping[str, Any]],
    execution: Execution = UNKNOWN,
    tolerance: Tolerance | None = None,
    *,
    same_list: bool = False,
) -> bool:
    """Replay a history with a decider that polls by itself.

    Args:
        code: the decider: called with an SWF client if it needs one; or a class or function
            that makes one. It may be a coroutine function.
        events: the history.
        execution: its IDs, if they are known.
        tolerance: the differences that do not matter.
        same_list: whether the decider gets tasks only from the list that they waited on.

    Returns:
        Whether the decider asked for a decision task; if not, it is not the decider.

    Raises:
        NonDeterminismError: it makes other decisions than the history records.
        HistoryError: the events are not a history, or the decider makes a call that the history
            does not answer.
    """
    __tracebackhide__ = True
    from flowy_sim._clients.mock_swf import mocked_by

    replay = _Replay(events, execution, tolerance or Tolerance(), same_list)
    answered, asleep = mocked_by(_responder(replay)), virtual_sleep(_NoSleep())
    with no_running_event_loop(), answered, asleep, suppress(_ReplayIsOver):
        _run(code, _ReplayClient(replay), replay)
    replay.check()
    return replay.presented > 0


def _run(code: Any, client: _ReplayClient, replay: _Replay) -> None:
    """Run the code until it has got all decision tasks, or forever; a class is instantiated."""
    if isinstance(code, type):
        code = _called(code, client)
    while replay.goes_on:
        result = _called(code, client)
        if inspect.iscoroutine(result):
            result = _awaited(result)
        if callable(result) and not replay.presented:
            code = result  # It was a function that makes the code.
        else:
            replay.returned()


def _called(code: Any, client: _ReplayClient) -> Any:
    if not takes_client(code):
        return code()
    return code(AsyncClient(client) if is_async(code) else client)


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        abandon([loop])


class _NoSleep:
    """The code that is replayed: its sleeps take no real time."""

    can_be_suspended = False
    virtual_sleep = True

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._now = 0

    def sleeps(self) -> bool:
        """Return whether the code that runs is replayed."""
        return threading.get_ident() == self._thread

    def now(self) -> int:
        """Return the time in milliseconds."""
        return self._now

    def sleep(self, seconds: float, woken: Callable[[], bool] | None = None) -> None:
        """Let the time pass."""
        self._now += round(seconds * 1000)

    def start_thread(self, thread: threading.Thread, really_start: Callable[[], None]) -> None:
        """Start it: other threads really sleep."""
        really_start()

    def wait(self, woken: Callable[[float], bool], seconds: float = inf) -> None:
        """Refuse to be suspended: nothing else would go on."""
        raise NotImplementedError

    def idle(self, seconds: float, wait: Callable[[float | None], bool]) -> None:
        """Let the time pass until the next timer of an event loop."""
        if seconds == inf:
            raise _ReplayIsOver
        self.sleep(seconds)

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let functions run in this thread that would run in another."""
        run_in_strands(loop)


class _Replay:
    """The answers to a decider that is replayed, and the comparison of its decisions."""

    def __init__(
        self,
        events: Sequence[Mapping[str, Any]],
        execution: Execution,
        tolerance: Tolerance,
        same_list: bool,
    ) -> None:
        self._events = [_timed(event) for event in events]
        self._execution = execution
        self._tolerance = tolerance
        self._same_list = same_list
        self._tasks = list(recorded_tasks(self._events))
        self._types = Simulation()
        self._next = 0
        self._current: RecordedTask | None = None
        self._idle = 0
        self._refused: HistoryError | None = None
        self._difference: NonDeterminismError | None = None

    @property
    def presented(self) -> int:
        """The number of decision tasks that the decider got."""
        return self._next

    @property
    def goes_on(self) -> bool:
        """Whether there is a decision task to present."""
        return self._next < len(self._tasks) and self._difference is None

    def returned(self) -> None:
        """Note that the decider has returned."""
        self._unanswered()
        self._no_progress()

    def check(self) -> None:
        """Raise what went wrong, even if the decider has caught it."""
        __tracebackhide__ = True
        self._unanswered()
        found = self._refused or self._difference
        if found is not None:
            raise found.with_traceback(None)

    def answer(self, operation: str, members: Reply) -> Reply:
        """Answer a call."""
        match operation:
            case "PollForDecisionTask" if "nextPageToken" in members:
                return self._page(members)
            case "PollForDecisionTask":
                return self._poll(members)
            case "PollForActivityTask":
                self._no_progress()
                return {"startedEventId": 0}
            case "RespondDecisionTaskCompleted" if self._holds(members["taskToken"]):
                self._compare(members.get("decisions") or [])
                return {}
            case "GetWorkflowExecutionHistory" if self._current is not None:
                reply = self._events_page(members, 1, self._current.started_id)
                return {name: reply[name] for name in reply if name in ("events", "nextPageToken")}
            case operation if operation in _REGISTER or _ON_TYPES.fullmatch(operation):
                with suppress(Fault):
                    return self._call_on_types(operation, members)
                if operation in _REGISTER:
                    return {}
        self._refused = self._refused or HistoryError(
            f"the decider calls {operation}, which a history does not answer; make the call "
            "outside of the decider, or pass what it returns to the decider"
        )
        raise self._refused

    def _call_on_types(self, operation: str, members: Reply) -> Reply:
        """Carry out a call on domains and types in a simulation that holds nothing else.

        Raises:
            Fault: it is refused, for example because a type was not registered by the decider.
        """
        with suppress(Fault):
            domain = {"name": members.get("domain"), "workflowExecutionRetentionPeriodInDays": "1"}
            if domain["name"] is not None:
                self._types.call("RegisterDomain", domain)
        return self._types.call(operation, members)

    def _holds(self, token: str) -> bool:
        return self._current is not None and token == self._token(self._current)

    @staticmethod
    def _token(task: RecordedTask) -> str:
        return f"replayed decision task {task.started_id}"

    def _no_progress(self) -> None:
        """Leave a decider that does something else forever."""
        self._idle += 1
        if self._idle > _MOST_IDLE:
            raise _ReplayIsOver

    def _poll(self, members: Reply) -> Reply:
        self._unanswered()
        if not self.goes_on or self._refused is not None:
            raise _ReplayIsOver
        task = self._tasks[self._next]
        if self._same_list and members["taskList"]["name"] != task.task_list:
            self._no_progress()
            return {"previousStartedEventId": 0, "startedEventId": 0}
        self._idle = 0
        self._next += 1
        self._current = task
        return self._page(members)

    def _page(self, members: Reply) -> Reply:
        task = self._current
        if task is None:
            raise _ReplayIsOver
        first = task.previous_id if members.get("startAtPreviousStartedEvent") else 1
        named = attributes_of(self._events[0])["workflowType"]
        return {
            "taskToken": self._token(task),
            "startedEventId": task.started_id,
            "previousStartedEventId": task.previous_id,
            "workflowExecution": {
                # A history from AWS does not have them.
                "workflowId": self._execution.workflow_id or "replayed-workflow",
                "runId": self._execution.run_id or "replayed-run",
            },
            "workflowType": dict(named),
            **self._events_page(members, first or 1, task.started_id),
        }

    def _events_page(self, members: Reply, first: int, last: int) -> Reply:
        """Return a page of the events from the first to the last ID."""
        found = self._events[first - 1 : last]
        if members.get("reverseOrder"):
            found.reverse()
        size = members.get("maximumPageSize") or _FIRST_EVENTS
        start = int(members.get("nextPageToken", "0"))
        reply: Reply = {"events": found[start : start + size]}
        if start + size < len(found):
            reply["nextPageToken"] = str(start + size)
        return reply

    # Comparing

    def _unanswered(self) -> None:
        """Note a difference if the decider has left its decision task."""
        if self._current is not None and self._refused is None:
            self._differ(self._current, self._current.completed_id, None, None)

    def _compare(self, decisions: Sequence[Reply]) -> None:
        task = self._current
        assert task is not None
        self._current = None
        got = [sent_decision(decision) for decision in decisions]
        ignore = self._tolerance.ignore
        rest = list(got)
        for position, there in enumerate(task.recorded):
            candidates = rest if self._tolerance.any_order else rest[:1]
            here = next((each for each in candidates if is_same(there, each, ignore)), None)
            if here is None:
                self._differ(task, there.event_id, there, rest[0] if rest else None, got, position)
                return
            rest.remove(here)
        if rest:
            last = task.recorded[-1].event_id if task.recorded else task.completed_id
            self._differ(task, last + 1, None, rest[0], got)

    def _differ(
        self,
        task: RecordedTask,
        event_id: int,
        there: Decided | None,
        here: Decided | None,
        got: Sequence[Decided] = (),
        position: int = 0,
    ) -> None:
        self._current = None
        reason, why = cause_of(there, here, self._tolerance.ignore)
        if there is None and here is None:
            reason, why = Reason.REMOVED, "the decider did not answer this decision task"
        self._difference = NonDeterminismError(
            Difference(
                event_id,
                "no further decision" if there is None else str(there),
                "nothing" if here is None else str(here),
                None,
                reason,
                why,
                "make the recorded decisions for executions that are open; if the difference does "
                "not matter, ignore the member, or allow any order",
                side_by_side(task, got),
            )
        )
        raise _ReplayIsOver


def _timed(event: Mapping[str, Any]) -> Event:
    """Return an event with its time as boto3 returns it."""
    when = event.get("eventTimestamp")
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    elif isinstance(when, int | float):
        when = datetime.fromtimestamp(when, UTC)
    return {**event, "eventTimestamp": when}


class _ReplayClient(Client):
    """The client that a replayed decider is called with."""

    def __init__(self, replay: _Replay) -> None:
        super().__init__(Simulation(), "us-east-1", 0)
        self._replay = replay

    def _call(self, operation: str, arguments: Reply) -> Reply:
        reply = self._replay.answer(operation, request(operation, arguments))
        return {**reply, "ResponseMetadata": metadata("replayed")}

    async def call_in_event_loop(self, operation: str, arguments: Reply) -> Reply:
        """Answer a call of a coroutine."""
        return self._call(operation, arguments)


def _responder(replay: _Replay) -> Any:
    """Return what answers the boto3 clients that a replayed decider makes by itself."""
    from flowy_sim._clients.boto3 import Responder

    class ReplayResponder(Responder):
        def _call(self, client: Any, operation: str, members: Reply) -> Reply:
            return replay.answer(operation, members)

        async def _call_in_event_loop(self, client: Any, operation: str, members: Reply) -> Reply:
            return replay.answer(operation, members)

    return ReplayResponder(Simulation(), wire=False, poll_seconds=0)
