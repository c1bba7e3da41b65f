"""What came to an execution from outside: signals that nobody has taken yet, and cancellation."""

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
    """Signals by name, each name's in the order in which they came; and requests to cancel.

    Attributes:
        cancel_requested: whether the execution was asked to cancel itself.
        cancel_pending: whether ``run`` has not heard of that.
    """

    def __init__(self) -> None:
        self.cancel_requested = False
        self.cancel_pending = False
        self._waiting: dict[str, deque[Arrival]] = {}

    def arrived(self, name: str, text: str | None, when: int) -> None:
        """Keep a signal until somebody takes it."""
        arrival = Arrival(Signal(name, text or None), when)
        self._waiting.setdefault(name, deque()).append(arrival)

    def asked_to_cancel(self) -> None:
        """Keep a request to cancel; ``run`` hears of the first."""
        self.cancel_pending = self.cancel_pending or not self.cancel_requested
        self.cancel_requested = True

    def carried_over(self, signals: Iterable[Signal]) -> None:
        """Put what an earlier run did not take before what came since."""
        later, self._waiting = self._waiting, {}
        for signal in signals:
            if signal == CANCEL_REQUEST:
                self.asked_to_cancel()
            else:
                self.arrived(*signal, when=0)
        for name, arrivals in later.items():
            self._waiting.setdefault(name, deque()).extend(arrivals)

    def take(self, name: str) -> Arrival | None:
        """Give out the signal of a name that came first; None if there is none."""
        waiting = self._waiting.get(name)
        return waiting.popleft() if waiting else None

    @property
    def unhandled(self) -> list[Signal]:
        """What the next run of the execution has to know: what nobody took of what came."""
        untaken = [arrival.signal for waiting in self._waiting.values() for arrival in waiting]
        return [*untaken, CANCEL_REQUEST] if self.cancel_pending else untaken
