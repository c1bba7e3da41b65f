"""One run of what is explored: how it is set up, and what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flowy._decider.suspended import SuspendedExecutions
from flowy.errors import ConfigurationError
from flowy_sim._events.invariants import check
from flowy_sim._simulation.schedule import Schedule
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.explore._choices import Made
from flowy_sim.faults._fault import Fault
from flowy_sim.testing import MOST_FAULTS, Runner

Test = Callable[[Runner], object]
"""What is explored: it runs workflows with the runner it is given, and asserts."""


class PrunedError(BaseException):
    """A run has come to a state from which all that follows is being explored already."""


class EndlessError(AssertionError):
    """A run does not come to an end."""

    __module__ = "flowy_sim.explore"


class Recording(Schedule, Protocol):
    """A schedule that keeps a record; see `flowy_sim.explore._choices`."""

    made: list[Made]


@dataclass(frozen=True)
class Setting:
    """How each run is set up.

    Attributes:
        faults, most_faults: what may go wrong, and how often in a run.
        simulation, runner: other arguments of `Simulation` and `Runner`.
        invariants: what is held to be true after every turn; see `flowy_sim.explore.invariant`.
        most_turns: after how many turns a run is taken to be endless.
    """

    faults: Sequence[Fault] = ()
    most_faults: int = MOST_FAULTS
    simulation: Mapping[str, Any] = field(default_factory=dict)
    runner: Mapping[str, Any] = field(default_factory=dict)
    invariants: Sequence[Callable[..., object]] = ()
    most_turns: int = 1_000


class Attempt:
    """One run.

    Attributes:
        runner: what the test is given.
        error: what it failed with; None if it did not, or was not finished.
        pruned: whether it was not finished.
    """

    def __init__(
        self,
        setting: Setting,
        schedule: Recording,
        on_turn: Callable[[Runner], None] | None = None,
        on_accident: Callable[[str], None] | None = None,
    ) -> None:
        """Set it up.

        Args:
            setting: how.
            schedule: makes its choices.
            on_turn: called between turns; it may raise `PrunedError`.
            on_accident: told what goes wrong on purpose.
        """
        self.schedule = schedule
        self.error: BaseException | None = None
        self.pruned = False
        self._most_turns = setting.most_turns
        self._turns = 0
        self._on_turn = on_turn
        self.runner = Runner(
            Simulation(schedule=schedule, **setting.simulation),
            faults=setting.faults,
            most_faults=setting.most_faults,
            on_turn=self._count,
            on_accident=on_accident,
            **setting.runner,
        )
        # Every decision is a replay: the strictest, and of short executions the fastest.
        self.runner.stage.suspended = SuspendedExecutions(0)
        for each in setting.invariants:
            self.runner.invariant(each)

    def make(self, test: Test) -> Attempt:
        """Run the test, and hold the service to its own invariants.

        Raises:
            ConfigurationError: the test itself is wrong.
        """
        try:
            test(self.runner)
            check(self.runner.simulation.engine())
        except PrunedError:
            self.pruned = True
        except ConfigurationError:
            raise  # so would every other run
        except Exception as error:
            self.error = error
        return self

    def _count(self) -> None:
        self._turns += 1
        if self._turns > self._most_turns:
            raise EndlessError(f"it goes on and on: more than {self._most_turns} turns were taken")
        if self._on_turn is not None:
            self._on_turn(self.runner)


def signature(error: BaseException) -> tuple[object, ...]:
    """Return what tells a failure from others: what was raised, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    where = (frames[-1].filename, frames[-1].lineno) if frames else ()
    return type(error), *where
