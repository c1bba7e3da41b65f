"""One run of an explored test: how it is set up and what it ended with."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowy._decider.suspended import SuspendedExecutions
from flowy.errors import ConfigurationError
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.invariants import check
from flowy_sim.explore._choices import RecordingSchedule
from flowy_sim.explore._report import Space
from flowy_sim.faults import KINDS
from flowy_sim.faults._fault import InjectedFault
from flowy_sim.testing import Runner
from flowy_sim.testing._runner import MOST_FAULTS

Test = Callable[[Runner], object]
"""What is explored: a function that runs workflows with the runner it receives, and asserts."""


class PrunedError(BaseException):
    """A run has reached a state whose continuations are already being explored."""


class EndlessError(AssertionError):
    """A run takes more turns than ``most_turns`` allows, so it probably never ends."""

    __module__ = "flowy_sim.explore"


@dataclass(frozen=True)
class Setup:
    """How each run is set up.

    Attributes:
        faults: the faults that may strike.
        most_faults: how many of them may strike in one run.
        simulation: other arguments of `Simulation`.
        runner: other arguments of `Runner`.
        invariants: functions that are called after every turn; see `flowy_sim.explore.invariant`.
        most_turns: how many turns a run may take before it counts as endless.
    """

    faults: Sequence[InjectedFault] = ()
    most_faults: int = MOST_FAULTS
    simulation: Mapping[str, Any] = field(default_factory=dict)
    runner: Mapping[str, Any] = field(default_factory=dict)
    invariants: Sequence[Callable[..., object]] = ()
    most_turns: int = 1_000

    @property
    def space(self) -> Space:
        """What is to be explored."""
        given = {type(fault) for fault in self.faults}
        others = [kind.__name__ for kind in KINDS if kind not in given]
        return Space(
            tuple(fault.describe() for fault in self.faults), self.most_faults, tuple(others)
        )


class Attempt:
    """One run.

    Args:
        setup: how the run is set up.
        schedule: makes its choices.
        on_turn: called between turns; it may raise `PrunedError`.
        on_accident: called with a line of text when a fault strikes.
        on_code: called with each class of a workflow, and each poll loop, before it runs.

    Attributes:
        runner: the runner that the test receives.
        error: the exception that the test raised; None if it passed or was pruned.
        pruned: whether the run was abandoned because its state is already known.
    """

    def __init__(
        self,
        setup: Setup,
        schedule: RecordingSchedule,
        on_turn: Callable[[Runner], None] | None = None,
        on_accident: Callable[[str], None] | None = None,
        on_code: Callable[[object], object] | None = None,
    ) -> None:
        self.schedule = schedule
        self.error: BaseException | None = None
        self.pruned = False
        self._most_turns = setup.most_turns
        self._turns = 0
        self._on_turn = on_turn
        self.runner = Runner(
            Simulation(schedule=schedule, **setup.simulation),
            faults=setup.faults,
            most_faults=setup.most_faults,
            on_turn=self._count_turn,
            on_fault=on_accident,
            **setup.runner,
        )
        # Replay at every decision: it finds the most, and is the fastest for short executions.
        self.runner.scheduler.worker_pools.suspended = SuspendedExecutions(0)
        if on_code is not None:
            self.runner.scheduler.worker_pools.on_code = on_code
        for each in setup.invariants:
            self.runner.invariant(each)

    def run(self, test: Test) -> Attempt:
        """Run the test and check the invariants of the service itself; return this attempt.

        Raises:
            ConfigurationError: the test itself is wrong, so every other run would fail as well.
        """
        try:
            test(self.runner)
            self.runner.check_goals()
            check(self.runner.simulation.engine())
        except PrunedError:
            self.pruned = True
        except ConfigurationError:
            raise
        except Exception as error:
            self.error = error
        finally:
            self.runner.scheduler.worker_pools.discard_loops()
        return self

    def _count_turn(self) -> None:
        self._turns += 1
        if self._turns > self._most_turns:
            raise EndlessError(
                f"the run took more than {self._most_turns} turns and probably never ends; if it "
                "is only long, give a higher most_turns"
            )
        if self._on_turn is not None:
            self._on_turn(self.runner)


def failure_key(error: BaseException) -> tuple[object, ...]:
    """Return what identifies a failure: the type of the exception and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = (frames[-1].filename, frames[-1].lineno) if frames else ()
    return type(error), *where
