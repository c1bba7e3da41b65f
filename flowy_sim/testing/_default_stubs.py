"""Default stubs: activities that do nothing and return the simplest value of their type.

They are used where a workflow is run without a test: by ``flowy-sim explore`` and by the strategies
for Hypothesis. The type is that which the activity's ``run`` is annotated with.

>>> simplest_value(list[int]), simplest_value(str | None), simplest_value(tuple[int, str])
([1], 'text', (1, 'text'))
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from flowy.activity import Activity
from flowy.workflow import Workflow
from flowy_sim._simulation.stub_answers import ACTIVITY, FUNCTION
from flowy_sim._simulation.stubs import NameAndVersion, Stubs
from flowy_sim.testing._registry import functions, implementations, proxies, type_of

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


class DefaultStubs:
    """Stubs of all activities and Lambda functions that some workflows can call.

    The results are computed once, to be added to the stubs of many runs. Lambda functions return
    None.

    Args:
        workflows: the workflows' classes.
        activities: the classes of activities that proxies declare only by name and version.
        real: whether activities do their work, so that only Lambda functions are stubbed.
    """

    def __init__(
        self,
        workflows: Sequence[type[Workflow]],
        activities: Iterable[type[Activity]] = (),
        *,
        real: bool = False,
    ) -> None:
        classes = (*activities, *implementations(workflows))
        known = {(cls.flowy_type.name, cls.flowy_type.version): cls for cls in classes}
        called = () if real else activities_of(workflows)
        self._classes = {key: known.get(key) for key in called}
        self._results = {
            key: None if cls is None else simplest_value(_return_hint(cls))
            for key, cls in self._classes.items()
        }
        self._functions = functions_of(workflows)

    def add_to(self, stubs: Stubs) -> None:
        """Add a stub of everything that has none yet."""
        for key, cls in self._classes.items():
            if stubs.find(ACTIVITY, *key) is None:
                named = key if cls is None else (cls,)
                stubs(*named, result=self._results[key])
        for name in self._functions:
            if stubs.find(FUNCTION, name, "") is None:
                stubs.lambda_function(name, result=None)


def functions_of(workflows: Iterable[type[Workflow]]) -> list[str]:
    """Return the names of the Lambda functions that workflows can call."""
    return list(dict.fromkeys(name for cls in workflows for name in functions(cls)))


def activities_of(workflows: Iterable[type[Workflow]]) -> list[NameAndVersion]:
    """Return the types of the activities that workflows can call."""
    return list(dict.fromkeys(type_of(each) for cls in workflows for each in proxies(cls)))


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


def _return_hint(activity: type[Activity]) -> Any:
    try:
        return typing.get_type_hints(activity.run).get("return")
    except (NameError, TypeError):
        return None
