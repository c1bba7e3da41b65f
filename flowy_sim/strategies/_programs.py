"""Whole workflows, drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from flowy.errors import TaskError
from flowy.proxy import ActivityProxy
from flowy.retry import Retry
from flowy.workflow import Workflow, workflow
from flowy_sim.testing._stubs import Stubs


@dataclass(frozen=True)
class Call:
    """Ask for an activity.

    Attributes:
        number: which call of the workflow this is.
        needs: the numbers of earlier calls whose results are its arguments; those that were not
            made are left out.
        failures: how many attempts fail.
        takes: how many simulated seconds each attempt takes.
        start_to_close: after how many seconds an attempt times out.
        attempts, delay: how often, and after how many seconds, it is tried.
        error_handling: whether its error is handed to the workflow.
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
        """The name of its activity; the version is 1."""
        return f"call{self.number}"


@dataclass(frozen=True)
class Wait:
    """Wait for the result of a call, if it was made."""

    number: int


@dataclass(frozen=True)
class When:
    """Wait for the result of a call; go through more steps if it is an even number."""

    number: int
    steps: tuple[Step, ...]


Step = Call | Wait | When


@dataclass(frozen=True)
class Program:
    """A workflow as data: its ``repr`` makes it again.

    Attributes:
        steps: what it does, in order.
    """

    steps: tuple[Step, ...]

    @property
    def calls(self) -> list[Call]:
        """All calls that it may make."""
        return list(_calls(self.steps))

    def workflow(self) -> type[Workflow]:
        """Return it as a class; its ``run`` takes no arguments."""

        def run(self: Workflow) -> Any:
            results: dict[int, Any] = {}
            seen: list[object] = []
            _go_through(steps, self, results, seen)
            # The error of a call that hands it to the workflow would fail it here.
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
        """Stub its activities; a result is the sum of the arguments and a number.

        Args:
            stubs: to which they are added; new ones by default.

        Returns:
            The stubs.
        """
        stubs = Stubs() if stubs is None else stubs
        for call in self.calls:
            stubs(call.name, 1, function=_work(call), takes=call.takes)
        return stubs


def workflows(most_calls: int = 8) -> st.SearchStrategy[Program]:
    """Draw workflows: sequences, parallel calls, dependencies, branches, errors, retries.

    Args:
        most_calls: how many calls a workflow makes at most.
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
            steps.append(When(draw(st.integers(0, number - 1)), tuple(group)))
        else:
            steps += group
        number += size
        steps += map(Wait, draw(st.lists(st.integers(0, number - 1), max_size=2, unique=True)))
    return Program(tuple(steps))


@st.composite
def _call(draw: st.DrawFn, number: int) -> Call:
    needs = st.lists(st.integers(0, number - 1), max_size=3, unique=True) if number else st.just([])
    return Call(
        number,
        needs=tuple(draw(needs)),
        failures=draw(st.sampled_from((0, 0, 0, 0, 1, 2))),
        takes=draw(st.integers(0, 20)),
        start_to_close=draw(st.sampled_from((300, 300, 10))),
        attempts=draw(st.integers(1, 3)),
        delay=draw(st.integers(0, 5)),
        error_handling=draw(st.sampled_from((True, True, False))),
    )


def _work(call: Call) -> Callable[..., int]:
    failures = iter(range(call.failures))

    def work(*needed: int) -> int:
        if next(failures, None) is not None:
            raise ValueError(call.name)
        return call.number + sum(needed)

    return work


def _calls(steps: tuple[Step, ...]) -> Iterator[Call]:
    for step in steps:
        if isinstance(step, Call):
            yield step
        elif isinstance(step, When):
            yield from _calls(step.steps)


def _go_through(
    steps: tuple[Step, ...], asking: Workflow, results: dict[int, Any], seen: list[object]
) -> None:
    for step in steps:
        if isinstance(step, Call):
            needed = [results[number] for number in step.needs if number in results]
            results[step.number] = getattr(asking, step.name)(*needed)
        elif step.number in results:
            value = _value(results[step.number])
            seen.append(value)
            if isinstance(step, When) and isinstance(value, int) and value % 2 == 0:
                _go_through(step.steps, asking, results, seen)


def _value(result: Any) -> object:
    try:
        return result.result()
    except TaskError as error:
        return type(error).__name__
