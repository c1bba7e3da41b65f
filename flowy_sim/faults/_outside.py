"""Faults between two turns: workers sleep or restart; signals and requests come from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowy import _checks
from flowy._workers.registration import by_type
from flowy.activity import Activity, ActivityType, activity_class
from flowy.errors import ConfigurationError
from flowy.workflow import Workflow, WorkflowType
from flowy_sim._engine.start import STARTED_WITH
from flowy_sim.faults._fault import DeployedCode, FaultTarget, InjectedFault, Moment


@dataclass(frozen=True)
class _BetweenTurns(InjectedFault):
    """A fault that strikes between two turns."""

    moment = Moment.TURN


@dataclass(frozen=True)
class ClockJumps(_BetweenTurns):
    """All workers are suspended for a while, as when a laptop sleeps; the service is not.

    Attributes:
        seconds: the simulated seconds for which workers are suspended.
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
    """All workers are restarted, and lose the tasks that they hold and everything in memory."""

    title = "all workers are restarted"

    def happen(self, target: FaultTarget) -> None:
        """Restart all workers."""
        target.restart()


@dataclass(frozen=True)
class _Deployment(_BetweenTurns):
    """New code is deployed."""

    workflows: tuple[type[Workflow], ...] = ()
    activities: tuple[type[Activity] | Callable[..., Any], ...] = ()
    loops: Mapping[str, Callable[..., object]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        classes: dict[str, object] = {"workflow": self.workflows, "activity": self.activities}
        for kind, given in classes.items():
            if not isinstance(given, tuple | list):
                example = "(NewOrder,)" if kind == "workflow" else "activities=(new_charge,)"
                raise ConfigurationError(
                    f"{name} takes a tuple of the new {kind} classes, such as {name}({example}), "
                    f"not {given!r}"
                )
        for loop, code in self.loops.items():
            if not callable(code):
                raise ConfigurationError(
                    f"the new code of the loop {loop!r} must be a function, not {code!r}"
                )
        if not self.code.parts:
            raise ConfigurationError(f"{name} needs new code, such as {name}((NewOrder,))")

    @property
    def code(self) -> DeployedCode:
        """The new code, by what it replaces."""
        activities = [activity_class(each) for each in self.activities]
        return DeployedCode(
            by_type(WorkflowType, self.workflows) if self.workflows else {},
            by_type(ActivityType, activities) if activities else {},
            dict(self.loops),
        )

    def describe(self) -> str:
        """Return what goes wrong, with the names of the new code."""
        names = [each.__qualname__ for each in (*self.workflows, *self.activities)]
        names += [getattr(each, "__qualname__", name) for name, each in self.loops.items()]
        return f"{self.title}: {', '.join(names)}"


@dataclass(frozen=True)
class Deploy(_Deployment):
    """All workers are restarted with new code, while executions are open.

    Attributes:
        workflows: the new workflow classes. Each replaces the class that declares the same type.
        activities: the new activities. Each replaces the activity and the stub of the same type.
        loops: the new code that polls with its own loop, by the name of the code that it replaces:
            the name that `Runner.loop` was called with, or by default that of the function.

    Example:
        ``Deploy(loops={"decide": decide_differently})``
    """

    title = "new code is deployed"

    def happen(self, target: FaultTarget) -> None:
        """Restart all workers with the new code."""
        target.deploy(self.code)


@dataclass(frozen=True)
class GradualDeploy(_Deployment):
    """Old and new code run side by side for a while; then either the new or the old code stays.

    While both run, old and new deciders and workers all receive tasks. So an old worker may
    receive a task that a new decider has scheduled, and the other way round. The types of the new
    code are registered, and only workers with the new code know them. Before a worker of flowy
    stops, it answers the task that it works on; a poll loop stops where it is.

    An old decider may also get a task of an execution in which a new decider has called `patched`.
    It cannot replay that execution: the old code stops, and a new decider takes the task after its
    time-out. The cause is the order of the deployment, not the workflow: stop the old deciders
    before the new ones start, or give the new code a new version. For the same reason, the old code
    stays only while no open execution has met a patch. If an execution meets one later, because the
    answer of a new decider was late, the new code is deployed again.

    Attributes:
        workflows: the new workflow classes. Each replaces the class that declares the same type.
        activities: the new activities. Each replaces the activity and the stub of the same type.
        loops: the new code that polls with its own loop, by the name of the code that it replaces.
        most: how many times the fault may strike: the first time, the new code starts; the second
            time, the old or the new code stops.

    Example:
        ``GradualDeploy((NewOrder,), activities=(new_charge,))``
    """

    most: int = field(default=2, kw_only=True)

    title = "old and new code overlap"

    def happen(self, target: FaultTarget) -> None:
        """Start the new code beside the old one, or stop one of them."""
        target.deploy_gradually(self.code)


@dataclass(frozen=True, kw_only=True)
class _FromOutside(_BetweenTurns):
    """An action on an execution from outside.

    Attributes:
        workflow_id: the execution's workflow ID; None for the oldest open execution.
    """

    workflow_id: str | None = None

    is_from_outside = True

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
    """A signal arrives at any moment.

    Attributes:
        name: the signal's name.
        input: the signal's input, as text; None for no input.
        any_value: whether the signal may also carry values other than `input`: values of the type
            that the workflow gives to the signal, and malformed ones. Without `input`, the first
            of these values is the simplest one.
        eventually: whether the signal arrives in every run, at the latest when nothing else is
            left to do.
        workflow_id: the execution's workflow ID; None for the oldest open execution.
    """

    name: str = "signal"
    input: str | None = None
    eventually: bool = True
    any_value: bool = False

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
        text = self.input
        if self.any_value:
            inputs = target.signal_inputs(workflow_id, self.name)
            if text is not None:
                inputs = list(dict.fromkeys([text, *inputs]))
            text = inputs[target.choose(f"the value of {self.name!r}", len(inputs))]
        if text is not None:
            request["input"] = text
        target.client.signal_workflow_execution(domain=target.domain, **request)

    def describe(self) -> str:
        """Return that the signal arrives, with its name."""
        return f"the signal {self.name!r} arrives"


@dataclass(frozen=True)
class SignalTwice(_FromOutside):
    """A signal that an execution has received arrives once more, now or later.

    Clients that repeat a call whose reply was lost send a signal twice.
    """

    title = "a signal arrives once more"

    def can_strike(self, target: FaultTarget) -> bool:
        """Return whether an open execution has received a signal."""
        return bool(self._received(target))

    def happen(self, target: FaultTarget) -> None:
        """Send one of the signals again."""
        received = self._received(target)
        workflow_id, name, text = received[target.choose("which signal", len(received))]
        request = {"workflowId": workflow_id, "signalName": name}
        if text is not None:
            request["input"] = text
        target.client.signal_workflow_execution(domain=target.domain, **request)

    def _received(self, target: FaultTarget) -> list[tuple[str, str, str | None]]:
        found = dict.fromkeys(target.received_signals())
        return [each for each in found if self.workflow_id in (None, each[0])]


@dataclass(frozen=True)
class StartedTwice(InjectedFault):
    """A workflow is started again with the same workflow ID and input, after it has closed.

    A client that repeats a call whose reply was lost starts a workflow twice. While the execution
    is open, the service refuses that; afterwards it does not.
    """

    title = "the workflow is started again"
    moment = Moment.END

    def happen(self, target: FaultTarget) -> None:
        """Start the execution that was closed last again."""
        infos = target.client.list_closed_workflow_executions(
            domain=target.domain,
            closeTimeFilter={"oldestDate": 0},
            maximumPageSize=1,
        )["executionInfos"]
        events = target.client.get_workflow_execution_history(
            domain=target.domain, execution=infos[0]["execution"], maximumPageSize=1
        )["events"]
        started = events[0]["workflowExecutionStartedEventAttributes"]
        request = {name: started[name] for name in STARTED_WITH if name in started}
        target.client.start_workflow_execution(
            domain=target.domain, workflowId=infos[0]["execution"]["workflowId"], **request
        )


@dataclass(frozen=True)
class CancelRequest(_FromOutside):
    """The cancellation of an execution is requested at any moment.

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
    """An execution is terminated at any moment.

    Attributes:
        workflow_id: the execution's workflow ID; None for the oldest open execution.
    """

    title = "the execution is terminated"

    def do(self, target: FaultTarget, workflow_id: str) -> None:
        """Terminate the execution."""
        target.client.terminate_workflow_execution(domain=target.domain, workflowId=workflow_id)
