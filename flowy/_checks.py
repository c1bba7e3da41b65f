"""Checks of the arguments that decorators, proxies, workers and calls are given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from inspect import iscoroutinefunction
from math import ceil
from typing import TypeVar

from flowy._payloads.text import length
from flowy.errors import ConfigurationError

C = TypeVar("C")

LONGEST = 99_999_999
"""The longest time-out or timer, in seconds: eight digits, the most that the service accepts."""


def text(name: str, value: object, longest: int = 256) -> str:
    """Check a text that the service limits in length, such as a name.

    Raises:
        ConfigurationError: it is not text, or it is empty or too long.
    """
    __tracebackhide__ = True
    if isinstance(value, str) and 1 <= length(value) <= longest:
        return value
    wrong = f"{length(value):,}" if isinstance(value, str) and value else repr(value)
    raise ConfigurationError(f"{name} must be text of 1 to {longest:,} characters, not {wrong}")


def version_text(value: object) -> str:
    """Check a version, and write it as the service keeps it: ``1`` becomes ``"1"``.

    Raises:
        ConfigurationError: it is neither a number nor text of 1 to 64 characters.
    """
    __tracebackhide__ = True
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and 1 <= length(value) <= 64:
        return value
    raise ConfigurationError(
        f"version must be a number or text of 1 to 64 characters, not {value!r}"
    )


def whole_number(name: str, value: object, least: int = 0, most: int = LONGEST) -> int:
    """Check a whole number.

    Raises:
        ConfigurationError: it is not a whole number, or out of range.
    """
    __tracebackhide__ = True
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ConfigurationError(f"{name} must be a whole number from {least} to {most}, not {value!r}")


def seconds(name: str, value: object, least: int = 0, most: int = LONGEST) -> int:
    """Check a time, and return its whole seconds.

    Args:
        name: what it is, in the message.
        value: a number without a fraction, or a timedelta, which is rounded up.
        least: the minimum.
        most: the maximum.

    Raises:
        ConfigurationError: it is neither, or out of range.
    """
    __tracebackhide__ = True
    whole = value
    if isinstance(value, timedelta):
        whole = ceil(value / timedelta(seconds=1))
    elif isinstance(value, float) and value.is_integer():
        whole = int(value)
    if isinstance(whole, int) and not isinstance(whole, bool) and least <= whole <= most:
        return whole
    raise ConfigurationError(
        f"{name} must be whole seconds from {least} to {most}, or a timedelta, not {value!r}"
    )


def number(name: str, value: object, least: float = 0, most: float = float("inf")) -> float:
    """Check a number.

    Raises:
        ConfigurationError: it is not a number, or out of range.
    """
    __tracebackhide__ = True
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return value
    limits = f"from {least:g} to {most:g}" if most < float("inf") else f"of at least {least:g}"
    raise ConfigurationError(f"{name} must be a number {limits}, not {value!r}")


def truth(name: str, value: object) -> bool:
    """Check a boolean.

    Raises:
        ConfigurationError: it is neither True nor False.
    """
    __tracebackhide__ = True
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name} must be True or False, not {value!r}")


def function(name: str, value: C) -> C:
    """Check a function that will be called and not awaited.

    Raises:
        ConfigurationError: it cannot be called, or is a coroutine function.
    """
    __tracebackhide__ = True
    if callable(value) and not iscoroutinefunction(value):
        return value
    raise ConfigurationError(f"{name} must be an ordinary function, not {value!r}")


def names(name: str, value: object) -> list[str]:
    """Check a list of names.

    Raises:
        ConfigurationError: it is not a list, or an item is not text of 1 to 256 characters.
    """
    __tracebackhide__ = True
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{name} must be a list of texts, not {value!r}")
    return [text(name, each) for each in value]
