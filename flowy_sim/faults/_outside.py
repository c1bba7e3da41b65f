"""What happens to nobody's call: workers sleep and are restarted, somebody else signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowy import _checks
from flowy._workers.registration import by_type
from flowy.errors import ConfigurationError
from flowy.workflow import Workflow, WorkflowType
from flowy_sim.faults._fault import Fault, Moment, Stage


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

    def __post_init__(self) -> None:
        """Check what was given."""
        super().__post_init__()
        _checks.number("seconds of ClockJumps", self.seconds)

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

    def __post_init__(self) -> None:
        """Check what was given."""
        super().__post_init__()
        given: object = self.workflows
        if not isinstance(given, tuple | list):
            raise ConfigurationError(
                "Deploy takes a tuple of the classes that take the place of others, such as "
                f"Deploy((NewOrder,)), not {given!r}"
            )
        by_type(WorkflowType, self.workflows)

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

    def __post_init__(self) -> None:
        """Check what was given."""
        super().__post_init__()
        _checks.text("the name of a Signal", self.name)
        if self.input is not None and not isinstance(self.input, str):
            raise ConfigurationError(
                f"the input of the Signal {self.name!r} must be text, as it travels, such as "
                f"json.dumps(…), not {self.input!r}"
            )

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
