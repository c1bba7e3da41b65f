"""What a test does while an execution is open: activities finished elsewhere, signals, time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import flowy
from flowy import (
    LATER,
    ActivityContext,
    ActivityProxy,
    Payloads,
    Workflow,
    activity,
    async_completion,
    workflow,
)
from flowy_sim import Simulation
from flowy_sim.testing import Runner, Stubs, StuckError
from tests.support import poll_loops

tokens: list[str] = []


@activity("approve", 1, "approvals", start_to_close=None)
def approve(context: ActivityContext, text: str) -> object:
    tokens.append(context.token)
    return LATER


@activity("write", 1, "approvals")
def write(length: int) -> str:
    return "x" * length


@workflow("approval", 1, "approvals")
class Approval(Workflow):
    approve = ActivityProxy(approve)

    def run(self, text: str) -> Any:
        return self.approve(text)


@workflow("signed", 1, "approvals")
class Signed(Workflow):
    def run(self) -> Any:
        return self.signal("signature").result()


@workflow("novel", 1, "approvals")
class Novel(Workflow):
    writing = ActivityProxy(write)

    def run(self, length: int) -> Any:
        return self.writing(length)


@pytest.fixture
def runner() -> Runner:
    tokens.clear()
    return Runner(Simulation())


def test_an_activity_is_finished_elsewhere_while_nothing_moves(runner: Runner) -> None:
    execution = runner.start(Approval, "a text")
    runner.advance()
    async_completion.complete(runner.simulation.client(), tokens.pop(), "approved")
    assert runner.finish(execution).result == "approved"


def test_an_activity_is_finished_elsewhere_after_some_time(runner: Runner) -> None:
    client = runner.simulation.client()
    runner.after(3600, lambda: async_completion.complete(client, tokens.pop(), "approved"))
    run = runner.run(Approval, "a text")
    assert (run.result, run.simulated_seconds) == ("approved", 3600)


def test_one_that_is_never_finished_is_reported(runner: Runner) -> None:
    with pytest.raises(StuckError, match=r"activity approve 1 \(approve-1\) was taken by worker 1"):
        runner.run(Approval, "a text")


def test_time_passes_and_no_more_than_that(runner: Runner) -> None:
    execution = runner.start(Signed)
    runner.advance(90)
    clock = runner.simulation.clock
    assert clock.now == Simulation().clock.now.replace(minute=1, second=30)
    runner.simulation.client(exact=True).signal_workflow_execution(
        domain=runner.domain, workflowId="signed-1", signalName="signature", input='"me"'
    )
    run = runner.finish(execution)
    assert (run.result, run.simulated_seconds) == ("me", 90)


def test_nothing_at_all_can_be_let_pass(runner: Runner) -> None:
    runner.start(Signed)
    runner.advance()
    assert runner.simulation.clock.now == Simulation().clock.now
    runner.advance(0.5)
    assert runner.simulation.clock.now == Simulation().clock.now + timedelta(seconds=0.5)


def test_long_values_go_to_a_store(tmp_path: Path) -> None:
    run = Runner(Simulation(), payloads=Payloads(store=tmp_path)).run(Novel, 40_000)
    assert run.result == "x" * 40_000
    assert run.calls(write)[0].result == "x" * 40_000
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(flowy.FlowyError, match="and Amazon SWF accepts 32,768"):
        raise flowy.TaskFailed("", "", 1, Runner(Simulation()).run(Novel, 40_000).details)


def test_stubs_know_the_store(tmp_path: Path) -> None:
    stubs = Stubs()
    stubs(approve, function=len).when("x" * 40_000).then(result="much")
    runner = Runner(Simulation(), stubs=stubs, payloads=Payloads(store=tmp_path))
    assert runner.run(Approval, "x" * 40_000).result == "much"
    assert runner.run(Approval, "x" * 50_000).result == 50_000


def test_automatic_heartbeats_take_no_time_of_an_activity_that_takes_none() -> None:
    @activity("quick", 1, "approvals", heartbeat=3, automatic_heartbeat=True)
    def quickly() -> str:
        return "done"

    @workflow("quicker", 1, "approvals")
    class Quicker(Workflow):
        quick = ActivityProxy(quickly)

        def run(self) -> Any:
            return self.quick()

    run = Runner(Simulation()).run(Quicker)
    assert (run.result, run.simulated_seconds) == ("done", 0)


def test_stubs_answer_for_executions_that_the_code_under_test_starts(
    swf_run: Runner, swf_stub: Stubs
) -> None:
    client = swf_run.simulation.client()
    swf_run.loop(poll_loops.decider(("one", "elsewhere")))
    poll_loops.register(client)
    swf_run.advance()
    swf_stub("step", "1", result="by a stub", takes=5)
    execution = poll_loops.start(client)
    swf_run.advance(60)
    [call] = swf_run.finish(execution).calls("step")
    assert (call.result, round(call.ended - call.started)) == ("by a stub", 5)
