"""Whether faults strike: each is asked for, of the schedule, wherever it could."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowy_sim.client import Reply
from flowy_sim.faults.fault import ANSWERS, Call, Fault, Moment, Stage

Tell = Callable[[str], None]


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
        self._fitting: dict[tuple[Moment, str], list[int]] = {}
        self._left = [fault.most for fault in faults]
        self._most = most
        self._choose = choose
        self._stage = stage
        self._tell = tell

    @property
    def left(self) -> tuple[int, ...]:
        """How often each may yet strike, and all of them together."""
        return (self._most, *self._left)

    def call(self, call: Call) -> Reply:
        """Let a call be carried out, or something happen to it."""
        if self._faults:
            if call.operation.startswith(ANSWERS):
                self.turn()
            for number in self._at(Moment.CALL, call.operation):
                if self._strikes(number, call):
                    return self._faults[number].strike(self._stage, call)
        return call.send()

    def task(self, call: Call) -> Reply:
        """Let a worker have a task that was polled, or something happen to it."""
        for number in self._at(Moment.TASK, call.operation):
            if self._strikes(number, call):
                return self._faults[number].strike(self._stage, call)
        return call.send()

    def turn(self) -> None:
        """Let things happen that happen to no call."""
        for number in self._at(Moment.TURN):
            while self._strikes(number):
                self._faults[number].befall(self._stage)

    def last_resort(self) -> bool:
        """Let something happen that is sure to, as nothing else does; return whether it did."""
        for number, fault in enumerate(self._faults):
            if self._sure[number] and self._left[number] and fault.fits(self._stage):
                self._count(number, None)
                fault.befall(self._stage)
                return True
        return False

    def _at(self, moment: Moment, operation: str = "") -> list[int]:
        """Return the faults that can strike at a moment of a call."""
        found = self._fitting.get((moment, operation))
        if found is None:
            found = self._fitting[moment, operation] = [
                number
                for number, fault in enumerate(self._faults)
                if fault.moment is moment
                and (not fault.operations or operation.startswith(fault.operations))
            ]
        return found

    def _strikes(self, number: int, call: Call | None = None) -> bool:
        possible = self._left[number] > 0 and (self._most > 0 or self._sure[number])
        if not possible or not self._faults[number].fits(self._stage):
            return False
        if not self._choose(self._names[number], 2):
            return False
        self._count(number, call)
        return True

    def _count(self, number: int, call: Call | None) -> None:
        self._left[number] -= 1
        if not self._sure[number]:
            self._most -= 1
        whose = "" if call is None else f"{call.worker}: "
        self._tell(f"{whose}{self._names[number]}")
