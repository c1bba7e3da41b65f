"""Random inputs of workflows, and random workflows."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st

from flowy.errors import ConfigurationError, SerializationError, TaskError
from flowy.payloads import PLAIN, Payloads
from flowy.proxy import ActivityProxy
from flowy.retry import Retry
from flowy.workflow import Workflow, WorkflowType, workflow
from flowy_sim._simulation.stubs import Stubs

# Inputs

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
"""Values of a parameter without a type hint."""


_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


class Input(NamedTuple):
    """The arguments of a workflow's ``run``.

    Attributes:
        args: the positional arguments.
        kwargs: the keyword arguments.

    Example:
        ``runner.run(Order, *given.args, **given.kwargs)``
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def inputs(workflow: type[Workflow], payloads: Payloads = PLAIN) -> st.SearchStrategy[Input]:
    """Generate arguments that a workflow can be started with.

    Values have the types that the parameters of ``run`` are annotated with, and can be serialized.
    A parameter with a default is sometimes left out.

    Args:
        workflow: the class of the workflow.
        payloads: encodes the arguments.

    Example:
        ::

            @given(inputs(Order))
            def test_every_order_ends(given):
                run = Runner(Simulation(), stubs=stubs()).run(Order, *given.args, **given.kwargs)
                assert run.status == "COMPLETED"

    Raises:
        ConfigurationError: `workflow` isn't a workflow.
    """
    __tracebackhide__ = True
    if not is_workflow(workflow):
        raise ConfigurationError(f"{workflow!r} isn't a class decorated with @workflow")
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
    return drawn.filter(lambda given: _can_be_serialized(workflow, given, payloads))


def is_workflow(cls: object) -> bool:
    """Return whether an object is a class decorated with ``@workflow``."""
    return isinstance(getattr(cls, "flowy_type", None), WorkflowType)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Generate values of a type."""
    if hint in (Any, object, inspect.Parameter.empty):
        return JSON
    return _NUMBERS if hint is float else st.from_type(hint)


def _can_be_serialized(workflow: type[Workflow], given: Input, payloads: Payloads) -> bool:
    owner = str(workflow.flowy_type)
    try:
        text = payloads.encode_input(owner, given.args, given.kwargs)
        payloads.decode_input(owner, text, workflow)
    except SerializationError:
        return False
    return True


# Programs


@dataclass(frozen=True)
class ActivityCall:
    """A step that calls an activity.

    Attributes:
        number: the number of this call in the workflow.
        needs: the numbers of earlier calls whose results are its arguments; calls that were not
            made are left out.
        failures: the number of attempts that fail.
        takes: how many simulated seconds each attempt takes.
        start_to_close: the time-out of an attempt, in seconds.
        attempts: the maximum number of attempts.
        delay: the seconds between two attempts.
        error_handling: whether the workflow handles the error; otherwise the error fails the
            workflow.
    """

    number: int
    needs: tuple[int, ...] = ()
    failures: int = 0
    takes: int = 0
    start_to_close: int = 300
    attempts: int = 1
    delay: int = 0
    error_handling: bool = False

    @property
    def name(self) -> str:
        """The name of the activity; its version is 1."""
        return f"call{self.number}"


@dataclass(frozen=True)
class WaitFor:
    """A step that waits for the result of a call, if that call was made."""

    number: int


@dataclass(frozen=True)
class WhenEven:
    """A step that waits for the result of a call, and takes more steps if the result is even."""

    number: int
    steps: tuple[Step, ...]


Step = ActivityCall | WaitFor | WhenEven


@dataclass(frozen=True)
class Program:
    """A workflow as data; its ``repr`` is Python code that creates it.

    Attributes:
        steps: the steps of the workflow, in order.
    """

    steps: tuple[Step, ...]

    @property
    def calls(self) -> list[ActivityCall]:
        """All calls that the workflow may make."""
        return list(_calls(self.steps))

    def workflow(self) -> type[Workflow]:
        """Return the workflow as a class; its ``run`` takes no arguments."""

        def run(self: Workflow) -> Any:
            results: dict[int, Any] = {}
            seen: list[object] = []
            _take(steps, self, results, seen)
            # A handled error must not be returned: its result would fail the workflow here.
            return [seen, [results[call.number] for call in unhandled if call.number in results]]

        steps = self.steps
        unhandled = [call for call in self.calls if not call.error_handling]
        proxies = {
            call.name: ActivityProxy(
                call.name,
                1,
                start_to_close=call.start_to_close,
                retry=Retry(call.attempts, call.delay),
                error_handling=call.error_handling,
            )
            for call in self.calls
        }
        cls = type("RandomWorkflow", (Workflow,), {"run": run, **proxies})
        return workflow("random", 1, "random_decisions")(cls)

    def stubs(self, stubs: Stubs | None = None) -> Stubs:
        """Stub the activities. Each returns the number of its call plus the sum of its arguments.

        Args:
            stubs: the stubs to add to; new ones by default.

        Returns:
            The stubs.
        """
        stubs = Stubs() if stubs is None else stubs
        for call in self.calls:
            stubs(call.name, 1, function=_work(call), takes=call.takes)
        return stubs


def workflows(most_calls: int = 8) -> st.SearchStrategy[Program]:
    """Generate workflows: sequences, parallel calls, dependencies, branches, errors and retries.

    Args:
        most_calls: the maximum number of activity calls in a workflow.
    """
    return _programs(most_calls)


@st.composite
def _programs(draw: st.DrawFn, most_calls: int) -> Program:
    count = draw(st.integers(0, most_calls))
    steps: list[Step] = []
    number = 0
    while number < count:
        size = draw(st.integers(1, count - number))
        group: list[Step] = [draw(_call(number + offset)) for offset in range(size)]
        if number and draw(st.booleans()):
            steps.append(WhenEven(draw(st.integers(0, number - 1)), tuple(group)))
        else:
            steps += group
        number += size
        steps += map(WaitFor, draw(st.lists(st.integers(0, number - 1), max_size=2, unique=True)))
    return Program(tuple(steps))


@st.composite
def _call(draw: st.DrawFn, number: int) -> ActivityCall:
    needs = st.lists(st.integers(0, number - 1), max_size=3, unique=True) if number else st.just([])
    return ActivityCall(
        number,
        needs=tuple(draw(needs)),
        failures=draw(st.sampled_from((0, 0, 0, 0, 1, 2))),
        takes=draw(st.integers(0, 20)),
        start_to_close=draw(st.sampled_from((300, 300, 10))),
        attempts=draw(st.integers(1, 3)),
        delay=draw(st.integers(0, 5)),
        error_handling=draw(st.sampled_from((True, True, False))),
    )


def _work(call: ActivityCall) -> Callable[..., int]:
    failures = iter(range(call.failures))

    def work(*needed: int) -> int:
        if next(failures, None) is not None:
            raise ValueError(call.name)
        return call.number + sum(needed)

    return work


def _calls(steps: tuple[Step, ...]) -> Iterator[ActivityCall]:
    for step in steps:
        if isinstance(step, ActivityCall):
            yield step
        elif isinstance(step, WhenEven):
            yield from _calls(step.steps)


def _take(
    steps: tuple[Step, ...], calling: Workflow, results: dict[int, Any], seen: list[object]
) -> None:
    for step in steps:
        if isinstance(step, ActivityCall):
            needed = [results[number] for number in step.needs if number in results]
            results[step.number] = getattr(calling, step.name)(*needed)
        elif step.number in results:
            value = _value(results[step.number])
            seen.append(value)
            if isinstance(step, WhenEven) and isinstance(value, int) and value % 2 == 0:
                _take(step.steps, calling, results, seen)


def _value(result: Any) -> object:
    try:
        return result.result()
    except TaskError as error:
        return type(error).__name__
