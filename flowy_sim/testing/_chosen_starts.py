"""What workflows are started with, and when, if the schedule may choose it."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any, NamedTuple

from flowy._checks import number
from flowy.errors import ConfigurationError
from flowy_sim.testing._possible import possible_values

_MOST_EXAMPLES = 20

Choose = Callable[[str, Sequence[Any]], Any]
"""Chooses a value, given what is chosen and the values."""


class StartArguments(NamedTuple):
    """The arguments of a workflow's ``run``."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def chosen_arguments(
    arguments: object, run: Callable[..., Any], given: StartArguments, choose: Choose
) -> StartArguments:
    """Choose the arguments of a workflow.

    Args:
        arguments: True to choose a value for each parameter, by its type hint; or the arguments
            among which to choose: a strategy of Hypothesis, or an iterable.
        run: the workflow's method ``run``.
        given: the arguments that the test gives, the first possibility.
        choose: makes the choices.
    """
    if arguments is not True:
        chosen: StartArguments = choose("the arguments", [given, *_examples_of(arguments)])
        return chosen
    names = list(signature(run).parameters.values())[1:]
    try:
        hints = typing.get_type_hints(run)
    except (NameError, TypeError):
        hints = {}
    args, kwargs = list(given.args), dict(given.kwargs)
    for place, parameter in enumerate(names):
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        values = possible_values(hints[parameter.name]) if parameter.name in hints else []
        what = f"the argument {parameter.name}"
        if place < len(args):
            args[place] = choose(what, [args[place], *values])
        elif parameter.name in kwargs or parameter.default is not Parameter.empty:
            first = [kwargs[parameter.name]] if parameter.name in kwargs else [parameter.default]
            kwargs[parameter.name] = choose(what, [*first, *values])
        elif values:
            kwargs[parameter.name] = choose(what, values)
    return StartArguments(tuple(args), kwargs)


def checked_starts(given: object) -> tuple[float, ...]:
    """Return the option ``starts`` as a tuple of seconds.

    Raises:
        ConfigurationError: it holds something else.
    """
    __tracebackhide__ = True
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    return tuple(number("each of starts", each) for each in found)


def _examples_of(arguments: Any) -> list[StartArguments]:
    if hasattr(arguments, "example") and hasattr(arguments, "map"):
        found = list(_examples(arguments))
    elif isinstance(arguments, Iterable) and not isinstance(arguments, str):
        found = list(arguments)
    else:
        raise ConfigurationError(
            "arguments must be True, a strategy of Hypothesis or a list of tuples of arguments, "
            f"not {arguments!r}"
        )
    return [_as_arguments(each) for each in found]


@cache
def _examples(strategy: Any) -> tuple[Any, ...]:
    """Return a few examples of a strategy, always the same."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    found: list[Any] = []
    quiet = settings(
        max_examples=_MOST_EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    draws: Any = given(strategy)
    seeded: Any = seed(0)
    seeded(quiet(draws(found.append)))()
    return tuple(found)


def _as_arguments(each: Any) -> StartArguments:
    if hasattr(each, "args") and hasattr(each, "kwargs"):
        return StartArguments(tuple(each.args), dict(each.kwargs))
    if isinstance(each, dict):
        return StartArguments((), each)
    return StartArguments(each if isinstance(each, tuple) else (each,), {})
