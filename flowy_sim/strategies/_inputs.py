"""Inputs of a workflow, by the type hints of its ``run``."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import strategies as st

from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
"""What stands for a parameter without a type hint."""

_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


class Input(NamedTuple):
    """What a workflow's ``run`` is called with.

    Example:
        ``runner.run(Order, *given.args, **given.kwargs)``
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def inputs(workflow: type[Workflow], payloads: Payloads = PLAIN) -> st.SearchStrategy[Input]:
    """Draw what a workflow can be started with.

    Values are those of the types that the parameters of ``run`` are annotated with, as far as they
    can be sent; parameters with a default are given or not.

    Args:
        workflow: its class.
        payloads: how arguments travel.

    Example:
        ::

            @given(inputs(Order))
            def test_every_order_ends(given):
                run = Runner(Simulation(), stubs=stubs()).run(Order, *given.args, **given.kwargs)
                assert run.status == "COMPLETED"

    Raises:
        ConfigurationError: that is no workflow.
    """
    __tracebackhide__ = True
    if not is_workflow(workflow):
        raise ConfigurationError(f"{workflow!r} is no class decorated with @workflow")
    hints = typing.get_type_hints(workflow.run)
    args: list[st.SearchStrategy[Any]] = []
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, parameter in list(inspect.signature(workflow.run).parameters.items())[1:]:
        values = values_of(hints.get(name, Any))
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is not parameter.empty:
            optional[name] = values
        elif parameter.kind is parameter.KEYWORD_ONLY:
            required[name] = values
        else:
            args.append(values)
    drawn = st.builds(Input, st.tuples(*args), st.fixed_dictionaries(required, optional=optional))
    return drawn.filter(lambda given: _can_be_sent(workflow, given, payloads))


def is_workflow(cls: object) -> bool:
    """Tell whether something is a class decorated with ``@workflow``."""
    return isinstance(getattr(cls, "flowy_type", None), WorkflowType)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Draw values of a type."""
    if hint in (Any, object, inspect.Parameter.empty):
        return JSON
    return _NUMBERS if hint is float else st.from_type(hint)


def _can_be_sent(workflow: type[Workflow], given: Input, payloads: Payloads) -> bool:
    owner = str(workflow.flowy_type)
    try:
        text = payloads.encode_input(owner, given.args, given.kwargs)
        payloads.decode_input(owner, text, workflow)
    except SerializationError:
        return False
    return True
