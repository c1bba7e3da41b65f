"""Stubs by arguments, time-outs of each kind, functions, and how strict stubs are."""

from __future__ import annotations

import datetime
import math
from typing import Any
from unittest.mock import ANY

import pytest

import flowy
from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim import Simulation
from flowy_sim._clients.simulation import RandomChoice
from flowy_sim.testing import RecordedCall, Runner, Stubs, UnexpectedCallError
from flowy_sim.testing._coverage import StubUsage
from tests.support.bakery import Bread, Knead
from tests.support.outcomes import outcome


@activity(
    "paint",
    1,
    "studio",
    heartbeat=30,
    start_to_close=60,
    schedule_to_start=20,
    schedule_to_close=100,
)
class Paint(Activity):
    def run(self, color: str, coats: int = 1, *, dried: bool = False) -> object:
        raise NotImplementedError


@activity("slow_paint", 1, "studio", heartbeat=30, start_to_close=600, schedule_to_close=100)
def slow_paint(color: str) -> str:
    raise NotImplementedError


@activity("bare", 1, "studio", start_to_close=None)
def bare(color: str) -> str:
    raise NotImplementedError


@workflow("gallery", 1, "galleries")
class Gallery(Workflow):
    paint = ActivityProxy(Paint, error_handling=True)

    def run(self, colors: list[str]) -> list[Any]:
        return [outcome(self.paint(color, coats=2)) for color in colors]


@workflow("parallel_gallery", 1, "galleries")
class ParallelGallery(Workflow):
    paint = ActivityProxy(Paint, error_handling=True)

    def run(self, colors: list[str]) -> list[Any]:
        return [outcome(painted) for painted in [self.paint(color) for color in colors]]


@workflow("slow_gallery", 1, "galleries")
class SlowGallery(Workflow):
    paint = ActivityProxy(slow_paint, error_handling=True)
    bare = ActivityProxy(bare, error_handling=True)

    def run(self, color: str, slowly: bool = True) -> Any:
        return outcome(self.paint(color) if slowly else self.bare(color))


def test_answers_depend_on_arguments(runner: Runner, stubs: Stubs) -> None:
    stubs(Paint, result="grey").when("red").then(result="roses").when("blue").then(
        error=OSError("no blue")
    )
    assert runner.run(Gallery, ["red", "green", "blue", "red"]).result == [
        "roses",
        "grey",
        "TaskFailed OSError",
        "roses",
    ]


def test_arguments_are_compared_however_they_were_passed(runner: Runner, stubs: Stubs) -> None:
    stubs(Paint).when(color="red", coats=2).then(result="roses").when(ANY, 2).then(result="any")
    assert runner.run(Gallery, ["red", "blue"]).result == ["roses", "any"]


def test_each_case_has_answers_in_a_row(runner: Runner, stubs: Stubs) -> None:
    stubs(Paint, result="grey").when("red").then(result="first").then(result="later", takes=5)
    run = runner.run(Gallery, ["red", "blue", "red", "red"])
    assert run.result == ["first", "grey", "later", "later"]
    assert run.simulated_seconds == 10


def test_the_arguments_of_a_stub_by_name_are_numbered(runner: Runner, stubs: Stubs) -> None:
    stubs("paint", 1).when("red", coats=2).then(result="roses")
    assert runner.run(Gallery, ["red"]).result == ["roses"]


def test_a_stub_without_answers_returns_none_only_without_cases(
    runner: Runner, stubs: Stubs
) -> None:
    stubs(Paint).when("red").then(result="roses")
    with pytest.raises(UnexpectedCallError) as caught:
        runner.run(Gallery, ["red", "blue"])
    assert str(caught.value) == (
        "paint 1 was called with color='blue', coats=2, and its stub has no answer to that: the "
        "nearest is when(color='red'), but color is 'blue'; add another .when(…), or an answer to "
        "all other calls"
    )


def test_an_unexpected_call_names_the_nearest_case(runner: Runner, stubs: Stubs) -> None:
    cases = stubs(Paint).when("red", 1, dried=True).then(result=1)
    cases.when("blue", 1).then(result=2)
    with pytest.raises(UnexpectedCallError, match=r"nearest is when\(color='blue', coats=1\)"):
        runner.run(Gallery, ["blue"])


def test_a_workflow_cannot_handle_an_unexpected_call(runner: Runner, stubs: Stubs) -> None:
    stubs(Paint).when("red").then(result="roses")
    with pytest.raises(UnexpectedCallError, match="color is 'blue'"):
        runner.run(ParallelGallery, ["blue", "blue"])
    assert runner.simulation.engine().executions


def test_an_unexpected_call_of_another_decider_is_reported_as_well(stubs: Stubs) -> None:
    stubs(Paint).when("red").then(result="roses")
    runner = Runner(Simulation(), stubs=stubs)
    execution = runner.start(Gallery, ["blue"])
    client = runner.simulation.client()
    worker = flowy.WorkflowWorker(client, runner.domain, "galleries", [Gallery])
    assert worker.run_once()
    with pytest.raises(UnexpectedCallError, match="color is 'blue'"):
        runner.finish(execution)


def test_a_case_that_no_call_fits_is_refused(stubs: Stubs) -> None:
    with pytest.raises(flowy.ConfigurationError, match=r"paint 1 is never called with hue='red'"):
        stubs(Paint).when(hue="red")


def test_a_call_that_the_activity_does_not_take_fails_it(runner: Runner, stubs: Stubs) -> None:
    @workflow("wrong", 1, "galleries")
    class Wrong(Workflow):
        paint = ActivityProxy("paint", 1)

        def run(self) -> Any:
            return self.paint(hue="red")

    stubs(Paint, result="roses")
    assert "TypeError: missing a required argument: 'color'" in runner.run(Wrong).reason


def test_stubs_see_arguments_as_the_type_hints_say(runner: Runner, stubs: Stubs) -> None:
    @activity("age", 1, "people")
    def age_of(born: datetime.date) -> int:
        raise NotImplementedError

    @workflow("person", 1, "people")
    class Person(Workflow):
        age = ActivityProxy(age_of)

        def run(self) -> Any:
            return self.age(datetime.date(2024, 1, 1))

    stubs(age_of, function=lambda born: born.year).when(datetime.date(2000, 1, 1)).then(result=0)
    assert runner.run(Person).result == 2024


def test_functions_work_as_activities(runner: Runner, stubs: Stubs) -> None:
    @activity("double", 1, "numbers")
    def doubled(number: int) -> int:
        return 2 * number

    @workflow("quadruple", 1, "numbers")
    class Quadruple(Workflow):
        double = ActivityProxy(doubled)

        def run(self, number: int) -> Any:
            return self.double(self.double(number))

    for activities in (doubled, [doubled]):
        assert Runner(Simulation(), activities=activities).run(Quadruple, 3).result == 12
    stubs(doubled, result=7)
    assert runner.run(Quadruple, 3).result == 7
    assert [call.args for call in runner.runs[0].calls(doubled)] == [(3,), (7,)]


# Time-outs


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("SCHEDULE_TO_START", 20), ("START_TO_CLOSE", 60), ("HEARTBEAT", 30)]
)
def test_an_activity_times_out_as_the_stub_says(
    runner: Runner, stubs: Stubs, timeout: str, seconds: int
) -> None:
    stubs(Paint, timeout=timeout)
    run = runner.run(Gallery, ["red"])
    assert run.result == [f"TaskTimedOut {timeout}"]
    assert run.simulated_seconds == seconds


def test_the_fourth_time_out_needs_to_be_the_shortest(runner: Runner, stubs: Stubs) -> None:
    stubs(slow_paint, timeout="SCHEDULE_TO_CLOSE")
    run = runner.run(SlowGallery, "red")
    assert (run.result, run.simulated_seconds) == ("TaskTimedOut SCHEDULE_TO_CLOSE", 100)


def test_a_task_that_times_out_before_its_start_is_never_started(
    runner: Runner, stubs: Stubs
) -> None:
    stubs(Paint, timeout="SCHEDULE_TO_START").then(result="roses")
    run = runner.run(ParallelGallery, ["red", "red", "red"])
    assert run.result == ["TaskTimedOut SCHEDULE_TO_START", "roses", "roses"]
    first, *_ = run.calls(Paint)
    assert first.started is None


def test_another_time_out_that_passes_first_is_an_error(runner: Runner, stubs: Stubs) -> None:
    stubs(Paint, timeout="SCHEDULE_TO_CLOSE")
    with pytest.raises(
        flowy.ConfigurationError,
        match=r"cannot time out by SCHEDULE_TO_CLOSE, after 100 s: START_TO_CLOSE passes "
        r"first, after 60 s",
    ):
        runner.run(Gallery, ["red"])


@pytest.mark.parametrize("timeout", ["SCHEDULE_TO_START", "START_TO_CLOSE", "HEARTBEAT"])
def test_a_time_out_that_the_activity_does_not_have_is_an_error(
    runner: Runner, stubs: Stubs, timeout: str
) -> None:
    stubs(bare, timeout=timeout)
    with pytest.raises(
        flowy.ConfigurationError,
        match=rf"by {timeout}: the activity has no such time-out; add one, as in "
        rf"@activity\(…, {timeout.lower()}=60\)",
    ):
        runner.run(SlowGallery, "red", slowly=False)


@pytest.mark.parametrize("timeout", ["start_to_close", "CLOSE", 60])
def test_an_unknown_time_out_is_refused(stubs: Stubs, timeout: Any) -> None:
    with pytest.raises(
        flowy.ConfigurationError, match="must be SCHEDULE_TO_START or SCHEDULE_TO_CLOSE or START"
    ):
        stubs(Paint, timeout=timeout)


def test_a_time_out_determines_itself_when_it_passes(stubs: Stubs) -> None:
    with pytest.raises(flowy.ConfigurationError, match="the time-out determines when it passes"):
        stubs(Paint, timeout="HEARTBEAT", takes=5)


def test_an_activity_that_times_out_because_it_is_not_implemented_is_reported(stubs: Stubs) -> None:
    @workflow("forgetful", 1, "galleries")
    class Forgetful(Workflow):
        paint = ActivityProxy("paint", 1, schedule_to_start=60, error_handling=True)

        def run(self) -> Any:
            return outcome(self.paint("red"))

    stubs("point", 1)
    with pytest.raises(
        UnexpectedCallError,
        match=r"timed out because it is neither implemented nor stubbed \(nearest: point 1\)",
    ):
        Runner(Simulation(), activities=[], stubs=stubs).run(Forgetful)


# Order


def test_answers_follow_each_other_as_the_calls_do_in_whatever_order_they_are_taken(
    stubs: Stubs,
) -> None:
    for seed in range(10):
        stubs(Paint, result=1).then(result=2).then(result=3)
        runner = Runner(Simulation(schedule=RandomChoice(seed)), stubs=stubs, workers=2)
        assert runner.run(ParallelGallery, ["a", "b", "c"]).result == [1, 2, 3]


# Heartbeats


def test_automatic_heartbeats_are_sent_while_a_stub_takes_time(
    runner: Runner, stubs: Stubs
) -> None:
    @activity("watch", 1, "studio", heartbeat=30, automatic_heartbeat=True)
    def watching() -> str:
        raise NotImplementedError

    @workflow("night", 1, "studio")
    class Night(Workflow):
        watch = ActivityProxy(watching, error_handling=True)

        def run(self) -> Any:
            return outcome(self.watch())

    stubs(watching, result="dawn", takes=200)
    assert runner.run(Night).result == "dawn"
    stubs(watching, takes=math.inf)
    assert runner.run(Night).result == "TaskTimedOut HEARTBEAT"


def test_a_heartbeat_that_learns_of_a_cancellation_ends_the_activity(stubs: Stubs) -> None:
    stubs(Paint, result="roses", takes=50, heartbeat=10)
    runner = Runner(Simulation(), stubs=stubs, workers=1)
    execution = runner.start(Gallery, ["red"], task_list="by hand")
    decisions: list[dict[str, Any]] = [schedule("paint-1"), cancel("paint-1"), COMPLETE]

    def decider(client: Any) -> None:
        task = client.poll_for_decision_task(domain=runner.domain, taskList={"name": "by hand"})
        if task.get("taskToken"):
            client.respond_decision_task_completed(
                taskToken=task["taskToken"], decisions=[decisions.pop(0)]
            )

    def signal() -> None:
        runner.simulation.client().signal_workflow_execution(
            domain=runner.domain, workflowId=execution.workflow_id, signalName="stop"
        )

    runner.loop(decider)
    runner.after(15, signal)
    run = runner.finish(execution)
    [call] = run.calls(Paint)
    assert (call.outcome, round(call.ended or 0)) == ("canceled", 20)
    assert run.status == "COMPLETED"


def schedule(activity_id: str) -> dict[str, Any]:
    attributes = {
        "activityId": activity_id,
        "activityType": {"name": "paint", "version": "1"},
        "input": '[["red"], {}]',
    }
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": attributes,
    }


def cancel(activity_id: str) -> dict[str, Any]:
    return {
        "decisionType": "RequestCancelActivityTask",
        "requestCancelActivityTaskDecisionAttributes": {"activityId": activity_id},
    }


COMPLETE = {
    "decisionType": "CompleteWorkflowExecution",
    "completeWorkflowExecutionDecisionAttributes": {},
}


# Unused stubs


def unused(runner: Runner) -> list[str]:
    uses = StubUsage()
    uses.note(runner.stubs, runner.stub_dispatch.called)
    return uses.unused()


def test_stubs_that_were_never_used_are_reported(runner: Runner, stubs: Stubs) -> None:
    stubs(Paint, result="grey").when("red").then(result="roses").when("blue").then(result="sky")
    stubs("pant", 1, result=1)
    runner.run(Gallery, ["red"])
    assert unused(runner) == [
        "when(color='blue') of the stub of paint 1 was never used",
        "the stub of pant 1 was never used; the nearest that was called is paint 1",
    ]


def test_a_stub_that_another_one_replaces_needs_no_use(runner: Runner, stubs: Stubs) -> None:
    stubs(Knead, result="flour")
    stubs(Knead, result="dough")
    runner.run(Bread, 500)
    assert unused(runner) == []


def test_calls_know_that_they_are_calls(runner: Runner, stubs: Stubs) -> None:
    stubs(Paint, result="grey", takes=1)
    run = runner.run(ParallelGallery, ["a", "b"])
    assert all(isinstance(call, RecordedCall) for call in run.calls())
    assert run.calls()[0].overlaps(run.calls()[1])
