"""Values as plain JSON: what stands for those that JSON has no form for.

On the way out `plain` writes them as what JSON has; on the way in a type hint says what they were
(`flowy._payloads.hints`), and a value without one stays as JSON has it.

===================================  ==========================================
hint                                 in JSON
===================================  ==========================================
dataclass, TypedDict                 an object of its fields
NamedTuple, tuple                    a list
set, frozenset                       a list, sorted, so that it is always the same
datetime, date, time                 ISO 8601 text
timedelta                            seconds
Decimal, UUID, path                  text
bytes                                Base64 text
Enum                                 its value
===================================  ==========================================
"""

from __future__ import annotations

import dataclasses
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from json import JSONEncoder
from pathlib import PurePath
from typing import Any, NamedTuple
from uuid import UUID

Convert = Callable[[Any], Any]


class Form(NamedTuple):
    """How values of a class, and of those below it, travel."""

    of: type
    write: Convert
    read: Callable[[Any, Any], Any]
    """Makes a value of the class that the hint names."""


FORMS = (
    Form(datetime, datetime.isoformat, lambda cls, text: cls.fromisoformat(text)),
    Form(date, date.isoformat, lambda cls, text: cls.fromisoformat(text)),
    Form(time, time.isoformat, lambda cls, text: cls.fromisoformat(text)),
    Form(timedelta, timedelta.total_seconds, lambda cls, seconds: cls(seconds=seconds)),
    Form(Decimal, str, lambda cls, text: cls(text)),
    Form(
        bytes,
        lambda value: b64encode(value).decode(),
        lambda cls, text: b64decode(text, None, True),
    ),
    Form(UUID, str, lambda cls, text: cls(text)),
    Form(PurePath, str, lambda cls, text: cls(text)),
    Form(Enum, lambda value: value.value, lambda cls, value: _member(cls, value)),
    Form(set, lambda value: _in_order(value), lambda cls, items: cls(items)),
    Form(frozenset, lambda value: _in_order(value), lambda cls, items: cls(items)),
)


def plain(value: Any) -> Any:
    """Write a value that JSON has no form for as one that it has.

    Only the value itself: what is within it is left as it is, for the encoder to come back with.

    Args:
        value: any value that JSON has no form for.

    Returns:
        What stands for it.

    Raises:
        TypeError: there is nothing that could.
    """
    for form in FORMS:
        if isinstance(value, form.of):
            return form.write(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encode = JSONEncoder(default=plain, allow_nan=False).encode


def _in_order(items: Iterable[Any]) -> list[Any]:
    """Write a set always in the same order, whatever the process's hash seed."""
    return sorted(items, key=_encode)


def _member(cls: type[Enum], value: Any) -> Enum:
    for member in cls:
        if member.value == value or _encode(member.value) == _encode(value):
            return member
    raise ValueError(f"{value!r} is no {cls.__name__}")
