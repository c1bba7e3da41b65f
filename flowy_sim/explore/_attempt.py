"""One run of an explored test: how it is set up and what it ended with."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowy._decider.suspended import DEFAULT_LIMIT, SuspendedExecutions
from flowy.errors import ConfigurationError
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.invariants import check
from flowy_sim._events.schema import attributes_of
from flowy_sim.explore._choices import RecordingSchedule
from flowy_sim.explore._report import Space
from flowy_sim.faults import KINDS
from flowy_sim.faults._fault import InjectedFault
from flowy_sim.testing import Runner
from flowy_sim.testing._loop_pools import LoopPool
from flowy_sim.testing._run import Run
from flowy_sim.testing._runner import MOST_FAULTS

Test = Callable[[Runner], object]
"""What is explored: a function that runs workflows with the runner it receives, and asserts."""


class PrunedError(BaseException):
    """A run has reached a state whose continuations are already being explored."""


class CutShortError(PrunedError):
    """A run takes longer than there is time left."""


_LONG_RUN = 200
"""The turns from which on executions are kept suspended, because replaying them takes longer."""


_MOST_NAMED = 3
"""The executions or loops that the error names at most."""


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
        undisturbed: the number of seconds that executions take without disturbances, from which
            it is derived how long others may take; None if that is not checked.
    """

    faults: Sequence[InjectedFault] = ()
    most_faults: int = MOST_FAULTS
    simulation: Mapping[str, Any] = field(default_factory=dict)
    runner: Mapping[str, Any] = field(default_factory=dict)
    invariants: Sequence[Callable[..., object]] = ()
    most_turns: int = 1_000
    undisturbed: float | None = None

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
        cut_short: whether the run was abandoned because it took too long.
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
        self.pruned = self.cut_short = False
        self._most_turns = setup.most_turns
        self._undisturbed = setup.undisturbed
        self._faults = setup.faults
        self._turns = 0
        self._halfway: Counter[str] = Counter()
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
        self._suspended = SuspendedExecutions(0)
        self.runner.scheduler.worker_pools.suspended = self._suspended
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
            with self.runner.scheduler.worker_pools.test_environment():
                with self.runner.turn_loop.frozen_test():
                    test(self.runner)
                self.runner.check_goals()
                self._check_liveness()
                check(self.runner.simulation.engine(), all_lists=False)
        except PrunedError as error:
            self.pruned, self.cut_short = True, isinstance(error, CutShortError)
        except ConfigurationError:
            raise
        except Exception as error:
            self.error = error
        finally:
            self._suspended.clear()
        return self

    def _check_liveness(self) -> None:
        """Check that executions have ended in time, once all disturbances were over.

        The time is that which they take without disturbances; and for each disturbance, once all
        that they have waited for: their timers, and the time-outs of their tasks. Where other
        values were chosen, such as arguments, they may loop more often, so that is not checked.

        Raises:
            AssertionError: one has not.
        """
        if self._undisturbed is None:
            return
        expected = _ORDERS.union(fault.describe() for fault in self._faults)
        if any(taken and kind not in expected for kind, _, taken in self.schedule.made):
            return
        disturbances = self.runner.scheduler.disturbances
        disturbed_at = self.runner.scheduler.disturbed_at
        for chain in _chains(self.runner.runs):
            began, closed = _span(chain)
            seconds = (closed - max(began, disturbed_at)).total_seconds()
            once = sum(_waits(chain).values())
            limit = self._undisturbed + (disturbances + 1) * once
            if seconds > limit:
                raise AssertionError(
                    f"{chain[-1].describe()}: it ended {seconds:,.0f} s after the last "
                    f"disturbance; its timers and time-outs allow {limit:,.0f} s "
                    f"({self._undisturbed:,.0f} s without disturbances, and {once:,.0f} s for each "
                    f"of {disturbances + 1})"
                )

    def _lengths(self) -> Counter[str]:
        """Return the number of events of each execution, with all its runs."""
        lengths: Counter[str] = Counter()
        for each in self.runner.simulation.engine().executions.values():
            lengths[each.workflow_id] += len(each)
        return lengths

    def _second_half(self) -> str:
        """Say what happens in a run that does not end."""
        grown = (self._lengths() - self._halfway).most_common(_MOST_NAMED)
        if grown:
            return " and ".join(f"{name} got {events:,} events" for name, events in grown)
        calls = [
            f"{pool.last_call} by {pool.name}"
            for pool in self.runner.scheduler.worker_pools.pools
            if isinstance(pool, LoopPool) and pool.last_call
        ]
        last = f"; the last calls were {' and '.join(calls[:_MOST_NAMED])}" if calls else ""
        return f"no history grew{last}"

    def _count_turn(self) -> None:
        self._turns += 1
        if self._turns == _LONG_RUN:
            self._suspended.limit = DEFAULT_LIMIT
        if self._turns == self._most_turns // 2:
            self._halfway = self._lengths()
        if self._turns > self._most_turns:
            raise EndlessError(
                f"the run took more than {self._most_turns} turns and probably never ends: in the "
                f"second half, {self._second_half()}; if it is only long, give a higher most_turns"
            )
        if self._on_turn is not None:
            self._on_turn(self.runner)


_ORDERS = frozenset(
    {
        "turn",
        "poll",
        "effect",
        "call",
        "a call is overtaken",
        "decision task",
        "activity task",
        "which is first",
        "which signal",
        "which deciders stay",
        "error",
    }
)
"""The kinds of choices, apart from faults, that change no value that a workflow receives."""


def longest_execution(runner: Runner) -> float:
    """Return the number of seconds that the longest execution of a test took, with its restarts."""
    spans = map(_span, _chains(runner.runs))
    return max(((closed - began).total_seconds() for began, closed in spans), default=0)


def _chains(runs: Iterable[Run]) -> list[list[Run]]:
    """Return the runs of each execution, which has one run unless it continues as new."""
    chains: dict[str, list[Run]] = {}
    for run in runs:
        chains.setdefault(run.workflow_id, []).append(run)
    return list(chains.values())


def _span(chain: list[Run]) -> tuple[datetime, datetime]:
    return chain[0].history[0]["eventTimestamp"], chain[-1].history[-1]["eventTimestamp"]


_TIMEOUTS = (
    "startToFireTimeout",
    "scheduleToCloseTimeout",
    "startToCloseTimeout",
    "executionStartToCloseTimeout",
)


def _waits(chain: list[Run]) -> dict[tuple[str, str], float]:
    """Return the seconds for which an execution can wait, once for each kind of wait.

    A kind is a timer of some length, or a type of activity, Lambda function, child or task.
    """
    found: dict[tuple[str, str], float] = {}
    for run in chain:
        for event in run.history[1:]:
            attributes = attributes_of(event)
            limits = [attributes[name] for name in _TIMEOUTS if name in attributes]
            limits = [each for each in limits if each != "NONE"]
            if limits:
                named = attributes.get("activityType") or attributes.get("workflowType")
                about = str(named or attributes.get("name") or limits[0])
                before_start = attributes.get("scheduleToStartTimeout", "NONE")
                waits = 0 if before_start == "NONE" else int(before_start)
                found[event["eventType"], about] = min(map(int, limits)) + waits
    return found


def failure_key(error: BaseException) -> tuple[object, ...]:
    """Return what identifies a failure: the type of the exception and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = (frames[-1].filename, frames[-1].lineno) if frames else ()
    return type(error), *where
