"""What a planted bug is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from flowy_sim.explore import Exploration, find
from flowy_sim.explore._attempt import Attempt
from flowy_sim.explore._choices import Given
from flowy_sim.explore._explore import setting_for
from flowy_sim.explore._search import FAULT_WEIGHT
from flowy_sim.faults import InjectedFault
from flowy_sim.testing import Runner

Planted = Callable[[Runner, bool], None]

MODULES = (
    "lost_signals",
    "double_effects",
    "late_results",
    "cancel_races",
    "refused_decisions",
    "orders",
    "nondeterminism",
    "waiting_workflows",
)
"""Where they are."""

PLANTED: list[Bug] = []
"""All of them."""


@dataclass(frozen=True)
class Bug:
    """A test of code with a bug, and of the same code without it.

    Attributes:
        test: given a runner, and whether the code is to be without the bug.
        faults: what may go wrong while it is looked for.
        twin: what may go wrong without the bug.
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
        """Where it belongs."""
        return self.test.__module__.rpartition(".")[2].replace("_", " ")

    def is_found_at_random(self, runs: int, faults: bool) -> bool:
        """Return whether so many runs with all choices made at random meet with it.

        Args:
            runs: how many.
            faults: whether faults strike, too, one time in a hundred.
        """
        setting = setting_for(faults=self.faults, **self.others)
        kinds = {fault.describe() for fault in self.faults}
        for seed in range(runs):
            random = Random(seed)

            def choose(kind: str, count: int, random: Random = random) -> int:
                if kind in kinds:
                    return int(faults and random.random() < FAULT_WEIGHT)
                return int(random.random() * count)

            attempt = Attempt(setting, Given(then=choose))
            if attempt.make(self._test(False)).error is not None:
                return True
        return False

    def find(self, mended: bool = False, **options: Any) -> Exploration:
        """Look for it, or for any bug in its mended twin."""
        test = self._test(mended)
        faults = self.twin if mended else self.faults
        return find(test, **{"faults": faults, **self.others, **options})

    def _test(self, mended: bool) -> Callable[[Runner], None]:
        def test(runner: Runner) -> None:
            self.test(runner, mended)

        test.__name__ = self.test.__name__
        return test


def planted(
    faults: Iterable[InjectedFault] = (), twin: Iterable[InjectedFault] | None = None, **others: Any
) -> Callable[[Planted], Planted]:
    """Add a bug; a decorator of its test."""
    going_wrong = tuple(faults)
    without = going_wrong if twin is None else tuple(twin)

    def add(test: Planted) -> Planted:
        PLANTED.append(Bug(test, going_wrong, without, others))
        return test

    return add
