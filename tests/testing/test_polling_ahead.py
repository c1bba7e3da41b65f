"""Deciders that poll again before they have answered: they run and replay as others do."""

from __future__ import annotations

import asyncio
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy.errors import NonDeterminismError
from flowy_sim import Simulation
from flowy_sim.explore import explore
from flowy_sim.faults import AnswerLate
from flowy_sim.testing import Runner, Stubs
from flowy_sim.testing._loop_replay import replay_loop
from flowy_sim.testing._run import Run
from tests.support.properties import examples

LIST = {"domain": "simulated", "taskList": {"name": "deciders"}}

Plan = list[list[tuple[str, int]]]
"""What is decided in each step: the kinds and numbers of activities, timers and markers."""


def decided(plan: Plan, events: Iterable[Any]) -> list[dict[str, Any]]:
    """Decide the next step when everything in the one before has ended."""
    kinds = [event["eventType"] for event in events]
    begun = kinds.count("ActivityTaskScheduled") + kinds.count("TimerStarted")
    ended = kinds.count("ActivityTaskCompleted") + kinds.count("TimerFired")
    if begun > ended:
        return []
    waited = [sum(kind != "marker" for kind, _ in step) for step in plan]
    done = next((n for n in range(len(plan) + 1) if sum(waited[:n]) == begun), len(plan))
    if done == len(plan):
        return [decision("CompleteWorkflowExecution", result="done")]
    return [decision_of(kind, f"{done}-{place}", n) for place, (kind, n) in enumerate(plan[done])]


def decision(kind: str, **attributes: Any) -> dict[str, Any]:
    member = f"{kind[0].lower()}{kind[1:]}DecisionAttributes"
    return {"decisionType": kind, member: attributes}


def decision_of(kind: str, name: str, number: int) -> dict[str, Any]:
    if kind == "marker":
        return decision("RecordMarker", markerName=f"{name} {number}")
    if kind == "timer":
        return decision("StartTimer", timerId=name, startToFireTimeout=str(number))
    named = {"name": "work", "version": "1"}
    return decision("ScheduleActivityTask", activityId=name, activityType=named, input=str(number))


def all_events(client: Any, task: Any) -> list[Any]:
    events = list(task["events"])
    while task.get("nextPageToken"):
        task = client.poll_for_decision_task(**LIST, nextPageToken=task["nextPageToken"])
        events += task["events"]
    return events


def answer(client: Any, plan: Plan, task: Any) -> None:
    client.respond_decision_task_completed(
        taskToken=task["taskToken"], decisions=decided(plan, all_events(client, task))
    )


def at_once(plan: Plan) -> Callable[..., Any]:
    def decider(swf: Any) -> None:
        task = swf.poll_for_decision_task(**LIST)
        if task.get("taskToken"):
            answer(swf, plan, task)

    return decider


def one_behind(plan: Plan) -> Callable[..., Any]:
    """It answers each task after its next poll."""

    def decider(swf: Any) -> None:
        held = None
        while True:
            task = swf.poll_for_decision_task(**LIST)
            if held is not None:
                answer(swf, plan, held)
            held = task if task.get("taskToken") else None

    return decider


def poller_and_answerers(plan: Plan) -> Callable[..., Any]:
    """One thread polls, and others answer what it passes on."""

    def decider(swf: Any) -> None:
        tasks: queue.Queue[Any] = queue.Queue(maxsize=2)

        def serve() -> None:
            while True:
                answer(swf, plan, tasks.get())

        def poll() -> None:
            while True:
                task = swf.poll_for_decision_task(**LIST)
                if task.get("taskToken"):
                    tasks.put(task)

        threads = [threading.Thread(target=each, daemon=True) for each in (serve, serve, poll)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return decider


def pollers_in_a_pool(plan: Plan) -> Callable[..., Any]:
    """Several threads of a pool poll and answer, each for itself."""

    def decider(swf: Any) -> None:
        def serve() -> None:
            while True:
                task = swf.poll_for_decision_task(**LIST)
                if task.get("taskToken"):
                    answer(swf, plan, task)

        with ThreadPoolExecutor(3) as pool:
            for future in [pool.submit(serve) for _ in range(3)]:
                future.result()

    return decider


def pipelined(plan: Plan) -> Callable[..., Any]:
    """A coroutine polls, and starts another one for each task."""

    async def decider(swf: Any) -> None:
        async def serve(task: Any) -> None:
            await asyncio.sleep(1)
            found = decided(plan, task["events"])
            await swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=found)

        async with asyncio.TaskGroup() as group:
            while True:
                task = await swf.poll_for_decision_task(**LIST)
                if task.get("taskToken"):
                    group.create_task(serve(task))

    return decider


def pipelined_with_a_queue(plan: Plan) -> Callable[..., Any]:
    """Coroutines poll and answer with a client that blocks, in other threads."""

    async def decider() -> None:
        swf = boto3.client("swf")
        tasks: asyncio.Queue[Any] = asyncio.Queue()

        async def serve() -> None:
            while True:
                await asyncio.to_thread(answer, swf, plan, await tasks.get())

        async def poll() -> None:
            while True:
                task = await asyncio.to_thread(swf.poll_for_decision_task, **LIST)
                if task.get("taskToken"):
                    tasks.put_nowait(task)

        await asyncio.gather(serve(), serve(), poll(), poll())

    return decider


SEQUENTIAL = [one_behind, pipelined, pipelined_with_a_queue]
THREADED = [poller_and_answerers, pollers_in_a_pool]

STEPS = st.lists(
    st.tuples(st.sampled_from(["activity", "timer", "marker"]), st.integers(1, 3)),
    min_size=1,
    max_size=3,
).filter(lambda step: any(kind != "marker" for kind, _ in step))
PLANS = st.lists(STEPS, min_size=1, max_size=4)


def register(swf: Any) -> None:
    swf.register_workflow_type(
        domain="simulated",
        name="order",
        version="1",
        defaultTaskList={"name": "deciders"},
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskStartToCloseTimeout="60",
        defaultChildPolicy="TERMINATE",
    )


def run(decider: Callable[..., Any]) -> Run:
    stubs = Stubs()
    stubs("work", "1", function=lambda text: text, takes=5)
    runner = Runner(Simulation(), stubs=stubs)
    runner.loop(decider)
    register(runner.simulation.client())
    try:
        return runner(("order", "1"))
    finally:
        runner.scheduler.worker_pools.discard_loops()


def verdict(decider: Callable[..., Any], history: Run, *, same_list: bool) -> tuple[int, str]:
    """Return the event and the explanation of the difference; 0 if there is none."""
    try:
        assert replay_loop(decider, history.history, same_list=same_list)
    except NonDeterminismError as error:
        return error.event_id, str(error)
    return 0, ""


def check_twins(form: Any, plan: Plan, changed: Plan, *, same_list: bool) -> None:
    recorded = run(at_once(plan))
    assert verdict(form(plan), recorded, same_list=same_list) == (0, "")
    assert verdict(form(changed), recorded, same_list=same_list) == verdict(
        at_once(changed), recorded, same_list=same_list
    )
    assert run(form(plan)).status == "COMPLETED"


@pytest.mark.parametrize("form", SEQUENTIAL)
@settings(max_examples=examples(25))
@given(plan=PLANS, changed=PLANS, same_list=st.booleans())
def test_a_decider_that_polls_ahead_gets_the_same_verdict(
    form: Any, plan: Plan, changed: Plan, same_list: bool
) -> None:
    check_twins(form, plan, changed, same_list=same_list)


@pytest.mark.parametrize("form", THREADED)
@settings(max_examples=5)
@given(plan=PLANS, changed=PLANS, same_list=st.booleans())
def test_a_decider_with_threads_gets_the_same_verdict(
    form: Any, plan: Plan, changed: Plan, same_list: bool
) -> None:
    check_twins(form, plan, changed, same_list=same_list)


def with_boto3(form: Any, plan: Plan) -> Callable[..., Any]:
    """The decider with a boto3 client of its own; it registers its type first."""

    def decider() -> None:
        swf = boto3.client("swf")
        with suppress(swf.exceptions.TypeAlreadyExistsFault):
            register(swf)
        form(plan)(swf)

    return decider


@pytest.mark.parametrize("form", [poller_and_answerers, pollers_in_a_pool])
@pytest.mark.parametrize("pause", [0, 0.2])
def test_threads_go_on_after_a_pause_between_start_and_finish(form: Any, pause: float) -> None:
    """They have got their first task before the runner gives turns."""
    stubs = Stubs()
    stubs("work", "1", result="done", takes=5)
    runner = Runner(Simulation(), stubs=stubs)
    runner.loop(with_boto3(form, [[("activity", 1)]]))
    for _ in range(3):
        execution = runner.start(("order", "1"))
        threading.Event().wait(pause)
        run = runner.finish(execution)
        assert (run.status, round(run.simulated_seconds)) == ("COMPLETED", 5)
    runner.scheduler.worker_pools.discard_loops()


def test_the_interpreter_does_not_wait_for_threads_of_a_pool() -> None:
    program = (
        "from tests.testing.test_polling_ahead import *\n"
        "runner = Runner(Simulation())\n"
        "runner.loop(with_boto3(pollers_in_a_pool, [[('timer', 1)]]))\n"
        "print(runner(('order', '1')).status)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "COMPLETED\n", "")


def test_a_loop_whose_late_answer_is_refused_is_replaced() -> None:
    """Its process would crash, and another one would take its place."""

    def test(runner: Runner) -> None:
        runner.loop(with_boto3(at_once_forever, [[("timer", 1)]]))
        assert runner(("order", "1")).status == "COMPLETED"

    explored = explore(test, faults=[AnswerLate()], seconds=20)
    assert explored.runs > 1


def at_once_forever(plan: Plan) -> Callable[..., Any]:
    def decider(swf: Any) -> None:
        while True:
            at_once(plan)(swf)

    return decider
