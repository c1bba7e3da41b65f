"""Lambda functions that fail, time out, are slow or run twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flowy
from flowy import LambdaProxy, TaskError, TaskFailed
from flowy_sim.faults import (
    EVERYDAY,
    LambdaFails,
    LambdaOutage,
    LambdaSlow,
    LambdaTimesOut,
    LambdaTwice,
)
from flowy_sim.testing import Run, Runner
from tests.planted.bugs import planted
from tests.planted.steps import ROLE, Refund, Ship, Shop, order


def called(
    runner: Runner,
    decide: Callable[[Any], Any],
    function: Callable[[Any], Any],
    retry: int = 1,
    takes: float = 0,
) -> Run:
    """Run a workflow that calls a Lambda function."""

    @order
    class Order(Shop):
        resize = LambdaProxy("resize", start_to_close=60, error_handling=True, retry=retry)

        def run(self) -> Any:
            return decide(self)

    runner.stubs.lambda_function("resize", function=function, takes=takes)
    return runner(Order, lambda_role=ROLE)


@planted(EVERYDAY, most_faults=1)
def a_failed_function_is_not_expected(runner: Runner, fixed: bool) -> None:
    def decide(self: Any) -> Any:
        try:
            return self.resize("photo").result()
        except TaskError:
            if fixed:
                return "later"
            raise

    assert called(runner, decide, lambda event: "small").status == "COMPLETED"


@planted([LambdaTimesOut()])
def only_failures_of_a_function_are_caught(runner: Runner, fixed: bool) -> None:
    caught = TaskError if fixed else TaskFailed

    def decide(self: Any) -> Any:
        try:
            return self.resize("photo").result()
        except caught:
            return "later"

    assert called(runner, decide, lambda event: "small").status == "COMPLETED"


@planted([LambdaTwice()])
def a_function_has_its_effect_twice(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    def charge(event: str) -> str:
        if event not in charged or not fixed:
            charged.append(event)
        return "paid"

    called(runner, lambda self: self.resize("order-1").result(), charge)
    assert charged == ["order-1"]


@planted([LambdaTimesOut()])
def what_a_late_function_did_is_done_again(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    def charge(event: str) -> str:
        if event not in charged or not fixed:
            charged.append(event)
        return "paid"

    called(runner, lambda self: self.resize("order-1").result(), charge, retry=2)
    assert charged == ["order-1"]


@planted([LambdaTimesOut()])
def what_a_late_function_did_is_not_undone(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    def decide(self: Any) -> str:
        try:
            self.resize("order-1").result()
        except TaskError:
            if fixed:
                self.refund("order-1").result()
            return "declined"
        return "paid"

    def refund(name: str) -> None:
        charged.clear()

    runner.stubs(Refund, function=refund)
    run = called(runner, decide, charged.append)
    assert run.result == "paid" or not charged


@planted([LambdaSlow(seconds=45)])
def a_slow_function_is_overtaken_by_its_deadline(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    def decide(self: Any) -> str:
        resized, deadline = self.resize("photo"), self.timer(30)
        flowy.first(resized, deadline)
        if not resized.done:
            if fixed:
                flowy.wait(resized)
                return "late"
            return "given up"
        return "resized"

    run = called(runner, decide, lambda event: ledger.append("resized"))
    assert run.result != "given up" or not ledger


@planted([LambdaFails()])
def one_of_several_functions_fails(runner: Runner, fixed: bool) -> None:
    def decide(self: Any) -> Any:
        found = [self.resize(name) for name in ("a", "b", "c")]
        flowy.wait(*found)
        good = [each.result() for each in found if each.error is None or not fixed]
        return len(good)

    assert called(runner, decide, lambda event: event).status == "COMPLETED"


@planted([LambdaFails()])
def a_failed_check_is_taken_for_a_good_one(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []
    checked: list[str] = []

    def decide(self: Any) -> str:
        checking = self.resize("lamp")
        flowy.wait(checking)
        if checking.error is None or not fixed:
            self.ship("lamp").result()
        return "done"

    runner.stubs(Ship, function=shipped.append)
    called(runner, decide, checked.append)
    assert not shipped or checked


@planted([LambdaOutage()])
def all_attempts_of_a_function_fail(runner: Runner, fixed: bool) -> None:
    def decide(self: Any) -> Any:
        resized = self.resize("lamp")
        flowy.wait(resized)
        return "later" if fixed and resized.error is not None else resized.result()

    assert called(runner, decide, str, retry=3).status == "COMPLETED"
