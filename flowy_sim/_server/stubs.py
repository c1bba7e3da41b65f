"""Stubs of a served simulation: they answer for activities, child workflows and Lambda functions.

The rules are those of stubs in process:

-   The answer is chosen when a task is scheduled, so answers follow the order of the calls.
-   Tasks of a stubbed type wait on a list of their own, whatever list they were scheduled on, and
    no worker gets them. A stub takes them at once.
-   A stub answers after the time that its answer takes. If a time-out of the task is shorter, the
    task times out. No client could prevent that, so it does not wait for the patience.
-   A caller that encodes arguments as flowy does gets results as flowy encodes them. For all other
    callers text is sent as it is, nothing as no text, and other values as JSON.
-   An execution that has begun with a stub ends with it, even if the stub is removed.
-   The type of a stub need not be registered: this happens when something calls it.
-   After a restart, stubs that are still defined go on with the activities and functions that they
    had begun.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flowy._safe_text import safe_logger
from flowy.errors import ConfigurationError
from flowy_sim._engine import lambda_functions, tokens
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import Execution
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.lambda_functions import DeferredFunction, LambdaContext, LambdaFunction
from flowy_sim._engine.life_cycles import ActivityTask, LambdaTask
from flowy_sim._engine.queues import DECISION
from flowy_sim._engine.validation import checked
from flowy_sim._server.stub_definitions import Members, StubFailure, StubKey, read_key, read_stub
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL, TaskKey, TaskList
from flowy_sim._simulation.stub_answers import (
    ACTIVITY,
    CHILD,
    FUNCTION,
    NEVER_TAKEN,
    Answer,
    limits_before_start,
    limits_of,
    plain_text,
    time_out_first,
    timed,
)
from flowy_sim._simulation.stubs import (
    STUBS_LIST,
    UNTAKEN_LIST,
    Stub,
    bare_activity,
    bare_workflow,
)

_log = safe_logger("flowy_sim")

#: The identity of a stub in histories.
IDENTITY = "a stub"
#: The calls of stubs that are remembered.
MOST_CALLS = 10_000
#: The decisions that call something that may be a stub: what, and the member with its type.
_CALLS = {
    "ScheduleActivityTask": (ACTIVITY, "activityType"),
    "StartChildWorkflowExecution": (CHILD, "workflowType"),
}
_REGISTER = {ACTIVITY: "RegisterActivityType", CHILD: "RegisterWorkflowType"}
_TIMER = "takes"

CarryOut = Callable[[str, str, Mapping[str, Any], int], dict[str, Any]]
CallFunction = Callable[[LambdaTask, Answer, LambdaContext], None]


class StubCall(NamedTuple):
    """A call that a stub has answered, or is about to answer.

    Attributes:
        key: what was called.
        input: with which input; None without one.
        workflow_id, run_id: by which execution; for a workflow, the one that was started.
        task_id: the ID of the activity or of the Lambda task; empty for a workflow.
        at: when, in milliseconds since 1970.
    """

    key: StubKey
    input: str | None
    workflow_id: str
    run_id: str
    task_id: str
    at: int


class ServedStubs:
    """The stubs of a simulation; see the module's description.

    Args:
        carry_out: carries out a call in a region at an instant, without serving stubs.
        engine_of: returns the engine of a region.
        plan: lets a function be called at an instant, with the instant.
        call_function: calls a Lambda function that takes real time, outside the engine, and gives
            its outcome to the engine later.

    Attributes:
        calls: the latest calls, the oldest first.
        functions: the Lambda functions, as an engine takes them.
        time_outs: the instants of time-outs that no client can prevent.
        is_active: whether they answer; while a simulation is restored, they must not.
    """

    def __init__(
        self,
        carry_out: CarryOut,
        engine_of: Callable[[str], Engine],
        plan: Callable[[int, Callable[[int], object]], None],
        call_function: CallFunction,
    ) -> None:
        self.calls: deque[StubCall] = deque(maxlen=MOST_CALLS)
        self.functions: dict[str, DeferredFunction] = {}
        self.time_outs: set[int] = set()
        self.is_active = True
        self._carry_out = carry_out
        self._engine_of = engine_of
        self._plan = plan
        self._call_function = call_function
        self._stubs: dict[StubKey, Stub] = {}
        self._definitions: dict[StubKey, Members] = {}
        self._registered: set[tuple[str, str, StubKey]] = set()
        self._answers: dict[tuple[str, str], Answer] = {}
        self._waiting: dict[TaskList, None] = {}

    # Definitions

    def __iter__(self) -> Iterator[Members]:
        return iter(self._definitions.values())

    def add(self, definition: Members) -> StubKey:
        """Add a stub, in place of an older one of the same type.

        Raises:
            ValueError: the definition is wrong.
        """
        key, stub = read_key(definition), read_stub(definition)
        self._stubs.pop(key, None)
        self._stubs[key], self._definitions[key] = stub, definition
        if key.kind == FUNCTION:
            self.functions[key.name] = DeferredFunction(self._begin_function)
        return key

    def remove(self, members: Members) -> None:
        """Remove the stub that members name, or all if they name none.

        Raises:
            ValueError: there is no such stub.
        """
        keys = [read_key(members)] if members else list(self._stubs)
        for key in keys:
            if key not in self._stubs:
                raise ValueError(f"There is no stub of {key}.")
            del self._stubs[key], self._definitions[key]
            if key.kind == FUNCTION:
                del self.functions[key.name]

    # Tasks

    def route(self, task: Any) -> str:
        """Return the name of the list on which a task waits; choose the answer to a call."""
        execution, own = task.execution, str(task.task_list)
        is_child = task.kind == DECISION
        named = execution.started("workflowType") if is_child else task.opened("activityType")
        place = (execution.run_id, "" if is_child else task.activity_id)
        if not is_child or place not in self._answers:
            key = StubKey(CHILD if is_child else ACTIVITY, *named)
            stub = self._stubs.get(key)
            if stub is None:
                return own
            text = execution.started("input") if is_child else task.opened("input")
            self._answers[place] = answer = self._choose(stub, key, execution, text, place[1])
            if answer.timeout == NEVER_TAKEN and self._is_never_taken(stub, task):
                del self._answers[place]
                return UNTAKEN_LIST
        poll = DECISION_POLL if is_child else ACTIVITY_POLL
        waiting = TaskList(execution.engine.region, poll, execution.domain.name, STUBS_LIST)
        self._waiting[waiting] = None
        return STUBS_LIST

    def serve(self, instant: int) -> None:
        """Take the tasks that wait for stubs, and answer them now or later."""
        while self._waiting and self.is_active:
            task_list = next(iter(self._waiting))
            request = {
                "domain": task_list.domain,
                "taskList": {"name": task_list.name},
                "identity": IDENTITY,
            }
            task = self._carry_out(task_list.region, task_list.poll, request, instant)
            if not task.get("taskToken"):
                del self._waiting[task_list]
            elif task_list.poll == ACTIVITY_POLL:
                self._work(task_list.region, task, instant)
            else:
                self._decide(task_list.region, task, instant)

    def register_called(
        self, region: str, operation: str, request: Mapping[str, Any], instant: int
    ) -> None:
        """Register the types of stubs that decisions call, unless the domain has them."""
        if not self._stubs or operation != "RespondDecisionTaskCompleted":
            return
        engine = self._engine_of(region)
        try:
            decisions = checked(operation, request).get("decisions", ())
            token = engine.tokens.read(request["taskToken"], tokens.DECISION)
        except Fault:  # The call will be refused.
            return
        execution = engine.executions.get(token.run_id)
        if execution is None:
            return
        for decision in decisions:
            kind, member = _CALLS.get(decision["decisionType"], ("", ""))
            if kind:
                named = _attributes(decision)[member]
                key = StubKey(kind, named["name"], named["version"])
                self._register(region, execution.domain.name, key, instant)

    def _register(self, region: str, domain: str, key: StubKey, instant: int) -> None:
        if key not in self._stubs or (region, domain, key) in self._registered:
            return
        self._registered.add((region, domain, key))
        bare = bare_activity if key.kind == ACTIVITY else bare_workflow
        defaults = bare(key.name, key.version, STUBS_LIST).defaults
        request = {"domain": domain, "name": key.name, "version": key.version, **defaults}
        try:
            self._carry_out(region, _REGISTER[key.kind], request, instant)
        except Fault as fault:
            if fault.code != "TypeAlreadyExistsFault":
                _log.warning("The type of the stub of %s cannot be registered: %s", key, fault)

    def _choose(
        self, stub: Stub, key: StubKey, execution: Execution, text: str | None, task_id: str
    ) -> Answer:
        """Choose the answer to a call, and note the call."""
        now = execution.engine.now
        call = StubCall(key, text, execution.workflow_id, execution.run_id, task_id, now)
        self.calls.append(call)
        return stub.next_answer()

    def _is_never_taken(self, stub: Stub, task: Any) -> bool:
        """Return whether a task times out before a worker takes it; warn if it has no time-out."""
        settings = {
            member: task.opened(member)
            for member in ("scheduleToStartTimeout", "scheduleToCloseTimeout")
        }
        limits = limits_before_start(settings)
        try:
            time_out_first(stub.label, NEVER_TAKEN, limits)
        except ConfigurationError:
            return False
        self._expect_time_out(task.execution.engine.now, limits)
        return True

    def resume(self, engines: Iterable[Engine], instant: int) -> set[TaskKey]:
        """Go on, after a restart, with what stubs were doing; return the tasks that they have."""
        self.is_active = True
        resumed = set()
        for engine in engines:
            entries = engine.effects.entries()
            answered = {key for _, key, effect in entries if effect.kind == "lambda close"}
            for execution in list(engine.executions.values()) if self._stubs else ():
                for call in list(execution.lambda_functions.values()):
                    if call.started_id and call.effect not in answered:
                        lambda_functions.begin_again(call)
                for task in list(execution.activities.values()):
                    if self._resume_work(execution, task):
                        resumed.add(TaskKey(execution.run_id, task.started_id))
        self.serve(instant)
        return resumed

    # Activities

    def _resume_work(self, execution: Execution, task: ActivityTask) -> bool:
        """Go on with an activity task if it is one of a stub; return whether it is."""
        key = StubKey(ACTIVITY, *task.opened("activityType"))
        stub = self._stubs.get(key)
        started = task.started_id
        if stub is None or not started or execution.member(started, "identity") != IDENTITY:
            return False
        ids = execution.run_id, execution.workflow_id
        token = tokens.TaskToken(tokens.ACTIVITY, task.opened_id, started, 0, *ids)
        self._answers[execution.run_id, task.activity_id] = stub.next_answer()
        handed_out = {
            "taskToken": execution.engine.tokens.write(token),
            "workflowExecution": {"workflowId": ids[1], "runId": ids[0]},
            "activityId": task.activity_id,
            "activityType": {"name": key.name, "version": key.version},
            "input": task.opened("input"),
        }
        self._work(execution.engine.region, handed_out, execution.time(started))
        return True

    def _work(self, region: str, task: Members, instant: int) -> None:
        """Answer an activity task, now or later."""
        ids, activity_id = task["workflowExecution"], task["activityId"]
        answer = self._answers.pop((ids["runId"], activity_id))
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
            self._expect_time_out(instant, limits)
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

    # Workflows

    def _decide(self, region: str, task: Members, instant: int) -> None:
        """Answer a decision task of a stubbed workflow."""
        run_id = task["workflowExecution"]["runId"]
        execution = self._engine_of(region).executions[run_id]
        answer = self._answers[run_id, ""]
        decisions = _decisions(execution, answer)
        request = {"taskToken": task["taskToken"], "decisions": decisions}
        self._carry_out(region, "RespondDecisionTaskCompleted", request, instant)
        seconds = execution.started("executionStartToCloseTimeout")
        if not execution.is_open:
            del self._answers[run_id, ""]
        elif answer.timeout or answer.takes >= int(seconds):
            self.time_outs.add(execution.started_at + int(seconds) * 1000)

    # Lambda functions

    def _begin_function(self, task: LambdaTask, context: LambdaContext) -> None:
        """Answer a call of a Lambda function, or let it be called outside the engine."""
        key = StubKey(FUNCTION, context.function_name, "")
        text = task.opened("input")
        answer = self._choose(self._stubs[key], key, task.execution, text, task.opened("id"))
        if not answer.constant:
            if self.is_active:
                self._call_function(task, answer, context)
            return
        takes = math.inf if answer.timeout else answer.takes
        outcome = lambda_functions.outcome(LambdaFunction(answer.function), text, context)
        lambda_functions.answer(task, takes, *outcome)

    def _expect_time_out(self, instant: int, limits: Mapping[str, float]) -> None:
        """Note when a task of a stub will time out."""
        first = min(limits.values())
        if not math.isinf(first):
            self.time_outs.add(instant + round(first * 1000))


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


def _decisions(execution: Execution, answer: Answer) -> list[dict[str, Any]]:
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
    return {"decisionType": kind, _attributes_member(kind): attributes}


def _attributes(decision: Members) -> Any:
    return decision[_attributes_member(decision["decisionType"])]


def _attributes_member(kind: str) -> str:
    return f"{kind[0].lower()}{kind[1:]}DecisionAttributes"


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
