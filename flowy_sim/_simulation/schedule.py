"""The one place where a simulation chooses.

Wherever the service leaves something open (which waiting task is handed out, which of two effects
at one instant comes first), the simulation asks its schedule. There is no other source of chance.
"""

from __future__ import annotations

from random import Random
from typing import Protocol


class Schedule(Protocol):
    """Makes the choices of a simulation."""

    def choose(self, kind: str, count: int) -> int:
        """Choose one of several possibilities.

        Args:
            kind: what is chosen, such as ``activity task``.
            count: how many possibilities there are, at least 1.

        Returns:
            The index of the possibility chosen, from 0 to `count` - 1.
        """
        ...


class FirstChoice:
    """Always chooses the first possibility: the one that has waited longest."""

    def choose(self, kind: str, count: int) -> int:
        """Return 0."""
        return 0


class RandomChoice:
    """Chooses at random from a seed; the same seed makes the same choices.

    Example:
        >>> schedule = RandomChoice(7)
        >>> [schedule.choose("poll", 3) for _ in range(5)]
        [0, 0, 1, 0, 1]
    """

    def __init__(self, seed: int) -> None:
        """Start the choices that belong to a seed."""
        self._random = Random(seed)

    def choose(self, kind: str, count: int) -> int:
        """Return an index drawn at random."""
        # random() alone is promised to give the same numbers on every version of Python.
        return int(self._random.random() * count)
