"""Faults between two turns: workers sleep or restart; signals and requests come from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowy import _checks
from flowy._workers.registration import by_type
from flowy.errors import ConfigurationError
from flowy.workflow import Workflow, WorkflowType
from flowy_sim.faults._fault import FaultTarget, InjectedFault, Moment


@dataclass(frozen=True)
class _BetweenTurns(InjectedFault):
    """A fault that strikes between two turns."""

    moment = Moment.TURN


@dataclass(frozen=True)
class ClockJumps(_BetweenTurns):
    """All workers are suspended for a while, as when a laptop sleeps; the service is not.

    Attributes:
        seconds: for how many simulated seconds.
    """

    seconds: float = 3600

    title = "all workers sleep"

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("seconds of ClockJumps", self.seconds)

    def happen(self, target: FaultTarget) -> None:
        """Let time pass."""
        target.simulation.clock.advance(self.seconds)

    def describe(self) -> str:
        """Return what goes wrong, with the number of seconds."""
        return f"{self.title} for {self.seconds:g} s"


@dataclass(frozen=True)
class Restart(_BetweenTurns):
    """All workers are restarted; the tasks that they hold and all that is in memory are lost."""

    title = "all workers are restarted"

    def happen(self, target: FaultTarget) -> None:
        """Restart all workers."""
        target.restart()


@dataclass(frozen=True)
class Deploy(_BetweenTurns):
    """All workers are restarted with new code, while executions are open.

    Attributes:
        workflows: the new classes. Each replaces the class that declares the same type.
        loops: the new code that polls by itself, by the name of the code that it replaces: the
            one that `Runner.loop` was called with, or by default the name of the function.

    Example:
        ``Deploy(loops={"decide": decide_differently})``
    """

    workflows: tuple[type[Workflow], ...] = ()
    loops: Mapping[str, Callable[..., object]] = field(default_factory=dict, hash=False)

    title = "new code is deployed"

    def __post_init__(self) -> None:
        super().__post_init__()
        given: object = self.workflows
        if not isinstance(given, tuple | list):
            raise ConfigurationError(
                "Deploy takes a tuple of the new workflow classes, such as Deploy((NewOrder,)), "
                f"not {given!r}"
            )
        if self.workflows or not self.loops:
            by_type(WorkflowType, self.workflows)
        for name, code in self.loops.items():
            if not callable(code):
                raise ConfigurationError(
                    f"the new code of the loop {name!r} must be a function, not {code!r}"
                )

    def happen(self, target: FaultTarget) -> None:
        """Restart all workers with the new classes."""
        target.deploy(self.workflows, self.loops)

    def describe(self) -> str:
        """Return what goes wrong, with the names of the new classes."""
        names = [each.__qualname__ for each in self.workflows]
        names += [getattr(each, "__qualname__", name) for name, each in self.loops.items()]
        return f"{self.title}: {', '.join(names)}"


@dataclass(frozen=True, kw_only=True)
class _FromOutside(_BetweenTurns):
    """An action on an execution from outside.

    Attributes:
        workflow_id: the execution's workflow ID; None for the oldest open execution.
    """

    workflow_id: str | None = None

    def can_strike(self, target: FaultTarget) -> bool:
        """Return whether the execution is open."""
        return bool(target.open_executions(self.workflow_id))

    def happen(self, target: FaultTarget) -> None:
        """Strike the oldest open execution, or the one that was named."""
        self.do(target, target.open_executions(self.workflow_id)[0])

    def do(self, target: FaultTarget, workflow_id: str) -> None:
        """Strike an open execution."""
        raise NotImplementedError


@dataclass(frozen=True)
class Signal(_FromOutside):
    """A signal arrives, at any moment.

    Attributes:
        name: the signal's name.
        input: its input, as text; None for no input.
        eventually: whether it arrives in every run: at the latest when nothing else is left to do.
        workflow_id: the execution's workflow ID; None for the oldest open execution.
    """

    name: str = "signal"
    input: str | None = None
    eventually: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.text("the name of a Signal", self.name)
        if self.input is not None and not isinstance(self.input, str):
            raise ConfigurationError(
                f"the input of the Signal {self.name!r} must be text, such as json.dumps(…), not "
                f"{self.input!r}"
            )

    def do(self, target: FaultTarget, workflow_id: str) -> None:
        """Send the signal."""
        request: dict[str, Any] = {"workflowId": workflow_id, "signalName": self.name}
        if self.input is not None:
            request["input"] = self.input
        target.client.signal_workflow_execution(domain=target.domain, **request)

    def describe(self) -> str:
        """Return that the signal arrives, with its name."""
        return f"the signal {self.name!r} arrives"


@dataclass(frozen=True)
class CancelRequest(_FromOutside):
    """The cancellation of an execution is requested, at any moment.

    Attributes:
        workflow_id: the execution's workflow ID; None for the oldest open execution.
    """

    title = "a cancellation is requested"

    def do(self, target: FaultTarget, workflow_id: str) -> None:
        """Request the cancellation."""
        target.client.request_cancel_workflow_execution(
            domain=target.domain, workflowId=workflow_id
        )


@dataclass(frozen=True)
class Termination(_FromOutside):
    """An execution is terminated, at any moment.

    Attributes:
        workflow_id: the execution's workflow ID; None for the oldest open execution.
    """

    title = "the execution is terminated"

    def do(self, target: FaultTarget, workflow_id: str) -> None:
        """Terminate the execution."""
        target.client.terminate_workflow_execution(domain=target.domain, workflowId=workflow_id)
