"""Exploring finds what outgrows small limits, and what does not end once all faults are over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import strategies

import flowy
from flowy import (
    Activity,
    ActivityProxy,
    SerializationError,
    TaskError,
    Workflow,
    activity,
    workflow,
)
from flowy_sim import Limits, Simulation
from flowy_sim._cli import cli
from flowy_sim.explore import find
from flowy_sim.faults import ActivityFails, InjectedFault, Signal
from flowy_sim.testing import Runner

DAY = 86_400


@activity("note", 1, "notes", start_to_close=60)
class Note(Activity):
    def run(self, text: str) -> str:
        return text


order = workflow("noting", 1, "notes", execution_start_to_close=30 * DAY)


@order
class Growing(Workflow):
    note = ActivityProxy(Note)

    def run(self, number: int) -> int:
        text = ""
        for _ in range(number):
            text += "one more line; "
            self.note(text).result()
        return number


def noting(number: int) -> Callable[[Runner], None]:
    def test(runner: Runner) -> None:
        runner.stubs(Note, result="noted")
        assert runner(Growing, number).status == "COMPLETED"

    return test


def test_small_limits_are_reached_by_small_tests() -> None:
    assert find(noting(50), runs=10).failure is None
    assert find(noting(50), limits="small").failure is not None


def test_a_payload_can_be_limited() -> None:
    found = find(noting(5), limits=Limits(payload=70))
    assert "less than or equal to 70" in str(found.failure)


def test_slow_rates_are_waited_out_by_flowy() -> None:
    assert find(noting(3), limits="slow", runs=10).failure is None


def test_unknown_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="'small', 'slow'"):
        Simulation(limits="tiny")


def test_inputs_that_grow_from_call_to_call_are_reported() -> None:
    [sentence] = [each for each in find(noting(4)).growth if "note 1" in each]
    assert sentence.startswith("the input of note 1 grows with each call of noting 1: from ")
    assert not [each for each in find(noting(2)).growth if "note 1" in each]


@order
class WaitsForever(Workflow):
    note = ActivityProxy(Note, error_handling=True)

    def run(self) -> str:
        noted = self.note("a line")
        flowy.wait(noted)
        while noted.error is not None:
            self.sleep(2 * DAY)
        return "noted"


@order
class TriesAgain(Workflow):
    note = ActivityProxy(Note, error_handling=True)

    def run(self) -> str:
        while True:
            try:
                return self.note("a line").result()
            except TaskError:
                self.sleep(2 * DAY)


@order
class Letters(Workflow):
    note = ActivityProxy(Note, error_handling=True)

    def run(self) -> str:
        for day in range(25):
            flowy.wait(self.note(f"day {day}"))
            self.sleep(DAY)
        return str(self.signal("enough").result())


def runs(cls: type[Workflow]) -> Callable[[Runner], None]:
    def test(runner: Runner) -> None:
        runner.stubs(Note, result="noted")
        runner(cls)

    return test


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "faults"),
    [(TriesAgain, [ActivityFails(most=2)]), (Letters, [ActivityFails(), Signal("enough", "1")])],
)
def test_what_ends_after_its_own_timers_has_ended_in_time(
    cls: type[Workflow], faults: list[InjectedFault]
) -> None:
    found = find(runs(cls), faults=faults, ends_within=True, runs=60, times_out=True)
    assert found.failure is None, str(found.failure)


def test_what_goes_on_waiting_when_all_faults_are_over_has_not() -> None:
    faults = [ActivityFails()]
    assert find(runs(WaitsForever), faults=faults, times_out=True, runs=20).failure is None
    found = find(runs(WaitsForever), faults=faults, ends_within=True, times_out=True)
    assert "its timers and time-outs allow" in str(found.failure)


ORDERED = """
from typing import Literal
from flowy import Activity, ActivityProxy, Workflow, activity, workflow

@activity("check", 1, "orders", start_to_close=60)
class Check(Activity):
    def run(self, number: int) -> Literal["good", "bad"]: ...

@workflow("order", 1, "orders", execution_start_to_close=86_400)
class Order(Workflow):
    check = ActivityProxy(Check)

    def run(self, number: int) -> float:
        if self.now().day > 1:
            raise ValueError("too late")
        return 1 / number if self.check(number).result() == "good" else 1 / (number - 7)
"""


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ([], ""),
        (["--any-result"], "ZeroDivisionError"),
        (["--arguments"], "ZeroDivisionError"),
        (["--start-after", "172800"], "too late"),
        (["--ends-within", "derived", "--limits", "small"], ""),
    ],
)
def test_the_command_tries_more_on_request(
    flags: list[str], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ordered_elsewhere.py").write_text(ORDERED)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["explore", "ordered_elsewhere:Order", "7", "--completes", "--fault", "none", *flags]
    ran = CliRunner().invoke(cli, words)
    assert (error in ran.output, ran.exit_code) == (True, bool(error))
    for flag in flags:
        assert not error or flag in ran.output.replace("=", " ")


def test_the_command_refuses_what_makes_no_sense() -> None:
    wrong = CliRunner().invoke(cli, ["explore", "--ends-within", "soon"])
    assert "--ends-within takes a number of seconds or derived, not 'soon'" in wrong.output


@workflow("greeting", 1, "purchases")
class Greeting(Workflow):
    def run(self) -> str:
        name = self.signal("name", str)
        try:
            return f"{type(name.result()).__name__}"
        except SerializationError:
            return "malformed"


@pytest.mark.parametrize("given", [None, '"Ann"'])
def test_a_signal_with_any_value_has_one_that_its_type_allows(given: str | None) -> None:
    def test(runner: Runner) -> None:
        seen.append(runner(Greeting).result)

    seen: list[object] = []
    find(test, faults=[Signal("name", given, any_value=True)])
    assert seen[0] == "str"
    assert set(seen) == {"str", "malformed"}


@workflow("halving", 1, "purchases")
class Halving(Workflow):
    def run(self, number: int) -> int:
        return number // 2


def test_arguments_are_drawn_from_a_strategy() -> None:
    def test(runner: Runner) -> None:
        seen.add(runner(Halving, 1).result)

    seen: set[object] = set()
    found = find(test, arguments=strategies.tuples(strategies.integers(100, 120)))
    assert found.complete, str(found.failure)
    assert 0 in seen
    assert len(seen) > 4
    assert seen <= {0, *range(50, 61)}
