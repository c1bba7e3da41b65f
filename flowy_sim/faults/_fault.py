"""What a fault is, when it strikes, and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from flowy import _checks
from flowy.errors import ConfigurationError
from flowy.workflow import Workflow
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._simulation.simulation import Simulation

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


class Call(NamedTuple):
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

    def __post_init__(self) -> None:
        """Check what was given."""
        _checks.whole_number(f"most of {type(self).__name__}", self.most, least=1)

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


def faults_in(given: object) -> tuple[Fault, ...]:
    """Check what somebody says may go wrong.

    Args:
        given: faults, or one.

    Raises:
        ConfigurationError: that is something else.
    """
    __tracebackhide__ = True
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    for each in found:
        if isinstance(each, type) and issubclass(each, Fault):
            raise ConfigurationError(
                f"faults must be instances such as WorkerDies(); {each.__name__} is a class, "
                f"write {each.__name__}()"
            )
    if not all(isinstance(each, Fault) for each in found):
        raise ConfigurationError(
            "faults must be a list of faults such as [WorkerDies(), AnswerLost()], or EVERYDAY, "
            f"of flowy_sim.faults, not {given!r}"
        )
    return found


def is_injected(error: BaseException) -> bool:
    """Return whether a fault has raised an exception."""
    return isinstance(error, Killed) or getattr(error, "injected", False)


def injected(error: Exception) -> Exception:
    """Mark an exception as raised by a fault."""
    error.injected = True  # type: ignore[attr-defined]
    return error
