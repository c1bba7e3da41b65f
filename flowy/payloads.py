"""Payloads: values as text, within what Amazon SWF can carry.

The input of a workflow or an activity is an array of its arguments and its keyword arguments, such
as ``[[10], {}]``. A result is any value. NaN and infinities are refused, as they are not JSON.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowy import _checks
from flowy._payloads.hints import NO_HINTS, Mismatch, hints_of
from flowy._payloads.serializers import Converter, Encode, Json, Serializer, escaped
from flowy._payloads.stores import FolderStore, S3Store, Store, fetched, keep, store_at
from flowy._payloads.text import DATA_LIMIT, ends_task, error_message, length
from flowy.errors import SerializationError

__all__ = ["PLAIN", "FolderStore", "Json", "Payloads", "S3Store", "Serializer", "Store"]


class Payloads:
    """How values are sent: the serializer, and the store for long ones.

    Use the same in all processes that work on the same executions: workers of both kinds, and
    programs that start executions or read results.

    Args:
        serializer: an object with the two methods of `Serializer`; JSON by default. JSON values are
            converted according to the type hints of ``run``; those of another serializer are left
            as it returns them.
        store: where values go that are too long for Amazon SWF: a folder, ``s3://bucket/prefix``,
            or an object with the two methods of `Store`. None to refuse such values.
        strict: whether JSON values are also checked against type hints where nothing has to be
            converted, so that text is refused where the hint is ``int``. As in JSON, an int fits
            ``float``, and a list fits ``tuple``.

    Attributes:
        serializer: the serializer.
        strict: whether values are checked.
        encode: turns a value of any length into text.

    Raises:
        ConfigurationError: the store's location is wrong, or ``strict`` is neither True nor False.

    Example:
        ``ActivityWorker(…, payloads=Payloads(store="s3://my-bucket/payloads"))``
    """

    def __init__(
        self,
        serializer: Serializer | None = None,
        store: Store | str | os.PathLike[str] | None = None,
        strict: bool = True,
    ) -> None:
        self.serializer: Serializer = Json() if serializer is None else serializer
        self._store = store_at(store) if isinstance(store, str | os.PathLike) else store
        self.encode: Encode = self.serializer.dumps
        self.strict = _checks.truth("strict", strict) and isinstance(self.serializer, Json)
        self._language = str(self.serializer) if serializer is None else type(serializer).__name__

    def __repr__(self) -> str:
        is_json = isinstance(self.serializer, Json)
        given = [] if is_json else [repr(self.serializer)]
        given += [] if self._store is None else [f"store={self._store!r}"]
        given += ["strict=False"] if is_json and not self.strict else []
        return f"Payloads({', '.join(given)})"

    def encode_input(
        self,
        owner: object,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        encode: Encode | None = None,
        signals: Sequence[object] = (),
    ) -> str:
        """Write the input of a workflow or an activity.

        Args:
            owner: the type, as named in errors, such as ``resize 1``.
            args: the arguments.
            kwargs: the keyword arguments.
            encode: turns a value into text; None to use the serializer.
            signals: those that a workflow passes on to its next run.

        Returns:
            The text, such as ``[["photo.jpg", 64], {"store": "/tmp"}]``, or a reference to it.

        Raises:
            SerializationError: an argument cannot be sent, and the error names it; or the arguments
                together are too long.
        """
        encode = encode or self.encode
        try:
            text = encode((args, kwargs, signals) if signals else (args, kwargs))
        except Exception as error:
            raise self._unencodable(owner, args, kwargs, encode) or SerializationError(
                f"the input of {owner} cannot be sent as {self._language}: {error_message(error)}"
            ) from error
        if length(text) <= DATA_LIMIT:
            return text
        if self._store is not None:
            return self._kept(self._store, f"the input of {owner}", text)
        name, size = max(
            ((name, length(encode(value))) for name, value in _named(args, kwargs, signals)),
            key=lambda named: named[1],
        )
        raise SerializationError(
            f"the input of {owner} takes {length(text):,} characters as {self._language}, {name} "
            f"alone {size:,}, and Amazon SWF accepts {DATA_LIMIT:,}: give workers and starters "
            "Payloads(store=…), or store the value elsewhere and pass its location"
        )

    def encode_result(self, owner: object, value: object, encode: Encode | None = None) -> str:
        """Write the return value of a workflow or an activity.

        Args:
            owner: the type, as named in errors.
            value: the return value.
            encode: turns a value into text; None to use the serializer.

        Returns:
            The text, or a reference to it.

        Raises:
            SerializationError: the value cannot be sent, or is too long.
        """
        return self.encode_value(f"the result of {owner}", value, encode)

    def encode_value(self, what: str, value: object, encode: Encode | None = None) -> str:
        """Write a single value, such as that of a signal.

        Args:
            what: the name of the value in errors, such as ``the signal 'stop'``.
            value: the value.
            encode: turns a value into text; None to use the serializer.

        Returns:
            The text, or a reference to it.

        Raises:
            SerializationError: the value cannot be sent, or is too long.
        """
        try:
            text = (encode or self.encode)(value)
        except Exception as error:
            raise SerializationError(
                f"{what} cannot be sent as {self._language}: {error_message(error)}; "
                f"{self._accepted('use')}"
            ) from error
        if length(text) <= DATA_LIMIT:
            return text
        if self._store is not None:
            return self._kept(self._store, what, text)
        raise SerializationError(
            f"{what} takes {length(text):,} characters as {self._language}, and Amazon SWF "
            f"accepts {DATA_LIMIT:,}: give workers and starters Payloads(store=…), or store the "
            "value elsewhere and pass its location"
        )

    def decode_input(
        self, owner: object, text: str | None, hinted: type | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        """Read the input of a workflow or an activity; no input means no arguments.

        Args:
            owner: the type, as named in errors.
            text: the input as the service returned it, or None.
            hinted: the class whose ``run`` takes the arguments and declares their types by type
                hints; None to leave them unconverted.

        Returns:
            The arguments and the keyword arguments.

        Raises:
            SerializationError: the text is not an array of a list and an object, or an argument
                does not match its type hint.
        """
        args, kwargs, _ = self.decode_start(owner, text, hinted)
        return args, kwargs

    def decode_start(
        self, owner: object, text: str | None, hinted: type | None = None
    ) -> tuple[list[Any], dict[str, Any], list[Any]]:
        """Read the input of a workflow, with the signals that its previous run passed on.

        Args:
            owner: see `decode_input`.
            text: see `decode_input`.
            hinted: see `decode_input`.

        Returns:
            The arguments, the keyword arguments, and the signals that the previous run did not
            take, each as name and text.

        Raises:
            SerializationError: see `decode_input`.
        """
        if text is None:
            return [], {}, []
        what = f"the input of {owner}"
        text = fetched(self._store, what, text)
        try:
            match self.serializer.loads(text):
                case [list() | tuple() as args, dict() as kwargs]:
                    return *self._hinted(owner, list(args), kwargs, hinted), []
                case [list() | tuple() as args, dict() as kwargs, list() | tuple() as signals]:
                    return *self._hinted(owner, list(args), kwargs, hinted), list(signals)
        except SerializationError:
            raise
        except Exception:
            pass
        raise SerializationError(
            f"{what} is not in flowy's form, a {self._language} array of arguments and keyword "
            f"arguments such as [[10], {{}}]: {text[:80]!r}"
        )

    def decode_result(self, owner: object, text: str | None, hinted: type | None = None) -> Any:
        """Read the return value of a workflow or an activity; no result is read as None.

        Args:
            owner: the type, as named in errors.
            text: the result as the service returned it, or None.
            hinted: the class whose ``run`` declares the type of its result by a type hint; None to
                leave it unconverted.

        Returns:
            The value.

        Raises:
            SerializationError: the text cannot be read, or does not match the type hint.
        """
        what = f"the result of {owner}"
        convert = None if hinted is None else hints_of(hinted, self.strict).result
        return self.decode_value(what, text, convert)

    def decode_value(self, what: str, text: str | None, convert: Converter | None = None) -> Any:
        """Read a single value; no text is read as None.

        Args:
            what: the name of the value in errors.
            text: the value as the service returned it, or None.
            convert: the converter for its type hint; None for none.

        Returns:
            The value.

        Raises:
            SerializationError: the text cannot be read, or does not match the type hint.
        """
        if text is None:
            return None
        text = fetched(self._store, what, text)
        try:
            value = self.serializer.loads(text)
        except Exception as error:
            raise SerializationError(
                f"{what} is not {self._language}: {error_message(error)}: {text[:80]!r}"
            ) from error
        # A missing text is read as None too, such as the result of a stub without an answer.
        if convert is None or value is None:
            return value
        try:
            return convert(value)
        except BaseException as error:
            if not ends_task(error):
                raise
            raise _unlike_hint(what, error) from _cause(error)

    def _hinted(
        self, owner: object, args: list[Any], kwargs: dict[str, Any], hinted: type | None
    ) -> tuple[list[Any], dict[str, Any]]:
        """Convert arguments according to the type hints of ``run``."""
        if hinted is None:
            return args, kwargs
        hints = hints_of(hinted, self.strict)
        if hints is NO_HINTS:
            return args, kwargs
        for index, value in enumerate(args):
            name, convert = "", hints.rest
            if index < len(hints.positional):
                name, convert = hints.positional[index]
            if convert is not None:
                try:
                    args[index] = convert(value)
                except BaseException as error:
                    if not ends_task(error):
                        raise
                    named = f"argument {index + 1}{name and f' ({name})'} of {owner}"
                    raise _unlike_hint(named, error, name) from _cause(error)
        for name, value in kwargs.items():
            convert = hints.named.get(name, hints.others)
            if convert is not None:
                try:
                    kwargs[name] = convert(value)
                except BaseException as error:
                    if not ends_task(error):
                        raise
                    named = f"argument {name!r} of {owner}"
                    raise _unlike_hint(named, error, name) from _cause(error)
        return args, kwargs

    def _kept(self, store: Store, what: str, text: str) -> str:
        # Escaped, so that a value has the same reference as in histories of earlier versions.
        return keep(store, what, escaped(text) if isinstance(self.serializer, Json) else text)

    def _unencodable(
        self, owner: object, args: Sequence[object], kwargs: Mapping[str, object], encode: Encode
    ) -> SerializationError | None:
        for name, value in _named(args, kwargs):
            try:
                encode(value)
            except Exception as error:
                return SerializationError(
                    f"{name} of {owner} cannot be sent as {self._language}: "
                    f"{error_message(error)}; "
                    f"{self._accepted('pass')}"
                )
        return None

    def _accepted(self, verb: str) -> str:
        if not isinstance(self.serializer, Json):
            return f"{verb} values that the serializer accepts"
        return (
            f"{verb} numbers, text, lists, dictionaries, dataclasses, dates, Decimal, bytes, "
            "paths, or another serializer"
        )


def _unlike_hint(what: str, error: BaseException, name: str = "") -> SerializationError:
    if isinstance(error, Mismatch):
        place = f"{name}{error.path}".removeprefix(".") if error.path else ""
        reason = f"{place}{place and ': '}{error}"
    else:
        reason = f"{type(error).__name__}: {error_message(error)}"
    return SerializationError(f"{what} does not match its type hint: {reason}")


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ if isinstance(error, Mismatch) else error


def _named(
    args: Sequence[object], kwargs: Mapping[str, object], signals: Sequence[object] = ()
) -> Iterable[tuple[str, object]]:
    for position, value in enumerate(args, 1):
        yield f"argument {position}", value
    for keyword, value in kwargs.items():
        yield f"argument {keyword!r}", value
    if signals:
        yield "the signals not taken", signals


PLAIN = Payloads()
"""JSON without a store: the default."""
