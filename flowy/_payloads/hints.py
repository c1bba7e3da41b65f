"""Values from plain JSON, as the type hints of ``run`` declare its parameters and return value."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any, NamedTuple

from flowy._payloads.serializers import JSON_FORMS, Converter, JsonForm
from flowy.result import Result


class Hints(NamedTuple):
    """How the arguments and result of ``run`` are read; None for values that stay plain JSON."""

    positional: tuple[tuple[str, Converter | None], ...]
    rest: Converter | None
    """For ``*args``."""
    named: dict[str, Converter | None]
    others: Converter | None
    """For ``**kwargs``."""
    result: Converter | None


NO_HINTS = Hints((), None, {}, None, None)
"""Everything stays plain JSON."""


def hints_of(cls: type) -> Hints:
    """Read the type hints of a class's ``run``.

    Args:
        cls: an activity or a workflow.

    Returns:
        How its arguments and result are read: `NO_HINTS` if all of them stay plain JSON, or if a
        hint cannot be resolved because it names something imported for type checkers only.
    """
    return _hints_of(getattr(cls, "run", None))


@lru_cache(maxsize=512)
def _hints_of(run: Any) -> Hints:
    try:
        return _read_hints(run)
    except Exception:  # Resolving a hint runs code of the author's, which may raise anything.
        return NO_HINTS


def _read_hints(run: Any) -> Hints:
    resolved = typing.get_type_hints(run, include_extras=True)
    parameters = list(signature(run).parameters.values())
    positional: list[tuple[str, Converter | None]] = []
    named: dict[str, Converter | None] = {}
    rest = others = None
    for parameter in parameters[1:]:  # The first one is the instance.
        convert = converter(resolved.get(parameter.name, Any))
        if parameter.kind is Parameter.VAR_POSITIONAL:
            rest = convert
        elif parameter.kind is Parameter.VAR_KEYWORD:
            others = convert
        else:
            named[parameter.name] = convert
            if parameter.kind is not Parameter.KEYWORD_ONLY:
                positional.append((parameter.name, convert))
    result = converter(resolved.get("return", Any))
    if not any((rest, others, result, *named.values())):
        return NO_HINTS
    return Hints(tuple(positional), rest, named, others, result)


def converter(hint: Any) -> Converter | None:
    """Return the function that reads values of a type.

    Args:
        hint: a resolved type hint.

    Returns:
        A function that turns plain JSON into a value of that type, returns a value that already is
        one, and raises an exception otherwise. It may be any exception, because constructors and
        ``__post_init__`` are code of the author's. None if the type is plain JSON.
    """
    try:
        return _cached(hint)
    except TypeError:  # The hint is not hashable.
        return _converter(hint)


@lru_cache(maxsize=2048)
def _cached(hint: Any) -> Converter | None:
    return _converter(hint)


def _converter(hint: Any) -> Converter | None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated or origin in (typing.Required, typing.NotRequired):
        return converter(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _union([arm for arm in arguments if typing.get_origin(arm) is not Result])
    if isinstance(hint, typing.NewType):
        return converter(hint.__supertype__)
    cls = origin or hint
    if not isinstance(cls, type):
        return None
    if issubclass(cls, tuple):
        return _fields_of_tuple(cls) if hasattr(cls, "_fields") else _tuple(arguments)
    if issubclass(cls, set | frozenset):
        return _several(cls, arguments)
    for form in JSON_FORMS:
        if issubclass(cls, form.of):
            return _by_form(cls, form)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls)
    if typing.is_typeddict(cls):
        return _typed_dictionary(cls)
    if issubclass(cls, collections.abc.Mapping) and len(arguments) == 2:
        return _mapping(*arguments)
    if cls in _LISTS and arguments:
        return _several(list, arguments)
    if cls in (collections.abc.Set, collections.abc.MutableSet):
        return _several(set, arguments)
    return None


_LISTS = (
    list,
    collections.abc.Iterable,
    collections.abc.Collection,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
)


def _by_form(cls: type, form: JsonForm) -> Converter:
    def convert(value: Any) -> Any:
        return value if isinstance(value, cls) else form.read(cls, value)

    return convert


def _member_hints(cls: type) -> dict[str, Any]:
    """Resolve the hints of a class's members; none if one of them cannot be resolved."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # See `_hints_of`.
        return {}


def _dataclass(cls: Any) -> Converter:
    names = [field.name for field in dataclasses.fields(cls)]

    @lru_cache(maxsize=1)
    def fields() -> dict[str, Converter | None]:  # Lazy: it may contain itself.
        hints = _member_hints(cls)
        return {name: converter(hints.get(name, Any)) for name in names}

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        return cls(**_members(_object(value), fields()))

    return convert


def _typed_dictionary(cls: type) -> Converter:
    @lru_cache(maxsize=1)
    def fields() -> dict[str, Converter | None]:
        return {name: converter(hint) for name, hint in _member_hints(cls).items()}

    return lambda value: _members(_object(value), fields())


def _members(value: dict[str, Any], fields: dict[str, Converter | None]) -> dict[str, Any]:
    return {name: _apply(fields.get(name), item) for name, item in value.items()}


def _fields_of_tuple(cls: Any) -> Converter:
    @lru_cache(maxsize=1)
    def fields() -> list[Converter | None]:  # Lazy: it may contain itself.
        hints = _member_hints(cls)
        return [converter(hints.get(name, Any)) for name in cls._fields]

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        items, each = _list(value), fields()
        return cls(*map(_apply, [*each, *[None] * (len(items) - len(each))], items))

    return convert


def _tuple(arguments: tuple[Any, ...]) -> Converter | None:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _several(tuple, arguments[:1])
    if not arguments:
        return tuple
    each = [converter(argument) for argument in arguments]

    def convert(value: Any) -> Any:
        items = _list(value)
        if len(items) != len(each):
            raise ValueError(f"expected {len(each)} items, got {len(items)}")
        return tuple(map(_apply, each, items))

    return convert


def _several(cls: Any, arguments: tuple[Any, ...]) -> Converter | None:
    each = converter(arguments[0]) if arguments else None
    if each is None:
        return None if cls is list else lambda value: cls(_list(value))
    return lambda value: cls(map(each, _list(value)))


def _mapping(key: Any, item: Any) -> Converter | None:
    keys = _KEYS[key] if key in _KEYS else converter(key)
    items = converter(item)
    if keys is None and items is None:
        return None
    return lambda value: {
        _apply(keys, name): _apply(items, part) for name, part in _object(value).items()
    }


_KEYS: dict[Any, Converter | None] = {
    str: None,
    int: int,
    float: float,
    bool: lambda key: key if isinstance(key, bool) else {"true": True, "false": False}[key],
}
"""How keys are read; those of a JSON object are always text."""


def _union(arms: list[Any]) -> Converter | None:
    """Read a value as the first member of the union that it fits."""
    arms = [arm for arm in arms if arm is not type(None)]
    each = [(_native(arm), converter(arm)) for arm in arms]
    if all(convert is None for _, convert in each):
        return None

    def convert(value: Any) -> Any:
        if value is None:
            return None
        problem: Exception | None = None
        for native, read in each:
            if read is None:
                if isinstance(value, native):
                    return value
                continue
            try:
                return read(value)
            except Exception as error:
                problem = problem or error
        if problem is not None:
            raise problem
        return value

    return convert


def _native(arm: Any) -> Any:
    """Return the class that a value must have to fit a hint that needs no conversion."""
    cls = typing.get_origin(arm) or arm
    if cls is float:
        return (int, float)
    if isinstance(cls, type) and cls is not Any:
        return cls
    return object


def _apply(convert: Converter | None, value: Any) -> Any:
    return value if convert is None else convert(value)


def _list(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return value
    raise TypeError(f"expected a list, not {value!r:.80}")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise TypeError(f"expected an object, not {value!r:.80}")
