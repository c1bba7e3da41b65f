"""Whether faults strike: each is asked for, of the schedule, wherever it could."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowy_sim.client import Reply
from flowy_sim.faults.fault import ANSWERS, Call, Fault, Moment, Stage

Tell = Callable[[str], None]


class _Fitting(dict[str, list[int]]):
    """The numbers of the faults that can strike at one moment, by the operation that is called."""

    def __init__(self, faults: Sequence[Fault], moment: Moment) -> None:
        super().__init__()
        self._faults = [
            (number, each) for number, each in enumerate(faults) if each.moment is moment
        ]

    def __missing__(self, operation: str) -> list[int]:
        numbers = self[operation] = [
            number
            for number, fault in self._faults
            if operation.startswith(fault.operations or operation)
        ]
        return numbers


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
        self._faults = faults
        self._names = [fault.describe() for fault in faults]
        self._sure = [fault.sure for fault in faults]
        self._any_sure = any(self._sure)
        self._at_calls = _Fitting(faults, Moment.CALL)
        self._at_tasks = _Fitting(faults, Moment.TASK)
        self._at_turns = _Fitting(faults, Moment.TURN)[""]
        self._left = [fault.most for fault in faults]
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
        return (self._most, *self._left)

    def call(self, call: Call) -> Reply:
        """Let a call be carried out, or something happen to it."""
        if self._may_strike:
            if call.operation.startswith(ANSWERS):
                self.turn()
            number = self._which(self._at_calls[call.operation])
            if number is not None:
                self._count(number, call)
                return self._faults[number].strike(self._stage, call)
        return call.send()

    def task(self, call: Call) -> Reply:
        """Let a worker have a task that was polled, or something happen to it."""
        if self._may_strike:
            number = self._which(self._at_tasks[call.operation])
            if number is not None:
                self._count(number, call)
                return self._faults[number].strike(self._stage, call)
        return call.send()

    def turn(self) -> None:
        """Let things happen that happen to no call."""
        for number in self._at_turns if self._may_strike else ():
            while self._strikes(number):
                self._count(number, None)
                self._faults[number].befall(self._stage)

    def last_resort(self) -> bool:
        """Let something happen that is sure to, as nothing else does; return whether it did."""
        for number, fault in enumerate(self._faults):
            if self._sure[number] and self._left[number] and fault.fits(self._stage):
                self._count(number, None)
                fault.befall(self._stage)
                return True
        return False

    def _which(self, numbers: list[int]) -> int | None:
        """Return the fault that strikes, if one does, of those that can."""
        for number in numbers:
            if self._strikes(number):
                return number
        return None

    def _strikes(self, number: int) -> bool:
        possible = self._left[number] > 0 and (self._most > 0 or self._sure[number])
        return (
            possible
            and self._faults[number].fits(self._stage)
            and self._choose(self._names[number], 2) > 0
        )

    def _count(self, number: int, call: Call | None) -> None:
        self._left[number] -= 1
        if not self._sure[number]:
            self._most -= 1
        self._tell(f"{_whose(call)}{self._names[number]}")


def _whose(call: Call | None) -> str:
    """Say whom it happens to, and what he is working on."""
    if call is None:
        return ""
    if call.task is None:
        return f"{call.worker}: "
    about = call.task.get("activityId") or call.task["workflowExecution"]["workflowId"]
    return f"{call.worker} ({about}): "
