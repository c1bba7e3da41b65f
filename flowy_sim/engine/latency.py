"""How long the service takes over what it does after a call has been answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

#: The effects that are transactions of their own, each with how long after its cause it lands.
EFFECTS = (
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
)


class Latency(Protocol):
    """Says which delays an effect may have; the schedule chooses one of them."""

    def delays(self, effect: str, workflow_id: str, event_id: int) -> tuple[int, ...]:
        """Return the delays in milliseconds that may be chosen.

        Args:
            effect: one of `EFFECTS`.
            workflow_id: the execution whose event is the cause.
            event_id: the event that is the cause.
        """
        ...


class Delays:
    """The same delays for every execution.

    Example:
        >>> Delays({"child start": (20,)}).delays("child start", "order-1", 5)
        (20,)
        >>> ZERO.delays("child start", "order-1", 5)
        (0,)
    """

    def __init__(self, table: Mapping[str, tuple[int, ...]]) -> None:
        """Take the delays in milliseconds by effect; an effect not named has none.

        Raises:
            ValueError: an effect is unknown, or a delay is not a number of milliseconds.
        """
        for effect, delays in table.items():
            if effect not in EFFECTS:
                raise ValueError(
                    f"There is no effect {effect!r}; the effects are {', '.join(EFFECTS)}."
                )
            if not delays or min(delays) < 0:
                raise ValueError(
                    f"The delays of {effect!r} are {delays!r}; "
                    "they have to be one or more whole numbers of milliseconds."
                )
        self._table = dict(table)

    def delays(self, effect: str, workflow_id: str, event_id: int) -> tuple[int, ...]:
        """Return the delays in milliseconds that may be chosen for an effect."""
        return self._table.get(effect, (0,))


#: A few milliseconds each, in the order that recordings show: timers and signals, then
#: children, then Lambda functions.
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
    }
)
