"""Clients of aiobotocore, answered in process: a poll suspends its coroutine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from flowy_sim import Simulation, mock_swf
from flowy_sim.testing import Runner
from flowy_sim.testing._loop_replay import replay_loop
from tests.support import shop
from tests.support.poll_loops import DOMAIN, decider, run

pytest.importorskip("aiobotocore", reason="aiobotocore is not installed")

from aiobotocore.client import AioBaseClient
from aiobotocore.session import AioSession, get_session

Client = Any
TIMEOUTS = ("scheduleToClose", "scheduleToStart", "startToClose", "heartbeat")


async def decide(swf: Client) -> str:
    """Run a timer of a year, then an activity, and return when the execution is over."""
    while True:
        task = await swf.poll_for_decision_task(domain=shop.DOMAIN, taskList={"name": "orders"})
        if not task.get("taskToken"):
            continue
        last = [event["eventType"] for event in task["events"]]
        if "ActivityTaskCompleted" in last:
            decision = {"decisionType": "CompleteWorkflowExecution"}
        elif "TimerFired" in last:
            decision = {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": {
                    "activityId": "a",
                    "activityType": {"name": "step", "version": "1"},
                    "taskList": {"name": "steps"},
                    **{f"{each}Timeout": "NONE" for each in TIMEOUTS},
                },
            }
        else:
            decision = {
                "decisionType": "StartTimer",
                "startTimerDecisionAttributes": {
                    "timerId": "year",
                    "startToFireTimeout": str(86_400 * 300),
                },
            }
        await swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])
        if decision["decisionType"] == "CompleteWorkflowExecution":
            return "over"


async def work(
    swf: Client, pause: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
) -> None:
    while True:
        task = await swf.poll_for_activity_task(domain=shop.DOMAIN, taskList={"name": "steps"})
        if task.get("taskToken"):
            await pause()
            await swf.respond_activity_task_completed(taskToken=task["taskToken"])


async def start(swf: Client) -> str:
    await swf.register_domain(name=shop.DOMAIN, workflowExecutionRetentionPeriodInDays="90")
    await swf.register_workflow_type(domain=shop.DOMAIN, name="order", version="1")
    await swf.register_activity_type(domain=shop.DOMAIN, name="step", version="1")
    started = await swf.start_workflow_execution(
        domain=shop.DOMAIN,
        workflowId="order-1",
        workflowType={"name": "order", "version": "1"},
        taskList={"name": "orders"},
        childPolicy="TERMINATE",
        executionStartToCloseTimeout=str(86_400 * 365),
        taskStartToCloseTimeout="60",
    )
    return str(started["runId"])


async def run_order(pause: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)) -> Any:
    async with get_session().create_client("swf") as swf:
        run_id = await start(swf)
        worker = asyncio.create_task(work(swf, pause))
        assert await decide(swf) == "over"
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        described = await swf.describe_workflow_execution(
            domain=shop.DOMAIN, execution={"workflowId": "order-1", "runId": run_id}
        )
        return described["executionInfo"]


@pytest.mark.parametrize("virtual_sleep", [False, True])
def test_coroutines_finish_a_long_workflow_at_once(virtual_sleep: bool) -> None:
    began = time.monotonic()
    with mock_swf(virtual_sleep=virtual_sleep):
        info = asyncio.run(run_order())
    assert info["closeStatus"] == "COMPLETED"
    assert (info["closeTimestamp"] - info["startTimestamp"]).days == 300
    assert time.monotonic() - began < 60  # As long as one poll would last.


def test_a_coroutine_sleeps_virtually_while_it_holds_a_task() -> None:
    with mock_swf(virtual_sleep=True):
        info = asyncio.run(run_order(lambda: asyncio.sleep(86_400)))
    assert (info["closeTimestamp"] - info["startTimestamp"]).days == 301


def test_the_innermost_mock_answers_and_everything_is_restored() -> None:
    was = AioBaseClient._make_request, AioSession.create_client
    with mock_swf() as outer, mock_swf() as inner:
        asyncio.run(run_order())
        assert not outer.engine().executions
        assert inner.engine().executions
    assert (AioBaseClient._make_request, AioSession.create_client) == was


def test_a_poll_suspends_only_its_coroutine() -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        async with get_session().create_client("swf") as swf:
            await start(swf)
            polling = asyncio.create_task(work(swf))
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append("polling" if not polling.done() else "done")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(polling, 0.05)
        return seen

    with mock_swf(Simulation(patience=60)):
        assert asyncio.run(main()) == ["polling"] * 3


def test_a_refusal_is_raised_as_aiobotocore_raises_it() -> None:
    async def main() -> None:
        async with get_session().create_client("swf", region_name="eu-west-1") as swf:
            with pytest.raises(swf.exceptions.UnknownResourceFault, match="Unknown domain"):
                await swf.describe_domain(name="nowhere")

    with mock_swf():
        asyncio.run(main())


def test_threads_and_coroutines_work_on_the_same_execution() -> None:
    with mock_swf() as simulation:
        client = simulation.client()

        def work_in_a_thread() -> None:
            task = client.poll_for_activity_task(domain=shop.DOMAIN, taskList={"name": "steps"})
            while not task.get("taskToken"):
                task = client.poll_for_activity_task(domain=shop.DOMAIN, taskList={"name": "steps"})
            client.respond_activity_task_completed(taskToken=task["taskToken"])

        async def main() -> str:
            async with get_session().create_client("swf") as swf:
                await start(swf)
                threading.Thread(target=work_in_a_thread).start()
                return await decide(swf)

        assert asyncio.run(main()) == "over"


def test_clients_of_aiobotocore_take_part_in_loops() -> None:
    async def work_in_turns() -> None:
        async with get_session().create_client("swf") as swf:
            while True:
                task = await swf.poll_for_activity_task(domain=DOMAIN, taskList={"name": "work"})
                if task.get("taskToken"):
                    await asyncio.sleep(20)
                    await swf.respond_activity_task_completed(taskToken=task["taskToken"])

    ended = run(decider(("a", "work"), ("b", "work")), work_in_turns)
    assert (ended.result, ended.simulated_seconds) == ("done", 40)


def test_an_execution_that_times_out_ends_the_wait() -> None:
    async def main() -> str:
        async with get_session().create_client("swf") as swf:
            run_id = await start(swf)
            task = await swf.poll_for_decision_task(domain=shop.DOMAIN, taskList={"name": "orders"})
            await swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[])
            await swf.poll_for_decision_task(domain=shop.DOMAIN, taskList={"name": "orders"})
            for _ in range(3):
                await swf.poll_for_decision_task(domain=shop.DOMAIN, taskList={"name": "orders"})
            described = await swf.describe_workflow_execution(
                domain=shop.DOMAIN, execution={"workflowId": "order-1", "runId": run_id}
            )
            return str(described["executionInfo"]["closeStatus"])

    with mock_swf(Simulation(patience=0)):
        assert asyncio.run(main()) == "TIMED_OUT"


def test_runners_leave_coroutines_of_the_test_alone() -> None:
    async def main() -> float:
        ended = Runner(Simulation())
        ended.loop(decider())
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.01)
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(main()) < 5


def test_a_decider_on_aiobotocore_is_replayed() -> None:
    with mock_swf() as simulation:
        asyncio.run(run_order())
        [execution] = simulation.engine().executions.values()
        history = simulation.client().get_workflow_execution_history(
            domain=shop.DOMAIN, execution={"workflowId": "order-1", "runId": execution.run_id}
        )["events"]

    async def decider() -> None:
        async with get_session().create_client("swf") as swf:
            await decide(swf)

    assert replay_loop(decider, history)
