from __future__ import annotations

import math
import pickle
import re
from typing import Any

import pytest

from flowy import Activity, ActivityProxy, Workflow, WorkflowProxy, activity, workflow
from flowy_sim import Latency, Simulation
from flowy_sim._events.waits import Workers, waits
from flowy_sim.testing import Runner, Stubs, StuckError, run
from flowy_sim.testing._runner import DOMAIN
from tests.support.bakery import Bread, Heat, Knead

NOBODY = Workers([], [], [])


@activity("nap", 1, "sofa", start_to_close=None)
class Nap(Activity):
    def run(self) -> None:
        pass


@workflow("siesta", 1, "orders", execution_start_to_close=3600)
class Siesta(Workflow):
    nap = ActivityProxy(Nap)

    def run(self) -> Any:
        return self.nap()


def stuck(runner: Runner, *arguments: Any) -> str:
    with pytest.raises(StuckError) as error:
        runner.run(*arguments)
    assert error.value.run.status == "OPEN"
    assert runner.runs[-1] is error.value.run
    return str(error.value)


def test_an_activity_without_implementation_is_named_with_the_nearest_one() -> None:
    stubs = Stubs()
    stubs("baek", 1, result="bread")
    runner = Runner(Simulation(), activities=[Knead, Heat], stubs=stubs)
    assert stuck(runner, Bread, 500) == (
        "Nothing more will happen after 2024-01-01 00:00:00, "
        "and bread 1 (bread-1) is open after 0 s:\n"
        "- activity bake 1 (bake-3) has been waiting since 2024-01-01 00:00:00; "
        "it is neither implemented nor stubbed (nearest: baek 1)\n"
        "- the execution times out at 2024-01-02 00:00:00"
    )


def test_without_a_similar_name_all_are_listed() -> None:
    runner = Runner(Simulation(), activities=[Knead])
    assert "heat 1 (heat-2)" in (message := stuck(runner, Bread, 500))
    assert "it is neither implemented nor stubbed (known: knead 1)" in message


def test_without_any_implementation_the_error_says_so() -> None:
    runner = Runner(Simulation(), activities=[])
    assert "neither implemented nor stubbed (known: none)" in stuck(runner, Bread, 500)


def test_time_has_passed_as_far_as_anything_happened() -> None:
    stubs = Stubs()
    stubs(Knead, takes=40.5)
    runner = Runner(Simulation(), activities=[Heat], stubs=stubs)
    assert "after 2024-01-01 00:00:40.500, and" in stuck(runner, Bread, 500)


def test_a_worker_that_never_answers_is_named() -> None:
    stubs = Stubs()
    stubs(Nap, takes=math.inf)
    assert (
        "- activity nap 1 (nap-1) was taken by worker 1 at 2024-01-01 00:00:00 and never "
        "answered; it has no time-out\n"
    ) in stuck(Runner(Simulation(), stubs=stubs), Siesta)


def test_a_decider_that_decides_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "flowy_sim.testing._worker_pools.ReplayingDeciders.decide", lambda *arguments: []
    )
    message = stuck(Runner(Simulation()), Siesta)
    assert (
        "- nothing is scheduled: its decider made no decision when it was last asked, at "
        "2024-01-01 00:00:00 (event 4)\n- the execution times out at 2024-01-01 01:00:00"
    ) in message


def test_a_list_that_no_worker_polls_is_named() -> None:
    runner = Runner(Simulation())
    runner.run(Bread, 500)
    simulation = runner.simulation
    client = simulation.client(exact=True)
    client.start_workflow_execution(
        domain=DOMAIN,
        workflowId="lost",
        workflowType={"name": "bread", "version": "1"},
        taskList={"name": "nowhere"},
    )
    stubs = Stubs()
    stubs(Nap, takes=math.inf)
    message = stuck(Runner(simulation, stubs=stubs), Siesta)
    assert message.splitlines()[3:] == [
        "bread 1 (lost) is open after 0 s:",
        "- its decision task has been on the list 'nowhere' since 2024-01-01 00:00:00; "
        "no worker polls that list, only 'orders'",
        "- the execution times out at 2024-01-02 00:00:00",
    ]


def test_an_activity_that_will_time_out_is_waited_for() -> None:
    @workflow("patient", 1, "orders", execution_start_to_close=3600)
    class Patient(Workflow):
        nap = ActivityProxy("nap", 1, schedule_to_start=7200)

        def run(self) -> Any:
            return self.nap()

    run = Runner(Simulation(), activities=[]).run(Patient)
    assert run.status == "TIMED_OUT"
    assert run.simulated_seconds == 3600


def test_a_stuck_execution_ends_when_the_time_is_let_pass() -> None:
    runner = Runner(Simulation(), activities=[Knead, Heat])
    execution = runner.start(Bread, 500)
    with pytest.raises(StuckError):
        runner.finish(execution)
    runner.simulation.clock.advance(86_400)
    assert runner.finish(execution).status == "TIMED_OUT"


def test_the_error_travels_between_processes() -> None:
    runner = Runner(Simulation(), activities=[])
    with pytest.raises(StuckError) as error:
        runner.run(Bread, 500)
    copy = pickle.loads(pickle.dumps(error.value))
    assert str(copy) == str(error.value)
    assert copy.run == error.value.run


def test_timers_and_children_are_waited_for_in_words() -> None:
    simulation = Simulation()
    client = simulation.client(poll_seconds=0)
    Runner(simulation).run(Bread, 1)
    run_id = client.start_workflow_execution(
        domain=DOMAIN, workflowId="order", workflowType={"name": "bread", "version": "1"}
    )["runId"]
    task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "orders"})
    timer = {"timerId": "rest", "startToFireTimeout": "90"}
    child = {"workflowId": "other", "workflowType": {"name": "bread", "version": "1"}}
    client.respond_decision_task_completed(
        taskToken=task["taskToken"],
        decisions=[
            {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer},
            {
                "decisionType": "StartChildWorkflowExecution",
                "startChildWorkflowExecutionDecisionAttributes": child,
            },
        ],
    )
    history = client.get_workflow_execution_history(
        domain=DOMAIN, execution={"workflowId": "order", "runId": run_id}
    )["events"]
    timer_wait, child_wait = waits(history, NOBODY)
    assert timer_wait.sentence == "timer rest fires at 2024-01-01 00:01:30"
    assert child_wait.sentence == "child bread 1 (other) is open"
    assert timer_wait.ends
    assert not child_wait.ends  # by itself: what it waits for itself decides


def test_a_decision_task_that_is_held_is_named() -> None:
    simulation = Simulation()
    client = simulation.client(poll_seconds=0)
    Runner(simulation).run(Bread, 1)
    run_id = client.start_workflow_execution(
        domain=DOMAIN, workflowId="order", workflowType={"name": "bread", "version": "1"}
    )["runId"]
    request = {"domain": DOMAIN, "execution": {"workflowId": "order", "runId": run_id}}
    history = client.get_workflow_execution_history(**request)["events"]
    [wait] = waits(history, NOBODY)
    assert wait.sentence.endswith("; no worker polls any list")
    client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "orders"})
    history = client.get_workflow_execution_history(**request)["events"]
    [wait] = waits(history, NOBODY)
    assert wait.sentence == (
        "a decider has had its decision task since 2024-01-01 00:00:00 and never answered"
    )


@workflow("approval", 1, "approvals")
class Approval(Workflow):
    def run(self, name: str = "approval") -> Any:
        return self.signal(name).result()


@workflow("pair", 1, "approvals", execution_start_to_close=86_400)
class Pair(Workflow):
    one = WorkflowProxy(Approval)
    other = WorkflowProxy(Approval)

    def run(self) -> Any:
        return [self.one("tick"), self.other("tock")]


@workflow("patient", 1, "approvals", execution_start_to_close=3600)
class Patient(Workflow):
    def run(self, days: int) -> None:
        self.sleep(days * 86_400)


def test_a_signal_that_is_never_sent_is_named() -> None:
    with pytest.raises(StuckError, match="- it waits for the signal 'approval', which has not"):
        run(Simulation(), Approval)


@workflow("named approval", 1, "approvals", execution_start_to_close=86_400)
class NamedApproval(Workflow):
    nap = ActivityProxy("nap", 1, task_list="naps", start_to_close=60)

    def run(self) -> Any:
        self.nap(self.workflow_id).result()
        self.sleep(9)
        return self.signal("approval").result()


def test_a_signal_is_named_although_decisions_depend_on_the_workflow_id() -> None:
    runner = Runner(Simulation())
    runner.stubs("nap", 1, result=None)
    assert "- it waits for the signal 'approval', which has" in stuck(runner, NamedApproval)


def test_an_open_execution_lasts_until_now_and_not_until_its_last_event() -> None:
    runner = Runner(Simulation())
    runner.stubs("nap", 1, result=None)
    runner.after(100, lambda: None)
    message = stuck(runner, NamedApproval)
    assert "and named approval 1 (named approval-1) is open after 1 min 40 s:" in message


def test_a_workflow_may_end_by_its_time_out_if_the_test_says_so() -> None:
    runner = Runner(Simulation(), times_out=True)
    runner.stubs("nap", 1, result=None)
    run = runner.run(NamedApproval)
    assert (run.status, run.simulated_seconds) == ("TIMED_OUT", 86_400)


def test_children_that_wait_for_each_other_say_for_what() -> None:
    with pytest.raises(StuckError) as caught:
        run(Simulation(latency=Latency.ZERO), Pair)
    lines = [re.sub(r"-[0-9a-f]{8}-", "-…-", line) for line in str(caught.value).splitlines()]
    assert lines == [
        "Nothing more will happen after 2024-01-01 00:00:00, "
        "and pair 1 (pair-1) is open after 0 s:",
        "- child approval 1 (pair-1-…-approval-1) is open",
        "- child approval 1 (pair-1-…-approval-2) is open",
        "- the execution times out at 2024-01-02 00:00:00",
        "approval 1 (pair-1-…-approval-1) is open after 0 s:",
        "- it waits for the signal 'tick', which has not been sent",
        "- the execution times out at 2024-01-02 00:00:00",
        "approval 1 (pair-1-…-approval-2) is open after 0 s:",
        "- it waits for the signal 'tock', which has not been sent",
        "- the execution times out at 2024-01-02 00:00:00",
    ]


def test_a_timer_of_another_year_is_named() -> None:
    with pytest.raises(
        StuckError,
        match="timer timer-1 fires at 2026-09-27 00:00:00, after the execution has timed",
    ):
        run(Simulation(), Patient, 1000)


def test_a_timer_is_waited_for() -> None:
    assert run(Simulation(), Patient, 0).status == "COMPLETED"
