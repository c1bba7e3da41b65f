"""Which runs are made: systematically and without repeats, those that deviate least first.

A run is told from others by its choices. Wherever it chose one possibility, each other one is an
alternative: a run that begins with the same choices and then chooses otherwise. The frontier holds
the alternatives that have not been tried. When it is empty, all runs have been made.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from random import Random
from typing import NamedTuple

from flowy_sim._engine import first
from flowy_sim.explore._choices import Given, Made

MANY = 500
"""So many untried alternatives make it a large space, of which every other run is a sample."""

FAULT_WEIGHT = 0.01
"""How probable it is that a fault strikes where it can, in a run at random."""


class Alternative(NamedTuple):
    """A run that has not been made.

    Attributes:
        chosen: the choices of the run whose alternative it is.
        position: which of these is made otherwise.
        taken: what is chosen there.
        weight: how probable it is that a run at random begins like this.
    """

    chosen: tuple[int, ...]
    position: int
    taken: int
    weight: float

    @property
    def begins(self) -> list[int]:
        """What is chosen up to there."""
        return [*self.chosen[: self.position], self.taken]


class Search:
    """Chooses what to try next.

    Args:
        seed: the samples follow from it.
        faults: the kinds of choices that are about whether a fault strikes.

    Attributes:
        covered: the share of all runs, by their probability, that have been made.
    """

    def __init__(self, seed: int, faults: Set[str]) -> None:
        """Start with everything untried."""
        self.covered = 0.0
        self._random = Random(seed)
        self._faults = faults
        self._levels: list[list[Alternative]] = [[Alternative((), 0, 0, 1.0)]]
        self._size = 1
        self._systematic = True

    def __len__(self) -> int:
        """Return how many alternatives are known and untried."""
        return self._size

    def next(self) -> tuple[Alternative, Given]:
        """Take the next alternative, and the schedule that makes its choices."""
        self._systematic = self._size < MANY or not self._systematic
        filled = [level for level in self._levels if level]
        if self._systematic:
            level, index = filled[0], -1
        else:
            level = self._random.choice(filled)
            index = self._random.randrange(len(level))
        level[index], level[-1] = level[-1], level[index]
        alternative = level.pop()
        self._size -= 1
        begins = alternative.begins if alternative.chosen else []
        then = first if self._systematic else self._at_random
        return alternative, Given(begins, then)

    def learn(self, alternative: Alternative, made: Sequence[Made]) -> None:
        """Add the alternatives of a run that was made to those untried."""
        begins = alternative.position + 1 if alternative.chosen else 0
        indices = tuple([taken for _, _, taken in made])
        weight = alternative.weight
        level = sum(map(bool, indices[:begins]))
        for position in range(begins, len(made)):
            kind, count, chosen = made[position]
            for index in range(count):
                if index != chosen:
                    share = weight * self._weight(kind, count, index)
                    self._add(level + 1, Alternative(indices, position, index, share))
            weight *= self._weight(kind, count, chosen)
            level += chosen > 0
        self.covered += weight

    def deal(self, hands: int) -> list[list[Alternative]]:
        """Give away everything untried, in equal parts."""
        everything = [each for level in self._levels for each in level]
        self._levels, self._size = [[]], 0
        return [everything[hand::hands] for hand in range(hands)]

    def take(self, hand: Sequence[Alternative]) -> None:
        """Take over alternatives in place of what is untried here."""
        self._levels, self._size = [[]], 0
        for each in hand:
            self._add(sum(map(bool, each.begins)), each)

    def _add(self, level: int, alternative: Alternative) -> None:
        while len(self._levels) <= level:
            self._levels.append([])
        self._levels[level].append(alternative)
        self._size += 1

    def _weight(self, kind: str, count: int, index: int) -> float:
        if kind in self._faults:
            return FAULT_WEIGHT if index else 1 - FAULT_WEIGHT
        return 1 / count

    def _at_random(self, kind: str, count: int) -> int:
        if kind in self._faults:
            return int(self._random.random() < FAULT_WEIGHT)
        return int(self._random.random() * count)
