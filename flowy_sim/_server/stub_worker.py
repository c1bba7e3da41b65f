"""The worker of stubs: it answers the tasks that they have taken.

-   A stub answers after the time that its answer takes. If a time-out of the task is shorter, the
    task times out. No client could prevent that, so it does not wait for the patience.
-   A stub of a workflow that takes time starts a timer. If it is asked to cancel meanwhile, it
    does; so does a stub of an activity that sends heartbeats.
-   A caller that encodes arguments as flowy does gets results as flowy encodes them. For all other
    callers text is sent as it is, nothing as no text, and other values as JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from flowy._safe_text import safe_logger
from flowy.errors import ConfigurationError
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.model import decision_attributes_key
from flowy_sim._server.stub_definitions import Members, StubFailure
from flowy_sim._simulation.stub_answers import Answer, limits_of, plain_text, timed

_log = safe_logger("flowy_sim")

#: The operation that sends decisions.
DECIDE = "RespondDecisionTaskCompleted"
#: The identity of a stub in histories.
IDENTITY = "a stub"
_TIMER = "takes"

CarryOut = Callable[[str, str, Mapping[str, Any], int], dict[str, Any]]


class StubWorker:
    """Answers the tasks that stubs have taken.

    Args:
        carry_out: carries out a call in a region at an instant, without serving stubs.
        engine_of: returns the engine of a region.
        plan: lets a function be called at an instant, with the instant.
        time_outs: receives the instants of time-outs that no client can prevent.
    """

    def __init__(
        self,
        carry_out: CarryOut,
        engine_of: Callable[[str], Engine],
        plan: Callable[[int, Callable[[int], object]], None],
        time_outs: set[int],
    ) -> None:
        self._carry_out = carry_out
        self._engine_of = engine_of
        self._plan = plan
        self._time_outs = time_outs

    def work(self, region: str, task: Members, answer: Answer, instant: int) -> None:
        """Answer an activity task, now or later.

        Args:
            region: where it is.
            task: as a poll hands it out.
            answer: the answer of its stub.
            instant: when it was started, in milliseconds since 1970.
        """
        ids, activity_id = task["workflowExecution"], task["activityId"]
        open_task = self._engine_of(region).executions[ids["runId"]].activities[activity_id]
        named = task["activityType"]
        label = f"{named['name']} {named['version']}"
        limits = limits_of(open_task, instant)
        try:
            answer = timed(answer, None, label, limits)
        except ConfigurationError as error:
            _log.warning("The activity task %r of %r fails: %s", activity_id, ids, error)
            answer = Answer(_failing(StubFailure("the stub cannot answer", str(error))))
        work = _Work(region, task["taskToken"], task.get("input"), answer, instant)
        if answer.heartbeat is not None:
            limits["HEARTBEAT"] = math.inf
            self._plan(work.next_beat, lambda at: self._beat(work, at))
        if answer.takes >= min(limits.values()):
            self.expect_time_out(instant, limits)
        if answer.takes == 0:
            self._finish(work, instant)
        elif work.end is not None:
            self._plan(work.end, lambda at: self._finish(work, at))

    def _finish(self, work: _Work, instant: int) -> None:
        """Answer an activity task, unless it is over."""
        try:
            result = _encoded(work.answer.function(), work.input)
        except StubFailure as failure:
            self._respond(work, "Failed", instant, **failure.members)
        else:
            self._respond(work, "Completed", instant, result=result)

    def _respond(self, work: _Work, how: str, instant: int, **members: str) -> bool:
        request = {"taskToken": work.token, **members}
        try:
            self._carry_out(work.region, f"RespondActivityTask{how}", request, instant)
        except Fault:  # It is over: it timed out, or its execution has closed.
            return False
        return True

    def _beat(self, work: _Work, instant: int) -> None:
        """Send a heartbeat, and plan the next one; end the task if it was asked to cancel."""
        request = {"taskToken": work.token}
        try:
            reply = self._carry_out(work.region, "RecordActivityTaskHeartbeat", request, instant)
        except Fault:  # It is over.
            return
        if reply.get("cancelRequested"):
            self._respond(work, "Canceled", instant)
            return
        work.next_beat += work.pause
        if work.end is None or work.next_beat < work.end:
            self._plan(work.next_beat, lambda at: self._beat(work, at))

    def decide(
        self, execution: WorkflowExecution, token: str, answer: Answer, instant: int
    ) -> None:
        """Answer a decision task of a stubbed workflow.

        Args:
            execution: the execution that it belongs to.
            token: its token.
            answer: the answer of the stub.
            instant: the present one, in milliseconds since 1970.
        """
        request = {"taskToken": token, "decisions": _decisions(execution, answer)}
        region = execution.engine.region
        self._carry_out(region, DECIDE, request, instant)
        seconds = execution.started("executionStartToCloseTimeout")
        if execution.is_open and (answer.timeout or answer.takes >= int(seconds)):
            self._time_outs.add(execution.started_at + int(seconds) * 1000)

    def expect_time_out(self, instant: int, limits: Mapping[str, float]) -> None:
        """Note when a task of a stub will time out."""
        first = min(limits.values())
        if not math.isinf(first):
            self._time_outs.add(instant + round(first * 1000))


class _Work:
    """An activity task that a stub has taken.

    Attributes:
        region, token, input, answer: of the task.
        end: when it is answered, in milliseconds since 1970; None for never.
        pause: milliseconds between two heartbeats.
        next_beat: when the next one is due.
    """

    def __init__(
        self, region: str, token: str, text: str | None, answer: Answer, instant: int
    ) -> None:
        self.region = region
        self.token = token
        self.input = text
        self.answer = answer
        endless = math.isinf(answer.takes)
        self.end = None if endless else instant + round(answer.takes * 1000)
        self.pause = max(1, round((answer.heartbeat or 0) * 1000))
        self.next_beat = instant + self.pause


def _decisions(execution: WorkflowExecution, answer: Answer) -> list[dict[str, Any]]:
    """Return what a stubbed workflow decides."""
    events = [execution.event_type(each) for each in range(1, len(execution) + 1)]
    takes = math.inf if answer.timeout else answer.takes
    if takes and "TimerFired" not in events:
        if "WorkflowExecutionCancelRequested" in events:
            return [{"decisionType": "CancelWorkflowExecution"}]
        if math.isinf(takes) or "TimerStarted" in events:
            return []
        return [_decision("StartTimer", timerId=_TIMER, startToFireTimeout=f"{takes:.0f}")]
    try:
        result = _encoded(answer.function(), execution.started("input"))
    except StubFailure as failure:
        return [_decision("FailWorkflowExecution", **failure.members)]
    return [_decision("CompleteWorkflowExecution", result=result)]


def _decision(kind: str, **attributes: str) -> dict[str, Any]:
    return {"decisionType": kind, decision_attributes_key(kind): attributes}


def _encoded(value: object, text: str | None) -> str:
    """Return a result as text, encoded as its caller's arguments are.

    >>> _encoded("small.jpg", '[["a.jpg"], {}]'), _encoded("small.jpg", "a.jpg")
    ('"small.jpg"', 'small.jpg')
    """
    try:
        arguments = json.loads(text or "")
    except ValueError:
        return plain_text(value)
    by_flowy = isinstance(arguments, list) and list(map(type, arguments)) == [list, dict]
    return json.dumps(value) if by_flowy else plain_text(value)


def _failing(failure: StubFailure) -> Callable[..., Any]:
    def fail() -> Any:
        raise failure

    return fail
