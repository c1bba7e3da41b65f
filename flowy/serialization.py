"""Values as text: JSON, within what Amazon SWF can carry.

The input of a workflow or an activity is a JSON array of two: its arguments and its keyword
arguments, such as ``[[10], {}]``. A result is any JSON value. NaN and the infinities are no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flowy.errors import SerializationError
from flowy.limits import DATA_LIMIT, length

Encode = Callable[[object], str]

encode_json: Encode = json.JSONEncoder(allow_nan=False).encode
_decode_json = json.JSONDecoder().decode

_UNENCODABLE = (TypeError, ValueError, RecursionError)


def encode_input(
    owner: str,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    encode: Encode = encode_json,
) -> str:
    """Write the input of a workflow or an activity.

    Args:
        owner: whose input it is, for the message of an error, such as ``resize 1``.
        args: the arguments.
        kwargs: the keyword arguments.
        encode: makes JSON of a value.

    Returns:
        The text, such as ``[["photo.jpg", 64], {"store": "/tmp"}]``.

    Raises:
        SerializationError: an argument cannot be sent, or all are too long; it is named.
    """
    try:
        text = encode((args, kwargs))
    except _UNENCODABLE as error:
        raise _unencodable_argument(owner, args, kwargs, encode) or SerializationError(
            f"the input of {owner} cannot be sent as JSON: {error}"
        ) from error
    if len(text) > DATA_LIMIT:
        name, size = max(
            ((name, len(encode(value))) for name, value in _named(args, kwargs)),
            key=lambda named: named[1],
        )
        raise SerializationError(
            f"the input of {owner} takes {length(text):,} characters as JSON, {name} alone "
            f"{size:,}, and Amazon SWF carries {DATA_LIMIT:,}: store the value elsewhere and "
            "pass where it is"
        )
    return text


def encode_result(owner: str, value: object, encode: Encode = encode_json) -> str:
    """Write what a workflow or an activity returned.

    Args:
        owner: whose result it is, for the message of an error.
        value: the result.
        encode: makes JSON of a value.

    Returns:
        The text.

    Raises:
        SerializationError: the value cannot be sent, or is too long.
    """
    try:
        text = encode(value)
    except _UNENCODABLE as error:
        raise SerializationError(
            f"the result of {owner} cannot be sent as JSON: {error}; return numbers, text, "
            "lists and dictionaries"
        ) from error
    if len(text) > DATA_LIMIT:
        raise SerializationError(
            f"the result of {owner} takes {length(text):,} characters as JSON, and Amazon SWF "
            f"carries {DATA_LIMIT:,}: store the value elsewhere and return where it is"
        )
    return text


def decode_input(owner: str, text: str | None) -> tuple[list[Any], dict[str, Any]]:
    """Read the input of a workflow or an activity; none at all means no arguments.

    Args:
        owner: whose input it is, for the message of an error.
        text: the input as the service gave it, or None.

    Returns:
        The arguments and the keyword arguments.

    Raises:
        SerializationError: it is no JSON array of a list and an object.
    """
    if text is None:
        return [], {}
    try:
        match _decode_json(text):
            case [list() as args, dict() as kwargs]:
                return args, kwargs
    except (ValueError, RecursionError):
        pass
    raise SerializationError(
        f"the input of {owner} is not what flowy sends, a JSON array of arguments and keyword "
        f"arguments such as [[10], {{}}]: {text[:80]!r}"
    )


def decode_result(owner: str, text: str | None) -> Any:
    """Read what a workflow or an activity returned; nothing at all is read as None.

    Args:
        owner: whose result it is, for the message of an error.
        text: the result as the service gave it, or None.

    Returns:
        The value.

    Raises:
        SerializationError: it is no JSON.
    """
    if text is None:
        return None
    try:
        return _decode_json(text)
    except (ValueError, RecursionError) as error:
        raise SerializationError(
            f"the result of {owner} is not JSON: {error}: {text[:80]!r}"
        ) from error


def _unencodable_argument(
    owner: str, args: Sequence[object], kwargs: Mapping[str, object], encode: Encode
) -> SerializationError | None:
    for name, value in _named(args, kwargs):
        try:
            encode(value)
        except _UNENCODABLE as error:
            return SerializationError(
                f"{name} of {owner} cannot be sent as JSON: {error}; pass numbers, text, lists "
                "and dictionaries"
            )
    return None


def _named(args: Sequence[object], kwargs: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    for position, value in enumerate(args, 1):
        yield f"argument {position}", value
    for keyword, value in kwargs.items():
        yield f"argument {keyword!r}", value
