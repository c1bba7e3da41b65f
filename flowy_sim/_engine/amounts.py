"""Numbers that travel as text: durations, retention periods and priorities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ONE_YEAR = 31_536_000


@dataclass(frozen=True)
class Amount:
    """What numbers a member holds that travels as text.

    Attributes:
        lowest: the smallest number allowed.
        highest: the largest.
        none: whether ``NONE`` is allowed too.
        unit: what is counted, for the message.
    """

    lowest: int
    highest: int
    none: bool
    unit: str = "number of seconds"


# As documented.
# Assumption: unparsable-amounts: the service's texts for durations, priorities and retention
# periods that it refuses are unknown; they are reported like every other broken constraint.
AMOUNTS_BY_SHAPE = {
    "DurationInSecondsOptional": Amount(0, 10**8, none=True),
    "DurationInSeconds": Amount(0, 10**8, none=False),
    "DurationInDays": Amount(0, 90, none=True, unit="number of days"),
    "TaskPriority": Amount(-(2**31), 2**31 - 1, none=False, unit="number"),
}
AMOUNTS_BY_MEMBER = {
    "executionStartToCloseTimeout": Amount(0, ONE_YEAR, none=False),
    "defaultExecutionStartToCloseTimeout": Amount(0, ONE_YEAR, none=False),
    "scheduleLambdaFunctionDecisionAttributes.startToCloseTimeout": Amount(1, 900, none=False),
}


def amount_of(shape: Any, path: str) -> Amount | None:
    """Return the numbers a text member may hold, or None where it is free text."""
    for depth in (1, 2):
        member = ".".join(path.split(".")[-depth:])
        if member in AMOUNTS_BY_MEMBER:
            return AMOUNTS_BY_MEMBER[member]
    return AMOUNTS_BY_SHAPE.get(shape.name)
