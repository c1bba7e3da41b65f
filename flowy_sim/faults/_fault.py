"""Injected faults: when they can strike and what they can do."""

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
"""The name of the operation for a call of `flowy.checkpoint`."""

ANSWERS = "Respond"
"""The prefix of the names of all operations that answer a task."""

ACTIVITY_ANSWERS = "RespondActivityTask"

INJECTED = "injected by the simulation"


class Killed(BaseException):
    """A worker was killed. This isn't an `Exception`, so ``except Exception`` does not catch it."""


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
        loops: code that polls with its own loop, by the name of the code that it replaces.
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
        simulation: the simulation of the service.
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
            seconds: the delay in simulated seconds.

        Returns:
            What the worker receives in the meantime: no task, or the reply to its answer.
        """
        ...

    def seconds_until_timeout(self, call: WorkerCall) -> float:
        """Return the simulated seconds after which the task of a call has certainly timed out.

        Args:
            call: the poll that returned the task, or the answer to it.
        """
        ...

    def open_executions(self, workflow_id: str | None) -> list[str]:
        """Return the workflow IDs of open executions, the oldest first.

        Args:
            workflow_id: the only workflow ID to look for; None for all of them.
        """
        ...

    def choose(self, kind: str, count: int) -> int:
        """Let the schedule of the simulation choose one of several possibilities.

        Args:
            kind: what is chosen, in a few words.
            count: the number of possibilities.

        Returns:
            The index of the chosen possibility, from 0.
        """
        ...

    def failure_reason(self, call: WorkerCall) -> str:
        """Return a reason for which the task of a call can fail, found in the activity's code."""
        ...

    def seconds_past_timer(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the next timer has fired.

        Infinity if no timer fires before the task of the call times out.
        """
        ...

    def seconds_past_next(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the next thing that is due has happened.

        That is a timer that fires, or a delayed call of a worker or the test. Infinity if none of
        these happens before the task of the call times out.
        """
        ...

    def can_leave_untaken(self, call: WorkerCall) -> bool:
        """Return whether a poll may return a task that times out if no worker takes it."""
        ...

    def leave_untaken(self, call: WorkerCall) -> None:
        """Never hand out the first task that `can_leave_untaken` has found."""
        ...

    def is_of_stubbed_child(self, call: WorkerCall) -> bool:
        """Return whether the task of a call belongs to a stubbed child workflow."""
        ...

    def received_signals(self) -> list[tuple[str, str, str | None]]:
        """Return the signals that open executions have received: workflow ID, name and input."""
        ...

    def signal_inputs(self, workflow_id: str, name: str) -> list[str | None]:
        """Return inputs that a signal can have, according to its type in the workflow.

        Malformed inputs are among them.
        """
        ...

    def restart(self) -> None:
        """Kill all workers and start new ones."""
        ...

    def deploy_gradually(self, code: DeployedCode) -> None:
        """Run old and new code side by side; if both already run, choose which of them stays."""
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
        request: the arguments of the operation.
        send: makes the call and returns the reply.
        task: the task that the call is about, as the worker received it; None if the call is about
            no task.
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
        most: the maximum number of times that the fault strikes in one run, at least 1.

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
    """What goes wrong, as a short clause, which names the fault in stories and choices."""

    moment: ClassVar[Moment] = Moment.CALL
    operations: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the operations that the fault can strike; empty for all operations."""

    is_from_outside: ClassVar[bool] = False
    """Whether the fault comes from outside; it may then strike just before something is due."""

    @property
    def eventually(self) -> bool:
        """Whether the fault strikes in every run, at the latest when nothing else is left to do."""
        return False

    def can_strike(self, target: FaultTarget) -> bool:
        """Return whether the fault can strike now.

        Args:
            target: the deciders, workers and service that the fault acts on.
        """
        return True

    def can_strike_call(self, target: FaultTarget, call: WorkerCall) -> bool:
        """Return whether the fault can strike a call of one of its `operations`.

        Args:
            target: the deciders, workers and service that the fault acts on.
            call: the call.
        """
        return True

    def in_a_row(self) -> int:
        """Return how many similar calls in a row the fault strikes once it is chosen."""
        return 1

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Strike a call.

        Args:
            target: the deciders, workers and service that the fault acts on.
            call: the call. Nothing has been sent yet; ``call.send()`` sends it.

        Returns:
            The reply that the worker receives.

        Raises:
            Exception: the exception that the worker receives instead of a reply.
            Killed: the worker dies.
        """
        raise NotImplementedError

    def happen(self, target: FaultTarget) -> None:
        """Strike where no call is involved: between two turns, or after an execution has closed.

        Args:
            target: the deciders, workers and service that the fault acts on.
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
