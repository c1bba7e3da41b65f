"""Old and new deciders and workers run side by side, with flowy and with their own poll loops."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy.errors import ConfigurationError, NonDeterminismError
from flowy_sim.explore import Exploration, find
from flowy_sim.faults import AnswerLate, Deploy, GradualDeploy, InjectedFault, TaskLate
from flowy_sim.testing import Runner
from tests.planted.by_hand import DECISIONS, DOMAIN, STEPS, complete, decision, register, schedule
from tests.support.poll_loops import Client

charge = activity("charge", 1, "payments", start_to_close=60)
order = workflow("order", 1, "orders", execution_start_to_close=3600)


@charge
class OldCharge(Activity):
    def run(self, name: str) -> str:
        return f"paid {name}"


@charge
class NewCharge(Activity):
    def run(self, name: str, currency: str = "EUR") -> str:
        return f"paid {name} in {currency}"


@activity("insure", 1, "insurances", start_to_close=60)
def insure(name: str) -> str:
    """An activity that old code does not have."""
    return f"insured {name}"


@order
class OldOrder(Workflow):
    charge = ActivityProxy(OldCharge)

    def run(self) -> Any:
        return self.charge("lamp")


@order
class NewOrder(Workflow):
    charge = ActivityProxy(NewCharge)

    def run(self) -> Any:
        if self.patched("currency"):
            return self.charge("lamp", "USD")
        return self.charge("lamp")


@order
class Insured(Workflow):
    charge = ActivityProxy(OldCharge)
    insure = ActivityProxy(insure)

    def run(self) -> Any:
        if self.patched("insure"):
            return self.insure(self.charge("lamp"))
        return self.charge("lamp")


def explored(
    fault: InjectedFault, activities: list[Any], results: set[Any] | None = None
) -> Exploration:
    def it_is_paid(runner: Runner) -> None:
        run = runner(OldOrder)
        if results is not None:
            results.add(run.result)
        assert run.status == "COMPLETED"

    return find(it_is_paid, faults=[fault], runs=3000, activities=activities)


def test_an_old_worker_that_gets_the_task_of_a_new_decider_is_found() -> None:
    found = explored(GradualDeploy((NewOrder,), (NewCharge,)), [OldCharge])
    assert found.failure is not None
    assert "old and new code overlap: NewOrder, NewCharge" in str(found.failure)
    assert "TypeError" in str(found.failure)


@pytest.mark.parametrize(
    ("fault", "activities"),
    [
        (GradualDeploy(activities=(NewCharge,)), [OldCharge]),
        (GradualDeploy((NewOrder,)), [NewCharge]),
    ],
    ids=["workers first", "then deciders"],
)
def test_a_deployment_in_the_right_order_is_not_blamed(
    fault: InjectedFault, activities: list[Any]
) -> None:
    found = explored(fault, activities)
    assert found.failure is None, str(found.failure)
    assert found.complete


@pytest.mark.slow
@pytest.mark.parametrize("late", [AnswerLate(seconds=5), TaskLate(seconds=5)], ids=repr)
def test_a_patch_that_arrives_after_going_back_is_not_blamed(late: InjectedFault) -> None:
    def it_is_paid(runner: Runner) -> None:
        assert runner(OldOrder).status == "COMPLETED"

    faults = [GradualDeploy((Insured,)), late]
    options = {"activities": [OldCharge, insure], "most_faults": 3}
    found = find(it_is_paid, faults=faults, runs=3000, **options)
    assert found.failure is None, str(found.failure)


def test_a_workflow_that_differs_in_more_than_its_patches_is_blamed() -> None:
    @order
    class Careless(Workflow):
        charge = ActivityProxy(OldCharge)
        insure = ActivityProxy(insure)

        def run(self) -> Any:
            self.insure("lamp").result()
            return self.charge("lamp" if self.patched("insure") else "table")

    found = explored(GradualDeploy((Careless,)), [OldCharge, insure])
    assert found.failure is not None
    assert isinstance(found.failure.error, NonDeterminismError)


def test_new_and_old_workers_take_tasks_side_by_side_and_either_stay() -> None:
    runs: set[tuple[str, ...]] = set()

    @order
    class Three(Workflow):
        charge = ActivityProxy(OldCharge)

        def run(self) -> Any:
            return [self.charge(name).result() for name in ("lamp", "table", "chair")]

    def test(runner: Runner) -> None:
        results = runner(Three).result
        runs.add(tuple("new" if each.endswith("EUR") else "old" for each in results))

    deployment = GradualDeploy(activities=(NewCharge,))
    found = find(test, faults=[deployment], activities=[OldCharge], runs=3000)
    assert found.failure is None, str(found.failure)
    assert found.complete
    assert len(runs) == 2**3


def test_new_types_are_registered_and_their_lists_polled_by_new_workers_only() -> None:
    results: set[Any] = set()
    found = explored(GradualDeploy((Insured,), (insure,)), [OldCharge], results)
    assert found.failure is None, str(found.failure)
    assert results == {"paid lamp", "insured paid lamp"}


def decider(text: str) -> Callable[[Client], None]:
    def decide(client: Client) -> None:
        task = client.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS)
        if not task.get("taskToken"):
            return
        done = [each for each in task["events"] if each["eventType"] == "ActivityTaskCompleted"]
        if done:
            answer = complete(done[0]["activityTaskCompletedEventAttributes"]["result"])
        else:
            answer = schedule("pack")
            answer["scheduleActivityTaskDecisionAttributes"]["input"] = text
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[answer])

    return decide


def worker(read: Callable[[str], str]) -> Callable[[Client], None]:
    def work(client: Client) -> None:
        task = client.poll_for_activity_task(domain=DOMAIN, taskList=STEPS)
        if task.get("taskToken"):
            client.respond_activity_task_completed(
                taskToken=task["taskToken"], result=f"packed {read(task['input'])}"
            )

    return work


def read_either(text: str) -> str:
    return str(json.loads(text)["item"]) if text.startswith("{") else text


OLD, NEW = decider("lamp"), decider('{"item": "lamp"}')
OLD_WORK, NEW_WORK = worker(str), worker(read_either)


def explored_loops(loops: dict[str, Any], work: Callable[[Client], None]) -> Exploration:
    def it_is_packed(runner: Runner) -> None:
        runner.loop(OLD, "decide")
        runner.loop(work, "work")
        register(runner.simulation.client(), start_to_close="NONE")
        run = runner(("order", "1"))
        assert run.raw_result in (None, "packed lamp")  # None: it was not answered in time.

    return find(it_is_packed, faults=[GradualDeploy(loops=loops)], runs=3000)


def test_an_old_poll_loop_that_gets_the_task_of_a_new_one_is_found() -> None:
    failure = explored_loops({"decide": NEW, "work": NEW_WORK}, OLD_WORK).failure
    assert failure is not None
    assert 'packed {"item": "lamp"}' in str(failure)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loops", "work"),
    [({"work": NEW_WORK}, OLD_WORK), ({"decide": NEW}, NEW_WORK)],
    ids=["workers first", "then deciders"],
)
def test_poll_loops_that_are_deployed_in_the_right_order_are_not_blamed(
    loops: dict[str, Any], work: Callable[[Client], None]
) -> None:
    found = explored_loops(loops, work)
    assert found.failure is None, str(found.failure)
    assert found.complete


def test_coroutines_of_old_and_new_code_run_side_by_side() -> None:
    runs: set[str | None] = set()

    def coroutine(text: str) -> Callable[[Client], Any]:
        async def decide(client: Client) -> None:
            task = await client.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS)
            if not task.get("taskToken"):
                return
            fired = [each for each in task["events"] if each["eventType"] == "TimerFired"]
            first = decision("StartTimer", timerId=text, startToFireTimeout="5")
            name = fired[0]["timerFiredEventAttributes"]["timerId"] if fired else ""
            await client.respond_decision_task_completed(
                taskToken=task["taskToken"],
                decisions=[complete(f"{name} {text}") if fired else first],
            )

        return decide

    def test(runner: Runner) -> None:
        runner.loop(coroutine("old"), "decide")
        register(runner.simulation.client())
        runs.add(runner(("order", "1")).raw_result)

    deployment = GradualDeploy(loops={"decide": coroutine("new")})
    found = find(test, faults=[deployment], runs=3000)
    assert found.failure is None, str(found.failure)
    assert runs >= {"old old", "old new", "new old", "new new"}


@pytest.mark.parametrize("kind", [Deploy, GradualDeploy])
def test_a_deployment_without_or_with_wrong_code_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{kind.__name__} needs new code"):
        kind()
    with pytest.raises(ConfigurationError, match=rf"{kind.__name__}\(activities=\(new_charge,\)\)"):
        kind(activities=insure)
    with pytest.raises(ConfigurationError, match="is not a class decorated with @activity"):
        kind(activities=(NewOrder,))
