from __future__ import annotations

import datetime
import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

import flowy
from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim import Simulation
from flowy_sim._events.schema import attributes_of
from flowy_sim.testing import Runner, Stubs
from tests.support.bakery import Bake, Bread, Heat, Knead


@activity("nap", 1, "sofa", start_to_close=60, retry=3)
class Nap(Activity):
    def run(self, minutes: int) -> int:
        return minutes


@workflow("siesta", 1, "orders")
class Siesta(Workflow):
    nap = ActivityProxy(Nap, error_handling=True)

    def run(self, minutes: int = 20) -> Any:
        try:
            return self.nap(minutes).result()
        except flowy.TaskError as error:
            return [type(error).__name__, error.attempt, error.reason]


@workflow("restless", 1, "orders")
class Restless(Workflow):
    nap = ActivityProxy(Nap, heartbeat=10, start_to_close=None, retry=1)

    def run(self) -> Any:
        return self.nap(1)


def test_a_stub_has_a_result(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, result=15)
    assert runner.run(Siesta).result == 15


@activity("remind", 1, "sofa", start_to_close=60)
class Remind(Activity):
    def run(self, day: datetime.date, *others: datetime.date, at: datetime.time) -> str:
        raise NotImplementedError


@activity("remind function", 1, "sofa", start_to_close=60)
def remind_function(day: datetime.date, *others: datetime.date, at: datetime.time) -> str:
    raise NotImplementedError


@workflow("reminders", 1, "orders")
class Reminders(Workflow):
    remind = ActivityProxy(Remind)
    by_function = ActivityProxy(remind_function)

    def run(self) -> Any:
        days, at = [datetime.date(2024, 2, 29)] * 2, datetime.time(7, 30)
        return [self.remind(*days, at=at).result(), self.by_function(*days, at=at).result()]


def test_the_function_of_a_stub_receives_values_as_the_type_hints_say(runner: Runner) -> None:
    def show(*days: datetime.date, at: datetime.time) -> str:
        return repr((days, at))

    runner.stubs(Remind, function=show)
    runner.stubs(remind_function, function=show)
    days, at = (datetime.date(2024, 2, 29),) * 2, datetime.time(7, 30)
    assert runner(Reminders).result == [repr((days, at))] * 2


def test_a_stub_without_anything_returns_none(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap)
    assert runner.run(Siesta).result is None


def test_a_stub_has_an_error(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, error=OSError("the sofa is taken"))
    run = runner.run(Siesta)
    assert run.result == ["TaskFailed", 3, "OSError: the sofa is taken"]
    failed = [e for e in run.history if e["eventType"] == "ActivityTaskFailed"]
    details = [attributes_of(event)["details"] for event in failed]
    assert set(details) == {"OSError: the sofa is taken\n"}


def test_the_traceback_of_a_stub_s_function_begins_there(runner: Runner, stubs: Stubs) -> None:
    def refuse(minutes: int) -> None:
        raise OSError("the sofa is taken")

    stubs(Nap, function=refuse)
    [failed, *_] = runner.run(Siesta).history.find("ActivityTaskFailed").attributes()
    assert re.findall(r", in (\w+)", failed["details"]) == ["refuse"]


def test_a_stub_is_a_function_of_the_arguments(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, function=lambda minutes: 2 * minutes)
    assert runner.run(Siesta, 20).result == 40


def test_a_function_that_raises_fails_the_activity(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, function=lambda minutes: minutes / 0)
    assert runner.run(Siesta).result == ["TaskFailed", 3, "ZeroDivisionError: division by zero"]


def test_a_stub_takes_simulated_time(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, result=15, takes=40)
    assert runner.run(Siesta).simulated_seconds == 40


def test_parts_of_seconds_count(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, result=15, takes=0.25)
    assert runner.run(Siesta).simulated_seconds == 0.25


def test_an_error_takes_simulated_time_too(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, error=OSError(), takes=10)
    assert runner.run(Siesta).simulated_seconds == 30


def test_answers_follow_each_other_and_the_last_one_stays(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, error=OSError(), takes=1).then(error=OSError(), takes=2).then(result=15, takes=3)
    first, second = runner.run(Siesta), runner.run(Siesta)
    assert (first.result, first.simulated_seconds) == (15, 6)
    assert (second.result, second.simulated_seconds) == (15, 3)


@pytest.mark.parametrize("takes", [60, 61, math.inf])
def test_what_takes_as_long_as_its_time_out_times_out(
    runner: Runner, stubs: Stubs, takes: float
) -> None:
    stubs(Nap, result=15, takes=takes)
    run = runner.run(Siesta)
    assert run.result == ["TaskTimedOut", 3, "START_TO_CLOSE"]
    assert run.simulated_seconds == 180


def test_a_worker_that_never_answers_is_replaced(stubs: Stubs) -> None:
    stubs(Nap, takes=math.inf).then(result=15)
    run = Runner(Simulation(), stubs=stubs, workers=1).run(Siesta)
    assert run.result == 15
    assert run.simulated_seconds == 60


def test_without_heartbeats_an_activity_that_needs_them_times_out(
    runner: Runner, stubs: Stubs
) -> None:
    stubs(Nap, result=1, takes=100)
    run = runner.run(Restless)
    assert run.reason == "nap 1 (nap-1) timed out: HEARTBEAT"
    assert run.simulated_seconds == 10


def test_heartbeats_keep_an_activity_alive(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, result=1, takes=100, heartbeat=9)
    run = runner.run(Restless)
    assert run.result == 1
    assert run.simulated_seconds == 100


def test_heartbeats_that_come_too_late_do_not(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, result=1, takes=100, heartbeat=10)
    assert runner.run(Restless).reason == "nap 1 (nap-1) timed out: HEARTBEAT"


def test_heartbeats_end_when_the_activity_is_no_longer_awaited(
    runner: Runner, stubs: Stubs
) -> None:
    stubs(Nap, takes=math.inf, heartbeat=7)
    assert runner.run(Siesta).result == ["TaskTimedOut", 3, "START_TO_CLOSE"]


def test_a_stub_is_found_by_name_and_version(runner: Runner, stubs: Stubs) -> None:
    stubs("nap", 1, result=15)
    assert runner.run(Siesta).result == 15


def test_a_stub_by_name_has_the_time_outs_of_the_stubbed_class(
    runner: Runner, stubs: Stubs
) -> None:
    stubs("nap", 1, takes=100)
    assert runner.run(Siesta).result == ["TaskTimedOut", 3, "START_TO_CLOSE"]


def test_a_stub_by_name_has_the_defaults_that_are_registered(stubs: Stubs) -> None:
    simulation = Simulation()
    Runner(simulation).run(Bread, 1)
    stubs("bake", 1, takes=5000)
    run = Runner(simulation, activities=[Knead, Heat], stubs=stubs).run(Bread, 1)
    assert run.reason == "bake 1 (bake-3) timed out: START_TO_CLOSE"
    assert run.simulated_seconds == 3600


def test_a_stub_by_name_needs_no_implementation(stubs: Stubs) -> None:
    stubs("heat", 1, result=200)
    stubs("bake", 1, result="bread", takes=5000)
    run = Runner(Simulation(), activities=Knead, stubs=stubs).run(Bread, 1)
    assert (run.result, run.simulated_seconds) == ("bread", 5000)


def test_real_activities_and_stubs_work_together(stubs: Stubs) -> None:
    stubs(Bake, result="bread")
    assert Runner(Simulation(), stubs=stubs).run(Bread, 1).result == "bread"


def test_a_newer_stub_replaces_an_older_one(runner: Runner, stubs: Stubs) -> None:
    stubs(Nap, result=1)
    assert runner.run(Siesta).result == 1
    stubs("nap", 1, result=2)
    assert runner.run(Siesta).result == 2


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (
            (Nap,),
            {"result": 1, "error": OSError()},
            "more than one of result, error, function",
        ),
        (
            (Nap,),
            {"result": None, "function": print},
            "more than one of result, error, function",
        ),
        (
            (Nap,),
            {"reslt": 1},
            "has no option reslt; its options are result, error, function, timeout",
        ),
        ((Nap,), {"error": OSError}, "must be an exception such as OSError"),
        ((Nap,), {"error": "disk full"}, "must be an exception such as OSError"),
        ((Nap,), {"error": KeyboardInterrupt()}, "must be an exception such as OSError"),
        (
            (Nap,),
            {"function": 3},
            "function of the stub of nap 1 must be an ordinary function, not 3",
        ),
        ((Nap,), {"takes": -1}, "takes of the stub of nap 1 must be a number of seconds"),
        ((Nap,), {"takes": "40"}, "must be a number of seconds, at least 0, not '40'"),
        ((Nap,), {"takes": math.nan}, "must be a number of seconds, at least 0, not nan"),
        ((Nap,), {"takes": True}, "must be a number of seconds, at least 0, not True"),
        ((Nap,), {"heartbeat": 0}, "heartbeat of the stub of nap 1 must be .* more than 0"),
        ((Nap, 15), {}, "leave 15 out, or give a result as result=15"),
        (("nap",), {"result": 1}, r"the stub of 'nap' needs a version: stub\('nap', 1, …\)"),
        (("", 1), {}, "the name of an activity must be text"),
        ((Stubs,), {}, "a stub is for a class or function decorated with @activity or @workflow"),
        (
            (Activity,),
            {},
            "a stub is for a class or function decorated with @activity or @workflow",
        ),
        ((7,), {}, "a stub is for a class or function decorated with @activity or @workflow"),
    ],
)
def test_wrong_arguments_of_a_stub_are_refused(
    stubs: Stubs, arguments: tuple[Any, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(flowy.ConfigurationError, match=sentence):
        stubs(*arguments, **options)
    assert stubs.all() == {}


def test_a_result_that_cannot_be_sent_is_refused_at_once(stubs: Stubs) -> None:
    with pytest.raises(flowy.SerializationError, match="the stub of nap 1 cannot be sent as JSON"):
        stubs(Nap, result=object())


def test_what_follows_is_checked_as_well(stubs: Stubs) -> None:
    with pytest.raises(flowy.ConfigurationError, match="takes of the stub of nap 1"):
        stubs(Nap, result=1).then(takes=-1)


def test_a_stub_names_its_type() -> None:
    assert str(Stubs()("nap", 1.5)) == "nap 1.5"


@dataclass
class Bed:
    length: int


@activity("make_bed", 1, "house", start_to_close=60)
def make_bed(length: int) -> Bed:
    return Bed(length)


@pytest.mark.parametrize("wrong", [{"width": 90}, "a bed", [200]])
def test_a_result_that_is_not_what_the_type_hint_says_is_refused(
    stubs: Stubs, wrong: object
) -> None:
    sentence = "the result of the stub of make_bed 1 does not match its type hint"
    for add in (partial(stubs, make_bed), stubs(make_bed).when(200).then):
        with pytest.raises(flowy.SerializationError, match=sentence):
            add(result=wrong)


@pytest.mark.parametrize("right", [Bed(200), {"length": 200}, None])
def test_a_result_may_be_given_as_it_travels(stubs: Stubs, right: object) -> None:
    answer = stubs(make_bed, result=right).answer_to((200,), {})
    assert answer.function(200) == right


def test_runners_that_take_turns_at_the_same_time_have_their_own_stubs() -> None:
    meeting = threading.Barrier(2, timeout=60)

    def answers_in_a_thread(number: int) -> Any:
        stubs = Stubs()

        def answer(minutes: int) -> int:
            meeting.wait()
            return number

        stubs(Nap, function=answer)
        return Runner(Simulation(), stubs=stubs).run(Siesta).result

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(answers_in_a_thread, (1, 2))) == [1, 2]


def test_a_stub_may_run_a_workflow_with_another_stub_of_the_same_activity(
    runner: Runner, stubs: Stubs
) -> None:
    def answer(minutes: int) -> Any:
        inner = Stubs()
        inner(Nap, result=7)
        return Runner(Simulation(), stubs=inner).run(Siesta).result + minutes

    stubs(Nap, function=answer)
    assert [runner.run(Siesta, minutes).result for minutes in (10, 20)] == [17, 27]
