"""Poll loops that are coroutines: they share one event loop, whose time is simulated."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import boto3
import pytest

from flowy_sim import Simulation
from flowy_sim.explore import FoundError, explore
from flowy_sim.faults import AnswerLate, DeciderDies, Deploy, WorkerDies
from flowy_sim.testing import Runner
from tests.support.exact_calls import EXACT_CALLS
from tests.support.poll_loops import (
    DOMAIN,
    Client,
    complete,
    decider,
    done,
    poll,
    register,
    run,
    schedule,
    start,
    work,
)

STEPS = ("a", "work"), ("b", "work"), ("c", "work")


async def decide(client: Client) -> None:
    while True:
        task = await client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
        if not task.get("taskToken"):
            continue
        left = STEPS[len(done(task)) :]
        decisions = [schedule(*left[0])] if left else [complete('"done"')]
        await client.respond_decision_task_completed(
            taskToken=task["taskToken"], decisions=decisions
        )


def worker(pause: Callable[[], Awaitable[object]]) -> Callable[[Client], Awaitable[None]]:
    """A worker that does something while it holds a task."""

    async def work_after_a_pause(client: Client) -> None:
        while True:
            task = await client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "work"})
            if task.get("taskToken"):
                await pause()
                await client.respond_activity_task_completed(taskToken=task["taskToken"])

    return work_after_a_pause


async def time_out() -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(100):
            await asyncio.Event().wait()


async def wait_in_vain() -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 100)


async def be_called_later() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(100, event.set)
    await event.wait()


PAUSES = [
    lambda: asyncio.sleep(100),
    time_out,
    wait_in_vain,
    be_called_later,
    lambda: asyncio.to_thread(time.sleep, 100),
]


@pytest.mark.parametrize("pause", PAUSES)
def test_asyncio_follows_simulated_time(pause: Callable[[], Awaitable[object]]) -> None:
    began = time.monotonic()
    ended = run(decide, worker(pause))
    assert (ended.result, ended.simulated_seconds) == ("done", 300)
    assert time.monotonic() - began < 300


def test_coroutines_and_functions_take_turns() -> None:
    ended = run(decider(*STEPS), worker(lambda: asyncio.sleep(1)))
    assert (ended.result, ended.simulated_seconds) == ("done", 3)
    assert run(decide, lambda client: work(client, "work") and None).result == "done"


def test_all_coroutines_share_one_event_loop() -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    seen: list[str] = []

    async def receive() -> None:
        while True:
            seen.append(await queue.get())

    ended = run(decide, worker(lambda: queue.put("worked")), receive)
    assert (ended.result, seen) == ("done", ["worked"] * 3)


def test_an_executor_of_the_code_runs_as_much_at_once_as_it_has_threads() -> None:
    active: list[str] = []
    most: list[int] = []

    def work_for_a_while(client: Any) -> None:
        active.append("")
        most.append(len(active))
        time.sleep(1)
        work(client, "work")
        active.pop()

    async def main() -> None:
        client, loop = boto3.client("swf"), asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as executor:
            while True:
                calls = [loop.run_in_executor(executor, work_for_a_while, client) for _ in "abc"]
                await asyncio.gather(*calls)

    assert run(decide, main).result == "done"
    assert max(most) == 2


@pytest.mark.parametrize("as_threads", [True, False])
def test_what_polls_in_another_thread_of_the_event_loop_takes_part(as_threads: bool) -> None:
    async def answer_in_a_thread() -> None:
        client = boto3.client("swf")
        while True:
            await asyncio.to_thread(work, client, "work")

    async def run_in_an_executor() -> None:
        client, loop = boto3.client("swf"), asyncio.get_running_loop()
        while True:
            await loop.run_in_executor(None, work, client, "work")

    assert run(decide, answer_in_a_thread if as_threads else run_in_an_executor).result == "done"


def test_a_main_function_may_run_an_event_loop_of_its_own() -> None:
    def main() -> None:
        asyncio.run(work_forever())

    async def work_forever() -> None:
        client = boto3.client("swf")
        while True:
            task = await asyncio.to_thread(poll, client, "work")
            if task.get("taskToken"):
                await asyncio.sleep(10)
                client.respond_activity_task_completed(taskToken=task["taskToken"])

    assert run(decide, main).simulated_seconds == 30


def test_coroutines_that_poll_once_are_called_again() -> None:
    async def once(client: Client) -> None:
        task = await client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "work"})
        if task.get("taskToken"):
            await client.respond_activity_task_completed(taskToken=task["taskToken"])

    calls: list[str] = []

    async def never_polls() -> None:
        calls.append("called")

    async def blocks() -> None:
        work(boto3.client("swf"), "another list")

    assert run(decide, once, never_polls, blocks).result == "done"
    assert calls == ["called"]


def test_a_class_or_a_function_makes_the_state_of_a_coroutine() -> None:
    made: list[str] = []

    class Worker:
        def __init__(self, client: Client) -> None:
            made.append("instance")
            self.client = client

        async def __call__(self) -> None:
            await worker(lambda: asyncio.sleep(0))(self.client)

    async def factory() -> Callable[[Client], Awaitable[None]]:
        made.append("function")
        return worker(lambda: asyncio.sleep(0))

    assert run(decide, Worker).result == "done"
    assert run(decide, factory).result == "done"
    assert made == ["instance", "function"]


def test_an_error_of_a_coroutine_fails_the_test() -> None:
    async def broken() -> None:
        await asyncio.sleep(3)
        raise LookupError("no such order")

    with pytest.raises(LookupError, match="no such order"):
        run(decide, broken)


def test_a_coroutine_can_be_added_while_others_run() -> None:
    runner = Runner(Simulation(latency=EXACT_CALLS))
    runner.loop(decide)
    client = runner.simulation.client()
    register(client)
    execution = start(client)
    runner.advance(10)
    runner.loop(worker(lambda: asyncio.sleep(1)))
    assert runner.finish(execution).simulated_seconds == 13


def test_killed_coroutines_run_no_more_of_their_code() -> None:
    after: list[str] = []

    async def work_and_clean_up(client: Client) -> None:
        while True:
            try:
                await worker(lambda: asyncio.sleep(1))(client)
            finally:
                after.append("finally")

    def test(runner: Runner) -> None:
        runner.loop(decide)
        runner.loop(work_and_clean_up)
        client = runner.simulation.client()
        register(client)
        execution = start(client)
        runner.finish(execution)
        assert not after

    found = explore(test, faults=[WorkerDies(), DeciderDies()], runs=30)
    assert found.failure is None, found
    assert found.runs > 5


def test_other_code_can_be_deployed() -> None:
    results: set[str] = set()

    async def decide_otherwise(client: Client) -> None:
        while True:
            task = await client.poll_for_decision_task(
                domain=DOMAIN, taskList={"name": "decisions"}
            )
            if task.get("taskToken"):
                await client.respond_decision_task_completed(
                    taskToken=task["taskToken"], decisions=[complete('"otherwise"')]
                )

    def test(runner: Runner) -> None:
        runner.loop(decide)
        runner.loop(worker(lambda: asyncio.sleep(1)))
        client = runner.simulation.client()
        register(client)
        results.add(runner.finish(start(client)).result)

    assert (
        explore(test, faults=[Deploy(loops={"decide": decide_otherwise})], runs=20).failure is None
    )
    assert results == {"done", "otherwise"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the open files of a process")
def test_abandoned_event_loops_leave_no_open_files() -> None:
    async def cleans_up(client: Client) -> None:
        try:
            await worker(lambda: asyncio.sleep(1))(client)
        finally:
            await client.list_domains(registrationStatus="REGISTERED")

    def abandon(*loops: Any) -> None:
        runner = Runner(Simulation())
        for loop in loops:
            runner.loop(loop)
        register(runner.simulation.client())
        runner.finish(start(runner.simulation.client()))
        runner.scheduler.worker_pools.discard_loops()

    abandon(decide, cleans_up)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        abandon(decide, cleans_up)
        abandon(decide, worker(lambda: asyncio.sleep(1)))
    # Each of the twenty loops would leave three; threads of earlier tests open files, too.
    assert len(os.listdir("/proc/self/fd")) < before + 20


def test_a_runner_can_be_used_in_a_coroutine() -> None:
    async def test() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert run(decide, worker(lambda: asyncio.sleep(100))).result == "done"
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)
        return loop.time() - began

    assert asyncio.run(test()) < 60


def test_the_time_of_event_loops_is_restored() -> None:
    was = asyncio.BaseEventLoop.run_forever
    run(decide, worker(lambda: asyncio.sleep(1)))
    assert asyncio.BaseEventLoop.run_forever is was


def test_others_go_on_while_the_answer_of_a_coroutine_is_late() -> None:
    seen: list[tuple[str, bool]] = []

    async def worker(client: Client) -> None:
        while True:
            task = await client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "work"})
            if task.get("taskToken"):
                begun = asyncio.get_running_loop().time()
                with suppress(client.exceptions.UnknownResourceFault):
                    await client.respond_activity_task_completed(taskToken=task["taskToken"])
                waited = asyncio.get_running_loop().time() - begun
                seen.append((task["activityId"], waited >= 30))

    def test(runner: Runner) -> None:
        seen.clear()
        runner.loop(decide)
        runner.loop(worker)
        client = runner.simulation.client()
        register(client)
        assert runner.finish(start(client)).result == "done"
        assert not any(is_late for _, is_late in seen)

    with pytest.raises(FoundError, match="the answer arrives late"):
        explore(test, faults=[AnswerLate(seconds=30)])


def test_a_coroutine_is_overtaken_at_a_call_if_another_has_work() -> None:
    def test(runner: Runner) -> None:
        started: list[str] = []

        async def scheduler(client: Client) -> None:
            if not started:
                await client.list_open_workflow_executions(
                    domain=DOMAIN, startTimeFilter={"oldestDate": 0}
                )
                started.append("job")
            await client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "nothing"})

        runner.loop(scheduler, "one")
        runner.loop(scheduler, "another")
        runner.loop(decide)
        runner.loop(lambda client: work(client, "work") and None)
        client = runner.simulation.client()
        register(client)
        runner.finish(start(client))
        assert started == ["job"]

    with pytest.raises(FoundError, match="others go on before its call of ListOpen"):
        explore(test)
