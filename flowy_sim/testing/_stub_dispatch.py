"""Stub dispatch: chooses the answer of a stub for each task of a runner.

The answer is chosen when the task is scheduled. So the answers of a stub follow the order of the
calls in the workflow, whatever order workers take the tasks in, and an unexpected call is an error
at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, NamedTuple

from flowy._client import fault_code
from flowy.activity import ActivityContext, ActivityType
from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import Payloads
from flowy.workflow import WorkflowType
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.model import decision_attributes_key
from flowy_sim._engine.queues import DECISION
from flowy_sim._events.schema import TIMEOUTS, attributes_of
from flowy_sim._simulation.stub_answers import (
    ACTIVITY,
    CHILD,
    NEVER_TAKEN,
    Answer,
    limits_before_start,
    limits_of,
    plain_arguments,
    time_out_first,
    timed,
)
from flowy_sim._simulation.stubs import (
    STUBS_LIST,
    UNTAKEN_LIST,
    NameAndVersion,
    Stub,
    Stubs,
    UnexpectedCallError,
)
from flowy_sim.testing._possible import return_values


class StubDispatch:
    """Chooses the answers of stubs.

    Args:
        simulation: the service.
        domain: the domain of the tasks.
        stubs: the stubs.
        payloads: decodes arguments.
        use_answer: called with the answer to the current task, which then takes its time.

    Attributes:
        simulation, stubs: as given.
        called: what was scheduled, such as ``resize 1``, or ``child thumbnails 1``.
        answered: the calls that got an answer of a stub with different answers, in order.
        error: the first error that the test must fail with; None if there is none.
        polled: the task lists that flowy's own workers poll: their kind and name.
        flowys_types: the workflow types that flowy's own deciders run, stubs excluded.
        unregistered: the types of stubs that are registered when something calls them, if the
            code under test has not registered them until then, by kind, name and version.
        has_loops: whether code that polls with its own loop takes turns as well.
    """

    def __init__(
        self,
        simulation: Simulation,
        domain: str,
        stubs: Stubs,
        payloads: Payloads,
        use_answer: Callable[[Answer], None],
    ) -> None:
        self.called: dict[str, None] = {}
        self.answered: list[tuple[str, ...]] = []
        self.error: Exception | None = None
        self.polled: frozenset[tuple[str, str]] = frozenset()
        self.flowys_types: frozenset[NameAndVersion] = frozenset()
        self.unregistered: dict[tuple[str, NameAndVersion], ActivityType | WorkflowType] = {}
        self.has_loops = False
        self._task: Reply | None = None
        self._untaken: set[tuple[str, str]] = set()
        self._engine = engine = simulation.engine()
        self._route_before, engine.route = engine.route, self.route
        self.simulation = simulation
        self._client: Client = simulation.client(poll_seconds=0)
        self._domain = domain
        self.stubs = stubs
        self._payloads = payloads
        self._use_answer = use_answer
        self._answers: dict[tuple[str, str], Answer] = {}
        self._outcomes: dict[str, ChildOutcome] = {}
        self._assigned: tuple[str, list[Reply]] = ("", [])

    def begin_task(self, task: Reply) -> None:
        """Note the task that a worker has received."""
        self._task = task

    def is_plain(self, label: object) -> bool:
        """Return whether the current task is of a stubbed type that other code than flowy called.

        Args:
            label: the name and version of the type, such as ``resize 1``.
        """
        task = self._task
        if task is None:
            return False
        kind = ACTIVITY if "activityType" in task else CHILD
        named = task["activityType" if kind == ACTIVITY else "workflowType"]
        name, version = named["name"], named["version"]
        if label != f"{name} {version}" or self.stubs.find(kind, name, version) is None:
            return False
        return not self._flowy_called(kind, task["workflowExecution"]["runId"])

    def route(self, task: Any) -> str:
        """Return the name of the list on which a task waits.

        Tasks of stubbed types wait on a list of their own, which only stubs poll, so that they
        are answered whatever list they were scheduled on, and no other worker takes them.
        """
        execution, own = task.execution, str(task.task_list)
        kind = CHILD if task.kind == DECISION else ACTIVITY
        named = execution.started("workflowType") if kind == CHILD else task.opened("activityType")
        stubbed = self.stubs.find(kind, *named) is not None
        if execution.domain.name != self._domain or not stubbed or own == UNTAKEN_LIST:
            return own if self._route_before is None else self._route_before(task)
        if kind == ACTIVITY and (execution.run_id, task.activity_id) in self._untaken:
            return UNTAKEN_LIST
        is_polled = (kind, own) in self.polled and not self.has_loops
        return own if is_polled and self._flowy_called(kind, execution.run_id) else STUBS_LIST

    def _flowy_called(self, kind: str, run_id: str) -> bool:
        """Return whether flowy's own decider called an activity or child, or a test started it."""
        execution = self._engine.executions.get(run_id)
        if execution is None:
            return True
        if kind == CHILD:
            if execution.parent is None:
                return not self.has_loops
            run_id = execution.parent[0]
        return self.is_flowys(run_id)

    def _register_on_call(self, kind: str, key: NameAndVersion) -> None:
        """Register the type of a stub that is called, unless the code under test has done so."""
        declared = self.unregistered.pop((kind, key), None)
        if declared is None:
            return
        client = self._client
        register = client.register_activity_type
        if kind == CHILD:
            register = client.register_workflow_type
        try:
            register(domain=self._domain, name=key[0], version=key[1], **declared.defaults)
        except Exception as error:
            if fault_code(error) != "TypeAlreadyExistsFault":
                raise

    def is_flowys(self, run_id: str) -> bool:
        """Return whether an execution is of a workflow that flowy's own deciders run."""
        execution = self._engine.executions.get(run_id)
        return execution is not None and execution.started("workflowType") in self.flowys_types

    def fail(self, error: Exception) -> None:
        """Fail the test with an error, after this turn."""
        self.error = self.error or error

    def assign_answers(self, task: Reply, request: Reply) -> Reply | None:
        """Choose the answers to the calls that a decider makes.

        Args:
            task: the decision task.
            request: the request that answers it.

        Returns:
            The request to send: tasks that no worker may take are on a task list of their own.
            None to send nothing, because the test fails.
        """
        token, decisions = self._assigned
        if token != task["taskToken"]:  # Otherwise, the same request is sent again.
            run_id = task["workflowExecution"]["runId"]
            try:
                decisions = [self._choose(run_id, each) for each in request.get("decisions", ())]
            except (UnexpectedCallError, ConfigurationError) as error:
                self.fail(error)
                return None
            self._assigned = task["taskToken"], decisions
        return {**request, "decisions": decisions}

    def _choose(self, run_id: str, decision: Reply) -> Reply:
        """Choose the answer to the call of a decision; return the decision to send."""
        kind = _KINDS.get(decision["decisionType"])
        if kind is None:
            return decision
        member = decision_attributes_key(decision["decisionType"])
        call = decision[member]
        named = call["workflowType" if kind == CHILD else "activityType"]
        label = f"{named['name']} {named['version']}"
        self.called[f"child {label}" if kind == CHILD else label] = None
        stub = self.stubs.find(kind, named["name"], named["version"])
        if stub is None:
            return decision
        self._register_on_call(kind, (stub.name, stub.version))
        try:
            args, kwargs = self._arguments(stub, call.get("input"), self.is_flowys(run_id))
            answer = stub.answer_to(args, kwargs)
        except (SerializationError, TypeError):
            return decision  # The worker will fail with this, as it would without a stub.
        if answer.timeout == NEVER_TAKEN:
            time_out_first(label, NEVER_TAKEN, self._limits_before_start(call))
            if not self.is_flowys(run_id):
                self._untaken.add((run_id, call["activityId"]))
                return decision
            untaken = {**call, "taskList": {"name": UNTAKEN_LIST}}
            return {**decision, member: untaken}
        key = ("", call["workflowId"]) if kind == CHILD else (run_id, call["activityId"])
        if stub.changes:
            self.answered.append(key)
        if answer.any_result:
            answer = self._with_any_result(stub, answer, key)
        self._answers[key] = answer
        return decision

    def _with_any_result(self, stub: Stub, answer: Answer, key: tuple[str, str]) -> Answer:
        """Choose whether an answer has another result, of those that the type hint allows."""
        values = return_values(None if stub.cls is None else stub.cls.run)
        index = self.simulation.schedule.choose(f"the result of {stub}", len(values) + 1)
        if not index:
            return answer
        self.answered.append((*key, str(index)))
        value = values[index - 1]
        return replace(answer, function=lambda *args, **kwargs: value, constant=True)

    def choose_outcome(self, task: Reply) -> None:
        """Choose the outcome of a stubbed child workflow at its first decision task.

        Args:
            task: a decision task of any workflow.
        """
        named, ids = task["workflowType"], task["workflowExecution"]
        stub = self.stubs.find(CHILD, named["name"], named["version"])
        if stub is None or ids["runId"] in self._outcomes:
            return
        text = attributes_of(task["events"][0]).get("input")
        answer = self._answers.pop(("", ids["workflowId"]), None)
        try:
            flowy_called = self._flowy_called(CHILD, ids["runId"])
            args, kwargs = self._arguments(stub, text, flowy_called)
            if answer is None:
                answer = stub.answer_to(args, kwargs)
                self.answered.append(("", ids["workflowId"]))
            takes = math.inf if answer.timeout else answer.takes
            outcome = ChildOutcome(takes, answer.function(*args, **kwargs))
        except UnexpectedCallError as error:
            self.fail(error)
            return
        except Exception as error:
            outcome = ChildOutcome(answer.takes if answer else 0, error=error)
        self._outcomes[ids["runId"]] = outcome

    def _arguments(
        self, stub: Stub, text: str | None, flowy_called: bool
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call; its input as text if other code than flowy called."""
        if not flowy_called:
            return plain_arguments(text)
        args, kwargs = self._payloads.decode_input(str(stub), text, stub.cls)
        return tuple(args), kwargs

    def outcome(self, run_id: str) -> ChildOutcome:
        """Return the outcome that was chosen for a child workflow."""
        return self._outcomes[run_id]

    def answer(
        self,
        stub: Stub,
        every: float | None,
        context: ActivityContext,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Answer:
        """Return the answer to the current activity task, and let the task take its time.

        Args:
            stub: the stub of the activity.
            every: seconds between two heartbeats that a worker sends on its own; None for none.
            context: the context of the activity.
            args: the arguments.
            kwargs: the keyword arguments.
        """
        try:
            answer = self._answers.pop((context.run_id, context.activity_id), None)
            if answer is None:
                answer = stub.answer_to(args, kwargs)
                self.answered.append((context.run_id, context.activity_id))
            answer = self._timed(answer, every, context)
        except (UnexpectedCallError, ConfigurationError) as error:
            self.fail(error)
            raise
        self._use_answer(answer)
        return answer

    def _timed(self, answer: Answer, every: float | None, context: ActivityContext) -> Answer:
        """Return an answer with its time and heartbeats, as its time-out needs them."""
        if not answer.timeout:
            return timed(answer, every, context.type, {})
        task = self._engine.executions[context.run_id].activities.get(context.activity_id)
        if task is None:  # A late worker works on a task that is over.
            return replace(answer, takes=math.inf, timeout="")
        limits = limits_of(task, self.simulation.clock.milliseconds)
        return timed(answer, every, context.type, limits)

    def _limits_before_start(self, call: Reply) -> dict[str, float]:
        """Return the seconds after which each time-out passes that does not need a worker."""
        defaults = self._client.describe_activity_type(
            domain=self._domain, activityType=call["activityType"]
        )["configuration"]
        settings = {
            member: call.get(member, defaults.get(_default_member(member)))
            for member in TIMEOUTS.values()
        }
        return limits_before_start(settings)


TAKES_TURNS: ContextVar[StubDispatch] = ContextVar("takes turns")
"""The stub dispatch of the runner that takes turns in this thread."""


class ChildOutcome(NamedTuple):
    """The outcome of a stubbed child workflow.

    Attributes:
        takes: simulated seconds until it closes; infinity for never.
        value: its result.
        error: the error that it fails with; None if it completes.
    """

    takes: float
    value: Any = None
    error: Exception | None = None


_KINDS = {"ScheduleActivityTask": ACTIVITY, "StartChildWorkflowExecution": CHILD}


def _default_member(member: str) -> str:
    """Return the name that an activity type has for the default of a time-out."""
    return f"defaultTask{member[0].upper()}{member[1:]}"
