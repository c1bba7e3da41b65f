"""Who makes text of values, also of those that hold results: JSON, or an object of the author's."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, Protocol

from flowy._payloads.plain import plain
from flowy.result import Result

Encode = Callable[[object], str]
StandIn = Callable[[Result[Any]], object]
"""Gives the value that is written in place of a result."""


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
        """Its name."""
        return "JSON"


def encoder(serializer: Serializer, stand_in: StandIn) -> Encode:
    """Make a function that encodes values in which results are found.

    Args:
        serializer: makes text of the values.
        stand_in: gives the value that is written in place of a result.

    Returns:
        The function.
    """
    if not isinstance(serializer, Json):
        return lambda value: serializer.dumps(replaced(value, stand_in))

    def default(value: object) -> object:
        return stand_in(value) if isinstance(value, Result) else plain(value)

    return json.JSONEncoder(default=default, allow_nan=False).encode


def replaced(value: Any, stand_in: StandIn) -> Any:
    """Put something else in place of the results in a value.

    Args:
        value: any value; lists, tuples, dictionaries and dataclasses are searched.
        stand_in: gives what is put in place of a result.

    Returns:
        The value itself if it holds none, else a copy.
    """
    match value:
        case Result():
            return stand_in(value)
        case list() | tuple():
            items = [replaced(item, stand_in) for item in value]
            if all(new is old for new, old in zip(items, value, strict=True)):
                return value
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        case dict():
            return {key: replaced(item, stand_in) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {
            field.name: new
            for field in dataclasses.fields(value)
            if (new := replaced(old := getattr(value, field.name), stand_in)) is not old
        }
        return dataclasses.replace(value, **changes) if changes else value
    return value
