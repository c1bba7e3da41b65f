"""The schedule: the one place where a simulation makes choices.

Wherever the service leaves something open (which waiting task is handed out, which of two effects
at one instant comes first), the simulation asks its schedule. There is no other randomness.
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
            count: the number of possibilities, at least 1.

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
    """Makes random choices; the same seed makes the same choices.

    Args:
        seed: the seed of the random numbers.

    Example:
        >>> schedule = RandomChoice(7)
        >>> [schedule.choose("poll", 3) for _ in range(5)]
        [0, 0, 1, 0, 1]
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def choose(self, kind: str, count: int) -> int:
        """Return a random index."""
        # Only random() is guaranteed to return the same numbers on every version of Python.
        return int(self._random.random() * count)
