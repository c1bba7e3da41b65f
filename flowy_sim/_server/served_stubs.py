"""Stubs of a served simulation: they answer for activities, child workflows and Lambda functions.

The rules are those of stubs in process:

-   The answer is chosen when a task is scheduled, so answers follow the order of the calls.
-   Tasks of a stubbed type wait on a list of their own, whatever list they were scheduled on, and
    no worker gets them. A stub takes them at once, and answers them (see `stub_worker`).
-   An execution that has begun with a stub ends with it, even if the stub is removed.
-   The type of a stub need not be registered: this happens when something calls it.
-   After a restart, stubs that are still defined go on with the activities and functions that they
    had begun.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flowy._safe_text import safe_logger
from flowy.errors import ConfigurationError
from flowy_sim._engine import lambda_functions, tokens
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.lambda_functions import DeferredFunction, LambdaContext, LambdaFunction
from flowy_sim._engine.life_cycles import ActivityTask, LambdaTask
from flowy_sim._engine.model import decision_attributes_key
from flowy_sim._engine.queues import DECISION
from flowy_sim._engine.validation import checked
from flowy_sim._server.stub_definitions import Members, StubKey, read_key, read_stub
from flowy_sim._server.stub_worker import DECIDE, IDENTITY, CarryOut, StubWorker
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL, TaskKey, TaskList
from flowy_sim._simulation.stub_answers import (
    ACTIVITY,
    CHILD,
    FUNCTION,
    NEVER_TAKEN,
    Answer,
    limits_before_start,
    time_out_first,
)
from flowy_sim._simulation.stubs import (
    STUBS_LIST,
    UNTAKEN_LIST,
    Stub,
    bare_activity,
    bare_workflow,
)

_log = safe_logger("flowy_sim")

#: The calls of stubs that are remembered.
MOST_CALLS = 10_000
#: The decisions that call something that may be a stub: what, and the member with its type.
_CALLS = {
    "ScheduleActivityTask": (ACTIVITY, "activityType"),
    "StartChildWorkflowExecution": (CHILD, "workflowType"),
}
_REGISTER = {ACTIVITY: "RegisterActivityType", CHILD: "RegisterWorkflowType"}

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
        self._worker = StubWorker(carry_out, engine_of, plan, self.time_outs)
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
        own: str = task.task_list
        if not (self._stubs or self._answers):
            return own
        execution = task.execution
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
                place = task["workflowExecution"]["runId"], task["activityId"]
                answer = self._answers.pop(place)
                self._worker.work(task_list.region, task, answer, instant)
            else:
                self._decide(task_list.region, task, instant)

    def _decide(self, region: str, task: Members, instant: int) -> None:
        """Answer a decision task; an execution keeps its answer until it closes."""
        run_id = task["workflowExecution"]["runId"]
        execution = self._engine_of(region).executions[run_id]
        self._worker.decide(execution, task["taskToken"], self._answers[run_id, ""], instant)
        if not execution.is_open:
            del self._answers[run_id, ""]

    def register_called(self, region: str, request: Mapping[str, Any], instant: int) -> None:
        """Register the types of stubs that decisions call, unless the domain has them.

        Args:
            region: where the decisions are sent.
            request: the request with them.
            instant: now, in milliseconds.
        """
        if not self._stubs:
            return
        engine = self._engine_of(region)
        try:
            decisions = checked(DECIDE, request).get("decisions", ())
            token = engine.tokens.read(request["taskToken"], tokens.DECISION)
        except Fault:  # The call will be refused.
            return
        execution = engine.executions.get(token.run_id)
        if execution is None:
            return
        for decision in decisions:
            kind, member = _CALLS.get(decision["decisionType"], ("", ""))
            if kind:
                named = decision[decision_attributes_key(decision["decisionType"])][member]
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
        self, stub: Stub, key: StubKey, execution: WorkflowExecution, text: str | None, task_id: str
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
        self._worker.expect_time_out(task.execution.engine.now, limits)
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
                    self._take_back(task)
                    if self._resume_work(execution, task):
                        resumed.add((execution.run_id, task.started_id))
        self.serve(instant)
        return resumed

    def _take_back(self, task: ActivityTask) -> None:
        """Let a waiting activity task wait for its stub, if it has one.

        A crash between scheduling it and taking it has left it on its own list.
        """
        if task.waiting_key and StubKey(ACTIVITY, *task.opened("activityType")) in self._stubs:
            waiting = task.execution.domain.activity_lists
            waiting.withdraw(task)
            task.task_list = self.route(task)
            waiting.add(task)

    def _resume_work(self, execution: WorkflowExecution, task: ActivityTask) -> bool:
        """Go on with an activity task if it is one of a stub; return whether it is."""
        key = StubKey(ACTIVITY, *task.opened("activityType"))
        stub = self._stubs.get(key)
        started = task.started_id
        if stub is None or not started or execution.member(started, "identity") != IDENTITY:
            return False
        ids = execution.run_id, execution.workflow_id
        token = tokens.TaskToken(tokens.ACTIVITY, task.opened_id, started, 0, *ids)
        handed_out = {
            "taskToken": execution.engine.tokens.write(token),
            "workflowExecution": {"workflowId": ids[1], "runId": ids[0]},
            "activityId": task.activity_id,
            "activityType": {"name": key.name, "version": key.version},
            "input": task.opened("input"),
        }
        region, instant = execution.engine.region, execution.time(started)
        self._worker.work(region, handed_out, stub.next_answer(), instant)
        return True

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
