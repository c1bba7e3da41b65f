"""What is possible: the values of a type, and what the code of activities and workflows shows.

>>> possible_values(bool | None)
[True, False, None]
>>> simplest_value(list[int]), simplest_value(str | None), simplest_value(tuple[int, str])
([1], 'text', (1, 'text'))
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any
from uuid import UUID

from flowy._call_sites import is_flowy
from flowy._determinism.source_names import called_in, source_of
from flowy._payloads.hints import converter
from flowy.errors import SerializationError
from flowy.payloads import Payloads

_SIMPLEST: dict[type[Any], Callable[[], Any]] = {
    bool: lambda: True,
    int: lambda: 1,
    float: lambda: 1.0,
    str: lambda: "text",
    bytes: lambda: b"bytes",
    datetime: lambda: datetime(2024, 1, 1, tzinfo=UTC),
    date: lambda: date(2024, 1, 1),
    time: time,
    timedelta: lambda: timedelta(seconds=1),
    Decimal: lambda: Decimal(1),
    UUID: lambda: UUID(int=1),
}

_MOST_VALUES = 16
_LONG = 20
"""The length of long texts and collections."""

_MALFORMED = ("{", "null", '"text"', "0", "true", "[]", '{"unknown": 1}')
"""Inputs of signals of which some do not fit each type."""


def possible_values(hint: Any) -> list[Any]:
    """Return values of a type, the simplest first; the limits of the type are among them.

    Args:
        hint: a resolved type hint. Of an unknown class, there is only the simplest value.
    """
    found: dict[str, Any] = {}
    for value in _values(hint):
        found.setdefault(f"{type(value)} {value!r}", value)
        if len(found) == _MOST_VALUES:
            break
    return list(found.values())


def _values(hint: Any) -> Iterator[Any]:
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for each in arguments:
            yield from _values(each)
    elif origin in (typing.Annotated, typing.Final):
        yield from _values(arguments[0])
    elif origin is typing.Literal:
        yield from arguments
    elif origin is types.NoneType or origin is None:
        yield None
    elif not isinstance(origin, type):
        yield simplest_value(hint)
    elif issubclass(origin, Enum):
        yield from origin
    elif origin in _LIMITS:
        yield from _LIMITS[origin]
    elif issubclass(origin, list | set | frozenset) and arguments:
        yield from _collections(origin, arguments[0])
    elif issubclass(origin, tuple) and not hasattr(origin, "_fields") and arguments:
        yield from _tuples(arguments)
    elif issubclass(origin, Mapping) and not typing.is_typeddict(origin) and arguments:
        key, value = simplest_value(arguments[0]), arguments[1]
        yield from ({key: each} for each in _values(value))
        yield {}
    elif dataclasses.is_dataclass(origin) or typing.is_typeddict(origin):
        yield from _records(origin)
    else:
        yield simplest_value(hint)


def _collections(origin: Callable[[Iterable[Any]], Any], element: Any) -> Iterator[Any]:
    values = list(_values(element))
    yield origin([values[0]])
    yield origin([])
    yield origin(values)
    if origin is list:
        yield [values[0]] * _LONG
    yield from (origin([each]) for each in values[1:])


def _tuples(arguments: tuple[Any, ...]) -> Iterator[Any]:
    if arguments[-1] is ...:
        yield from map(tuple, _collections(list, arguments[0]))
        return
    simple = [simplest_value(each) for each in arguments]
    for place, each in enumerate(arguments):
        for value in _values(each):
            yield (*simple[:place], value, *simple[place + 1 :])


def _records(cls: Callable[..., Any]) -> Iterator[Any]:
    hints = typing.get_type_hints(cls)
    simple = {name: simplest_value(hint) for name, hint in hints.items()}
    for name, hint in hints.items():
        for value in _values(hint):
            yield cls(**{**simple, name: value})


_LIMITS: dict[Any, tuple[Any, ...]] = {
    bool: (True, False),
    int: (1, 0, -1, 10**9),
    float: (1.0, 0.0, -1.0, 1e300),
    str: ("text", "", "x" * _LONG),
    bytes: (b"bytes", b""),
}


def simplest_value(hint: Any) -> Any:
    """Return the simplest value of a type; None if it is not known how to make one."""
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return simplest_value(arguments[0])
    if origin in (typing.Annotated, typing.Final):
        return simplest_value(arguments[0])
    if origin is typing.Literal:
        return arguments[0]
    if not isinstance(origin, type):
        return None
    if issubclass(origin, Mapping) and not typing.is_typeddict(origin):
        return {simplest_value(arguments[0]): simplest_value(arguments[1])} if arguments else {}
    if issubclass(origin, tuple) and not hasattr(origin, "_fields"):
        return tuple(simplest_value(each) for each in arguments if each is not ...)
    if issubclass(origin, list | set | frozenset):
        return origin(map(simplest_value, arguments))
    return _of_class(origin)


def _of_class(cls: type[Any]) -> Any:
    if issubclass(cls, Enum):
        return next(iter(cls))
    for base, make in _SIMPLEST.items():
        if issubclass(cls, base):
            return make()
    if issubclass(cls, PurePath):
        return cls("path")
    if dataclasses.is_dataclass(cls) or typing.is_typeddict(cls) or hasattr(cls, "_fields"):
        hints = typing.get_type_hints(cls)
        return cls(**{name: simplest_value(hint) for name, hint in hints.items()})
    return None


def return_values(run: Callable[..., Any] | None) -> list[Any]:
    """Return values that a function can return, by its type hint."""
    try:
        hint = typing.get_type_hints(run).get("return", Any) if run is not None else Any
    except (NameError, TypeError):
        return [None]
    return possible_values(hint)


@lru_cache(maxsize=512)
def raised(run: Callable[..., Any], cls: type[Any] | None) -> tuple[str, ...]:
    """Return the names of the exceptions that a function can be seen to raise.

    Args:
        run: the function; those that it calls in the same package are read, too.
        cls: the class of its first argument, if it has one.
    """
    found: dict[str, None] = {}
    pending: list[tuple[Any, Any]] = [(inspect.unwrap(run), cls)]
    seen = set()
    while pending:
        function, owner = pending.pop()
        if function.__code__ in seen:
            continue
        seen.add(function.__code__)
        tree = source_of(function.__code__)
        if tree is None:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and node.exc is not None:
                raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                name = ast.unparse(raised).rpartition(".")[2]
                if name[:1].isupper():
                    found[name] = None
        pending += [
            (called, of)
            for called, of in called_in(function, owner, tree)
            if _package(called) == _package(function) and not is_flowy(called.__module__)
        ]
    return tuple(found)


def signals(workflow: type[Any]) -> dict[str, Any]:
    """Return the signals that a workflow can be seen to wait for, and their types.

    They are read from its methods, as in ``self.signal("approval", bool)``.
    """
    found: dict[str, Any] = {}
    methods = [
        each
        for cls in workflow.__mro__
        if not is_flowy(cls.__module__)
        for each in vars(cls).values()
    ]
    for method in methods:
        function = inspect.unwrap(method) if inspect.isfunction(method) else None
        if function is None:
            continue
        variables = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
        for node in ast.walk(_tree(function)):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="signal"), args=[ast.Constant(value=str(name))]
                ):
                    found.setdefault(name, Any)
                case ast.Call(
                    func=ast.Attribute(attr="signal"), args=[ast.Constant(value=str(name)), hint]
                ):
                    found[name] = _evaluated(hint, variables)
    return found


def _evaluated(hint: ast.expr, variables: Mapping[str, Any]) -> Any:
    try:
        return eval(ast.unparse(hint), dict(variables))  # noqa: S307 - a type hint of the author
    except Exception:
        return Any


def signal_inputs(hint: Any, payloads: Payloads) -> list[str | None]:
    """Return inputs of a signal of a type: those of its values, and then malformed ones.

    If the type is not known, the first one is None, for a signal without an input.
    """
    what = "a signal"
    values = [] if hint is Any else possible_values(hint)
    found: list[str | None] = [payloads.encode_value(what, value) for value in values]
    if not found:
        found.append(None)
    convert = converter(hint)
    for text in _MALFORMED:
        try:
            payloads.decode_value(what, text, convert)
        except SerializationError:
            found.append(text)
    return found


def _tree(function: Callable[..., Any]) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return ast.Module([], [])


def _package(function: Any) -> str:
    return str(function.__module__ or "").partition(".")[0]
