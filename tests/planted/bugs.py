"""Planted bugs: what one is, and the registry of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from flowy_sim.explore import Exploration, find
from flowy_sim.explore._attempt import Attempt
from flowy_sim.explore._choices import FAULT_WEIGHT, PrefixSchedule
from flowy_sim.explore._explore import make_setup
from flowy_sim.faults import InjectedFault
from flowy_sim.testing import Runner

Planted = Callable[[Runner, bool], None]

MODULES = (
    "tests.planted.lost_signals",
    "tests.planted.double_effects",
    "tests.planted.late_results",
    "tests.planted.cancel_races",
    "tests.planted.refused_decisions",
    "tests.planted.orders",
    "tests.planted.nondeterminism",
    "tests.planted.waiting_workflows",
    "tests.planted.failing_activities",
    "tests.planted.slow_work",
    "tests.planted.any_results",
    "tests.planted.deaths_midway",
    "tests.planted.lambda_functions",
    "tests.planted.failing_calls",
    "tests.planted.threads",
    "tests.planted.moments",
    "tests.planted.processes",
    "tests.planted.on_request",
    "tests.planted.everyday",
)
"""The modules that hold the bugs, one for each kind."""

PLANTED: list[Bug] = []
"""All bugs of the modules that have been imported."""


@dataclass(frozen=True)
class Bug:
    """A test of code with a bug, and of its twin: the same code with the bug fixed.

    Attributes:
        test: the test; it receives a runner, and whether to test the twin.
        faults: the faults that may strike while the bug is searched for.
        twin: the faults that may strike in the twin.
        others: other options of `find`.
    """

    test: Planted
    faults: tuple[InjectedFault, ...]
    twin: tuple[InjectedFault, ...]
    others: dict[str, Any]

    def __str__(self) -> str:
        return self.test.__name__.replace("_", " ")

    @property
    def kind(self) -> str:
        """The kind of bug, from the name of its module."""
        return self.test.__module__.rpartition(".")[2].replace("_", " ")

    def is_found_at_random(self, runs: int, faults: bool) -> bool:
        """Return whether a number of runs, in which all choices are random, find the bug.

        Args:
            runs: the number of runs.
            faults: whether faults also strike, one time in a hundred.
        """
        setup = make_setup(faults=self.faults, **self.others)
        kinds = {fault.describe() for fault in self.faults}
        for seed in range(runs):
            random = Random(seed)

            def choose(kind: str, count: int, random: Random = random) -> int:
                if kind in kinds:
                    return int(faults and random.random() < FAULT_WEIGHT)
                return int(random.random() * count)

            attempt = Attempt(setup, PrefixSchedule(then=choose))
            if attempt.run(self._test(False)).error is not None:
                return True
        return False

    def find(self, fixed: bool = False, **options: Any) -> Exploration:
        """Search for the bug, or for any bug in its fixed twin."""
        test = self._test(fixed)
        faults = self.twin if fixed else self.faults
        return find(test, **{"faults": faults, **self.others, **options})

    def _test(self, fixed: bool) -> Callable[[Runner], None]:
        def test(runner: Runner) -> None:
            self.test(runner, fixed)

        test.__name__ = self.test.__name__
        return test


def planted(
    faults: Iterable[InjectedFault] = (), twin: Iterable[InjectedFault] | None = None, **others: Any
) -> Callable[[Planted], Planted]:
    """Register a bug; a decorator of its test."""
    going_wrong = tuple(faults)
    without = going_wrong if twin is None else tuple(twin)

    def add(test: Planted) -> Planted:
        PLANTED.append(Bug(test, going_wrong, without, others))
        return test

    return add
