"""How late the service is: with effects that come after their cause, and with what falls due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

#: What happens by itself. First effects that follow their cause as transactions of their own,
#: then what falls due at an instant that a request or a decision has set.
KINDS = (
    "zero timer",
    "activity cancel",
    "external request",
    "external confirmation",
    "child start",
    "child started",
    "child close",
    "child policy",
    "lambda start",
    "lambda close",
    "timer",
    "activity task time-out",
    "decision task time-out",
    "execution time-out",
    "lambda time-out",
)


class Latency(Protocol):
    """Says how late something may be; the schedule chooses one of the delays."""

    def delays(self, kind: str, workflow_id: str, event_id: int, due: int) -> tuple[int, ...]:
        """Return the delays in milliseconds that may be chosen.

        Args:
            kind: one of `KINDS`.
            workflow_id: the execution whose event is the cause; for what a child does, the
                parent.
            event_id: the event that is the cause: the one that scheduled, initiated or
                started what this is about.
            due: when it would happen without delay, in milliseconds since 1970.
        """
        ...


_ON_TIME = (0,)


class Delays:
    """The same delays for every execution.

    Example:
        >>> Delays({"child start": (20,)}).delays("child start", "order-1", 5, due=0)
        (20,)
        >>> ZERO.delays("child start", "order-1", 5, due=0)
        (0,)
    """

    def __init__(self, table: Mapping[str, tuple[int, ...]]) -> None:
        """Take the delays in milliseconds by kind; a kind not named has none.

        Raises:
            ValueError: a kind is unknown, or a delay is not a number of milliseconds.
        """
        for kind, delays in table.items():
            if kind not in KINDS:
                raise ValueError(f"There is no kind {kind!r}; the kinds are {', '.join(KINDS)}.")
            if not delays or min(delays) < 0:
                raise ValueError(
                    f"The delays of {kind!r} are {delays!r}; "
                    "they have to be one or more whole numbers of milliseconds."
                )
        self._table = dict(table)

    def delays(self, kind: str, workflow_id: str, event_id: int, due: int) -> tuple[int, ...]:
        """Return the delays in milliseconds that may be chosen for a kind."""
        return self._table.get(kind, _ON_TIME)


#: A few milliseconds each, in the order that recordings show: timers and signals, then
#: children, then Lambda functions. Assumption: effect-order: the service promises no order.
DEFAULT = Delays(
    {
        "zero timer": (5,),
        "activity cancel": (5,),
        "external request": (10,),
        "external confirmation": (5,),
        "child start": (20,),
        "child started": (5,),
        "child close": (5,),
        "child policy": (5,),
        "lambda start": (30,),
        "lambda close": (5,),
    }
)

#: Everything at the instant of its cause, still as transactions of their own.
ZERO = Delays({})

#: As measured on the real service: the least, the median and the greatest.
RECORDED = Delays(
    {
        "zero timer": (12, 17, 123),
        "activity cancel": (12, 17, 123),
        "external request": (39, 61, 83),
        "external confirmation": (13, 18, 22),
        "child start": (59, 100, 182),
        "child started": (1, 20, 66),
        "child close": (20, 50, 250),
        "child policy": (20, 50, 250),
        "lambda start": (26,),
        "lambda close": (20,),
        "timer": (1, 5, 15),
        "activity task time-out": (1, 6, 19),
        "decision task time-out": (6, 19),
        "execution time-out": (1, 6, 19),
        "lambda time-out": (1, 6, 19),
    }
)
