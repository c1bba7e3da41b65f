"""Lambda functions that workflows call."""

from __future__ import annotations

from typing import Any

import pytest

from flowy import ConfigurationError, LambdaProxy, TaskFailed, TaskNotScheduled, TaskTimedOut
from flowy.replay import replay
from flowy_sim import Simulation
from flowy_sim._engine.lambda_functions import LambdaError, LambdaFunction
from flowy_sim.testing import Run, Runner
from tests.support.replayed_runs import made

ROLE = "arn:aws:iam::123456789012:role/lambda"


def ran(script: Any, function: Any, role: bool = True, **options: Any) -> Run:
    simulation = Simulation()
    simulation.lambdas["adder"] = function
    cls = made(script, fn=LambdaProxy("adder", **options))
    given = {"lambda_role": ROLE} if role else {}
    run = Runner(simulation).run(cls, **given)
    replay(cls, run.history)
    return run


def test_a_lambda_function_gets_a_value_as_its_event_and_gives_one() -> None:
    def script(self: Any) -> Any:
        return self.fn({"numbers": [1, self.fn({"numbers": [2, 3]})]}).result()

    run = ran(script, lambda event: sum(event["numbers"]))
    assert run.result == 6


def test_a_lambda_function_that_fails_is_tried_again_as_often_as_wanted() -> None:
    tries: list[Any] = []

    def flaky(event: Any) -> Any:
        tries.append(event)
        if len(tries) < 3:
            raise LambdaError("UnhandledError", '{"errorMessage": "again"}')
        return "done"

    run = ran(lambda self: self.fn("x").result(), flaky, retry=3, delay=10)
    assert (run.result, tries) == ("done", ["x"] * 3)
    assert run.simulated_seconds >= 20


def test_the_error_of_a_lambda_function_is_handed_to_the_workflow() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TaskFailed) as caught:
            self.fn().result()
        return [caught.value.type, caught.value.reason, caught.value.details]

    def broken(event: Any) -> Any:
        raise LambdaError("UnhandledError", "{}")

    assert ran(script, broken, error_handling=True).result == ["adder", "UnhandledError", "{}"]


def test_a_lambda_function_that_takes_too_long_times_out() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TaskTimedOut) as caught:
            self.fn.options(start_to_close=5)().result()
        return caught.value.timeout_type

    slow = LambdaFunction(lambda event: event, takes=6)
    assert ran(script, slow, error_handling=True).result == "START_TO_CLOSE"


def test_without_a_role_a_lambda_function_is_not_scheduled() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TaskNotScheduled) as caught:
            self.fn().result()
        return caught.value.cause

    run = ran(script, abs, role=False, error_handling=True)
    assert run.result == "ASSUME_ROLE_FAILED"


@pytest.mark.parametrize("seconds", [0, 901, None, "60"])
def test_a_time_out_is_what_lambda_allows(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="from 1 to 900"):
        LambdaProxy("adder", start_to_close=seconds)


def test_a_proxy_works_only_in_run() -> None:
    cls = made(lambda self: None, fn=LambdaProxy("adder"))
    with pytest.raises(ConfigurationError, match="the proxy of adder works only in the run method"):
        cls().fn(1)
