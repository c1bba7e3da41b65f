from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from types import ModuleType

import pytest
from botocore.exceptions import ClientError

import flowy
from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy._decisions import start_timer
from flowy.errors import ConfigurationError
from flowy_sim import ScaledClock, Simulation
from flowy_sim._events.history import Event
from flowy_sim._events.schema import attributes_of
from flowy_sim.testing import Run, Runner, Stubs, StuckError, run
from flowy_sim.testing._runner import DOMAIN
from tests.support import bakery
from tests.support.bakery import Bake, Bread, Heat, Knead


def types(events: list[Event] | None = None) -> Counter[str]:
    return Counter(event["eventType"] for event in events or ())


def identities(events: list[Event], event_type: str) -> list[str]:
    return [attributes_of(e)["identity"] for e in events if e["eventType"] == event_type]


@workflow("wide", 1, "orders")
class Wide(Workflow):
    """Asks for four doughs at once."""

    knead = ActivityProxy(Knead)

    def run(self, count: int = 4) -> list[object]:
        return [self.knead(number + 1) for number in range(count)]


def test_a_workflow_runs_to_its_end_in_one_line() -> None:
    ended = run(Simulation(), Bread, 500, degrees=240)
    assert ended.status == "COMPLETED"
    assert ended.result == "bread of dough of 500 g at 240"
    assert ended.workflow_id == "bread-1"
    assert ended.simulated_seconds == 0


def test_the_history_is_what_the_service_gives() -> None:
    simulation = Simulation()
    ended = run(simulation, Bread, 500)
    reply = simulation.client().get_workflow_execution_history(
        domain=DOMAIN, execution={"workflowId": ended.workflow_id, "runId": ended.run_id}
    )
    assert ended.history == reply["events"]


def test_the_history_of_a_long_run_is_whole() -> None:
    runner = Runner(Simulation(), activities=Knead)
    ended = runner.run(Wide, 180)
    assert [event["eventId"] for event in ended.history] == list(range(1, len(ended.history) + 1))
    assert len(ended.history) > 1_000
    assert len(ended.result) == 180


def test_an_exception_in_an_activity_fails_it_as_in_production() -> None:
    ended = run(Simulation(), Bread, 0)
    assert ended.status == "FAILED"
    assert ended.reason == "knead 1 (knead-1.2) failed: ValueError: there is no flour"
    assert "bakery.py" in ended.details
    assert types(list(ended.history))["ActivityTaskFailed"] == 2


def test_the_same_run_again_has_an_id_of_its_own() -> None:
    runner = Runner(Simulation())
    assert [runner.run(Bread, 1).workflow_id for _ in range(2)] == ["bread-1", "bread-2"]
    assert [ended.workflow_id for ended in runner.runs] == ["bread-1", "bread-2"]


def test_options_of_an_execution_go_to_the_service() -> None:
    ended = run(Simulation(), Bread, 1, workflow_id="sunday", tags=["sweet"])
    assert ended.workflow_id == "sunday"
    assert attributes_of(ended.history[0])["tagList"] == ["sweet"]


def test_arguments_that_the_workflow_does_not_take_are_refused_before_anything_starts() -> None:
    runner = Runner(Simulation())
    with pytest.raises(flowy.ConfigurationError, match="does not accept these arguments"):
        runner.run(Bread)
    assert runner.runs == []


def test_a_class_that_is_not_a_workflow_is_refused() -> None:
    with pytest.raises(flowy.ConfigurationError, match="is not a class decorated with @workflow"):
        Runner(Simulation()).run(Knead)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, -1, "2", True])
def test_an_invalid_number_of_workers_is_refused(workers: int) -> None:
    with pytest.raises(flowy.ConfigurationError, match="workers must be a whole number"):
        Runner(Simulation(), workers=workers)


@pytest.mark.parametrize(
    "activities",
    [bakery, "tests.support.bakery", [Knead, Heat, Bake], [bakery, "tests.support.bakery", Knead]],
)
def test_activities_are_classes_modules_or_names_of_modules(activities: ModuleType) -> None:
    assert Runner(Simulation(), activities=activities).run(Bread, 1).status == "COMPLETED"


def test_two_executions_can_be_open_at_once() -> None:
    runner = Runner(Simulation())
    first, second = runner.start(Bread, 1), runner.start(Wide, 1)
    assert runner.finish(second).result == ["dough of 1 g"]
    assert runner.finish(first).result == "bread of dough of 1 g at 220"


def test_executions_that_other_code_starts_are_worked_on() -> None:
    runner = Runner(Simulation(), activities=Knead, workflows=[Wide])
    first = runner.start(Wide, 1)
    other = flowy.start(runner.simulation.client(), runner.domain, Wide, 2)
    assert runner.finish(other).result == ["dough of 1 g", "dough of 2 g"]
    assert runner.finish(first).result == ["dough of 1 g"]


def test_a_runner_can_finish_what_another_has_started() -> None:
    simulation = Simulation()
    execution = Runner(simulation).start(Bread, 1)
    assert Runner(simulation, workflows=Bread).finish(execution).status == "COMPLETED"


def test_workflows_can_be_given_that_are_not_started_here() -> None:
    runner = Runner(Simulation(), activities=Knead, workflows=Wide)
    open_bread = runner.start(Bread, 1)
    other = flowy.start(runner.simulation.client(), runner.domain, Wide, 1)
    assert runner.finish(other).result == ["dough of 1 g"]
    with pytest.raises(StuckError):
        runner.finish(open_bread)


def test_as_many_workers_as_needed_work_at_once() -> None:
    stubs = Stubs()
    stubs(Knead, takes=10)
    ended = Runner(Simulation(), stubs=stubs).run(Wide)
    assert ended.simulated_seconds == 10
    who = identities(list(ended.history), "ActivityTaskStarted")
    assert who == ["worker 1", "worker 2", "worker 3", "worker 4"]


@pytest.mark.parametrize(("workers", "seconds"), [(1, 40), (2, 20), (3, 20), (4, 10)])
def test_a_worker_does_one_task_at_a_time(workers: int, seconds: int) -> None:
    stubs = Stubs()
    stubs(Knead, takes=10)
    ended = Runner(Simulation(), stubs=stubs, workers=workers).run(Wide)
    assert ended.simulated_seconds == seconds


def test_workers_of_a_number_take_turns() -> None:
    ended = Runner(Simulation(), workers=3).run(Wide)
    who = identities(list(ended.history), "ActivityTaskStarted")
    assert who == ["worker 1", "worker 2", "worker 3", "worker 1"]


def test_workers_wait_on_the_lists_that_proxies_name() -> None:
    @workflow("elsewhere", 1, "orders")
    class Elsewhere(Workflow):
        knead = ActivityProxy(Knead, task_list="factory")

        def run(self) -> object:
            return self.knead(1)

    assert Runner(Simulation(), activities=Knead).run(Elsewhere).result == "dough of 1 g"


def test_a_year_passes_in_no_time() -> None:
    @activity("daily", 1, "days", start_to_close=None)
    class Daily(Activity):
        def run(self, day: int) -> int:
            return day + 1

    @workflow("year", 1, "days", execution_start_to_close=31_536_000)
    class Year(Workflow):
        daily = ActivityProxy(Daily)

        def run(self) -> int:
            day = 0
            while day < 52:
                day = self.daily(day).result()
            return day

    stubs = Stubs()
    stubs(Daily, function=Daily().run, takes=7 * 86_400 - 1)
    ended = Runner(Simulation(), stubs=stubs).run(Year)
    assert ended.result == 52
    assert ended.simulated_seconds == 52 * (7 * 86_400 - 1)


def test_an_execution_times_out_while_it_waits_for_something_that_comes_later() -> None:
    stubs = Stubs()
    stubs(Bake, result="bread", takes=3000)
    runner = Runner(Simulation(), activities=bakery, stubs=stubs)
    ended = runner.run(Bread, 1, execution_start_to_close=60)
    assert (ended.status, ended.reason) == ("TIMED_OUT", "START_TO_CLOSE")
    assert ended.simulated_seconds == 60


def test_an_answer_after_the_end_of_its_execution_does_no_harm() -> None:
    stubs = Stubs()
    stubs(Bake, result="bread", takes=3000)
    runner = Runner(Simulation(), activities=bakery, stubs=stubs)
    runner.run(Bread, 1, execution_start_to_close=60)
    assert runner.run(Bread, 1).simulated_seconds == 3000


def test_code_that_decides_differently_than_before_is_an_error_at_once() -> None:
    sizes = iter([1, 2])

    @workflow("fickle", 1, "orders")
    class Fickle(Workflow):
        knead = ActivityProxy(Knead)

        def run(self) -> object:
            return self.knead(next(sizes)).result()

    runner = Runner(Simulation(), activities=Knead)
    with pytest.raises(flowy.NonDeterminismError, match=r"event 5 .* \[\[1\], \{\}\]"):
        runner.run(Fickle)
    assert runner.simulation.clock.now == Simulation().clock.now


def test_an_answer_that_the_service_refuses_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "flowy_sim.testing._worker_pools.ReplayingDeciders.decide",
        lambda *arguments: [start_timer("timer", -1)],
    )
    runner = Runner(Simulation())
    with pytest.raises(ClientError, match="ValidationException"):
        runner.run(Bread, 1)


def test_every_event_is_published_when_it_is_written() -> None:
    told: list[tuple[str, str]] = []

    @activity("telling", 1, "kitchen")
    class Telling(Activity):
        def run(self) -> list[str]:
            return [event for _, event in told]

    @workflow("teller", 1, "orders")
    class Teller(Workflow):
        telling = ActivityProxy(Telling)

        def run(self) -> object:
            return self.telling()

    runner = Runner(
        Simulation(),
        activities=Telling,
        on_event=lambda workflow_id, event: told.append((workflow_id, event["eventType"])),
    )
    ended = runner.run(Teller)
    # Events were published before the activity ran: its start was the last one.
    assert ended.result[-1] == "ActivityTaskStarted"
    assert told == [("teller-1", event["eventType"]) for event in ended.history]


def test_events_are_published_while_time_passes() -> None:
    told: list[Event] = []
    stubs = Stubs()
    stubs(Knead, takes=math.inf)
    runner = Runner(
        Simulation(), stubs=stubs, on_event=lambda workflow_id, event: told.append(event)
    )
    ended = runner.run(Bread, 1)
    assert ended.status == "FAILED"
    assert told == ended.history


def test_a_run_uses_the_choices_of_its_simulation() -> None:
    class LastChoice:
        def choose(self, kind: str, count: int) -> int:
            return count - 1

    ended = run(Simulation(schedule=LastChoice()), Wide)
    started = [
        attributes_of(event)["scheduledEventId"]
        for event in ended.history
        if event["eventType"] == "ActivityTaskStarted"
    ]
    assert started == sorted(started, reverse=True)


def test_on_a_clock_that_runs_on_its_own_the_runner_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = [0.0]
    monkeypatch.setattr("time.sleep", slept.append)
    stubs = Stubs()
    stubs(Knead, result="dough", takes=100)
    simulation = Simulation(clock=ScaledClock(10, real_seconds=lambda: math.fsum(slept)))
    ended = Runner(simulation, stubs=stubs).run(Wide, 1)
    assert ended.result == ["dough"]
    assert ended.simulated_seconds == 100
    assert math.fsum(slept) == pytest.approx(10)


def test_a_domain_and_types_that_are_registered_are_used() -> None:
    simulation = Simulation()
    run(simulation, Bread, 1)
    assert run(simulation, Bread, 1).status == "COMPLETED"
    domains = simulation.client().list_domains(registrationStatus="REGISTERED")["domainInfos"]
    assert [domain["name"] for domain in domains] == [DOMAIN]


def test_a_type_that_is_registered_with_other_defaults_is_refused() -> None:
    simulation = Simulation()
    run(simulation, Bread, 1)

    @activity("knead", 1, "elsewhere")
    class Other(Activity):
        def run(self) -> None:
            pass

    with pytest.raises(flowy.RegistrationError, match="knead 1 is registered with"):
        Runner(simulation, activities=[Other, Heat, Bake]).run(Bread, 1)


def test_two_classes_of_one_type_are_refused() -> None:
    @activity("knead", 1, "kitchen")
    class Other(Activity):
        def run(self) -> None:
            pass

    with pytest.raises(flowy.ConfigurationError, match="both declare the activity knead 1"):
        Runner(Simulation(), activities=[Other, Knead]).run(Bread, 1)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda runner: runner.after(-1, print), "must be a number of at least 0, not -1"),
        (lambda runner: runner.after(1, "later"), "an action must be an ordinary function"),
        (lambda runner: runner.advance("an hour"), "must be a number of at least 0"),
        (lambda runner: runner.invariant("no two"), "an invariant must be an ordinary function"),
        (
            lambda runner: runner.invariant(lambda a, b: None),
            r"which <lambda>\(a, b\) does not accept",
        ),
        (lambda runner: runner.watch([]), "watched state must be an ordinary function"),
        (
            lambda runner: runner.loop("poll"),
            "code that polls with its own loop is a function",
        ),
        (
            lambda runner: runner.finish("bread-1"),
            "finish takes an Execution.workflow_id, run_id., as start returns it",
        ),
    ],
)
def test_wrong_arguments_of_a_runner_are_refused_at_once(
    wrong: Callable[[Runner], object], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        wrong(Runner(Simulation()))


def test_an_execution_is_kept_that_breaks_an_invariant() -> None:
    runner = Runner(Simulation())

    @runner.invariant
    def nothing_is_kneaded(run: Run) -> None:
        assert not run.calls(Knead)

    with pytest.raises(AssertionError):
        runner.run(Bread, 500)
    [run] = runner.runs
    assert (run.status, len(run.calls(Knead))) == ("OPEN", 1)


def test_an_invariant_that_only_says_whether_it_holds_is_refused() -> None:
    runner = Runner(Simulation())

    @runner.invariant
    def little_is_kneaded(run: Run) -> bool:
        return len(run.calls(Knead)) < 1

    with pytest.raises(ConfigurationError, match=r"little_is_kneaded returned True, .* assert"):
        runner.run(Bread, 500)
