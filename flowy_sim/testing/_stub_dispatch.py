"""What workers run in place of what is stubbed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from flowy.activity import Activity, ActivityType
from flowy.activity_context import ActivityContext
from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import Payloads
from flowy.workflow import Workflow, WorkflowType
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._engine.lambdas import LambdaFunction
from flowy_sim._events.vocabulary import attributes_of
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.testing._stub_answers import (
    ACTIVITY,
    CHILD,
    FUNCTION,
    TIME_OUTS,
    Answer,
    time_out_first,
)
from flowy_sim.testing._stubs import Stub, Stubs, UnexpectedCallError

if TYPE_CHECKING:
    pass


_NEVER_SENT = "a signal that nobody sends"


class ChildOutcome(NamedTuple):
    """What becomes of a child.

    Attributes:
        takes: after how many seconds; infinity for never.
        value: what it returns.
        error: what it fails with; None if it does not.
    """

    takes: float
    value: Any = None
    error: Exception | None = None


class StubbedActivity(Activity):
    """An activity that answers as a stub does."""

    stub: ClassVar[Stub]
    stub_dispatch: ClassVar[StubDispatch]
    every: ClassVar[float | None]


class StubbedWorkflow(Workflow):
    """A workflow that answers as a stub does."""

    stub_dispatch: ClassVar[StubDispatch]

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Take as long as the answer does, and give it."""
        __tracebackhide__ = True
        takes, value, error = self.stub_dispatch.outcome(self.run_id)
        if math.isinf(takes):
            self.signal(_NEVER_SENT).result()
        if takes:
            self.sleep(int(takes))
        if error is not None:
            raise error.with_traceback(None)
        return value


class StubbedLambda(LambdaFunction):
    """A Lambda function that answers as a stub does."""

    def __init__(self, stub_dispatch: StubDispatch, stub: Stub) -> None:
        """Stand in for a function."""
        super().__init__(self._call)
        self._stub_dispatch = stub_dispatch
        self._stub = stub

    def _call(self, payload: Any) -> Any:
        try:
            answer = self._stub.answer_to((payload,), {})
        except UnexpectedCallError as error:
            self._stub_dispatch.problem = self._stub_dispatch.problem or error
            raise
        self.takes = math.inf if answer.timeout else answer.takes
        return answer.function(payload)


def run_like(stub: Stub) -> Callable[..., Any]:
    """Return a method that gives a stub's answers, with the type hints of what it stands in for."""
    return _run(None if stub.cls is None else stub.cls.run)


@cache
def _run(real: Callable[..., Any] | None) -> Callable[..., Any]:
    """Make a method that gives a stub's answer, with the type hints of the one it stands in for."""

    def run(self: StubbedActivity, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        answer = self.stub_dispatch.answer(self.stub, self.every, self.context, args, kwargs)
        return answer.function(*args, **kwargs)

    if real is not None:
        run.__wrapped__ = real  # type: ignore[attr-defined]
        run.__annotations__ = real.__annotations__
        run.__signature__ = getattr(real, "__signature__", None)  # type: ignore[attr-defined]
    return run


UNTAKEN_LIST = "nobody takes this up"


"""Where tasks are put that are to time out before anybody takes them up."""


_NEVER_TAKEN = "SCHEDULE_TO_START"


class StubDispatch:
    """Gives the answers of stubs.

    Args:
        simulation: where.
        domain: the domain that the tasks belong to.
        stubs: whose answers.
        payloads: how arguments travel.
        hold: told which answer is being given to the task in hand, so that it is given in time.

    Attributes:
        stubs: as given.
        called: what was scheduled, such as ``resize 1``; a child as ``child thumbnails 1``.
        chosen: who got an answer, in order, of stubs that do not always give the same.
        problem: the first thing that the author of the test has to be told; None if there is none.
    """

    def __init__(
        self,
        simulation: Simulation,
        domain: str,
        stubs: Stubs,
        payloads: Payloads,
        hold: Callable[[Answer], None],
    ) -> None:
        """Start with no task."""
        self.called: dict[str, None] = {}
        self.chosen: list[tuple[str, str]] = []
        self.problem: Exception | None = None
        self._simulation = simulation
        self._client: Client = simulation.client(poll_seconds=0)
        self._domain = domain
        self.stubs = stubs
        self._payloads = payloads
        self._hold = hold
        self._answers: dict[tuple[str, str], Answer] = {}
        self._outcomes: dict[str, ChildOutcome] = {}
        self._arranged: tuple[str, list[Reply]] = ("", [])

    def activity(self, stub: Stub, declared: ActivityType) -> type[Activity]:
        """Make an activity that answers as a stub does.

        Args:
            stub: the stub.
            declared: the type as it is to be registered.
        """
        every = declared.automatic_heartbeat
        if every is not None:  # for the time that the answer takes they come from the delayed_calls
            declared = replace(declared, automatic_heartbeat=None)
        return type(
            "StubbedActivity",
            (StubbedActivity,),
            {
                "flowy_type": declared,
                "stub": stub,
                "stub_dispatch": self,
                "every": every,
                "run": run_like(stub),
            },
        )

    def child(self, stub: Stub, declared: WorkflowType) -> type[Workflow]:
        """Make a workflow that answers as a stub does.

        Args:
            stub: the stub.
            declared: the type as it is to be registered.
        """
        return type(
            "StubbedWorkflow", (StubbedWorkflow,), {"flowy_type": declared, "stub_dispatch": self}
        )

    def functions(self) -> None:
        """Let Lambda functions answer as their stubs do."""
        for stub in self.stubs.all(FUNCTION).values():
            self._simulation.lambdas[stub.name] = StubbedLambda(self, stub)

    def begin(self, task: Reply) -> None:
        """Choose what becomes of a child that a stub stands in for, when it is first decided on.

        Args:
            task: the decision task, of whatever workflow.
        """
        named, ids = task["workflowType"], task["workflowExecution"]
        stub = self.stubs.find(CHILD, named["name"], named["version"])
        if stub is None or ids["runId"] in self._outcomes:
            return
        text = attributes_of(task["events"][0]).get("input")
        answer = self._answers.pop(("", ids["workflowId"]), None)
        try:
            args, kwargs, _ = self._payloads.decode_start(str(stub), text, stub.cls)
            if answer is None:
                answer = stub.answer_to(tuple(args), kwargs)
                self.chosen.append(("", ids["workflowId"]))
            takes = math.inf if answer.timeout else answer.takes
            outcome = ChildOutcome(takes, answer.function(*args, **kwargs))
        except UnexpectedCallError as error:
            self.problem = self.problem or error
            return
        except Exception as error:
            outcome = ChildOutcome(answer.takes if answer else 0, error=error)
        self._outcomes[ids["runId"]] = outcome

    def outcome(self, run_id: str) -> ChildOutcome:
        """Return what was chosen for a child."""
        return self._outcomes[run_id]

    def arrange(self, task: Reply, answer: Reply) -> Reply | None:
        """Choose the answers to what a decider schedules.

        Args:
            task: the decision task.
            answer: the request that answers it.

        Returns:
            The same, where tasks that nobody is to take up are on a list of their own; None if
            nothing is to be sent, as there is a problem.
        """
        token, decisions = self._arranged
        if token != task["taskToken"]:  # else it is sent once more
            run_id = task["workflowExecution"]["runId"]
            try:
                decisions = [self._choose(run_id, each) for each in answer.get("decisions", ())]
            except (UnexpectedCallError, ConfigurationError) as error:
                self.problem = self.problem or error
                return None
            self._arranged = task["taskToken"], decisions
        return {**answer, "decisions": decisions}

    def answer(
        self,
        stub: Stub,
        every: float | None,
        context: ActivityContext,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Answer:
        """Return the answer to the task in hand, and see to it that it is given in time.

        Args:
            stub: what stands in for its activity.
            every: after how many seconds a worker sends a heartbeat by itself; None for never.
            context: the task.
            args: the arguments.
            kwargs: the keyword arguments.
        """
        try:
            answer = self._answers.pop((context.run_id, context.activity_id), None)
            if answer is None:
                answer = stub.answer_to(args, kwargs)
                self.chosen.append((context.run_id, context.activity_id))
            answer = self._timed(answer, every, context)
        except (UnexpectedCallError, ConfigurationError) as error:
            self.problem = self.problem or error
            raise
        self._hold(answer)
        return answer

    def _choose(self, run_id: str, decision: Reply) -> Reply:
        """Choose the answer to what a decision asks for; return the decision that is sent."""
        kind = _KINDS.get(decision["decisionType"])
        if kind is None:
            return decision
        asked = decision[_member(decision)]
        named = asked["workflowType" if kind == CHILD else "activityType"]
        label = f"{named['name']} {named['version']}"
        self.called[f"child {label}" if kind == CHILD else label] = None
        stub = self.stubs.find(kind, named["name"], named["version"])
        if stub is None:
            return decision
        try:
            args, kwargs = self._payloads.decode_input(label, asked.get("input"), stub.cls)
            answer = stub.answer_to(tuple(args), kwargs)
        except (SerializationError, TypeError):
            return decision  # It will fail with this, as it would without a stub.
        if answer.timeout == _NEVER_TAKEN:
            time_out_first(label, _NEVER_TAKEN, self._limits_before_start(asked))
            return {**decision, _member(decision): {**asked, "taskList": {"name": UNTAKEN_LIST}}}
        key = ("", asked["workflowId"]) if kind == CHILD else (run_id, asked["activityId"])
        if stub.changes:
            self.chosen.append(key)
        self._answers[key] = answer
        return decision

    def _limits_before_start(self, asked: Reply) -> dict[str, float]:
        defaults = self._client.describe_activity_type(
            domain=self._domain, activityType=asked["activityType"]
        )["configuration"]
        return {
            name: _seconds(asked.get(member, defaults.get(_default(member))))
            for name, member in TIME_OUTS.items()
            if name in (_NEVER_TAKEN, "SCHEDULE_TO_CLOSE")
        }

    def _timed(self, answer: Answer, every: float | None, context: ActivityContext) -> Answer:
        """Say when an answer is given, and how often there is a heartbeat before."""
        if not answer.timeout:
            finite = 0 < answer.takes < math.inf
            return replace(answer, heartbeat=every) if finite and not answer.heartbeat else answer
        limits = self._limits(context)
        beats = limits["HEARTBEAT"] / 2
        if answer.timeout != "HEARTBEAT":
            limits["HEARTBEAT"] = math.inf
        time_out_first(context.type, answer.timeout, limits)
        needed = answer.timeout != "HEARTBEAT" and beats < math.inf
        return replace(answer, takes=math.inf, heartbeat=beats if needed else None)

    def _limits(self, context: ActivityContext) -> dict[str, float]:
        """Return after how many seconds each time-out passes of a task that was taken up."""
        execution = self._simulation.engine().executions[context.run_id]
        task = execution.activities[context.activity_id]
        limits = {name: _seconds(task.opened(member)) for name, member in TIME_OUTS.items()}
        waited = self._simulation.clock.milliseconds - execution.time(task.opened_id)
        limits["SCHEDULE_TO_CLOSE"] -= waited / 1000
        limits[_NEVER_TAKEN] = math.inf
        return limits


_KINDS = {"ScheduleActivityTask": ACTIVITY, "StartChildWorkflowExecution": CHILD}


def _member(decision: Reply) -> str:
    """Return the member that says more about a decision."""
    kind = decision["decisionType"]
    return f"{kind[0].lower()}{kind[1:]}DecisionAttributes"


def _default(member: str) -> str:
    """Return what a type calls the default of a time-out."""
    return f"defaultTask{member[0].upper()}{member[1:]}"


def _seconds(limit: str | None) -> float:
    return math.inf if limit in (None, "NONE") else int(str(limit))
