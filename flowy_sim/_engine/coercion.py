"""Values as the service's types, and the service's messages for values that are wrong.

A value of the wrong type is a SerializationException. The service is written in Java, and its
answers show it: a number instead of a text is refused with ``class java.lang.Short can not be
converted to an String``, as reported in 2015. A value that breaks a constraint is a
`BrokenConstraint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from flowy_sim._engine.faults import SerializationException
from flowy_sim._engine.model import EPOCH, MILLISECOND

# Assumption: coercion-texts: the texts that are not reported for this service are those that
# another service of the same framework gave at that time.

INTEGER_CLASSES = (("Short", 15), ("Integer", 31), ("Long", 63))


def java_class(value: object) -> str:
    """Return the Java class that the service's JSON parser makes of a value.

    >>> java_class(5), java_class(40_000), java_class(True)
    ('java.lang.Short', 'java.lang.Integer', 'java.lang.Boolean')
    """
    if isinstance(value, bool):
        return "java.lang.Boolean"
    if isinstance(value, int):
        for name, bits in INTEGER_CLASSES:
            if -(1 << bits) <= value < 1 << bits:
                return f"java.lang.{name}"
        return "java.math.BigInteger"
    if isinstance(value, float):
        return "java.lang.Double"
    if isinstance(value, str):
        return "java.lang.String"
    return type(value).__name__


def unlike_scalar(value: object, target: str) -> SerializationException:
    """Return the fault for a value that cannot become a scalar, such as ``an String``."""
    if isinstance(value, Mapping):
        return SerializationException("Start of structure or map found where not expected.")
    if isinstance(value, list | tuple):
        return SerializationException("Start of list found where not expected")
    return SerializationException(f"class {java_class(value)} can not be converted to {target}")


def as_text(value: object) -> str:
    """Return plain text, also for a subclass of ``str``."""
    if isinstance(value, str):
        return str.__str__(value)
    raise unlike_scalar(value, "an String")


def as_integer(value: object) -> int:
    """Return a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise unlike_scalar(value, "an Integer")
    if not isfinite(value):
        raise SerializationException
    # Assumption: decimal-numbers: decimals are cut off.
    return int(value)


def as_flag(value: object) -> bool:
    """Return a truth value."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        raise SerializationException(f"'{value}' can not be converted to an Boolean")
    raise unlike_scalar(value, "an Boolean")


def as_milliseconds(value: object) -> int:
    """Return milliseconds since the epoch.

    Args:
        value: a datetime (UTC if it names no time zone), or seconds since the epoch.
    """
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return (aware - EPOCH) // MILLISECOND
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise unlike_scalar(value, "milliseconds since epoch")
    if isinstance(value, int):
        return int(value) * 1000
    if not isfinite(value * 1000):
        raise SerializationException
    return round(value * 1000)


def as_list(value: object) -> list[Any]:
    """Return a list, also for a tuple."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, Mapping):
        raise unlike_scalar(value, "")
    raise SerializationException("Expected list or null")


def as_structure(value: object) -> dict[Any, Any]:
    """Return a dictionary, also for another mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        raise unlike_scalar(value, "")
    raise SerializationException("Expected null")


ONE_YEAR = 31_536_000


@dataclass(frozen=True)
class Amount:
    """The range of a number that is sent as text: a duration, a period or a priority.

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


_OF_A_DECISION = Amount(0, 10**8, none=True)

# The limit of a year, without NONE, is documented for StartWorkflowExecution and
# RegisterWorkflowType. For the two decisions NONE is documented; it is recorded for one of them.
AMOUNTS_BY_MEMBER = {
    "continueAsNewWorkflowExecutionDecisionAttributes.executionStartToCloseTimeout": _OF_A_DECISION,
    "startChildWorkflowExecutionDecisionAttributes.executionStartToCloseTimeout": _OF_A_DECISION,
    "executionStartToCloseTimeout": Amount(0, ONE_YEAR, none=False),
    "defaultExecutionStartToCloseTimeout": Amount(0, ONE_YEAR, none=False),
    "scheduleLambdaFunctionDecisionAttributes.startToCloseTimeout": Amount(1, 900, none=False),
}


def amount_of(shape: Any, path: str) -> Amount | None:
    """Return the range of a member that is a number sent as text; None for free text."""
    for depth in (2, 1):
        member = ".".join(path.split(".")[-depth:])
        if member in AMOUNTS_BY_MEMBER:
            return AMOUNTS_BY_MEMBER[member]
    return AMOUNTS_BY_SHAPE.get(shape.name)


NOT_NULL = "Member must not be null"
TOO_LONG = "Member must have length less than or equal to {}"
TOO_SHORT = "Member must have length greater than or equal to {}"
TOO_LARGE = "Member must have value less than or equal to {}"
TOO_SMALL = "Member must have value greater than or equal to {}"


@dataclass(frozen=True)
class BrokenConstraint:
    """One broken constraint.

    Attributes:
        path: the members that lead to it from the value checked; empty for the value itself.
        value: the value as the service prints it, or None for null.
        constraint: the rule it breaks, in the service's words.
    """

    path: str
    value: str | None
    constraint: str

    def __str__(self) -> str:
        """Return the sentence of the service (as reported)."""
        value = "null" if self.value is None else f"'{self.value}'"
        return f"Value {value} at '{self.path}' failed to satisfy constraint: {self.constraint}"

    def under(self, step: str) -> BrokenConstraint:
        """Return the problem as seen from the enclosing structure or list."""
        return replace(self, path=f"{step}.{self.path}" if self.path else step)


class Refused(Exception):
    """A value breaks constraints.

    Args:
        problems: all of them, in the model's order.
    """

    def __init__(self, problems: list[BrokenConstraint]) -> None:
        super().__init__(problems)
        self.problems = problems

    @property
    def message(self) -> str:
        """The service's one message for all problems (as reported)."""
        noun = "error" if len(self.problems) == 1 else "errors"
        listed = "; ".join(map(str, self.problems))
        return f"{len(self.problems)} validation {noun} detected: {listed}"


def refused(value: object, constraint: str) -> Refused:
    """Return the refusal of a single value."""
    return Refused([BrokenConstraint("", str(value), constraint)])
