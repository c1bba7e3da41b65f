"""What arrives from outside: signals that have not been taken yet, and cancel requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple


class ArrivedSignal(NamedTuple):
    """A signal that has arrived."""

    name: str
    text: str | None
    """The value that it carries, as text; None for nothing."""


CANCEL_REQUEST = ArrivedSignal("", None)
"""Represents a cancel request among the signals passed to the next run; no signal has this name."""


class Arrival(NamedTuple):
    """A signal, and its position in the order in which calls ended and signals arrived."""

    signal: ArrivedSignal
    when: int


class Signals:
    """Signals by name, in the order in which they arrived, and cancel requests.

    Attributes:
        cancel_requested: whether the execution was asked to cancel itself.
        cancel_pending: whether ``run`` has not learned of it yet.
    """

    def __init__(self) -> None:
        self.cancel_requested = False
        self.cancel_pending = False
        self._waiting: dict[str, deque[Arrival]] = {}

    def arrived(self, name: str, text: str | None, when: int) -> None:
        """Keep a signal until it is taken."""
        arrival = Arrival(ArrivedSignal(name, text or None), when)
        self._waiting.setdefault(name, deque()).append(arrival)

    def asked_to_cancel(self) -> None:
        """Keep a cancel request; ``run`` learns of the first one only."""
        self.cancel_pending = self.cancel_pending or not self.cancel_requested
        self.cancel_requested = True

    def carried_over(self, signals: Iterable[ArrivedSignal]) -> None:
        """Insert the signals that an earlier run did not take, before those that arrived since."""
        later, self._waiting = self._waiting, {}
        for signal in signals:
            if signal == CANCEL_REQUEST:
                self.asked_to_cancel()
            else:
                self.arrived(*signal, when=0)
        for name, arrivals in later.items():
            self._waiting.setdefault(name, deque()).extend(arrivals)

    def take(self, name: str) -> Arrival | None:
        """Return the signal of a name that arrived first and remove it; None if there is none."""
        waiting = self._waiting.get(name)
        return waiting.popleft() if waiting else None

    @property
    def unhandled(self) -> list[ArrivedSignal]:
        """What the next run has to be given: signals and a cancel request that were not handled."""
        untaken = [arrival.signal for waiting in self._waiting.values() for arrival in waiting]
        return [*untaken, CANCEL_REQUEST] if self.cancel_pending else untaken
