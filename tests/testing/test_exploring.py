"""Exploring finds what fails in some order or under some fault, and reports it briefly."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pytest

from flowy import (
    Activity,
    ActivityProxy,
    ConfigurationError,
    NonDeterminismError,
    Workflow,
    activity,
    workflow,
)
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Latency, Limits, Simulation
from flowy_sim.explore import FoundError, explore, find
from flowy_sim.explore._choices import Deviation, format_choices, parse_choices, shrink
from flowy_sim.explore._processes import usable_cores
from flowy_sim.explore._story import MOST_LINES
from flowy_sim.faults import (
    EVERYDAY,
    AnswerLate,
    DeciderDies,
    NetworkError,
    ReplyLost,
    Throttled,
    WorkerDies,
    WorkerDiesLate,
)
from flowy_sim.testing import Run, Runner, Stubs
from flowy_sim.testing._default_stubs import DefaultStubs
from flowy_sim.testing._possible import simplest_value


@dataclass
class Made:
    name: str
    sizes: list[int]


@activity("charge", 1, "payments", start_to_close=60, retry=2)
class Charge(Activity):
    def run(self, amount: int) -> str:
        raise NotImplementedError


@workflow("purchase", 1, "purchases")
class Purchase(Workflow):
    charge = ActivityProxy(Charge)

    def run(self, amount: int) -> Any:
        return self.charge(amount)


def images(runner: Runner) -> None:
    runner.stubs(Resize, result="small.jpg", takes=40)
    runner.stubs(PredominantColor, result="blue", takes=15)
    runner.stubs(RenameImage, result="blue/small.jpg")
    runner(ImageCategorization, "photo.jpg")


def no_customer_pays_twice(runner: Runner) -> None:
    paid: list[int] = []
    runner.stubs(Charge, function=paid.append)

    @runner.invariant
    def no_customer_has_paid_twice() -> None:
        assert len(paid) < 2, f"paid {paid}"

    runner(Purchase, 7)


def each_customer_pays_once(runner: Runner) -> None:
    paid: set[int] = set()
    runner.stubs(Charge, function=paid.add)

    @runner.invariant
    def no_customer_has_paid_twice() -> None:
        assert len(paid) < 2

    runner(Purchase, 7)


def test_a_small_space_is_explored_to_its_end() -> None:
    found = explore(images)
    assert found.complete
    assert found.share == pytest.approx(1)


def test_orders_that_lead_to_the_same_state_are_counted_once() -> None:
    found = explore(images, faults=EVERYDAY, most_faults=1)
    assert found.complete
    assert found.runs < found.states


def test_faults_with_the_same_effect_lead_to_the_same_states() -> None:
    one = explore(images, faults=[NetworkError()], most_faults=1)
    both = explore(images, faults=[NetworkError(), Throttled()], most_faults=1)
    assert both.complete
    assert both.runs > one.runs
    assert both.states == one.states


def test_an_answer_that_arrives_too_late_leads_to_the_same_states_as_none() -> None:
    lost = explore(images, faults=[DeciderDies(), WorkerDiesLate()], most_faults=1)
    late = explore(images, faults=[DeciderDies(), WorkerDiesLate(), AnswerLate()], most_faults=1)
    assert late.complete
    assert late.runs > lost.runs
    assert late.endings.total() == lost.endings.total()


def test_a_task_that_does_not_reach_its_worker_leads_to_the_same_states_as_a_lost_reply() -> None:
    lost = explore(images, faults=[ReplyLost()], most_faults=1)
    either = explore(images, faults=[ReplyLost(), WorkerDies()], most_faults=1)
    assert either.complete
    assert either.runs > lost.runs
    assert either.states == lost.states


def test_work_that_is_done_twice_is_found_and_reported_briefly() -> None:
    with pytest.raises(FoundError) as raised:
        explore(no_customer_pays_twice, faults=EVERYDAY)
    failure = raised.value.exploration.failure
    assert failure is not None
    assert len(failure.choices) == 1
    story = str(failure).splitlines()
    assert len(story) <= MOST_LINES
    assert story[0] == "no customer has paid twice: paid [7, 7]"
    assert any(line.lstrip().startswith("60 s") and "times out" in line for line in story)


def test_nothing_is_found_in_the_fixed_twin() -> None:
    assert explore(each_customer_pays_once, faults=EVERYDAY, most_faults=1).complete


def test_a_stub_that_no_run_has_used_fails_what_is_explored() -> None:
    def misspelt(runner: Runner) -> None:
        runner.stubs("resise", 1, result="small.jpg")
        images(runner)

    with pytest.raises(AssertionError, match=r"resise 1 was never used; the nearest .* resize 1"):
        explore(misspelt)
    assert explore(misspelt, strict=False).complete


def test_a_failure_is_repeated_by_its_choices() -> None:
    found = find(no_customer_pays_twice, faults=[NetworkError(), WorkerDiesLate()])
    assert found.failure is not None
    written = format_choices(found.failure.choices)
    assert written == "the worker dies after the work, before it answers 1=1"
    assert repr(written) in found.failure.repeat
    again = find(no_customer_pays_twice, faults=[NetworkError(), WorkerDiesLate()], choices=written)
    assert again.runs == 1
    assert again.failure is not None
    assert again.failure.story == found.failure.story


@pytest.mark.parametrize("processes", [1, 2])
def test_a_test_that_is_not_repeatable_is_reported(processes: int) -> None:
    made: list[None] = []

    def unlike(runner: Runner) -> None:
        runner.stubs(Charge, result="paid")
        runner(Purchase, 7)
        made.append(None)
        assert len(made) != 45, "the forty-fifth run"

    found = find(unlike, faults=EVERYDAY, processes=processes)
    assert found.failure is not None
    assert not found.failure.repeatable
    assert "forty-fifth" in str(found.failure)
    assert "It did not fail when it was run again with the same choices" in str(found.failure)


class Numbers:
    """Something that counts, without being seen to."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        self.last += 1
        return self.last


NUMBERS = Numbers()


def test_state_that_survives_in_a_module_is_blamed_on_the_workflow() -> None:
    @workflow("numbered", 1, "purchases")
    class Numbered(Workflow):
        charge = ActivityProxy(Charge)

        def run(self) -> int:
            self.charge(7).result()
            return NUMBERS.next()

    def test(runner: Runner) -> None:
        runner.stubs(Charge, result="paid")
        run = runner(Numbered)
        assert run.status != "COMPLETED" or run.result < 3

    NUMBERS.last = 0
    failure = find(test, faults=EVERYDAY).failure
    assert failure is not None
    assert not failure.repeatable
    assert "The first run made the same choices and passed" in str(failure)
    assert "in the workflow, not in the test: in event 11 of numbered-1" in str(failure)


def test_state_that_survives_outside_of_the_workflow_is_not_blamed_on_it() -> None:
    numbers = Numbers()

    def test(runner: Runner) -> None:
        runner.stubs(Charge, function=lambda amount: str(numbers.next()))
        run = runner(Purchase, 7)
        assert run.status != "COMPLETED" or numbers.last < 3

    failure = find(test, faults=EVERYDAY).failure
    assert failure is not None
    assert "So some state survives from one run to the next" in str(failure)


def test_a_run_that_fails_in_another_way_when_it_is_repeated_is_shown_as_it_was() -> None:
    """The first run changes what a cache holds, so all others decide something else."""
    used: dict[str, list[int]] = {"amounts": []}

    @workflow("cached", 1, "purchases", guard=False)
    class Cached(Workflow):
        charge = ActivityProxy(Charge)

        def run(self, amount: int) -> None:
            if amount not in used["amounts"]:
                used["amounts"].append(amount)
                self.charge(amount).result()

    def test(runner: Runner) -> None:
        charged: list[int] = []
        runner.stubs(Charge, function=charged.append)
        runner(Cached, 7)
        assert charged

    failure = find(test).failure
    assert failure is not None
    assert isinstance(failure.error, NonDeterminismError)
    assert "cached-1 decides: charge-1" in str(failure)
    assert not failure.repeatable
    assert "it failed in another way when it was run again: AssertionError" in str(failure)


def test_a_story_names_the_execution_of_what_has_the_same_id_in_several() -> None:
    def test(runner: Runner) -> None:
        runner.stubs(Charge, result="paid")
        runs = [runner.start(Purchase, 7, workflow_id=name) for name in ("ann", "bob")]
        assert [runner.finish(each).calls(Charge)[-1].outcome for each in runs] == ["failed"] * 2

    failure = find(test, full_story=True).failure
    assert failure is not None
    assert "worker 1 takes charge-1 of ann" in str(failure)
    assert "charge-1 of bob completes = 'paid'" in str(failure)


def test_a_story_does_not_name_the_execution_of_an_id_that_is_unique() -> None:
    def test(runner: Runner) -> None:
        runner.stubs(Charge, result="paid")
        assert runner(Purchase, 7).calls(Charge)[-1].outcome == "failed"

    failure = find(test, full_story=True).failure
    assert failure is not None
    assert "worker 1 takes charge-1\n" in str(failure)


def test_choices_that_a_run_never_reaches_are_reported() -> None:
    found = find(each_customer_pays_once, choices="turn 900=1; the signal 'a; b' arrives 1=1")
    assert found.failure is None
    assert "choices: turn 900=1; the signal 'a; b' arrives 1=1;" in found.describe_unreached()


def test_what_cannot_be_explored_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="what is explored must be an ordinary function"):
        find("tests")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="simulation must be a Simulation, not 7"):
        find(images, simulation=7)  # type: ignore[arg-type]


def test_simulations_are_made_like_the_one_that_is_given() -> None:
    def seen(**options: Any) -> set[tuple[int, str, str, str, Latency, int]]:
        made = set()

        def test(runner: Runner) -> None:
            simulation = runner.simulation
            engine = simulation.engine()
            where = simulation.region, simulation.account
            now = simulation.clock.now.isoformat()
            made.add((simulation.seed, now, *where, engine.latency, engine.limits.domains))
            images(runner)

        assert find(test, **options).complete
        return made

    limits = Limits(domains=2)
    like = Simulation(
        7, "2030-01-01T00:00:00Z", "eu-west-1", "1" * 12, None, None, limits, Latency.ZERO
    )
    start = "2030-01-01T00:00:00+00:00"
    assert seen(simulation=like) == {(7, start, "eu-west-1", "1" * 12, Latency.ZERO, 2)}
    assert seen(simulation=like, seed=3, region="us-east-1") == {
        (3, start, "us-east-1", "1" * 12, Latency.ZERO, 2)
    }


def test_several_processes_find_the_same() -> None:
    alone = find(each_customer_pays_once, faults=[AnswerLate(), WorkerDiesLate()])
    together = find(each_customer_pays_once, faults=[AnswerLate(), WorkerDiesLate()], processes=2)
    assert alone.complete
    assert together.complete
    assert together.share == pytest.approx(1)


def test_what_one_of_several_processes_finds_is_reported() -> None:
    def no_customer_gives_up(runner: Runner) -> None:
        runner.stubs(Charge, result="paid")
        assert runner(Purchase, 7).status == "COMPLETED"

    failure = find(no_customer_gives_up, faults=EVERYDAY, processes=2).failure
    assert failure is not None
    assert len(failure.choices) == 2
    assert re.search(r"charge-1\.2 (times out|fails)", "\n".join(failure.story))


DYING = """
import os

from flowy.tutorial.workflows import ImageCategorization
from flowy_sim.explore import find
from flowy_sim.faults import EVERYDAY

here = os.getpid()

def test(runner):
    for name in ("resize", "predominantcolor", "renameimage"):
        runner.stubs(name, 1, result="blue")
    runner(ImageCategorization, "photo.jpg")
    if os.getpid() != here:
        os._exit(3)

find(test, faults=EVERYDAY, processes=2)
"""


def test_a_process_that_dies_is_reported() -> None:
    # It needs a process without other threads, such as those of earlier tests: see below.
    ended = subprocess.run([sys.executable, "-c", DYING], capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1] == (
        "RuntimeError: an exploring process ended with status 3 before it was done; explore with "
        "processes=1 to see why"
    )


def test_no_process_is_forked_while_other_threads_run() -> None:
    resting = threading.Event()
    thread = threading.Thread(target=resting.wait)
    thread.start()
    try:
        assert usable_cores() == 1
    finally:
        resting.set()
        thread.join()


def test_the_report_counts_how_executions_ended() -> None:
    found = find(each_customer_pays_once, faults=[WorkerDiesLate(most=2)])
    assert set(found.endings) == {
        "purchase 1 COMPLETED: null",
        "purchase 1 FAILED: charge 1 (charge-1.2) timed out: START_TO_CLOSE",
    }


def test_an_error_in_the_test_itself_is_raised_unchanged() -> None:
    def test(runner: Runner) -> None:
        runner(Purchase, 7, 8)

    with pytest.raises(ConfigurationError, match="does not accept these arguments"):
        find(test)


def test_an_execution_that_never_ends_is_found() -> None:
    @workflow("restless", 1, "purchases", execution_start_to_close=86_400)
    class Restless(Workflow):
        def run(self) -> None:
            while True:
                self.sleep(1)

    def test(runner: Runner) -> None:
        runner(Restless)

    failure = find(test, most_turns=50).failure
    assert failure is not None
    assert str(failure).startswith("EndlessError: the run took more than 50 turns")
    assert "in the second half, restless-1 got 65 events" in str(failure)


def test_a_loop_that_never_ends_is_found_with_its_last_call() -> None:
    def look(client: Any) -> None:
        while True:
            client.list_domains(registrationStatus="REGISTERED")
            time.sleep(1)

    @workflow("patient", 1, "purchases", execution_start_to_close=86_400)
    class Patient(Workflow):
        def run(self) -> None:
            self.sleep(80_000)

    def test(runner: Runner) -> None:
        runner.loop(look)
        runner(Patient)

    failure = find(test, most_turns=50).failure
    assert failure is not None
    assert "no history grew; the last calls were ListDomains by look" in str(failure)


def test_a_run_that_takes_longer_than_there_is_time_is_cut_short() -> None:
    @workflow("restless", 1, "purchases", execution_start_to_close=30_000_000)
    class Restless(Workflow):
        def run(self, seconds: int) -> None:
            for _ in range(seconds):
                self.sleep(1)

    def test(runner: Runner) -> None:
        runner(Restless, runner.choose("how many seconds", [1, 10**7]))

    found = find(test, seconds=0.5, most_turns=10**7)
    assert (found.runs, found.complete, found.failure) == (1, False, None)


def test_invariants_see_each_execution_as_it_grows() -> None:
    lengths: list[int] = []

    def it_is_short(run: Run) -> None:
        lengths.append(len(run.history))
        assert len(run.history) < 8

    failure = find(images, invariants=[it_is_short]).failure
    assert failure is not None
    assert str(failure).startswith("it is short: assert")
    assert lengths == sorted(lengths) or len(set(lengths)) > 3


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int | None, 1),
        (list[str], ["text"]),
        (dict[str, float], {"text": 1.0}),
        (tuple[int, bool], (1, True)),
        (Literal["big", "small"], "big"),
        (date, date(2024, 1, 1)),
        (Made, Made("text", [1])),
        (Any, None),
    ],
)
def test_default_stubs_return_the_simplest_value_of_a_type(hint: Any, value: object) -> None:
    assert simplest_value(hint) == value


def test_which_call_gets_which_answer_of_a_stub_is_explored() -> None:
    def the_first_one_is_the_first_to_be_refused(runner: Runner) -> None:
        runner.stubs(Charge, result="paid", takes=5).then(result="refused", takes=5)
        started = [runner.start(Purchase, amount) for amount in (1, 2)]
        assert [runner.finish(each).result for each in started] == ["paid", "refused"]

    failure = find(the_first_one_is_the_first_to_be_refused).failure
    assert failure is not None
    assert len(failure.choices) == 1


def test_exploring_stops_after_the_given_number_of_runs() -> None:
    found = find(images, faults=EVERYDAY, runs=5)
    assert found.runs == 5
    assert not found.complete
    assert 0 < found.share < 1


def test_a_decider_without_flowy_that_relies_on_an_order_is_found() -> None:
    def test(runner: Runner) -> None:
        client = runner.simulation.client()
        client.register_domain(name="simulated", workflowExecutionRetentionPeriodInDays="1")
        client.register_workflow_type(domain="simulated", name="race", version="1")
        client.register_activity_type(domain="simulated", name="step", version="1")
        started = client.start_workflow_execution(
            domain="simulated",
            workflowId="race-1",
            workflowType={"name": "race", "version": "1"},
            taskList={"name": "races"},
            executionStartToCloseTimeout="600",
            taskStartToCloseTimeout="60",
            childPolicy="TERMINATE",
        )
        from flowy._client import Execution

        done: list[str] = []

        def decider(client: Any) -> None:
            task = client.poll_for_decision_task(domain="simulated", taskList={"name": "races"})
            if task.get("taskToken"):
                answered = done or task["startedEventId"] > 3
                decisions = [closing()] if answered and len(done) == 2 else []
                if not answered:
                    decisions = [step("first"), step("second")]
                client.respond_decision_task_completed(
                    taskToken=task["taskToken"], decisions=decisions
                )

        def worker(client: Any) -> None:
            while True:
                task = client.poll_for_activity_task(domain="simulated", taskList={"name": "steps"})
                if not task.get("taskToken"):
                    continue
                done.append(task["activityId"])
                client.respond_activity_task_completed(taskToken=task["taskToken"])

        runner.loop(decider)
        runner.loop(worker)
        runner.finish(Execution("race-1", started["runId"]))
        assert done == ["first", "second"]

    failure = find(test).failure
    assert failure is not None
    assert format_choices(failure.choices) == "activity task 1=1"


def closing() -> dict[str, Any]:
    return {"decisionType": "CompleteWorkflowExecution"}


def step(name: str) -> dict[str, Any]:
    times = ("scheduleToClose", "scheduleToStart", "startToClose", "heartbeat")
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": name,
            "activityType": {"name": "step", "version": "1"},
            "taskList": {"name": "steps"},
            **{f"{each}Timeout": "60" for each in times},
        },
    }


def test_choices_are_written_and_read_back() -> None:
    chosen = (Deviation("turn", 3, 1), Deviation("the work is done, but fails", 1, 1))
    assert parse_choices(format_choices(chosen)) == chosen
    with pytest.raises(ConfigurationError, match="written like"):
        parse_choices("turn=1")


def test_what_does_not_matter_is_shrunk_away() -> None:
    needed = Deviation("turn", 5, 1)
    found = (Deviation("turn", 2, 3), needed, Deviation("effect", 1, 2))
    assert shrink(lambda given, _: given if needed in given else None, found) == (needed,)


def test_an_activity_that_a_proxy_was_given_is_stubbed_by_its_type() -> None:
    stubs = Stubs()
    DefaultStubs([Purchase]).add_to(stubs)
    assert Runner(Simulation(), stubs=stubs).run(Purchase, 7).result == "text"
