"""Coroutines that go round and round in ``asyncio.sleep(0)``: they never keep others waiting."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy.errors import NonDeterminismError
from flowy_sim import Simulation, StuckError
from flowy_sim.testing import Runner
from flowy_sim.testing._loop_replay import replay_loop
from tests.support.properties import examples

LIST = {"domain": "simulated", "taskList": {"name": "spinners"}}


def spinning_runner(*loops: Any) -> Runner:
    runner = Runner(Simulation())
    for loop in loops:
        runner.loop(loop)
    runner.simulation.client().register_workflow_type(
        domain=runner.domain,
        name="spin",
        version="1",
        defaultTaskList={"name": "spinners"},
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskStartToCloseTimeout="60",
        defaultChildPolicy="TERMINATE",
    )
    return runner


async def spins_at_once(swf: Any) -> None:
    while True:  # noqa: ASYNC110 - that is what must not hang
        await asyncio.sleep(0)


async def spins_with_its_task(swf: Any) -> None:
    await swf.poll_for_decision_task(**LIST)
    async with asyncio.TaskGroup() as group:
        group.create_task(spins_at_once(swf))


def spins_in_its_own_event_loop() -> None:
    boto3.client("swf").poll_for_decision_task(**LIST)
    asyncio.run(spins_at_once(None))


@pytest.mark.parametrize(
    ("loop", "last"),
    [
        (spins_at_once, "without any call"),
        (spins_with_its_task, "since its call of PollForDecisionTask"),
        (spins_in_its_own_event_loop, "since its call of PollForDecisionTask"),
    ],
)
def test_a_coroutine_that_goes_round_forever_is_named(loop: Any, last: str) -> None:
    runner = spinning_runner(loop)
    with pytest.raises(StuckError) as error:
        runner(("spin", "1"))
    name = "asyncio loops 1" if inspect.iscoroutinefunction(loop) else f"{loop.__name__} 1"
    assert f"the loop {name} has waited busily in spins_at_once ({__file__}:" in str(error.value)
    assert last in str(error.value)
    runner.scheduler.worker_pools.discard_loops()


def test_a_replay_with_a_coroutine_that_goes_round_forever_ends() -> None:
    history = spinning_runner(answers_at_once)(("spin", "1")).history
    assert not replay_loop(spins_at_once, history)
    with pytest.raises(NonDeterminismError, match="did not answer"):
        replay_loop(spins_with_its_task, history)


def answers_at_once(swf: Any) -> None:
    task = swf.poll_for_decision_task(**LIST)
    if task.get("taskToken"):
        complete(swf, task)


def complete(swf: Any, task: Any) -> Any:
    decisions = [{"decisionType": "CompleteWorkflowExecution"}]
    return swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(rounds=st.integers(0, 15_000), seconds=st.integers(0, 50))
def test_a_coroutine_may_go_round_until_something_happens(rounds: int, seconds: int) -> None:
    """It yields many times by itself, and then waits for what another coroutine does."""
    done: list[None] = []

    async def decider(swf: Any) -> None:
        task = await swf.poll_for_decision_task(**LIST)
        if not task.get("taskToken"):
            return
        asyncio.get_running_loop().call_later(seconds, done.append, None)
        for _ in range(rounds):
            await asyncio.sleep(0)
        while not done:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await complete(swf, task)

    run = spinning_runner(decider)(("spin", "1"))
    assert run.status == "COMPLETED"
    assert round(run.simulated_seconds) == seconds


def test_a_coroutine_may_go_round_until_another_loop_has_done_something() -> None:
    calls: list[float] = []

    async def waits(swf: Any) -> None:
        task = await swf.poll_for_decision_task(**LIST)
        if task.get("taskToken"):
            while len(calls) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await complete(swf, task)

    def works() -> None:
        while True:
            time.sleep(10)
            calls.append(time.monotonic())

    run = spinning_runner(waits, works)(("spin", "1"))
    assert run.status == "COMPLETED"
    assert round(run.simulated_seconds) == 30
