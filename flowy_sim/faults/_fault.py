"""What an injected fault is: when it can strike and what it can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from flowy import _checks
from flowy.activity import Activity
from flowy.workflow import Workflow
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._clients.simulation import Simulation

HEARTBEAT = "RecordActivityTaskHeartbeat"

CHECKPOINT = "Checkpoint"
"""What a call of `flowy.checkpoint` is called among the operations."""

ANSWERS = "Respond"
"""What the names of all operations begin with that answer a task."""

ACTIVITY_ANSWERS = "RespondActivityTask"

INJECTED = "injected by the simulation"


class Killed(BaseException):
    """A worker was killed. Not an `Exception`, so ``except Exception`` cannot keep it alive."""


class Moment(Enum):
    """When a fault can strike."""

    CALL = "a worker is about to make a call"
    TASK = "a worker has just received a task"
    TURN = "between two turns, or when a worker is about to answer a task"
    MIDWAY = "a worker sends a heartbeat or reaches a checkpoint"
    FUNCTION = "a Lambda function is called"
    END = "an execution that the test has started has closed"


@dataclass(frozen=True)
class DeployedCode:
    """Code of deciders and workers that replaces other code.

    Attributes:
        workflows: classes of workflows, by the name and version of their types.
        activities: classes of activities, in the same way.
        loops: code that polls by itself, by the name of the code that it replaces.
    """

    workflows: dict[tuple[str, str], type[Workflow]] = field(default_factory=dict)
    activities: dict[tuple[str, str], type[Activity]] = field(default_factory=dict)
    loops: dict[str, Callable[..., object]] = field(default_factory=dict)

    def update(self, newer: DeployedCode) -> None:
        """Replace and add what newer code holds."""
        self.workflows.update(newer.workflows)
        self.activities.update(newer.activities)
        self.loops.update(newer.loops)

    def clear(self) -> None:
        """Remove everything."""
        for each in (self.workflows, self.activities, self.loops):
            each.clear()

    @property
    def parts(self) -> list[Callable[..., object]]:
        """All classes and functions."""
        return [*self.workflows.values(), *self.activities.values(), *self.loops.values()]


class FaultTarget(Protocol):
    """What faults act on: the deciders and workers of a test, and the service that they call.

    Attributes:
        simulation: the service.
        client: a client whose calls no fault strikes.
        domain: the domain of the executions.
    """

    simulation: Simulation
    client: Client
    domain: str

    def put_off(self, call: WorkerCall, seconds: float) -> Reply:
        """Deliver a task, or send an answer, later.

        Args:
            call: the poll that returned the task, or the answer.
            seconds: the simulated seconds until then.

        Returns:
            What the worker gets meanwhile: no task, or the reply to its answer.
        """
        ...

    def seconds_until_timeout(self, call: WorkerCall) -> float:
        """Return the simulated seconds after which the task of a call has timed out for sure.

        Args:
            call: the poll that returned the task, or the answer to it.
        """
        ...

    def open_executions(self, workflow_id: str | None) -> list[str]:
        """Return the workflow IDs of open executions, the oldest first.

        Args:
            workflow_id: the only one that is of interest; None for all.
        """
        ...

    def choose(self, kind: str, count: int) -> int:
        """Let the schedule of the simulation choose one of several possibilities.

        Args:
            kind: what is chosen, in a few words.
            count: the number of possibilities.

        Returns:
            The index of the one that is chosen, from 0.
        """
        ...

    def failure_reason(self, call: WorkerCall) -> str:
        """Return a reason for which the task of a call can fail, as its code can be seen to."""
        ...

    def seconds_past_timer(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the next timer has fired.

        Infinity if there is none that fires before the task of a call times out.
        """
        ...

    def seconds_past_next(self, call: WorkerCall) -> float:
        """Return the number of seconds after which what is due next has happened.

        That is a timer, or what a worker or the test does later. Infinity if there is nothing that
        happens before the task of a call times out.
        """
        ...

    def can_leave_untaken(self, call: WorkerCall) -> bool:
        """Return whether a task that the poll of a call may return would time out if untaken."""
        ...

    def leave_untaken(self, call: WorkerCall) -> None:
        """Never hand out the first such task."""
        ...

    def is_of_stubbed_child(self, call: WorkerCall) -> bool:
        """Return whether the task of a call is of a child workflow that is stubbed."""
        ...

    def received_signals(self) -> list[tuple[str, str, str | None]]:
        """Return the signals of open executions: the workflow ID, the name and the input."""
        ...

    def signal_inputs(self, workflow_id: str, name: str) -> list[str | None]:
        """Return inputs that a signal can have, by the type that the workflow gives it.

        Malformed ones are among them.
        """
        ...

    def restart(self) -> None:
        """Kill all workers and start new ones."""
        ...

    def deploy_gradually(self, code: DeployedCode) -> None:
        """Run old and new code side by side; or if both run, choose which of them stays."""
        ...

    def deploy(self, code: DeployedCode) -> None:
        """Restart all workers with new code."""
        ...


class WorkerCall(NamedTuple):
    """A call of a worker that a fault can strike.

    Attributes:
        worker: the worker's name.
        operation: the operation, such as ``RespondActivityTaskCompleted``. It is ``Checkpoint``
            at a checkpoint, and the name of the function if a Lambda function is called.
        request: its arguments.
        send: makes the call and returns the reply.
        task: the task that the call is about, as it was polled; None if it is about none.
    """

    worker: str
    operation: str
    request: Reply
    send: Callable[[], Reply]
    task: Reply | None = None


@dataclass(frozen=True, kw_only=True)
class InjectedFault:
    """One kind of fault that is injected on purpose.

    A subclass sets the class attributes `title`, `moment` and `operations`, and overrides `strike`
    or, if its moment is `Moment.TURN` or `Moment.END`, `happen`.

    Attributes:
        most: how many times it may strike in one run, at least 1.

    Raises:
        ConfigurationError: an argument is wrong.

    Example:
        ::

            @dataclass(frozen=True)
            class RunsOutOfMemory(InjectedFault):
                title = "the worker runs out of memory"
                operations = ("RespondActivityTaskCompleted",)

                def strike(self, target, call):
                    raise Killed(self.title)
    """

    most: int = 1

    def __post_init__(self) -> None:
        _checks.whole_number(f"most of {type(self).__name__}", self.most, least=1)

    title: ClassVar[str] = "a fault strikes"
    """What goes wrong, as a short clause; it names the fault in stories and in choices."""

    moment: ClassVar[Moment] = Moment.CALL
    operations: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the operations that it can strike; empty for all operations."""

    is_from_outside: ClassVar[bool] = False
    """Whether it comes from outside: it then also arrives just before something else is due."""

    @property
    def eventually(self) -> bool:
        """Whether it strikes in every run: at the latest when nothing else is left to do."""
        return False

    def can_strike(self, target: FaultTarget) -> bool:
        """Return whether it can strike now.

        Args:
            target: what faults act on.
        """
        return True

    def can_strike_call(self, target: FaultTarget, call: WorkerCall) -> bool:
        """Return whether it can strike a call, of an operation that it can strike.

        Args:
            target: what faults act on.
            call: the call.
        """
        return True

    def in_a_row(self) -> int:
        """Return how many times it strikes, once chosen: the calls that follow about the same."""
        return 1

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Strike a call.

        Args:
            target: what faults act on.
            call: the call. Nothing has been sent yet; ``call.send()`` sends it.

        Returns:
            The reply that the worker gets.

        Raises:
            Exception: what the worker gets instead of a reply.
            Killed: the worker dies.
        """
        raise NotImplementedError

    def happen(self, target: FaultTarget) -> None:
        """Strike where no call is involved: between two turns, or after an execution has closed.

        Args:
            target: what faults act on.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """Return what goes wrong, as a short clause."""
        return self.title


def is_injected(error: BaseException) -> bool:
    """Return whether a fault raised an exception, or the one that it translates or follows."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Killed) or getattr(each, "injected", False):
            return True
        pending += each.__cause__, each.__context__
    return False


def injected(error: Exception) -> Exception:
    """Mark an exception as raised by a fault."""
    error.injected = True  # type: ignore[attr-defined]
    return error
