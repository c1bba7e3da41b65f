"""Threads that poll loops start take turns, and faults strike their calls."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from flowy_sim.explore import find
from flowy_sim.faults import (
    AnsweredTwice,
    AnswerLate,
    AnswerLost,
    InjectedFault,
    NetworkError,
    ReplyLost,
    Throttled,
    WorkerDies,
    WorkerDiesLate,
)
from flowy_sim.testing import Run, Runner
from tests.support.poll_loops import (
    DOMAIN,
    Client,
    complete,
    done,
    poll,
    register,
    run,
    schedule,
    start,
    work,
)
from tests.support.poll_loops import decider as decides

MODULE_POOL = ThreadPoolExecutor(2)


def threaded(client: Client) -> None:
    """A worker with two threads, which poll again whatever happens."""

    def serve() -> None:
        while True:
            with suppress(Exception):
                work(client, "work")

    for _ in range(2):
        threading.Thread(target=serve, daemon=True).start()
    while True:
        time.sleep(3600)


def pooled(client: Client) -> None:
    """A worker with one thread that polls, and a pool that works."""

    def answer(task: dict[str, Any]) -> None:
        time.sleep(3)
        client.respond_activity_task_completed(taskToken=task["taskToken"])

    with ThreadPoolExecutor(2) as pool:
        while True:
            with suppress(Exception):
                task = poll(client, "work")
                if task.get("taskToken"):
                    pool.submit(answer, task)


def of_the_module(client: Client) -> None:
    """A worker whose pool outlives the tests."""
    with suppress(Exception):
        task = poll(client, "work")
        if task.get("taskToken"):
            respond = client.respond_activity_task_completed
            MODULE_POOL.submit(respond, taskToken=task["taskToken"])


def patient(client: Client) -> None:
    """A decider that repeats tasks that have timed out, and never dies."""
    while True:
        with suppress(Exception):
            task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
            if task.get("taskToken"):
                found = set(done(task))
                timed_out = task["events"][-3]["eventType"] == "ActivityTaskTimedOut"
                new = task["previousStartedEventId"] == 0
                steps = [] if found or not (new or timed_out) else [schedule("a", "work")]
                client.respond_decision_task_completed(
                    taskToken=task["taskToken"], decisions=[complete()] if found else steps
                )


def order_is_worked_on(runner: Runner, worker: Callable[[Client], None]) -> Run:
    runner.loop(patient, "decide")
    runner.loop(worker, "work")
    client = runner.simulation.client()
    register(client)
    return runner.finish(start(client))


FAULTS = (Throttled(), NetworkError(), ReplyLost(), AnswerLost(), AnsweredTwice(), WorkerDies())
LATE = (AnswerLate(), WorkerDiesLate())


@pytest.mark.parametrize(
    "worker",
    [
        pytest.param(threaded, marks=pytest.mark.slow),
        pooled,
        pytest.param(of_the_module, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("fault", [*FAULTS, *LATE], ids=lambda fault: type(fault).__name__)
def test_faults_strike_the_calls_of_threads(
    worker: Callable[[Client], None], fault: InjectedFault
) -> None:
    def test(runner: Runner) -> None:
        assert order_is_worked_on(runner, worker).status == "COMPLETED"

    found = find(test, faults=[fault], most_faults=1)
    assert found.failure is None, str(found.failure)
    assert found.complete
    assert fault.describe() not in found.never_struck


@pytest.mark.parametrize("worker", [pytest.param(threaded, marks=pytest.mark.slow), pooled])
def test_explorations_of_threads_are_repeatable(worker: Callable[[Client], None]) -> None:
    def test(runner: Runner) -> None:
        order_is_worked_on(runner, worker)

    one, other = (find(test, faults=FAULTS, runs=25) for _ in range(2))
    assert (one.runs, one.states, one.endings) == (other.runs, other.states, other.endings)


def test_a_thread_that_waits_for_a_socket_holds_nobody_up() -> None:
    accepted: list[str] = []

    def main(client: Client) -> None:
        server = socket.create_server(("127.0.0.1", 0))

        def health() -> None:
            with suppress(OSError):
                server.accept()
                accepted.append("a call")

        threading.Thread(target=health, daemon=True).start()
        try:
            while True:
                work(client, "work")
        finally:
            server.close()

    assert run(decides(("a", "work")), main).simulated_seconds < 1
    assert accepted == []


def test_a_thread_that_has_waited_for_something_real_takes_turns_again() -> None:
    def main(client: Client) -> None:
        one, other = socket.socketpair()

        def answer(token: str) -> None:
            one.recv(1)
            client.respond_activity_task_completed(taskToken=token)

        while True:
            task = poll(client, "work")
            if task.get("taskToken"):
                thread = threading.Thread(target=answer, args=(task["taskToken"],), daemon=True)
                thread.start()
                time.sleep(100)
                other.send(b"x")
                thread.join()

    assert run(decides(("a", "work")), main).simulated_seconds == 100


def test_a_lock_keeps_threads_from_each_other_while_they_sleep() -> None:
    inside: list[int] = []

    def main(client: Client) -> None:
        lock = threading.Lock()

        def answer(token: str) -> None:
            with lock:
                inside.append(1)
                time.sleep(10)
                inside.append(-1)
            client.respond_activity_task_completed(taskToken=token)

        with ThreadPoolExecutor(2) as pool:
            while True:
                task = poll(client, "work")
                if task.get("taskToken"):
                    pool.submit(answer, task["taskToken"])

    def decide(client: Client) -> None:
        task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
        if task.get("taskToken"):
            new = task["previousStartedEventId"] == 0
            both = [schedule("a", "work"), schedule("b", "work")] if new else []
            decisions = [complete()] if len(done(task)) == 2 else both
            client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)

    assert run(decide, main).simulated_seconds == 20
    assert inside == [1, -1, 1, -1]


def test_a_killed_process_takes_its_threads_with_it() -> None:
    alive: list[int] = []
    after_death: list[str] = []

    def main(client: Client) -> None:
        number = len(alive)
        alive.append(number)

        def serve() -> None:
            try:
                while True:
                    task = poll(client, "work")
                    if task.get("taskToken"):
                        client.respond_activity_task_completed(taskToken=task["taskToken"])
            finally:
                after_death.append(f"thread of {number}")

        def mourn() -> None:
            while True:
                time.sleep(30)
                if number != alive[-1]:
                    after_death.append(f"thread {number}")

        threading.Thread(target=serve, daemon=True).start()
        threading.Thread(target=mourn, daemon=True).start()
        while True:
            time.sleep(3600)

    seen: list[list[str]] = []

    def test(runner: Runner) -> None:
        alive.clear()
        after_death.clear()
        found = order_is_worked_on(runner, main)
        assert found.status == "COMPLETED"
        assert after_death == []
        seen.append([str(number) for number in alive])

    assert find(test, faults=[WorkerDies()]).failure is None
    assert ["0", "1"] in seen


def test_an_error_of_a_thread_is_reported_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_value))

    def main(client: Client) -> None:
        def fail() -> None:
            client.count_open_workflow_executions(domain=DOMAIN, startTimeFilter={"oldestDate": 0})
            raise ValueError("too small")

        threading.Thread(target=fail, daemon=True).start()
        while True:
            work(client, "work")

    assert run(decides(("a", "work")), main).status == "COMPLETED"
    assert [str(each) for each in reported] == ["too small"]


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_worker_learns_that_its_late_answer_was_refused(in_thread: bool) -> None:
    def test(runner: Runner) -> None:
        booked: list[str] = []

        def book(client: Client, task: dict[str, Any]) -> None:
            try:
                client.respond_activity_task_completed(taskToken=task["taskToken"])
            except client.exceptions.UnknownResourceFault:
                return
            booked.append(task["activityId"])

        def worker(client: Client) -> None:
            while True:
                task = poll(client, "work")
                if task.get("taskToken"):
                    if in_thread:
                        threading.Thread(target=book, args=(client, task)).start()
                    else:
                        book(client, task)

        assert order_is_worked_on(runner, worker).status == "COMPLETED"
        assert len(booked) <= 1

    found = find(test, faults=[AnswerLate()])
    assert found.failure is None, str(found.failure)
    assert not found.never_struck


def test_a_worker_that_dies_of_the_refusal_of_its_late_answer_is_replaced() -> None:
    def worker(client: Client) -> None:
        work(client, "work")

    def test(runner: Runner) -> None:
        assert order_is_worked_on(runner, worker).status == "COMPLETED"

    found = find(test, faults=[AnswerLate()])
    assert found.failure is None, str(found.failure)
    assert not found.never_struck


def test_a_thread_is_overtaken_at_a_call_if_another_has_work() -> None:
    def test(runner: Runner) -> None:
        calls: list[str] = []

        def worker(client: Client) -> None:
            def serve() -> None:
                while True:
                    task = poll(client, "work")
                    if task.get("taskToken"):
                        order = task["workflowExecution"]["workflowId"]
                        calls.append(f"takes the task of {order}")
                        client.record_activity_task_heartbeat(taskToken=task["taskToken"])
                        calls.append(f"has called for that of {order}")
                        client.respond_activity_task_completed(taskToken=task["taskToken"])

            for _ in range(2):
                threading.Thread(target=serve, daemon=True).start()
            while True:
                time.sleep(3600)

        runner.loop(decides(("a", "work")), "decide")
        runner.loop(worker, "work")
        client = runner.simulation.client()
        register(client)
        started = [start(client, workflow_id=each) for each in ("order-1", "order-2")]
        for each in started:
            runner.finish(each)
        assert calls[0].split()[-1] == calls[1].split()[-1]

    failure = find(test).failure
    assert failure is not None
    assert "others go on before its call of RecordActivityTaskHeartbeat" in str(failure)
    assert find(test, runs=1).failure is None


@pytest.mark.parametrize("seconds", [0, 5])
def test_a_worker_that_dies_of_an_answer_that_arrives_twice_is_replaced(seconds: int) -> None:
    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            time.sleep(seconds)
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    def test(runner: Runner) -> None:
        assert order_is_worked_on(runner, worker).status == "COMPLETED"

    found = find(test, faults=[AnsweredTwice()])
    assert found.failure is None, str(found.failure)
    assert not found.never_struck


@pytest.mark.slow
def test_what_is_found_does_not_depend_on_the_hash_seed() -> None:
    found = [
        subprocess.run(
            [sys.executable, "-m", "tests.support.explored_loop"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert found[0].startswith("60 ")
