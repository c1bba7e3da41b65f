"""Who makes text of values, also of those that hold results: JSON, or an object of the author's."""

from __future__ import annotations

import dataclasses
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from json import JSONEncoder
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from flowy.result import Result

Encode = Callable[[object], str]


Resolve = Callable[[Result[Any]], object]
"""Gives the value that is written in place of a result."""


Converter = Callable[[Any], Any]


class JsonForm(NamedTuple):
    """How values of a class, and of those below it, travel."""

    of: type
    write: Converter
    read: Callable[[Any, Any], Any]
    """Makes a value of the class that the hint names."""


JSON_FORMS = (
    JsonForm(datetime, datetime.isoformat, lambda cls, text: cls.fromisoformat(text)),
    JsonForm(date, date.isoformat, lambda cls, text: cls.fromisoformat(text)),
    JsonForm(time, time.isoformat, lambda cls, text: cls.fromisoformat(text)),
    JsonForm(timedelta, timedelta.total_seconds, lambda cls, seconds: cls(seconds=seconds)),
    JsonForm(Decimal, str, lambda cls, text: cls(text)),
    JsonForm(
        bytes,
        lambda value: b64encode(value).decode(),
        lambda cls, text: b64decode(text, None, True),
    ),
    JsonForm(UUID, str, lambda cls, text: cls(text)),
    JsonForm(PurePath, str, lambda cls, text: cls(text)),
    JsonForm(Enum, lambda value: value.value, lambda cls, value: _member(cls, value)),
    JsonForm(set, lambda value: _in_order(value), lambda cls, items: cls(items)),
    JsonForm(frozenset, lambda value: _in_order(value), lambda cls, items: cls(items)),
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
    for form in JSON_FORMS:
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


class Serializer(Protocol):
    """Makes text of values and values of text: two methods.

    The same value must always become the same text, or replay takes it for a difference.
    """

    def dumps(self, value: Any) -> str:
        """Write a value; raises any exception if that cannot be."""

    def loads(self, text: str) -> Any:
        """Read what was written; raises any exception if it is not."""


class Json:
    """The serializer that is used where no other is given."""

    dumps = staticmethod(json.JSONEncoder(default=plain, allow_nan=False).encode)
    loads = staticmethod(json.JSONDecoder().decode)

    def __str__(self) -> str:
        return "JSON"


def encoder(serializer: Serializer, resolve: Resolve) -> Encode:
    """Make a function that encodes values in which results are found.

    Args:
        serializer: makes text of the values.
        resolve: gives the value that is written in place of a result.

    Returns:
        The function.
    """
    if not isinstance(serializer, Json):
        return lambda value: serializer.dumps(replaced(value, resolve))

    def default(value: object) -> object:
        return resolve(value) if isinstance(value, Result) else plain(value)

    return json.JSONEncoder(default=default, allow_nan=False).encode


def replaced(value: Any, resolve: Resolve) -> Any:
    """Put something else in place of the results in a value.

    Args:
        value: any value; lists, tuples, dictionaries and dataclasses are searched.
        resolve: gives what is put in place of a result.

    Returns:
        The value itself if it holds none, else a copy.
    """
    match value:
        case Result():
            return resolve(value)
        case list() | tuple():
            items = [replaced(item, resolve) for item in value]
            if all(new is old for new, old in zip(items, value, strict=True)):
                return value
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        case dict():
            return {key: replaced(item, resolve) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {
            field.name: new
            for field in dataclasses.fields(value)
            if (new := replaced(old := getattr(value, field.name), resolve)) is not old
        }
        return dataclasses.replace(value, **changes) if changes else value
    return value
