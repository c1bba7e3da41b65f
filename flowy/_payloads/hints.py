"""Values from plain JSON, as the type hints of ``run`` declare its parameters and return value."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from enum import Enum
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any, NamedTuple

from flowy._payloads.serializers import JSON_FORMS, Converter, JsonForm
from flowy._payloads.text import error_message
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


class Mismatch(ValueError):
    """A value does not match its type hint.

    Args:
        problem: what is wrong.

    Attributes:
        path: the place in the value, such as ``.items[2].price``; empty for the value itself.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path = ""


def hints_of(cls: type, strict: bool) -> Hints:
    """Read the type hints of a class's ``run``.

    Args:
        cls: an activity or a workflow.
        strict: see `converter`.

    Returns:
        How its arguments and result are read: `NO_HINTS` if all of them stay plain JSON, or if a
        hint cannot be resolved because it names something imported for type checkers only.
    """
    return _hints_of(getattr(cls, "run", None), strict)


@lru_cache(maxsize=512)
def _hints_of(run: Any, strict: bool) -> Hints:
    try:
        return _read_hints(run, strict)
    except Exception:  # Resolving a hint runs code of the author's, which may raise anything.
        return NO_HINTS


def _read_hints(run: Any, strict: bool) -> Hints:
    resolved = typing.get_type_hints(run, include_extras=True)
    parameters = list(signature(run).parameters.values())
    positional: list[tuple[str, Converter | None]] = []
    named: dict[str, Converter | None] = {}
    rest = others = None
    for parameter in parameters[1:]:  # The first one is the instance.
        convert = converter(resolved.get(parameter.name, Any), strict)
        if parameter.kind is Parameter.VAR_POSITIONAL:
            rest = convert
        elif parameter.kind is Parameter.VAR_KEYWORD:
            others = convert
        else:
            named[parameter.name] = convert
            if parameter.kind is not Parameter.KEYWORD_ONLY:
                positional.append((parameter.name, convert))
    result = converter(resolved.get("return", Any), strict)
    if not any((rest, others, result, *named.values())):
        return NO_HINTS
    return Hints(tuple(positional), rest, named, others, result)


def converter(hint: Any, strict: bool = True) -> Converter | None:
    """Return the function that reads values of a type.

    Args:
        hint: a resolved type hint.
        strict: whether values that JSON has a type for are checked as well: that a number is a
            number. As in JSON, an int is a float, and a tuple or a set is a list.

    Returns:
        A function that turns plain JSON into a value of that type, returns a value that already is
        one, and raises an exception otherwise: a `Mismatch`, or whatever constructors and
        ``__post_init__`` raise, which are code of the author's. None if nothing needs converting.
    """
    try:
        return _cached(hint, strict)
    except TypeError:  # The hint is not hashable.
        return _converter(hint, strict)


@lru_cache(maxsize=2048)
def _cached(hint: Any, strict: bool) -> Converter | None:
    return _converter(hint, strict)


def _converter(hint: Any, strict: bool) -> Converter | None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated or origin in (typing.Required, typing.NotRequired):
        return converter(arguments[0], strict)
    if origin in (typing.Union, types.UnionType):
        return _union([arm for arm in arguments if typing.get_origin(arm) is not Result], strict)
    if isinstance(hint, typing.NewType):
        return converter(hint.__supertype__, strict)
    if strict and origin is typing.Literal:
        return _literal(arguments)
    if hint is None:
        hint = type(None)
    cls = origin or hint
    if not isinstance(cls, type):
        return None
    if strict and cls in _PLAIN:
        return _plain(cls)
    return _of_class(cls, arguments, strict)


_PLAIN: dict[type, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    type(None): (type(None),),
}
"""The classes of the values that fit a class that JSON has a type for."""


def _plain(cls: type) -> Converter:
    fitting, name = _PLAIN[cls], "None" if cls is type(None) else cls.__name__

    def check(value: Any) -> Any:
        if isinstance(value, fitting) and (cls is bool or not isinstance(value, bool)):
            return value
        raise Mismatch(f"expected {name}, got {value!r:.80}")

    return check


def _literal(choices: tuple[Any, ...]) -> Converter | None:
    def check(value: Any) -> Any:
        for choice in choices:
            if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                return value
        raise Mismatch(f"expected {' or '.join(map(repr, choices))}, got {value!r:.80}")

    return None if any(isinstance(each, Enum) for each in choices) else check


def _of_class(cls: type, arguments: tuple[Any, ...], strict: bool) -> Converter | None:
    if issubclass(cls, tuple):
        if hasattr(cls, "_fields"):
            return _fields_of_tuple(cls, strict)
        return _tuple(arguments, strict)
    if issubclass(cls, set | frozenset):
        return _several(cls, arguments, strict)
    for form in JSON_FORMS:
        if issubclass(cls, form.of):
            return _by_form(cls, form)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls, strict)
    if typing.is_typeddict(cls):
        return _typed_dictionary(cls, strict)
    if issubclass(cls, collections.abc.Mapping):
        if len(arguments) == 2:
            return _mapping(*arguments, strict)
        return _object if strict and cls in (dict, collections.abc.Mapping) else None
    if cls in _LISTS and (arguments or strict):
        return _several(list, arguments, strict)
    if cls in (collections.abc.Set, collections.abc.MutableSet):
        return _several(set, arguments, strict)
    return None


def _at(error: Exception, step: str) -> Mismatch:
    """Return an error of a part as one of the whole."""
    if isinstance(error, Mismatch):
        mismatch = error
    else:
        mismatch = Mismatch(f"{type(error).__name__}: {error_message(error)}")
        mismatch.__cause__ = error
    mismatch.path = step + mismatch.path
    return mismatch


def _each(parts: collections.abc.Iterable[tuple[Converter | None, str, Any]]) -> list[Any]:
    """Convert the parts of a value, given with the steps that lead to them."""
    values: list[Any] = []
    for convert, step, part in parts:
        try:
            values.append(part if convert is None else convert(part))
        except Exception as error:
            raise _at(error, step) from error.__cause__
    return values


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
    except Exception:  # See `hints_of`.
        return {}


def _dataclass(cls: Any, strict: bool) -> Converter:
    names = [field.name for field in dataclasses.fields(cls)]

    @lru_cache(maxsize=1)
    def fields() -> dict[str, Converter | None]:  # Lazy: it may contain itself.
        hints = _member_hints(cls)
        return {name: converter(hints.get(name, Any), strict) for name in names}

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        return cls(**_members(_object(value), fields()))

    return convert


def _typed_dictionary(cls: Any, strict: bool) -> Converter:
    @lru_cache(maxsize=1)
    def fields() -> dict[str, Converter | None]:
        return {name: converter(hint, strict) for name, hint in _member_hints(cls).items()}

    @lru_cache(maxsize=1)
    def required() -> set[str]:
        # `__required_keys__` does not see `NotRequired` in annotations that are text.
        origins = {name: typing.get_origin(hint) for name, hint in _member_hints(cls).items()}
        return {
            name
            for name, origin in origins.items()
            if (name in cls.__required_keys__ and origin is not typing.NotRequired)
            or origin is typing.Required
        }

    def convert(value: Any) -> Any:
        members = _object(value)
        if strict and (missing := required() - members.keys()):
            raise Mismatch(f"{min(missing)!r} is missing in {value!r:.80}")
        return _members(members, fields())

    return convert


def _members(value: dict[str, Any], fields: dict[str, Converter | None]) -> dict[str, Any]:
    items = _each((fields.get(name), f".{name}", item) for name, item in value.items())
    return dict(zip(value, items, strict=True))


def _fields_of_tuple(cls: Any, strict: bool) -> Converter:
    @lru_cache(maxsize=1)
    def fields() -> list[Converter | None]:  # Lazy: it may contain itself.
        hints = _member_hints(cls)
        return [converter(hints.get(name, Any), strict) for name in cls._fields]

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        items, each = list(_list(value)), fields()
        extra = [None] * (len(items) - len(each))
        names = [*(f".{name}" for name in cls._fields), *("" for _ in extra)]
        return cls(*_each(zip([*each, *extra], names, items, strict=False)))

    return convert


def _tuple(arguments: tuple[Any, ...], strict: bool) -> Converter | None:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _several(tuple, arguments[:1], strict)
    if not arguments:
        return lambda value: tuple(_list(value)) if strict else tuple(value)
    each = [converter(argument, strict) for argument in arguments]
    steps = [f"[{index}]" for index in range(len(each))]

    def convert(value: Any) -> Any:
        items = _list(value)
        if len(items) != len(each):
            raise Mismatch(f"expected {len(each)} items, got {len(items)}")
        return tuple(_each(zip(each, steps, items, strict=True)))

    return convert


def _several(cls: Any, arguments: tuple[Any, ...], strict: bool) -> Converter | None:
    each = converter(arguments[0], strict) if arguments else None
    if each is None:
        if cls is list:
            return _list if strict else None
        return lambda value: cls(_list(value))

    def convert(value: Any) -> Any:
        items = _list(value)
        try:
            return cls(map(each, items))
        except Exception:
            # The position is only looked for where something is wrong.
            _each((each, f"[{index}]", item) for index, item in enumerate(items))
            raise

    return convert


def _mapping(key: Any, item: Any, strict: bool) -> Converter | None:
    keys = _KEYS[key] if key in _KEYS else converter(key, strict)
    items = converter(item, strict)
    if keys is None and items is None:
        return _object if strict else None

    def convert(value: Any) -> Any:
        parts = _object(value)
        names = _each((keys, f"[{name!r}]", name) for name in parts)
        values = _each((items, f"[{name!r}]", part) for name, part in parts.items())
        return dict(zip(names, values, strict=True))

    return convert


_KEYS: dict[Any, Converter | None] = {
    str: None,
    int: int,
    float: float,
    bool: lambda key: key if isinstance(key, bool) else {"true": True, "false": False}[key],
}
"""How keys are read; those of a JSON object are always text."""


def _union(arms: list[Any], strict: bool) -> Converter | None:
    """Read a value as the first member of the union that it fits."""
    optional = type(None) in arms or not strict
    arms = [arm for arm in arms if arm is not type(None)]
    each = [(_native(arm), converter(arm, strict)) for arm in arms]
    if all(convert is None for _, convert in each):
        return None

    def convert(value: Any) -> Any:
        if value is None and optional:
            return None
        problems: list[Exception] = []
        for native, read in each:
            if read is None:
                if isinstance(value, native):
                    return value
                continue
            try:
                return read(value)
            except Exception as error:
                problems.append(error)
        if not problems:
            return value
        # Report the member that fits best: its mismatch lies deepest in the value.
        raise max(problems, key=lambda error: len(getattr(error, "path", "")))

    return convert


def _native(arm: Any) -> Any:
    """Return the class that a value must have to fit a hint that needs no conversion."""
    cls = typing.get_origin(arm) or arm
    if cls is float:
        return (int, float)
    if isinstance(cls, type) and cls is not Any:
        return cls
    return object


def _list(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return value
    raise Mismatch(f"expected a list, got {value!r:.80}")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise Mismatch(f"expected an object, got {value!r:.80}")
