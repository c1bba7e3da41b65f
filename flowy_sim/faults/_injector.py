"""The injection of faults: which of the given faults may still strike, and which one does.

Whether a fault strikes is a choice of the schedule, like any other. So nothing here is random, and
exploring can try both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from flowy.errors import ConfigurationError
from flowy_sim._clients.in_process import Reply
from flowy_sim._simulation.regions import POLLS
from flowy_sim.faults._fault import (
    ANSWERS,
    CHECKPOINT,
    FaultTarget,
    InjectedFault,
    Moment,
    WorkerCall,
)

OnStrike = Callable[[str], None]
"""Called with one line when a fault strikes: which worker, and what goes wrong."""


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
        self.eventual = [risk for risk in self.risks if risk.eventually]
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

        Then come those that strike without being chosen again. Which faults have struck makes no
        difference once no more may: only those that strike in every run are left then.
        """
        each = (
            self._left
            if self._most > 0
            else [self._left[risk.place] for risk in self._faults.eventual]
        )
        return (self._most, *each, *sorted(self._lasting.items()))

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
        if not (any_left or self._faults.eventual):
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
    where = ""
    if call.operation == CHECKPOINT:
        where = f" at {call.request['name']!r}"
    elif "domain" in call.request and call.operation not in POLLS:
        where = f" at {call.operation}"  # No task says what it is about.
    if call.task is None:
        return f"{call.worker}{where}: "
    about = call.task.get("activityId") or call.task["workflowExecution"]["workflowId"]
    return f"{call.worker} ({about}){where}: "
