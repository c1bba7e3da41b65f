"""Activities without a service: heartbeats are recorded, and cancellation is received."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

import flowy
from flowy import (
    LATER,
    Activity,
    ActivityCanceled,
    ActivityContext,
    ActivityProxy,
    Payloads,
    activity,
)
from flowy_sim.testing import ActivityEnvironment
from tests.support.bakery import Bread, Heat, Knead


@activity("count", 1, "numbers", heartbeat=60, automatic_heartbeat=True)
def count_to(context: ActivityContext, number: int) -> int:
    for each in range(number):
        if not context.heartbeat(f"{each}"):
            if context.cancel_requested:
                raise ActivityCanceled(f"stopped at {each}")
            return -each
    return number


@activity("later", 1, "numbers")
def later(context: ActivityContext) -> int:
    number: int = LATER
    return number


@activity("tomorrow", 1, "days")
class Tomorrow(Activity):
    def run(self, day: datetime.date) -> datetime.date:
        assert type(day) is datetime.date
        return day + datetime.timedelta(days=1)


@pytest.fixture
def alone() -> ActivityEnvironment:
    return ActivityEnvironment()


def test_a_class_and_a_function_are_run(alone: ActivityEnvironment) -> None:
    assert alone(Heat, 220) == 220
    assert alone.heartbeats == [None] * 3
    assert alone(count_to, number=2) == 2
    assert alone.heartbeats == ["0", "1"]


def test_heartbeats_learn_of_a_cancellation(alone: ActivityEnvironment) -> None:
    alone.cancel(at=3)
    with pytest.raises(ActivityCanceled, match="stopped at 2"):
        alone(count_to, 10)
    assert len(alone.heartbeats) == 3
    assert alone(Heat, 220) == 0


def test_heartbeats_learn_that_the_activity_is_no_longer_awaited(
    alone: ActivityEnvironment,
) -> None:
    alone.abandon(at=2)
    assert alone(count_to, 10) == -1


def test_each_heartbeat_can_be_watched() -> None:
    seen: list[str | None] = []
    assert ActivityEnvironment(on_heartbeat=seen.append)(count_to, 3) == 3
    assert seen == ["0", "1", "2"]


def test_long_details_are_cut_as_a_worker_does(alone: ActivityEnvironment) -> None:
    @activity("long", 1, "numbers")
    def long(context: ActivityContext) -> None:
        context.heartbeat("x" * 5000)

    alone(long)
    [details] = alone.heartbeats
    assert details is not None
    assert len(details) == 2048


def test_an_error_comes_out_as_it_is(alone: ActivityEnvironment) -> None:
    with pytest.raises(ValueError, match="there is no flour"):
        alone(Knead, 0)


def test_one_that_is_finished_elsewhere_has_a_token(alone: ActivityEnvironment) -> None:
    assert alone(later) is LATER
    assert alone.context.token == "token-1"
    assert alone.context.type == "later 1"


def test_arguments_and_results_travel_as_the_type_hints_say(alone: ActivityEnvironment) -> None:
    assert alone(Tomorrow, datetime.date(2024, 2, 28)) == datetime.date(2024, 2, 29)
    with pytest.raises(
        flowy.SerializationError, match=r"argument 1 .*does not match its type hint"
    ):
        alone(Tomorrow, "yesterday")


def test_what_cannot_be_sent_is_an_error(alone: ActivityEnvironment, tmp_path: Path) -> None:
    with pytest.raises(flowy.SerializationError, match="argument 1 of knead 1 cannot be sent"):
        alone(Knead, object())

    @activity("much", 1, "numbers")
    def much() -> str:
        return "x" * 40_000

    with pytest.raises(flowy.SerializationError, match="the result of much 1 takes 40,002"):
        alone(much)
    assert len(ActivityEnvironment(payloads=Payloads(store=tmp_path))(much)) == 40_000


@pytest.mark.parametrize("wrong", [Bread, Activity, print, "knead", ActivityProxy(Knead)])
def test_something_that_is_not_an_activity_is_refused(
    alone: ActivityEnvironment, wrong: object
) -> None:
    with pytest.raises(flowy.ConfigurationError, match="class or function decorated with @activ"):
        alone(wrong)


@pytest.mark.parametrize("at", [0, -1, 1.5, True])
def test_heartbeats_are_numbered_from_one(alone: ActivityEnvironment, at: int) -> None:
    with pytest.raises(flowy.ConfigurationError, match="at must be a whole number from 1"):
        alone.cancel(at=at)


def test_a_test_shows_none_of_the_code_that_runs_an_activity(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from flowy import activity

        @activity("weigh", 1, "scales")
        def weigh(parcel: str) -> int:
            return {"small": 1, "odd": object()}[parcel]

        def test_a_parcel_that_is_not_there(swf_activity):
            swf_activity(weigh, "huge")

        def test_arguments(swf_activity):
            swf_activity(weigh)

        def test_what_cannot_be_sent(swf_activity):
            swf_activity(weigh, object())

        def test_what_cannot_be_sent_back(swf_activity):
            swf_activity(weigh, "odd")
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "E*KeyError: 'huge'",
            "E*TypeError: weigh() missing 1 required positional argument: 'parcel'",
            "E*SerializationError: argument 1 of weigh 1 cannot be sent as JSON: *",
            "E*SerializationError: the result of weigh 1 cannot be sent as JSON: *",
        ]
    )
    shown = {line.partition(":")[0] for line in result.outlines if ".py:" in line}
    assert all("flowy" not in path for path in shown)
