"""Results: in arguments, awaited together, one after another, combined in pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

import flowy
from flowy import ActivityProxy, ConfigurationError, Execution, Result, TaskError, TaskFailed
from flowy._decider.decider import decide
from flowy._decider.suspended import SuspendedExecutions
from flowy_sim.testing import Stubs
from tests.support.history_builder import Past
from tests.support.replayed_runs import made, play, seen


@dataclass
class Order:
    name: str
    parts: Any


class Pair(NamedTuple):
    one: Any
    other: Any


def echoing(stubs: Stubs) -> None:
    stubs("echo", 1, function=lambda *args, **kwargs: [list(args), kwargs])
    stubs("slow", 1, function=lambda seconds: seconds, takes=1)
    for seconds in range(1, 6):
        stubs(f"after{seconds}", 1, result=seconds, takes=seconds)


ECHO: dict[str, Any] = {"echo": ActivityProxy("echo", 1)}
AFTER: dict[str, Any] = {
    f"after{seconds}": ActivityProxy(f"after{seconds}", 1, error_handling=True)
    for seconds in range(1, 6)
}


# Arguments


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (lambda it: it, 7),
        (lambda it: [it, [it]], [7, [7]]),
        (lambda it: {"a": {"b": it}}, {"a": {"b": 7}}),
        (lambda it: (1, it), [1, 7]),
        (lambda it: Order("x", [it]), {"name": "x", "parts": [7]}),
        (lambda it: Pair(it, 2), [7, 2]),
    ],
)
def test_a_result_is_found_anywhere_in_an_argument(value: Any, sent: Any) -> None:
    def script(self: Any) -> Any:
        it = self.one(3, 4)
        return self.echo(value(it), named=value(it))

    assert play(script, stubs=echoing, **ECHO).result == [[sent], {"named": sent}]


def test_what_run_returns_may_hold_results_anywhere() -> None:
    run = play(lambda self: {"a": [self.one(1), (self.two(),)], "b": Order("x", self.one(5))})
    assert run.result == {"a": [1, [2]], "b": {"name": "x", "parts": 5}}


def test_the_same_result_may_be_used_often() -> None:
    def script(self: Any) -> Any:
        it = self.two()
        return [self.one(it, it, it), it, it.result(), it.result()]

    assert play(script).result == [6, 2, 2, 2]


def test_a_chain_is_scheduled_step_by_step_without_waiting_in_between() -> None:
    def script(self: Any) -> Any:
        value: Any = 1
        for _ in range(5):
            value = self.one(value, 1)
        return value

    assert play(script).result == 6


def test_a_timer_may_be_an_argument_and_delays_what_needs_it() -> None:
    def script(self: Any) -> Any:
        self.one([1, self.timer(30)][0])
        return self.echo(self.timer(30))

    run = play(script, stubs=echoing, **ECHO)
    assert run.result == [[None], {}]
    assert run.simulated_seconds == 30


def test_a_result_is_neither_true_nor_false() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TypeError, match=r"call \.result\(\) for its value"):
            return "yes" if self.one() else "no"
        return None

    assert play(script).result is None


# Waiting for several


def test_gather_gives_the_values_in_the_order_of_the_results() -> None:
    def script(self: Any) -> Any:
        return flowy.gather(self.after3(), self.after1(), self.after2())

    run = play(script, stubs=echoing, **AFTER)
    assert (run.result, run.simulated_seconds) == ([3, 1, 2], 3)


def test_gather_raises_the_first_error_of_the_list_when_all_have_ended() -> None:
    def script(self: Any) -> Any:
        results = [self.after3(), self.after2(), self.after1()]
        with pytest.raises(TaskFailed, match="after2"):
            flowy.gather(*results)
        return [each.done for each in results]

    def failing(stubs: Stubs) -> None:
        echoing(stubs)
        stubs("after2", 1, error=ValueError("no"), takes=2)
        stubs("after1", 1, error=ValueError("no"), takes=1)

    assert play(script, stubs=failing, **AFTER).result == [True, True, True]


def test_gather_and_wait_of_nothing_wait_for_nothing() -> None:
    def script(self: Any) -> Any:
        flowy.wait()
        return [flowy.gather(), list(flowy.finish_order())]

    assert play(script).result == [[], []]


def test_wait_raises_nothing() -> None:
    def script(self: Any) -> Any:
        work = self.handled()
        flowy.wait(work, self.two())
        return [work.done, str(work.error)]

    def failing(stubs: Stubs) -> None:
        stubs("one", 1, error=ValueError("no"))

    assert play(script, stubs=failing).result == [True, "one 1 (one-1) failed: ValueError: no"]


def test_first_gives_the_one_that_ended_first_wherever_it_is_listed() -> None:
    def script(self: Any) -> Any:
        results = [self.after3(), self.after1(), self.after2()]
        ended = flowy.first(*results)
        return [results.index(ended), ended.result(), [each.done for each in results]]

    assert play(script, stubs=echoing, **AFTER).result == [1, 1, [False, True, False]]


def test_first_of_those_that_have_ended_is_the_one_that_ended_first() -> None:
    def script(self: Any) -> Any:
        results = [self.after3(), self.after1(), self.after2()]
        flowy.wait(*results)
        return flowy.first(*results).result()

    assert play(script, stubs=echoing, **AFTER).result == 1


def test_first_of_an_activity_and_a_timer_is_a_deadline() -> None:
    def script(self: Any) -> Any:
        work, deadline = self.after5(), self.timer(2)
        late = flowy.first(work, deadline) is deadline
        work.cancel()
        return late

    assert play(script, stubs=echoing, **AFTER).result is True


def test_finish_order_gives_each_as_soon_as_it_has_ended() -> None:
    def script(self: Any) -> Any:
        begun = self.now()
        order = []
        for each in flowy.finish_order(self.after3(), self.after1(), self.after2()):
            order.append([each.result(), (self.now() - begun).seconds])
        return order

    assert play(script, stubs=echoing, **AFTER).result == [[1, 1], [2, 2], [3, 3]]


def test_finish_order_gives_those_with_errors_too() -> None:
    def script(self: Any) -> Any:
        results = flowy.finish_order(self.after2(), self.after1())
        return [str(each.error) for each in results]

    def failing(stubs: Stubs) -> None:
        echoing(stubs)
        stubs("after1", 1, error=ValueError("no"), takes=1)

    run = play(script, stubs=failing, **AFTER)
    assert run.result == ["after1 1 (after1-2) failed: ValueError: no", "None"]


def test_parallel_reduce_begins_as_soon_as_any_two_are_there() -> None:
    def script(self: Any) -> Any:
        values = [self.after5(), self.after1(), self.after2(), 10]
        return flowy.parallel_reduce(self.one, values)

    run = play(script, stubs=echoing, **AFTER)
    assert (run.result, run.simulated_seconds) == (18, 5)
    added = [event["input"] for event in seen(run, "ActivityTaskScheduled")]
    assert added[3:] == ["[[10, 1], {}]", "[[11, 2], {}]", "[[13, 5], {}]"]


def test_parallel_reduce_takes_plain_functions_and_values() -> None:
    def script(self: Any) -> Any:
        total = flowy.parallel_reduce(lambda one, other: one + other, [1, self.two(), 3])
        return [total, flowy.parallel_reduce(self.one, [7])]

    assert play(script).result == [6, 7]


def test_parallel_reduce_raises_the_error_of_a_value() -> None:
    def script(self: Any) -> Any:
        try:
            flowy.parallel_reduce(self.one, [self.handled("x"), self.two()])
        except TaskError as error:
            return error.task_id

    def failing(stubs: Stubs) -> None:
        stubs("one", 1, error=ValueError("no"))

    assert play(script, stubs=failing).result == "one-1"


# What is refused


@pytest.mark.parametrize(
    "combine",
    [
        flowy.wait,
        flowy.gather,
        flowy.first,
        flowy.finish_order,
    ],
)
def test_something_that_is_not_a_result_is_refused_at_once(combine: Any) -> None:
    def script(self: Any) -> None:
        with pytest.raises(ConfigurationError, match="is not the result of a call in run"):
            combine(self.one(), 3)

    assert play(script).status == "COMPLETED"


def test_first_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="first needs at least one result to wait for"):
        flowy.first()


def test_parallel_reduce_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="parallel_reduce needs at least one value"):
        flowy.parallel_reduce(max, [])


def test_a_list_of_results_is_refused_with_the_fix() -> None:
    def script(self: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"not in a list; write gather\(\*results\)"):
            flowy.gather([self.one(), self.one()])  # type: ignore[arg-type]

    assert play(script).status == "COMPLETED"


def test_a_result_of_another_execution_cannot_be_awaited() -> None:
    kept: list[Result[Any]] = []
    refused: list[str] = []

    def script(self: Any) -> None:
        kept.append(self.one())
        with pytest.raises(ConfigurationError) as caught:
            flowy.gather(kept[-1], kept[0])
        refused.append(str(caught.value))

    past = Past()
    past.decision_started()
    decide(made(lambda self: kept.append(self.one())), past.events)
    decide(made(script), past.events)
    assert refused == ["<result of one 1 (one-1)> is a result of another execution"]


@pytest.mark.parametrize("suspended", [0, 10])
def test_a_result_that_another_execution_finds_cannot_be_used_there(suspended: int) -> None:
    kept: list[Result[Any]] = []

    def script(self: Any) -> Any:
        kept.append(self.one())
        with pytest.raises(ConfigurationError, match="of first is used outside of its run"):
            kept[0].result()
        with pytest.raises(ConfigurationError, match="is used outside of its run"):
            kept[0].cancel()
        return "refused"

    def first(self: Any) -> None:
        kept.append(self.one())
        kept[0].result()

    past = Past()
    past.decision_started()
    executions = SuspendedExecutions(suspended)
    for cls, name in ((made(first), "first"), (made(script), "second")):
        executions.decide(cls, Execution(name, name), 0, (), lambda: past.events)
    past.decided()
    past.done(past.scheduled("one-1", "one"), "1")
    past.turn()
    (decision,) = decide(made(script), past.events)
    assert decision.attributes == {"result": '"refused"'}
    executions.clear()


def test_a_result_names_its_call() -> None:
    def script(self: Any) -> Any:
        return [repr(each) for each in (self.one(), self.timer(5), self.signal("go"))]

    assert play(script).result == [
        "<result of one 1 (one-1)>",
        "<result of a timer of 5 s (timer-2)>",
        "<result of the signal 'go' (go)>",
    ]
