"""Workers poll the lists of the types that they serve, and leave others to other workers."""

from __future__ import annotations

from typing import Any

import pytest

import flowy
from flowy import Activity, ActivityProxy, Workflow, WorkflowProxy, activity, workflow
from flowy_sim import Simulation
from flowy_sim.testing import Runner, StuckError, UnexpectedCallError

UNLIMITED: dict[str, Any] = {
    "heartbeat": None,
    "schedule_to_start": None,
    "schedule_to_close": None,
}


@activity("other", 1, "others")
class Other(Activity):
    def run(self) -> int:
        return 0


@workflow("mailing", 1, "mailings")
class Mailing(Workflow):
    mail = ActivityProxy("mail", 2, task_list="mailers", start_to_close=600, **UNLIMITED)
    quick = ActivityProxy(
        "quick", 1, task_list="quick", **{**UNLIMITED, "schedule_to_start": 5}, start_to_close=5
    )

    def run(self, quick: bool = False) -> object:
        return self.quick().result() if quick else self.mail().result()


@workflow("parent", 1, "parents")
class Parent(Workflow):
    child = WorkflowProxy(
        "child",
        1,
        task_list="children",
        execution_start_to_close=60,
        task_start_to_close=None,
        child_policy="TERMINATE",
        error_handling=True,
    )

    def run(self) -> object:
        try:
            return self.child().result()
        except flowy.TaskTimedOut as error:
            return str(error)


def mailer(client: flowy.SwfClient) -> None:
    task = client.poll_for_activity_task(domain="simulated", taskList={"name": "mailers"})
    if task.get("taskToken"):
        client.respond_activity_task_completed(taskToken=task["taskToken"], result="6")


def decider_of_children(client: flowy.SwfClient) -> None:
    task = client.poll_for_decision_task(domain="simulated", taskList={"name": "children"})
    if task.get("taskToken"):
        decision = {
            "decisionType": "CompleteWorkflowExecution",
            "completeWorkflowExecutionDecisionAttributes": {"result": "7"},
        }
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])


@pytest.mark.parametrize("arguments", [{}, {"workers": 1}, {"task_lists": ["mailers"]}], ids=str)
def test_a_worker_by_hand_gets_the_tasks_of_a_list_that_flowy_cannot_serve(
    arguments: dict[str, Any],
) -> None:
    runner = Runner(Simulation(), activities=[Other], **arguments)
    runner.loop(mailer)
    assert runner(Mailing).result == 6


def test_a_decider_by_hand_gets_the_tasks_of_children_that_flowy_cannot_serve() -> None:
    runner = Runner(Simulation(), workflows=[Mailing], task_lists=["children"])
    runner.loop(decider_of_children)
    assert runner(Parent).result == 7


def test_without_any_worker_the_stuck_detector_names_the_list() -> None:
    with pytest.raises(StuckError, match=r"'mailers' since .*; no worker polls that list, only"):
        Runner(Simulation(), activities=[Other])(Mailing)


def test_a_task_that_a_worker_took_is_not_reported_as_not_implemented() -> None:
    def dies(client: flowy.SwfClient) -> None:
        client.poll_for_activity_task(domain="simulated", taskList={"name": "mailers"})

    runner = Runner(Simulation(), activities=[Other])
    runner.loop(dies)
    run = runner(Mailing)
    assert run.status == "FAILED"
    assert "START_TO_CLOSE" in run.reason


def test_a_task_that_no_worker_took_is_reported_as_not_implemented() -> None:
    runner = Runner(Simulation(), activities=[Other])
    runner.loop(mailer)
    with pytest.raises(UnexpectedCallError, match="quick 1 timed out because it is neither"):
        runner(Mailing, quick=True)


def test_a_child_that_no_decider_took_is_reported_although_the_parent_continues() -> None:
    with pytest.raises(UnexpectedCallError, match="child child 1 timed out because it is neither"):
        Runner(Simulation())(Parent)


def test_a_child_that_a_decider_took_is_not_reported() -> None:
    def dies(client: flowy.SwfClient) -> None:
        client.poll_for_decision_task(domain="simulated", taskList={"name": "children"})

    runner = Runner(Simulation())
    runner.loop(dies)
    run = runner(Parent)
    assert run.status == "COMPLETED", run.reason
