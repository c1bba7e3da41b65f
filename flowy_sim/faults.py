"""What goes wrong on purpose: workers die, answers are lost, the network fails.

Faults are given to a `flowy_sim.runner.Runner`, or to `flowy_sim.explore.explore`. Each asks the
simulation's schedule, wherever it could strike, whether it does; with the default schedule nothing
ever goes wrong. They strike between a worker and the service, so neither has to know of them.

Example:
    ::

        faults = [WorkerDies(), AnswerLost(), Signal("approve")]
        runner = Runner(Simulation(schedule=RandomChoice(7)), faults=faults)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Protocol

from flowy.workflow import Workflow
from flowy_sim.client import Client, Reply
from flowy_sim.simulation import Simulation

DECISION_POLL = "PollForDecisionTask"
ACTIVITY_POLL = "PollForActivityTask"
POLLS = (DECISION_POLL, ACTIVITY_POLL)
HEARTBEAT = "RecordActivityTaskHeartbeat"
ACTIVITY_ANSWERS = "RespondActivityTask"
ANSWERS = "Respond"

INJECTED = "injected by the simulation"


class Killed(BaseException):
    """A worker died. No ``except Exception`` keeps it alive."""


class Moment(Enum):
    """When a fault can strike."""

    CALL = "a worker is about to make a call"
    TASK = "a worker has just been given a task"
    TURN = "nobody has a task in hand, or somebody is about to answer one"


class Stage(Protocol):
    """Where faults strike: what runs deciders and workers.

    Attributes:
        simulation: Amazon SWF.
        client: calls it without ever failing.
        domain: the domain of the executions.
    """

    simulation: Simulation
    client: Client
    domain: str

    def put_off(self, call: Call, seconds: float) -> Reply:
        """Let a task be delivered, or an answer be given, later."""
        ...

    def patience(self, call: Call) -> float:
        """Return after how many seconds the task of a call will certainly have timed out."""
        ...

    def open_executions(self, workflow_id: str | None) -> list[str]:
        """Return the ids of the open executions: all, or only that one if it is open."""
        ...

    def restart(self) -> None:
        """Let all workers die and others begin in their place."""
        ...

    def deploy(self, workflows: Iterable[type[Workflow]]) -> None:
        """Restart all workers with other classes for some types."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """What a worker does at the moment at which a fault can strike.

    Attributes:
        worker: who it is.
        operation: what is called, such as ``RespondActivityTaskCompleted``.
        request: with what.
        send: lets the call be carried out.
        task: the task that it is about, as it was polled; None if it is about none.
    """

    worker: str
    operation: str
    request: Reply
    send: Callable[[], Reply]
    task: Reply | None = None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of thing that can go wrong.

    Subclasses say when in the class attributes, and what in `strike` or, for what does not happen
    to a call, `befall`.

    Attributes:
        most: how often it strikes in a run at most.
    """

    most: int = 1

    title: ClassVar[str] = "something goes wrong"
    moment: ClassVar[Moment] = Moment.CALL
    operations: ClassVar[tuple[str, ...]] = ()
    """The calls at which it can strike, by the beginnings of their names; all if there is none."""

    @property
    def sure(self) -> bool:
        """Whether it strikes at last when nothing else happens any more."""
        return False

    def fits(self, stage: Stage) -> bool:
        """Return whether it can strike now."""
        return True

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Go wrong; return what the worker gets as the reply, or raise what it meets instead."""
        raise NotImplementedError

    def befall(self, stage: Stage) -> None:
        """Happen, if it does not happen to a call."""
        raise NotImplementedError

    def describe(self) -> str:
        """Say in a few words what goes wrong."""
        return self.title


@dataclass(frozen=True)
class WorkerDies(Fault):
    """A worker dies with a task in hand, before it has begun to work on it."""

    title = "the worker dies before it does the work"
    moment = Moment.TASK
    operations = (ACTIVITY_POLL,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Die."""
        raise Killed(self.title)


@dataclass(frozen=True)
class WorkerDiesLate(Fault):
    """A worker dies when it has done the work, before it answers."""

    title = "the worker dies after the work, before it answers"
    operations = (ACTIVITY_ANSWERS,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Die."""
        raise Killed(self.title)


@dataclass(frozen=True)
class DeciderDies(Fault):
    """A decider dies between poll and answer."""

    title = "the decider dies before it answers"
    operations = ("RespondDecisionTaskCompleted",)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Die."""
        raise Killed(self.title)


@dataclass(frozen=True)
class WorkFails(Fault):
    """The work is done, and yet it is reported to have failed."""

    title = "the work is done, but fails at its very end"
    operations = ("RespondActivityTaskCompleted",)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Answer that it failed."""
        token = call.request["taskToken"]
        return stage.client.respond_activity_task_failed(taskToken=token, reason=INJECTED)


@dataclass(frozen=True)
class AnswerLost(Fault):
    """An answer does not reach the service; the worker sees that nothing comes back."""

    title = "the answer is lost on its way"
    operations = (ANSWERS,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Time out."""
        raise _time_out()


@dataclass(frozen=True)
class ReplyLost(Fault):
    """The service does what it was asked, but its reply is lost; a polled task is lost with it."""

    title = "the call is carried out, but its reply is lost"
    operations = (*POLLS, ANSWERS, HEARTBEAT)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Let it be carried out and time out."""
        call.send()
        raise _time_out()


@dataclass(frozen=True)
class AnsweredTwice(Fault):
    """An answer arrives twice, and the worker gets the reply to the second one."""

    title = "the answer arrives twice"
    operations = (ANSWERS,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Send it twice."""
        call.send()
        return call.send()


@dataclass(frozen=True)
class NetworkError(Fault):
    """A call does not reach the service."""

    title = "the network fails"

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Fail to connect."""
        from botocore.exceptions import EndpointConnectionError

        raise _injected(EndpointConnectionError(endpoint_url=INJECTED))


@dataclass(frozen=True)
class Throttled(Fault):
    """The service refuses a call because there were too many."""

    title = "the service throttles the call"

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Refuse."""
        from botocore.exceptions import ClientError

        response: Any = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
        raise _injected(ClientError(response, call.operation))


@dataclass(frozen=True)
class _Late(Fault):
    """Something comes late.

    Attributes:
        seconds: by how much; None for so much that the task has timed out.
    """

    seconds: float | None = None

    def late(self, stage: Stage, call: Call) -> float:
        """Return by how many seconds it is late."""
        return stage.patience(call) if self.seconds is None else self.seconds


@dataclass(frozen=True)
class TaskLate(_Late):
    """A task takes long on its way from the service to the worker."""

    title = "the task takes long to reach the worker"
    moment = Moment.TASK

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Give it to a worker later."""
        return stage.put_off(call, self.late(stage, call))


@dataclass(frozen=True)
class AnswerLate(_Late):
    """A worker takes long over a task, or its answer does over its way."""

    title = "the answer comes late"
    operations = (ANSWERS,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Give it later."""
        return stage.put_off(call, self.late(stage, call))


@dataclass(frozen=True)
class HeartbeatLate(_Late):
    """A heartbeat comes late."""

    title = "the heartbeat comes late"
    operations = (HEARTBEAT,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Let time pass before it is sent."""
        stage.simulation.clock.advance(self.late(stage, call))
        return call.send()


@dataclass(frozen=True)
class _Turn(Fault):
    """Something that happens to nobody's call."""

    moment = Moment.TURN


@dataclass(frozen=True)
class ClockJumps(_Turn):
    """All computers sleep for a while, and the service does not.

    Attributes:
        seconds: for how long.
    """

    seconds: float = 3600

    title = "all workers sleep"

    def befall(self, stage: Stage) -> None:
        """Let time pass."""
        stage.simulation.clock.advance(self.seconds)

    def describe(self) -> str:
        """Say for how long."""
        return f"{self.title} for {self.seconds:g} s"


@dataclass(frozen=True)
class Restart(_Turn):
    """All workers are restarted; what they kept in memory, and had in hand, is gone."""

    title = "all workers are restarted"

    def befall(self, stage: Stage) -> None:
        """Restart them."""
        stage.restart()


@dataclass(frozen=True)
class Deploy(_Turn):
    """All deciders are restarted with new code, in the middle of whatever is open.

    Attributes:
        workflows: the classes that take the place of those which declare the same types.
    """

    workflows: tuple[type[Workflow], ...] = ()

    title = "new code is deployed"

    def befall(self, stage: Stage) -> None:
        """Restart them."""
        stage.deploy(self.workflows)

    def describe(self) -> str:
        """Name the new classes."""
        return f"{self.title}: {', '.join(each.__qualname__ for each in self.workflows)}"


@dataclass(frozen=True, kw_only=True)
class _FromOutside(_Turn):
    """Something that somebody else does to an execution.

    Attributes:
        workflow_id: to which; None for each open one in turn.
    """

    workflow_id: str | None = None

    def fits(self, stage: Stage) -> bool:
        """Return whether there is an open execution."""
        return bool(stage.open_executions(self.workflow_id))

    def befall(self, stage: Stage) -> None:
        """Do it to the execution that has been open longest."""
        self.do(stage, stage.open_executions(self.workflow_id)[0])

    def do(self, stage: Stage, workflow_id: str) -> None:
        """Do it to an open execution."""
        raise NotImplementedError


@dataclass(frozen=True)
class Signal(_FromOutside):
    """A signal comes, at whatever moment.

    Attributes:
        name: the signal's name.
        input: what it brings; None for nothing.
        surely: whether it comes at last, once nothing else happens any more.
    """

    name: str = "signal"
    input: str | None = None
    surely: bool = True

    @property
    def sure(self) -> bool:
        """Whether it comes at last."""
        return self.surely

    def do(self, stage: Stage, workflow_id: str) -> None:
        """Send it."""
        request: dict[str, Any] = {"workflowId": workflow_id, "signalName": self.name}
        if self.input is not None:
            request["input"] = self.input
        stage.client.signal_workflow_execution(domain=stage.domain, **request)

    def describe(self) -> str:
        """Name the signal."""
        return f"the signal {self.name!r} comes"


@dataclass(frozen=True)
class CancelRequest(_FromOutside):
    """Somebody asks an execution to cancel itself."""

    title = "somebody asks to cancel"

    def do(self, stage: Stage, workflow_id: str) -> None:
        """Ask."""
        stage.client.request_cancel_workflow_execution(domain=stage.domain, workflowId=workflow_id)


@dataclass(frozen=True)
class Termination(_FromOutside):
    """Somebody terminates an execution."""

    title = "somebody terminates"

    def do(self, stage: Stage, workflow_id: str) -> None:
        """Terminate it."""
        stage.client.terminate_workflow_execution(domain=stage.domain, workflowId=workflow_id)


EVERYDAY: tuple[Fault, ...] = (
    WorkerDies(),
    WorkerDiesLate(),
    DeciderDies(),
    AnswerLost(),
    ReplyLost(),
    AnsweredTwice(),
    TaskLate(),
    AnswerLate(),
    HeartbeatLate(),
    Throttled(),
    NetworkError(),
    Restart(),
)
"""What happens in every production sooner or later, and must do no harm."""


def is_injected(error: BaseException) -> bool:
    """Return whether a fault has raised an exception."""
    return isinstance(error, Killed) or getattr(error, "injected", False)


def _time_out() -> Exception:
    from botocore.exceptions import ReadTimeoutError

    return _injected(ReadTimeoutError(endpoint_url=INJECTED))


def _injected(error: Exception) -> Exception:
    error.injected = True  # type: ignore[attr-defined]
    return error
