"""The replay of histories with deciders that poll with their own loops.

The decider runs as a poll loop of a runner, so it may be anything that works there: it may poll
ahead, in threads or in coroutines. Each decision task of the history is represented by that of a
short execution in a simulation of its own. What the decider sees of it is replaced by what the
history holds, with the events that were known at the time. What it decides is compared with the
decisions that the history records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any

from flowy._client import Execution
from flowy._decider.decider import UNKNOWN
from flowy._determinism.causes import Reason
from flowy._determinism.differences import Difference
from flowy.errors import HistoryError, NonDeterminismError
from flowy_sim._clients.in_process import Reply
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.faults import Fault
from flowy_sim._events.history import Event
from flowy_sim._events.schema import attributes_of
from flowy_sim._simulation.clock import DEFAULT_START
from flowy_sim._simulation.host import is_poll
from flowy_sim._simulation.regions import DECISION_POLL
from flowy_sim.testing._polling_code import PollingCode
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
from flowy_sim.testing._replay_simulation import RecordedClock, ReplaySimulation
from flowy_sim.testing._runner import DOMAIN, Runner

_MOST_IDLE = 100
"""The number of turns and waits in a row in which a decider may not ask for a decision task."""

_MOST_BUSY = 1000
"""The number of these in which it may not answer its decision task."""

_FIRST_EVENTS = 1000
"""The number of events on a page of a decision task, if the decider does not ask for fewer."""

_ANY_LIST = "replayed"
"""The list of all decision tasks, if the decider gets them from whatever list it polls."""

_TYPE = {"name": "replayed", "version": "1"}
"""The type of the executions that represent the decision tasks."""

_YEAR = 31_536_000
"""The seconds after which such an execution times out: longer than anything that a decider does."""

_COMPLETE = {"decisionType": "CompleteWorkflowExecution"}

_REGISTER = ("RegisterDomain", "RegisterActivityType", "RegisterWorkflowType")
"""Calls that always succeed, as if they had been made only once."""

_ON_TYPES = re.compile("(Describe|List|Deprecate|Undeprecate)(Domain|WorkflowType|ActivityType)s?")
"""Calls that are answered from what the decider has registered."""

_ANSWER = "RespondDecisionTaskCompleted"

_numbers = count(1)
"""The numbers of run IDs that no execution has had."""


def replay_loop(
    code: PollingCode,
    events: Sequence[Mapping[str, Any]],
    execution: Execution = UNKNOWN,
    tolerance: Tolerance | None = None,
    *,
    same_list: bool = False,
    freeze: bool = False,
) -> bool:
    """Replay a history with a decider that polls with its own loop.

    Args:
        code: the decider, as `Runner.loop` takes it.
        events: the history.
        execution: its IDs, if they are known.
        tolerance: the differences that do not matter.
        same_list: whether the decider gets tasks only from the list that they waited on.
        freeze: whether the decider sees the time of each recorded decision in `time` and
            `datetime`, by freezegun.

    Returns:
        Whether the decider asked for a decision task; if not, it is not the decider.

    Raises:
        NonDeterminismError: it makes other decisions than the history records.
        HistoryError: the events are not a history, or the decider makes a call that the history
            does not answer.
        ImportError: greenlet is missing, or freezegun is and `freeze` is set.
    """
    __tracebackhide__ = True
    arguments = code, events, tolerance or Tolerance(), same_list, freeze
    run_id = f"replayed-run-{next(_numbers)}"
    # Many histories come without IDs. A new run ID is safe: no table of the decider knows it.
    if not execution.run_id:
        return _replay(Execution(execution.workflow_id, run_id), *arguments)
    try:
        return _replay(execution, *arguments)
    except NonDeterminismError:
        # The decider may still know this run, from a table that it keeps by the run ID.
        with suppress(NonDeterminismError, HistoryError):
            return _replay(Execution(execution.workflow_id, run_id), *arguments)
        raise


def _replay(
    execution: Execution,
    code: PollingCode,
    events: Sequence[Mapping[str, Any]],
    tolerance: Tolerance,
    same_list: bool,
    freeze: bool,
) -> bool:
    """Replay a history under the IDs of an execution; see `replay_loop`."""
    __tracebackhide__ = True
    replay = Replay(events, execution, tolerance, same_list)
    simulation = ReplaySimulation(replay)
    runner = Runner(simulation, freeze=freeze)
    runner.turn_loop.clock_seen = RecordedClock(replay, simulation)
    runner.loop(code)
    try:
        _present(replay, runner)
    finally:
        runner.scheduler.worker_pools.discard_loops()
    replay.check()
    return replay.presented > 0


def _present(replay: Replay, runner: Runner) -> None:
    """Give the decider one decision task after the other, until it makes another decision."""
    turn_loop, client = runner.turn_loop, runner.scheduler.client
    client.register_workflow_type(domain=DOMAIN, **_TYPE)
    with turn_loop.active():
        for number, task in enumerate(replay.tasks):
            replay.offer(task, turn_loop.follow_clock)
            started = client.start_workflow_execution(
                domain=DOMAIN,
                workflowId=f"decision task {number}",
                workflowType=_TYPE,
                taskList={"name": replay.list_of(task)},
                childPolicy="TERMINATE",
                executionStartToCloseTimeout=str(_YEAR),
                taskStartToCloseTimeout="NONE",
            )
            opened = runner.simulation.engine().executions[started["runId"]]
            while opened.is_open and replay.goes_on():
                instant = turn_loop.next_instant()
                # What comes then is the time-out of the execution that only stands for the decision
                # task.
                is_last = instant is None or instant >= opened.started_at + 1000 * _YEAR
                if not turn_loop.take_turn() and (is_last or not turn_loop.skip_time()):
                    break
            if opened.is_open:
                replay.give_up(task)
            if replay.is_decided:
                return


class Replay:
    """The answers to a decider that is replayed, and the comparison of its decisions.

    Args:
        events: the history.
        execution: its IDs, if they are known.
        tolerance: the differences that do not matter.
        same_list: whether the decider gets tasks only from the list that they waited on.

    Attributes:
        tasks: the decision tasks of the history.
        presented: the number of them that the decider got.
    """

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
        self._types = Simulation()
        self.tasks = list(recorded_tasks(self._events))
        self.presented = 0
        self._lists: set[str] = set()
        self._steps = 0
        self._follow_clock: Callable[[], None] = _do_nothing
        self._task: RecordedTask | None = None
        self._token = ""
        self._refused: HistoryError | None = None
        self._difference: NonDeterminismError | None = None
        self._began: tuple[datetime | None, datetime] = (
            self._events[0]["eventTimestamp"],
            datetime.fromisoformat(DEFAULT_START),
        )

    def offer(self, task: RecordedTask, follow_clock: Callable[[], None]) -> None:
        """Let the decider get a task next.

        Args:
            task: the task.
            follow_clock: lets the decider see the time when it has got it.
        """
        self._task = task
        self._follow_clock = follow_clock
        self._steps = 0

    def list_of(self, task: RecordedTask) -> str:
        """Return the name of the list on which the decider finds a task."""
        return task.task_list if self._same_list else _ANY_LIST

    @property
    def is_decided(self) -> bool:
        """Whether the outcome is known already."""
        return self._refused is not None or self._difference is not None

    def goes_on(self) -> bool:
        """Return whether to let the decider go on, which counts as one step."""
        self._steps += 1
        if self._steps > (_MOST_BUSY if self._token else _MOST_IDLE):
            return False
        return not self.is_decided

    def give_up(self, task: RecordedTask) -> None:
        """Note that the decider does not answer a task, or does not ask for it."""
        if self.is_decided:
            return
        if self._token:
            self._differ(task, task.completed_id, None, None)
        elif self.list_of(task) in self._lists:
            self._differ(task, task.completed_id, None, None, never_polled=True)

    def check(self) -> None:
        """Raise what went wrong, even if the decider has caught it."""
        __tracebackhide__ = True
        found = self._refused or self._difference
        if found is not None:
            raise found.with_traceback(None)

    def present(self, simulated: datetime) -> datetime:
        """Return the time that the decider sees, given that of the simulation."""
        recorded, began = self._began
        return simulated if recorded is None else recorded + (simulated - began)

    # Calls of the decider

    def answer(self, operation: str, members: Reply) -> Reply | None:
        """Answer a call from the history; return None if the simulation answers it."""
        if is_poll(operation, members) or operation == _ANSWER:
            return None
        if operation == DECISION_POLL:
            return self._page(members)
        if operation == "GetWorkflowExecutionHistory" and self._task is not None:
            reply = self._events_page(members, 1, self._task.started_id)
            return {name: reply[name] for name in reply if name in ("events", "nextPageToken")}
        # Deciders register and look up types before they poll. No history can answer that.
        if operation in _REGISTER or _ON_TYPES.fullmatch(operation):
            with suppress(Fault):
                return self._call_on_types(operation, members)
            if operation in _REGISTER:
                return {}
        self._refused = self._refused or HistoryError(
            f"the decider calls {operation}, which a history does not answer; make the call "
            "outside of the decider, or pass what it returns to the decider"
        )
        raise self._refused

    def sent(self, operation: str, members: Reply) -> Reply:
        """Return what is sent to the simulation in place of a call; compare what it decides."""
        if operation == DECISION_POLL:
            name = members["taskList"]["name"] if self._same_list else _ANY_LIST
            return {"domain": DOMAIN, "taskList": {"name": name}}
        if operation != _ANSWER:
            return {**members, "domain": DOMAIN}
        token = members["taskToken"]
        # Another token is that of a task that has been given up.
        if token == self._token:
            self._compare(members.get("decisions") or [])
        # Whatever it decides ends the short execution that stands for this decision task.
        return {"taskToken": token, "decisions": [_COMPLETE]}

    def received(self, operation: str, members: Reply, reply: Reply, simulated: datetime) -> Reply:
        """Return what the decider gets in place of a reply of the simulation."""
        task = self._task
        if operation != DECISION_POLL or not reply.get("taskToken") or task is None:
            return reply
        self._token = reply["taskToken"]
        self._steps = 0
        self.presented += 1
        self._lists.add(self.list_of(task))
        started = self._events[task.started_id - 1]["eventTimestamp"]
        self._began = started, simulated
        self._follow_clock()
        return self._page(members)

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

    def _page(self, members: Reply) -> Reply:
        """Return a page of the decision task that the decider holds."""
        task = self._task
        if task is None:
            return {"previousStartedEventId": 0, "startedEventId": 0}
        first = task.previous_id if members.get("startAtPreviousStartedEvent") else 1
        named = attributes_of(self._events[0])["workflowType"]
        return {
            "taskToken": self._token,
            "startedEventId": task.started_id,
            "previousStartedEventId": task.previous_id,
            "workflowExecution": {
                # A history from AWS does not have it.
                "workflowId": self._execution.workflow_id or "replayed-workflow",
                "runId": self._execution.run_id,
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

    def _compare(self, decisions: Sequence[Reply]) -> None:
        task = self._task
        assert task is not None
        self._token = ""
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
        *,
        never_polled: bool = False,
    ) -> None:
        reason, why = cause_of(there, here, self._tolerance.ignore)
        if there is None and here is None:
            verb = "ask for" if never_polled else "answer"
            reason, why = Reason.REMOVED, f"the decider did not {verb} this decision task"
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


def _timed(event: Mapping[str, Any]) -> Event:
    """Return an event with its time as boto3 returns it."""
    when = event.get("eventTimestamp")
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    elif isinstance(when, int | float):
        when = datetime.fromtimestamp(when, UTC)
    if when is not None and when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return {**event, "eventTimestamp": when}


def _do_nothing() -> None:
    """Leave the time that the decider sees as it is."""
