"""Injecting faults: wherever a fault could strike, the schedule chooses whether it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flowy_sim._clients.in_process import Reply
from flowy_sim.faults._fault import ANSWERS, FaultTarget, InjectedFault, Moment, WorkerCall

OnStrike = Callable[[str], None]
"""Called with one line when a fault strikes: which worker, and what goes wrong."""


class _Risk:
    """A fault of one run.

    Attributes:
        fault: the fault.
        name: its description, which names the choice whether it strikes.
        eventually: whether it strikes at the latest when nothing else is left to do.
        left: how many times it may still strike.
    """

    __slots__ = ("eventually", "fault", "left", "name")

    def __init__(self, fault: InjectedFault) -> None:
        self.fault = fault
        self.name = fault.describe()
        self.eventually = fault.eventually
        self.left = fault.most


class _RisksOf(dict[str, list[_Risk]]):
    """The faults that can strike at one moment, by the operation that is called."""

    def __init__(self, risks: Iterable[_Risk], moment: Moment) -> None:
        super().__init__()
        self._risks = [each for each in risks if each.fault.moment is moment]

    def __missing__(self, operation: str) -> list[_Risk]:
        fitting = self[operation] = [
            risk for risk in self._risks if operation.startswith(risk.fault.operations or operation)
        ]
        return fitting


class FaultInjector:
    """Injects the faults of one run, and counts how often they strike.

    Args:
        faults: the faults that may strike.
        most: how many faults may strike in total, apart from those that strike in every run.
        choose: chooses whether a fault strikes: 1 for yes.
        target: what they act on.
        on_strike: called when a fault strikes.
    """

    def __init__(
        self,
        faults: Sequence[InjectedFault],
        most: int,
        choose: Callable[[str, int], int],
        target: FaultTarget,
        on_strike: OnStrike,
    ) -> None:
        self._risks = list(map(_Risk, faults))
        self._any_eventually = any(risk.eventually for risk in self._risks)
        self._at_calls = _RisksOf(self._risks, Moment.CALL)
        self._at_tasks = _RisksOf(self._risks, Moment.TASK)
        self._at_turns = _RisksOf(self._risks, Moment.TURN)[""]
        self._most = most if faults else 0
        self._choose = choose
        self._target = target
        self._on_strike = on_strike

    @property
    def _may_strike(self) -> bool:
        return self._most > 0 or self._any_eventually

    @property
    def left(self) -> tuple[int, ...]:
        """How many times all faults together, and then each of them, may still strike."""
        return (self._most, *[risk.left for risk in self._risks])

    def call(self, call: WorkerCall) -> Reply:
        """Make a call, or let a fault strike it."""
        if self._may_strike:
            if call.operation.startswith(ANSWERS):
                self.turn()
            risk = self._striking(self._at_calls[call.operation])
            if risk is not None:
                self._count(risk, call)
                return risk.fault.strike(self._target, call)
        return call.send()

    def task(self, call: WorkerCall) -> Reply:
        """Deliver a polled task to a worker, or let a fault strike."""
        if self._may_strike:
            risk = self._striking(self._at_tasks[call.operation])
            if risk is not None:
                self._count(risk, call)
                return risk.fault.strike(self._target, call)
        return call.send()

    def turn(self) -> None:
        """Let faults strike that strike between two turns."""
        for risk in self._at_turns if self._may_strike else ():
            while self._striking((risk,)):
                self._count(risk, None)
                risk.fault.happen(self._target)

    def last_resort(self) -> bool:
        """Let a fault strike that strikes in every run; return whether there was one left."""
        for risk in self._risks:
            if risk.eventually and risk.left and risk.fault.can_strike(self._target):
                self._count(risk, None)
                risk.fault.happen(self._target)
                return True
        return False

    def _striking(self, risks: Iterable[_Risk]) -> _Risk | None:
        """Return the first fault that is chosen to strike; None if none is."""
        for risk in risks:
            possible = risk.left > 0 and (self._most > 0 or risk.eventually)
            if possible and risk.fault.can_strike(self._target) and self._choose(risk.name, 2) > 0:
                return risk
        return None

    def _count(self, risk: _Risk, call: WorkerCall | None) -> None:
        risk.left -= 1
        if not risk.eventually:
            self._most -= 1
        self._on_strike(f"{_struck(call)}{risk.name}")


def _struck(call: WorkerCall | None) -> str:
    """Name the worker that a fault strikes, and its task."""
    if call is None:
        return ""
    if call.task is None:
        return f"{call.worker}: "
    about = call.task.get("activityId") or call.task["workflowExecution"]["workflowId"]
    return f"{call.worker} ({about}): "
