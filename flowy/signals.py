"""The signals that an execution got and that nobody has taken yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple


class Signal(NamedTuple):
    """A signal that arrived."""

    name: str
    text: str | None
    """What it carries, as it travelled; None for nothing."""


CANCEL_REQUEST = Signal("", None)
"""Stands for a request to cancel where a run hands on what came; no signal has such a name."""


class Signals:
    """Signals by name, each name's in the order in which they came."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: dict[str, deque[Signal]] = {}

    def arrived(self, name: str, text: str | None) -> None:
        """Keep a signal until somebody takes it."""
        self._waiting.setdefault(name, deque()).append(Signal(name, text or None))

    def carried_over(self, signals: Iterable[tuple[str, str | None]]) -> None:
        """Put the signals that an earlier run did not take before those that came since."""
        later, self._waiting = self.untaken, {}
        for name, text in (*signals, *later):
            self.arrived(name, text)

    def take(self, name: str) -> Signal | None:
        """Give out the signal of a name that came first; None if there is none."""
        waiting = self._waiting.get(name)
        return waiting.popleft() if waiting else None

    @property
    def untaken(self) -> list[Signal]:
        """All that nobody took."""
        return [signal for waiting in self._waiting.values() for signal in waiting]
