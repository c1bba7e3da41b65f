"""The calls of a finished run."""

from __future__ import annotations

import datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowy
from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy.errors import ConfigurationError
from flowy_sim import RandomChoice, Simulation
from flowy_sim.testing import RecordedCall, Run, Runner, Stubs
from tests.support.bakery import Bake, Bread, Heat, Knead


@pytest.fixture
def bread(runner: Runner, stubs: Stubs) -> Run:
    stubs(Knead, error=OSError("no bowl"), takes=10).then(result="dough", takes=30)
    stubs(Heat, result=220, takes=20)
    stubs(Bake, result="bread", takes=3000)
    return runner.run(Bread, 500, degrees=220)


def test_what_ran_how_often_with_which_arguments(bread: Run) -> None:
    assert [call.name for call in bread.calls()] == ["knead", "heat", "knead", "bake"]
    assert [call.args for call in bread.calls(Knead)] == [(500,), (500,)]
    assert [call.args for call in bread.calls("bake")] == [("dough", 220)]
    assert bread.calls("bread") == []


def test_an_unknown_name_is_refused_and_the_nearest_is_suggested(bread: Run) -> None:
    with pytest.raises(
        ConfigurationError, match=r"bread 1 cannot call anything named 'kned'; .* is knead"
    ):
        bread.calls("kned")


def test_nothing_is_refused_if_the_possible_calls_are_not_known(
    runner: Runner, stubs: Stubs
) -> None:
    stubs(Knead, result="dough")
    stubs(Heat, result=220)
    stubs(Bake, result="bread")
    runner.loop(lambda client: None, "somebody")
    assert runner.run(Bread, 500, degrees=220).calls("anything") == []


def test_a_call_has_its_outcome_and_times(bread: Run) -> None:
    failed, done = bread.calls(Knead)
    assert (failed.id, failed.outcome, failed.reason) == (
        "knead-1",
        "failed",
        "OSError: no bowl",
    )
    assert failed.details == "OSError: no bowl\n"
    assert (done.kind, done.version, done.outcome, done.result) == (
        "activity",
        "1",
        "completed",
        "dough",
    )
    assert (done.scheduled, done.started, done.ended, done.seconds) == (10, 10, 40, 30)


def test_a_call_is_shown_in_a_line(bread: Run) -> None:
    assert list(map(repr, bread.calls())) == [
        "<knead-1(500): failed, 0 s to 10 s>",
        "<heat-2(220): completed, 0 s to 20 s>",
        "<knead-1.2(500): completed, 10 s to 40 s>",
        "<bake-3('dough', 220): completed, 40 s to 3040 s>",
    ]


def test_calls_know_what_overlapped_and_in_which_order(bread: Run) -> None:
    first, heat, second, bake = bread.calls()
    assert first.overlaps(heat)
    assert heat.overlaps(second)
    assert not first.overlaps(second)
    assert first.before(second)
    assert second.before(bake)
    assert not bake.before(second)


def test_calls_that_take_no_time_are_still_ordered(runner: Runner) -> None:
    knead, heat, bake = runner.run(Bread, 500).calls()
    assert not knead.overlaps(heat)
    assert heat.before(bake)


def test_a_call_that_no_worker_took_overlaps_nothing(stubs: Stubs) -> None:
    runner = Runner(Simulation(), activities=[Heat], stubs=stubs)
    with pytest.raises(Exception, match="Nothing more will happen"):
        runner.run(Bread, 500)
    knead, heat = runner.runs[0].calls()
    assert (knead.outcome, knead.started, knead.ended, knead.seconds) == ("open", None, None, None)
    assert not knead.overlaps(heat)
    assert not heat.overlaps(knead)
    assert not heat.before(knead)


@activity("age", 1, "people")
def age(born: datetime.date, at: datetime.date) -> datetime.timedelta:
    return at - born


@workflow("person", 1, "people")
class Person(Workflow):
    age = ActivityProxy(age)

    def run(self) -> object:
        return self.age(datetime.date(2024, 1, 1), at=datetime.date(2024, 1, 3))


def test_arguments_and_results_are_what_the_type_hints_say(runner: Runner) -> None:
    [call] = runner.run(Person).calls(age)
    assert call.args == (datetime.date(2024, 1, 1),)
    assert call.kwargs == {"at": datetime.date(2024, 1, 3)}
    assert call.result == datetime.timedelta(days=2)


def test_input_that_flowy_did_not_write_is_the_one_argument() -> None:
    simulation = Simulation()
    client = simulation.client(poll_seconds=0)
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
    client.register_workflow_type(domain="shop", name="w", version="1")
    client.register_activity_type(domain="shop", name="a", version="1")
    client.start_workflow_execution(
        domain="shop",
        workflowId="w",
        workflowType={"name": "w", "version": "1"},
        taskList={"name": "t"},
        executionStartToCloseTimeout="600",
        taskStartToCloseTimeout="60",
        childPolicy="TERMINATE",
    )
    task = client.poll_for_decision_task(domain="shop", taskList={"name": "t"})
    scheduled = {
        "activityId": "a-1",
        "activityType": {"name": "a", "version": "1"},
        "taskList": {"name": "t"},
        "input": "photo.jpg",
        "scheduleToStartTimeout": "60",
        "scheduleToCloseTimeout": "60",
        "startToCloseTimeout": "60",
        "heartbeatTimeout": "60",
    }
    client.respond_decision_task_completed(
        taskToken=task["taskToken"],
        decisions=[
            {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": scheduled,
            }
        ],
    )
    work = client.poll_for_activity_task(domain="shop", taskList={"name": "t"})
    client.respond_activity_task_completed(taskToken=work["taskToken"], result="done")
    execution = flowy.Execution("w", task["workflowExecution"]["runId"])
    from flowy_sim.testing._run import fetch

    [call] = fetch(client, "shop", execution).calls()
    assert isinstance(call, RecordedCall)
    assert (call.args, call.result) == (("photo.jpg",), "done")


@workflow("village fair", 1, "fairs", execution_start_to_close=86_400)
class Fair(Workflow):
    knead = ActivityProxy(Knead)
    heat = ActivityProxy(Heat)

    def run(self, first: str, left: int) -> None:
        self.sleep(7)
        for call in (self.knead, self.heat) if first == "knead" else (self.heat, self.knead):
            call(left).result()
        if left > 1:
            self.restart(first, left - 1)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["knead", "heat"]), st.integers(1, 3)), max_size=3),
    st.lists(st.sampled_from([0, 5, 7]), min_size=2, max_size=2),
    st.integers(0, 99),
)
def test_calls_of_several_executions_and_runs_overlap_as_they_were_made(
    started: list[tuple[str, int]], takes: list[int], seed: int
) -> None:
    runner = Runner(Simulation(schedule=RandomChoice(seed)))
    runner.stubs(Knead, result="dough", takes=takes[0])
    runner.stubs(Heat, result=220, takes=takes[1])
    open_ones = [runner.start(Fair, *each) for each in started]
    found = [call for each in open_ones for r in runner.finish(each).runs for call in r.calls()]
    for one, other in product(found, found):
        assert one._started
        assert one._ended
        assert other._started
        assert one.before(other) == (one._ended.order < other._started.order)
        assert one.overlaps(other) == other.overlaps(one)
        assert one.overlaps(other) == (not one.before(other) and not other.before(one))


def test_a_run_has_its_own_events_and_calls_and_knows_the_runs_before_it(runner: Runner) -> None:
    runner.stubs(Knead, result="dough")
    runner.stubs(Heat, result=220)
    run = runner(Fair, "heat", 3)
    assert [len(each.calls(Heat)) for each in run.runs] == [1, 1, 1]
    assert [len(each.history.find("ActivityTaskScheduled")) for each in run.runs] == [2, 2, 2]
    assert run.runs == (*run.earlier, run)


def test_histories_are_searched_by_type_and_attributes(bread: Run) -> None:
    failed = bread.history.find("ActivityTaskFailed")
    assert [each["reason"] for each in failed.attributes()] == ["OSError: no bowl"]
    assert len(bread.history.find("ActivityTaskScheduled", "ActivityTaskStarted")) == 8
    assert bread.history.find(activityId="knead-1.2").types() == ["ActivityTaskScheduled"]
    assert bread.history.find("ActivityTaskScheduled", activityId="cake-1") == []
    assert bread.history.types()[0] == "WorkflowExecutionStarted"


def test_an_unknown_event_type_is_reported(bread: Run) -> None:
    with pytest.raises(
        flowy.ConfigurationError,
        match="no event type 'ActivityFailed'; the nearest is ActivityTaskFailed",
    ):
        bread.history.find("ActivityFailed")


def test_an_unknown_attribute_is_reported(bread: Run) -> None:
    with pytest.raises(
        flowy.ConfigurationError,
        match="TimerStarted has no attribute 'timerID'; the nearest is timerId",
    ):
        bread.history.find("TimerStarted", timerID="timer-1")
    with pytest.raises(flowy.ConfigurationError, match="any event has no attribute 'colour'"):
        bread.history.find(colour="blue")


@pytest.mark.parametrize("wrong", [7, Activity, print])
def test_something_that_cannot_be_called_is_reported(bread: Run, wrong: object) -> None:
    with pytest.raises(flowy.ConfigurationError, match="an activity or a workflow, or the name"):
        bread.calls(wrong)
