"""Whether faults strike: each is asked for, of the schedule, wherever it could."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flowy_sim._clients.in_process import Reply
from flowy_sim.faults._fault import ANSWERS, Call, Fault, Moment, Stage

Tell = Callable[[str], None]


class _Risk:
    """A fault of one run.

    Attributes:
        fault: what can go wrong.
        name: that in a few words.
        sure: whether it strikes at last when nothing else happens any more.
        left: how often it may yet strike.
    """

    __slots__ = ("fault", "left", "name", "sure")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.name = fault.describe()
        self.sure = fault.sure
        self.left = fault.most


class _Fitting(dict[str, list[_Risk]]):
    """The faults that can strike at one moment, by the operation that is called."""

    def __init__(self, risks: Iterable[_Risk], moment: Moment) -> None:
        super().__init__()
        self._risks = [each for each in risks if each.fault.moment is moment]

    def __missing__(self, operation: str) -> list[_Risk]:
        fitting = self[operation] = [
            risk for risk in self._risks if operation.startswith(risk.fault.operations or operation)
        ]
        return fitting


class Trouble:
    """The faults of one run, and how often they have struck.

    Args:
        faults: what can go wrong.
        most: how many faults strike in all, other than those that are sure to.
        choose: decides whether one strikes: 1 for yes.
        stage: where they strike.
        tell: told who is struck by what.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        most: int,
        choose: Callable[[str, int], int],
        stage: Stage,
        tell: Tell,
    ) -> None:
        """Start with everything well."""
        self._risks = list(map(_Risk, faults))
        self._any_sure = any(risk.sure for risk in self._risks)
        self._at_calls = _Fitting(self._risks, Moment.CALL)
        self._at_tasks = _Fitting(self._risks, Moment.TASK)
        self._at_turns = _Fitting(self._risks, Moment.TURN)[""]
        self._most = most if faults else 0
        self._choose = choose
        self._stage = stage
        self._tell = tell

    @property
    def _may_strike(self) -> bool:
        return self._most > 0 or self._any_sure

    @property
    def left(self) -> tuple[int, ...]:
        """How often each may yet strike, and all of them together."""
        return (self._most, *[risk.left for risk in self._risks])

    def call(self, call: Call) -> Reply:
        """Let a call be carried out, or something happen to it."""
        if self._may_strike:
            if call.operation.startswith(ANSWERS):
                self.turn()
            risk = self._which(self._at_calls[call.operation])
            if risk is not None:
                self._count(risk, call)
                return risk.fault.strike(self._stage, call)
        return call.send()

    def task(self, call: Call) -> Reply:
        """Let a worker have a task that was polled, or something happen to it."""
        if self._may_strike:
            risk = self._which(self._at_tasks[call.operation])
            if risk is not None:
                self._count(risk, call)
                return risk.fault.strike(self._stage, call)
        return call.send()

    def turn(self) -> None:
        """Let things happen that happen to no call."""
        for risk in self._at_turns if self._may_strike else ():
            while self._which((risk,)):
                self._count(risk, None)
                risk.fault.befall(self._stage)

    def last_resort(self) -> bool:
        """Let something happen that is sure to, as nothing else does; return whether it did."""
        for risk in self._risks:
            if risk.sure and risk.left and risk.fault.fits(self._stage):
                self._count(risk, None)
                risk.fault.befall(self._stage)
                return True
        return False

    def _which(self, risks: Iterable[_Risk]) -> _Risk | None:
        """Return the fault that strikes, if one does, of those that can."""
        for risk in risks:
            possible = risk.left > 0 and (self._most > 0 or risk.sure)
            if possible and risk.fault.fits(self._stage) and self._choose(risk.name, 2) > 0:
                return risk
        return None

    def _count(self, risk: _Risk, call: Call | None) -> None:
        risk.left -= 1
        if not risk.sure:
            self._most -= 1
        self._tell(f"{_whose(call)}{risk.name}")


def _whose(call: Call | None) -> str:
    """Say whom it happens to, and what he is working on."""
    if call is None:
        return ""
    if call.task is None:
        return f"{call.worker}: "
    about = call.task.get("activityId") or call.task["workflowExecution"]["workflowId"]
    return f"{call.worker} ({about}): "
