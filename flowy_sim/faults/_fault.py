"""What an injected fault is: when it can strike and what it can do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from flowy import _checks
from flowy.activity import Activity
from flowy.errors import ConfigurationError
from flowy.workflow import Workflow
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._clients.simulation import Simulation

HEARTBEAT = "RecordActivityTaskHeartbeat"

CHECKPOINT = "Checkpoint"
"""What a call of `flowy.checkpoint` is called among the operations."""


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
        """Deliver a task, or send an answer, later."""
        ...

    def seconds_until_timeout(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the task of a call has timed out for sure."""
        ...

    def open_executions(self, workflow_id: str | None) -> list[str]:
        """Return the workflow IDs of all open executions, or only the given one if it is open."""
        ...

    def choose(self, kind: str, count: int) -> int:
        """Choose one of several possibilities; see `flowy_sim.Simulation`."""
        ...

    def failure_reason(self, call: WorkerCall) -> str:
        """Return a reason for which the task of a call can fail, as its code can be seen to."""
        ...

    def seconds_past_timer(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the next timer has fired.

        Infinity if there is none that fires before the task of a call times out.
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

    def signal_inputs(self, workflow_id: str, name: str) -> list[str]:
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

    is_from_outside: ClassVar[bool] = False
    """Whether it comes from outside: it then also arrives just before something else is due."""

    @property
    def eventually(self) -> bool:
        """Whether it strikes in every run: at the latest when nothing else is left to do."""
        return False

    def can_strike(self, target: FaultTarget) -> bool:
        """Return whether it can strike now."""
        return True

    def can_strike_call(self, target: FaultTarget, call: WorkerCall) -> bool:
        """Return whether it can strike a call, of an operation that it can strike."""
        return True

    def in_a_row(self) -> int:
        """Return how many times it strikes, once chosen: the calls that follow about the same."""
        return 1

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Strike a call: return the reply that the worker gets, or raise what it gets instead."""
        raise NotImplementedError

    def happen(self, target: FaultTarget) -> None:
        """Strike between two turns, where no call is involved."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return what goes wrong, as a short clause."""
        return self.title


def checked_faults(given: object) -> FaultTable:
    """Return an option ``faults`` as a tuple.

    Args:
        given: an iterable of faults, or a single one.

    Raises:
        ConfigurationError: it holds something other than faults.
    """
    __tracebackhide__ = True
    if isinstance(given, FaultTable):
        return given
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
    return FaultTable(found)


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


OnStrike = Callable[[str], None]


"""Called with one line when a fault strikes: which worker, and what goes wrong."""


class _Risk:
    """A fault that may strike.

    Attributes:
        fault: the fault.
        place: its place among the faults.
        name: its description, which names the choice whether it strikes.
        eventually: whether it strikes at the latest when nothing else is left to do.
        always: whether it can strike at any time.
        chooses_calls: whether it can strike only some of the calls of an operation.
    """

    __slots__ = ("always", "chooses_calls", "eventually", "fault", "name", "place")

    def __init__(self, place: int, fault: InjectedFault) -> None:
        self.fault = fault
        self.place = place
        self.name = fault.describe()
        self.eventually = fault.eventually
        self.always = type(fault).can_strike is InjectedFault.can_strike
        self.chooses_calls = type(fault).can_strike_call is not InjectedFault.can_strike_call


class _RisksOf(dict[str, list[_Risk]]):
    """The faults that can strike at some moments, by the operation that is called."""

    def __init__(self, risks: Iterable[_Risk], *moments: Moment) -> None:
        super().__init__()
        self._risks = [each for each in risks if each.fault.moment in moments]

    def __missing__(self, operation: str) -> list[_Risk]:
        fitting = self[operation] = [
            risk for risk in self._risks if operation.startswith(risk.fault.operations or operation)
        ]
        return fitting


class FaultTable(tuple[InjectedFault, ...]):  # noqa: SLOT001 - a tuple has no room for slots
    """Faults, and when each of them can strike.

    All runs of an exploration share one: it holds only what follows from the faults, which are
    immutable. How often each may still strike is counted by the `FaultInjector` of each run.
    """

    def __init__(self, faults: Iterable[InjectedFault] = ()) -> None:
        self.risks = list(map(_Risk, range(len(self)), self))
        self.any_eventually = any(risk.eventually for risk in self.risks)
        self.at_calls = _RisksOf(self.risks, Moment.CALL, Moment.MIDWAY)
        self.midway = _RisksOf(self.risks, Moment.MIDWAY)
        self.at_functions = _RisksOf(self.risks, Moment.FUNCTION)
        self.strikes_functions = any(each.moment is Moment.FUNCTION for each in self)
        self.at_ends = _RisksOf(self.risks, Moment.END)[""]
        self.at_tasks = _RisksOf(self.risks, Moment.TASK)
        self.at_turns = _RisksOf(self.risks, Moment.TURN)[""]
        self.from_outside = [risk for risk in self.at_turns if risk.fault.is_from_outside]

    def __reduce__(self) -> tuple[type, tuple[tuple[InjectedFault, ...]]]:
        """Return how to pickle the faults alone."""
        return type(self), (tuple(self),)


class FaultInjector:
    """Injects the faults of one run, and counts how often they strike.

    Args:
        faults: the faults that may strike.
        most: how many faults may strike in total, apart from those that strike in every run.
        choose: chooses whether a fault strikes: 1 for yes.
        target: what they act on.
        on_strike: called when a fault strikes.

    Attributes:
        on_over: called when a fault has happened that may have taken time.
    """

    def __init__(
        self,
        faults: FaultTable,
        most: int,
        choose: Callable[[str, int], int],
        target: FaultTarget,
        on_strike: OnStrike,
    ) -> None:
        self._faults = faults
        self._left = [fault.most for fault in faults]
        self._lasting: Counter[tuple[str, str]] = Counter()
        self._most = most if faults else 0
        self._choose = choose
        self._target = target
        self._on_strike = on_strike
        self.on_over: Callable[[], None] = _do_nothing

    @property
    def left(self) -> tuple[object, ...]:
        """How many times all faults together, and then each of them, may still strike.

        Then come those that strike without being chosen again.
        """
        return (self._most, *self._left, *sorted(self._lasting.items()))

    def call(self, call: WorkerCall) -> Reply:
        """Make a call, or let a fault strike it."""
        if self._faults.at_turns and call.operation.startswith(ANSWERS):
            self.turn()
        risks = self._faults.at_calls[call.operation]
        risk = self._striking_call(risks, call) if risks else None
        return call.send() if risk is None else risk.fault.strike(self._target, call)

    def task(self, poll: WorkerCall, task: Reply) -> Reply:
        """Deliver a polled task to a worker, or let a fault strike."""
        risks = self._faults.at_tasks[poll.operation]
        if not risks:
            return task
        call = WorkerCall(poll.worker, poll.operation, poll.request, lambda: task, task)
        risk = self._striking_call(risks, call)
        return task if risk is None else risk.fault.strike(self._target, call)

    def checkpoint(self, call: WorkerCall) -> None:
        """Let a fault strike in the middle of the work."""
        self._strike(self._faults.midway[call.operation], call)

    def function(self, call: WorkerCall) -> Reply:
        """Call a Lambda function, or let a fault strike."""
        reply = self._strike(self._faults.at_functions[call.operation], call)
        return call.send() if reply is None else reply

    @property
    def strikes_functions(self) -> bool:
        """Whether a fault can strike Lambda functions."""
        return self._faults.strikes_functions

    def _strike(self, risks: Iterable[_Risk], call: WorkerCall) -> Reply | None:
        risk = self._striking_call(risks, call)
        return None if risk is None else risk.fault.strike(self._target, call)

    def just_before(self, advance: Callable[[], None]) -> bool:
        """Let something from outside arrive just before something else is due.

        Args:
            advance: lets time pass until then.

        Returns:
            Whether anything did.
        """
        struck = False
        for risk in self._faults.from_outside:
            while self._striking((risk,)):
                if not struck:
                    advance()
                struck = True
                self._count(risk, None)
                self._happen(risk)
        return struck

    def end(self) -> bool:
        """Let faults strike after an execution has closed; return whether one has."""
        struck = False
        for risk in self._faults.at_ends:
            if self._striking((risk,)):
                struck = True
                self._count(risk, None)
                self._happen(risk)
        return struck

    def turn(self) -> None:
        """Let faults strike that strike between two turns."""
        for risk in self._faults.at_turns:
            while self._striking((risk,)):
                self._count(risk, None)
                self._happen(risk)

    def last_resort(self) -> bool:
        """Let a fault strike that strikes in every run; return whether there was one left."""
        for risk in self._faults.risks:
            if risk.eventually and self._left[risk.place] and risk.fault.can_strike(self._target):
                self._count(risk, None)
                self._happen(risk)
                return True
        return False

    def _happen(self, risk: _Risk) -> None:
        risk.fault.happen(self._target)
        self.on_over()  # All workers may have slept.

    def _striking_call(self, risks: Iterable[_Risk], call: WorkerCall) -> _Risk | None:
        """Return the fault that strikes a call, and count it; None if none does."""
        for risk in risks if self._lasting else ():
            lasts = risk.name, _subject(call)
            if self._lasting[lasts] > 0:
                self._lasting[lasts] -= 1
                self._lasting = +self._lasting
                self._on_strike(f"{_struck(call)}{risk.name}")
                return risk
        chosen = self._striking(risks, call)
        if chosen is not None:
            self._count(chosen, call)
            more = chosen.fault.in_a_row() - 1
            if more:
                self._lasting[chosen.name, _subject(call)] = more
        return chosen

    def _striking(self, risks: Iterable[_Risk], call: WorkerCall | None = None) -> _Risk | None:
        """Return the first fault that is chosen to strike; None if none is."""
        any_left = self._most > 0
        if not (any_left or self._faults.any_eventually):
            return None
        for risk in risks:
            if not self._left[risk.place] or not (any_left or risk.eventually):
                continue
            can_strike = risk.always or risk.fault.can_strike(self._target)
            if can_strike and risk.chooses_calls and call is not None:
                can_strike = risk.fault.can_strike_call(self._target, call)
            if can_strike and self._choose(risk.name, 2):
                return risk
        return None

    def _count(self, risk: _Risk, call: WorkerCall | None) -> None:
        self._left[risk.place] -= 1
        if not risk.eventually:
            self._most -= 1
        self._on_strike(f"{_struck(call)}{risk.name}")


def _do_nothing() -> None:
    """Ignore that the effect of a fault is over."""


def _subject(call: WorkerCall) -> str:
    """Name the activity type or the Lambda function that a call is about."""
    named = (call.task or {}).get("activityType")
    return f"{named['name']} {named['version']}" if named is not None else call.operation


def _struck(call: WorkerCall | None) -> str:
    """Name the worker that a fault strikes, and its task."""
    if call is None:
        return ""
    where = f" at {call.request['name']!r}" if call.operation == CHECKPOINT else ""
    if call.task is None:
        return f"{call.worker}{where}: "
    about = call.task.get("activityId") or call.task["workflowExecution"]["workflowId"]
    return f"{call.worker} ({about}){where}: "
