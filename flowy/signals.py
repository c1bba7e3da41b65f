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


class Arrival(NamedTuple):
    """A signal, and when it came, as the decider counts outcomes."""

    signal: Signal
    when: int


class Signals:
    """Signals by name, each name's in the order in which they came."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: dict[str, deque[Arrival]] = {}

    def arrived(self, name: str, text: str | None, when: int) -> None:
        """Keep a signal until somebody takes it."""
        arrival = Arrival(Signal(name, text or None), when)
        self._waiting.setdefault(name, deque()).append(arrival)

    def carried_over(self, signals: Iterable[Signal]) -> None:
        """Put the signals that an earlier run did not take before those that came since."""
        later, self._waiting = self._waiting, {}
        for signal in signals:
            self.arrived(*signal, when=0)
        for name, arrivals in later.items():
            self._waiting.setdefault(name, deque()).extend(arrivals)

    def take(self, name: str) -> Arrival | None:
        """Give out the signal of a name that came first; None if there is none."""
        waiting = self._waiting.get(name)
        return waiting.popleft() if waiting else None

    @property
    def untaken(self) -> list[Signal]:
        """All that nobody took."""
        return [arrival.signal for waiting in self._waiting.values() for arrival in waiting]
