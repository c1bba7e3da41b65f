"""Latency: the delays of effects that follow a call, and of time-outs and timers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

#: What takes time: first the effects that follow their cause in a transaction of their own, then
#: those that are due at an instant that a request or a decision has set, and the calls of clients.
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
    "call",
)

#: The kinds that wait for nothing but their latency. Lambda functions are not among them: they take
#: as long as they take.
FOLLOWING = frozenset(KINDS[:8])
#: The kinds that end something which was not answered in time.
TIME_OUTS = frozenset(kind for kind in KINDS if kind.endswith("time-out"))

_ON_TIME = (0,)


class Latency:
    """How late effects happen; where a kind has several delays, the schedule chooses one.

    Three are ready to use:

    - `Latency.DEFAULT`: a few milliseconds for each effect that follows a call, so that they
      happen in the order that recordings show: timers and signals, then children, then Lambda
      functions. Timers and time-outs are punctual. A call takes one millisecond.
    - `Latency.ZERO`: everything happens at the instant of its cause, still in transactions of its
      own. Calls take no time.
    - `Latency.RECORDED`: as measured on the real service: the least, the median and the greatest
      delay of each kind.

    The kind ``call`` is the time that passes until a client has the reply to a call that has
    changed something, or to a poll that has found a task. So no two events that a client causes are
    at the same instant. It applies on a virtual clock, and not to clients that are exact; see
    `flowy_sim.Simulation.client`.

    Subclass it to make delays depend on more than the kind.

    Args:
        delays: the delays in milliseconds from which the schedule may choose, by kind. A kind
            that is left out is punctual.

    Raises:
        ValueError: a kind is unknown, or a delay is not a number of milliseconds.

    Example:
        >>> Latency({"child start": (20,)}).delays("child start", "order-1", 5, due=0)
        (20,)
        >>> Latency.ZERO.delays("child start", "order-1", 5, due=0)
        (0,)
    """

    DEFAULT: ClassVar[Latency]
    ZERO: ClassVar[Latency]
    RECORDED: ClassVar[Latency]

    def __init__(self, delays: Mapping[str, tuple[int, ...]]) -> None:
        for kind, choices in delays.items():
            if kind not in KINDS:
                raise ValueError(f"There is no kind {kind!r}; the kinds are {', '.join(KINDS)}.")
            if not choices or min(choices) < 0:
                raise ValueError(
                    f"The delays of {kind!r} are {choices!r}; "
                    "give one or more whole numbers of milliseconds."
                )
        self._delays = dict(delays)

    def delays(self, kind: str, workflow_id: str, event_id: int, due: int) -> tuple[int, ...]:
        """Return the delays in milliseconds from which the schedule may choose.

        Args:
            kind: what is going to happen, such as ``child start``.
            workflow_id: the execution whose event is the cause; for what a child does, the
                parent; empty for a call.
            event_id: the event that is the cause: the one that scheduled, initiated or started
                what this is about; 0 for a call.
            due: when it would happen without delay, in milliseconds since 1970.
        """
        return self._delays.get(kind, _ON_TIME)


# Assumption: effect-order: the service promises no order; this one is as recorded.
Latency.DEFAULT = Latency(
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
        "call": (1,),
    }
)

Latency.ZERO = Latency({})

Latency.RECORDED = Latency(
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
        "call": (1,),
    }
)
