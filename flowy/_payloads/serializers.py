"""Serializers: values as text, in JSON or in a format of the author's choice.

`to_json` writes values that JSON has no type for. When a value is read, its type hint says which
type it had (`flowy._payloads.hints`); without a hint, it stays as JSON represents it. A value may
contain results of calls.

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

Text beyond ASCII is written as it is, because the service counts characters: an escape would take
six or twelve of them. Earlier versions escaped it; both are the same JSON to a replay.
"""

from __future__ import annotations

import dataclasses
import json
import re
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
"""Returns the value that is written in place of a result."""

Converter = Callable[[Any], Any]
"""Turns plain JSON into a value, or a value into plain JSON."""


class JsonForm(NamedTuple):
    """How values of a class and its subclasses are written as JSON and read from it."""

    of: type
    write: Converter
    read: Callable[[Any, Any], Any]
    """Takes the class that the hint names and the JSON, and returns a value of that class."""


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


def to_json(value: Any) -> Any:
    """Write a value that JSON has no type for as one that it has.

    Only the value itself is converted. What it contains is left for the encoder, which calls again.

    Args:
        value: a value that JSON has no type for.

    Returns:
        The value that represents it.

    Raises:
        TypeError: JSON cannot represent the value.
    """
    for form in JSON_FORMS:
        if isinstance(value, form.of):
            return form.write(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"JSON has no type for {type(value).__name__}")


def _json_encoder(default: Converter) -> Encode:
    """Create a function that writes values as JSON.

    Args:
        default: writes a value that JSON has no type for as one that it has.
    """
    encode = JSONEncoder(default=default, allow_nan=False, ensure_ascii=False).encode

    def encode_sendable(value: object) -> str:
        text = encode(value)
        # A lone surrogate is not a character, so no request can carry it.
        return text if text.isascii() else _SURROGATE.sub(_escape, text)

    return encode_sendable


_SURROGATE = re.compile(r"[\ud800-\udfff]")

_ESCAPED = re.compile(r"[^\0-~]")
"""What `json` escapes: everything beyond ASCII, and DEL."""


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def escaped(text: str) -> str:
    """Return a JSON text with everything beyond ASCII escaped, as earlier versions wrote it."""
    # JSON has such characters only within strings, so each can be replaced on its own.
    return _ESCAPED.sub(_escape, text)


_encode = _json_encoder(to_json)

# With escapes: the order of a set must not change between versions.
_sort_key = JSONEncoder(default=to_json, allow_nan=False).encode


def _in_order(items: Iterable[Any]) -> list[Any]:
    """Return the items of a set in the same order always, whatever the process's hash seed."""
    return sorted(items, key=_sort_key)


def _member(cls: type[Enum], value: Any) -> Enum:
    for member in cls:
        if member.value == value or _sort_key(member.value) == _sort_key(value):
            return member
    raise ValueError(f"{value!r} is not a {cls.__name__}")


class Serializer(Protocol):
    """Turns values into text and text into values, with two methods.

    The same value must always become the same text; otherwise a replay reports a difference.

    Example:
        ::

            class Pickled:
                def dumps(self, value):
                    return b64encode(pickle.dumps(value)).decode()

                def loads(self, text):
                    return pickle.loads(b64decode(text))

            worker = ActivityWorker(client, "photos", "old", [shout], payloads=Payloads(Pickled()))
    """

    def dumps(self, value: Any) -> str:
        """Turn a value into text.

        Args:
            value: arguments, as a list of a list and a dictionary; or a result or the value of a
                signal.

        Returns:
            The text.

        Raises:
            Exception: of any class, if the value has no text. flowy reports it as a
                `SerializationError`.
        """

    def loads(self, text: str) -> Any:
        """Turn a text into a value.

        Args:
            text: a text that `dumps` returned, in this process or another one.

        Returns:
            The value.

        Raises:
            Exception: of any class, if the text does not come from this serializer. flowy reports
                it as a `SerializationError`.
        """


class Json:
    """The serializer that is used by default."""

    @staticmethod
    def dumps(value: Any) -> str:
        """Return a value as JSON."""
        return _encode(value)

    loads = staticmethod(json.JSONDecoder().decode)

    def __str__(self) -> str:
        return "JSON"


def encoder(serializer: Serializer, resolve: Resolve) -> Encode:
    """Create a function that encodes values that may contain results.

    Args:
        serializer: turns values into text.
        resolve: returns the value that is written in place of a result.
    """
    if not isinstance(serializer, Json):
        return lambda value: serializer.dumps(replaced(value, resolve))

    def default(value: object) -> object:
        return resolve(value) if isinstance(value, Result) else to_json(value)

    return _json_encoder(default)


def replaced(value: Any, resolve: Resolve) -> Any:
    """Replace the results in a value.

    Args:
        value: any value; lists, tuples, dictionaries and dataclasses are searched.
        resolve: returns the value that is put in place of a result.

    Returns:
        The value itself if it contains none, else a copy.
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
