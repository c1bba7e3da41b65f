"""JSON values as the service's types, or its SerializationException.

The service is written in Java and its answers say so: a number where text belongs is refused with
``class java.lang.Short can not be converted to an String``, as reported in 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from flowy_sim._engine.faults import SerializationException

# Assumption: coercion-texts: the texts that are not reported for this service are those that
# another service of the same framework gave at that time.

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
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
