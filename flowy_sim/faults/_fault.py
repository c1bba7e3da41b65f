"""What an injected fault is: when it can strike and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from flowy import _checks
from flowy.errors import ConfigurationError
from flowy.workflow import Workflow
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._clients.simulation import Simulation

HEARTBEAT = "RecordActivityTaskHeartbeat"
ACTIVITY_ANSWERS = "RespondActivityTask"
ANSWERS = "Respond"

INJECTED = "injected by the simulation"


class Killed(BaseException):
    """A worker was killed. Not an `Exception`, so ``except Exception`` cannot keep it alive."""


class Moment(Enum):
    """When a fault can strike."""

    CALL = "a worker is about to make a call"
    TASK = "a worker has just received a task"
    TURN = "between two turns, or when a worker is about to answer a task"


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
        """Deliver a task, or send an answer, later."""
        ...

    def seconds_until_timeout(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the task of a call has timed out for sure."""
        ...

    def open_executions(self, workflow_id: str | None) -> list[str]:
        """Return the workflow IDs of all open executions, or only the given one if it is open."""
        ...

    def restart(self) -> None:
        """Kill all workers and start new ones."""
        ...

    def deploy(self, workflows: Iterable[type[Workflow]]) -> None:
        """Restart all workers, with other classes for some workflow types."""
        ...


class WorkerCall(NamedTuple):
    """A call of a worker that a fault can strike.

    Attributes:
        worker: the worker's name.
        operation: the operation, such as ``RespondActivityTaskCompleted``.
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
    or, if its moment is `Moment.TURN`, `happen`.

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

    @property
    def eventually(self) -> bool:
        """Whether it strikes in every run: at the latest when nothing else is left to do."""
        return False

    def can_strike(self, target: FaultTarget) -> bool:
        """Return whether it can strike now."""
        return True

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Strike a call: return the reply that the worker gets, or raise what it gets instead."""
        raise NotImplementedError

    def happen(self, target: FaultTarget) -> None:
        """Strike between two turns, where no call is involved."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return what goes wrong, as a short clause."""
        return self.title


def checked_faults(given: object) -> tuple[InjectedFault, ...]:
    """Return an option ``faults`` as a tuple.

    Args:
        given: an iterable of faults, or a single one.

    Raises:
        ConfigurationError: it holds something other than faults.
    """
    __tracebackhide__ = True
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    for each in found:
        if isinstance(each, type) and issubclass(each, InjectedFault):
            raise ConfigurationError(
                f"faults must be instances such as WorkerDies(); {each.__name__} is a class, "
                f"write {each.__name__}()"
            )
    if not all(isinstance(each, InjectedFault) for each in found):
        raise ConfigurationError(
            "faults must be a list of faults such as [WorkerDies(), AnswerLost()] or EVERYDAY, "
            f"from flowy_sim.faults, not {given!r}"
        )
    return found


def is_injected(error: BaseException) -> bool:
    """Return whether a fault raised an exception."""
    return isinstance(error, Killed) or getattr(error, "injected", False)


def injected(error: Exception) -> Exception:
    """Mark an exception as raised by a fault."""
    error.injected = True  # type: ignore[attr-defined]
    return error
