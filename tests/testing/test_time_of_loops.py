"""Time of poll loops: their sleeps, their waits and the clocks that they read are simulated."""

from __future__ import annotations

import queue
import sched
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from time import sleep as pause
from typing import Any

import pytest

from flowy_sim import Simulation
from flowy_sim._simulation import time_functions
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


def test_a_loop_sleeps_in_simulated_time_however_sleep_is_imported() -> None:
    def worker(client: Client) -> None:
        while True:
            task = poll(client, "work")
            if task.get("taskToken"):
                pause(100)
                time.sleep(20)
                client.respond_activity_task_completed(taskToken=task["taskToken"])

    began = time.monotonic()
    assert run(decider(("a", "work")), worker).simulated_seconds == 120
    assert time.monotonic() - began < 120
    assert pause.__module__ == "time"


def test_a_loop_that_sleeps_between_polls_keeps_its_workflow() -> None:
    def worker(client: Client) -> None:
        while True:
            work(client, "work")
            time.sleep(1)

    ended = run(decider(("a", "work"), ("b", "work"), ("c", "work")), worker)
    assert (ended.result, ended.simulated_seconds) == ("done", 2)


def test_a_sleeping_worker_can_miss_its_time_out() -> None:
    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            time.sleep(601)
            with pytest.raises(client.exceptions.UnknownResourceFault):
                client.respond_activity_task_completed(taskToken=task["taskToken"])

    def impatient(client: Client) -> None:
        task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
        if task.get("taskToken"):
            late = any(e["eventType"] == "ActivityTaskTimedOut" for e in task["events"])
            decisions = [complete('"late"')] if late else [schedule("a", "work")]
            client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)

    ended = run(impatient, worker)
    assert (ended.result, ended.simulated_seconds) == ("late", 600)


def test_time_stands_still_while_a_thread_of_a_loop_computes() -> None:
    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            threading.Thread(target=compute_and_answer, args=(client, task["taskToken"])).start()

    def compute_and_answer(client: Client, token: str) -> None:
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            pass
        client.respond_activity_task_completed(taskToken=token)

    assert run(decider(("a", "work")), worker).simulated_seconds == 0


@pytest.mark.parametrize("wait", [threading.Event, threading.Condition], ids=lambda w: w.__name__)
def test_waiting_with_a_timeout_takes_simulated_time(wait: Any) -> None:
    outcomes: list[bool] = []

    def worker(client: Client) -> None:
        while True:
            task = poll(client, "work")
            made = wait()
            if task.get("taskToken"):
                if isinstance(made, threading.Condition):
                    with made:
                        outcomes.append(made.wait(30))
                else:
                    outcomes.append(made.wait(timeout=30))
                client.respond_activity_task_completed(taskToken=task["taskToken"])

    assert run(decider(("a", "work")), worker).simulated_seconds == 30
    assert outcomes == [False]


def test_a_loop_can_wake_another_that_waits_with_a_timeout() -> None:
    event = threading.Event()
    outcomes: list[bool] = []

    def worker(client: Client) -> None:
        task = poll(client, "first")
        if task.get("taskToken"):
            outcomes.append(event.wait(100))
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    def waker(client: Client) -> None:
        task = poll(client, "second")
        if task.get("taskToken"):
            time.sleep(7)
            event.set()
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    def both(client: Client) -> None:
        task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
        if task.get("taskToken"):
            decisions = [schedule("a", "first"), schedule("b", "second")]
            if task["previousStartedEventId"]:
                decisions = [complete()] if len(done(task)) == 2 else []
            client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)

    assert run(both, worker, waker).simulated_seconds == 7
    assert outcomes == [True]


def test_a_thread_of_a_loop_sleeps_in_simulated_time() -> None:
    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            threading.Thread(target=answer_later, args=(client, task["taskToken"])).start()

    def answer_later(client: Client, token: str) -> None:
        client.record_activity_task_heartbeat(taskToken=token)
        time.sleep(100)
        client.respond_activity_task_completed(taskToken=token)

    began = time.monotonic()
    assert run(decider(("a", "work")), worker).simulated_seconds == 100
    assert time.monotonic() - began < 100


def test_sleeps_of_loops_can_be_real() -> None:
    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            time.sleep(0.01)
            threading.Event().wait(0.01)
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    runner = Runner(Simulation(latency=EXACT_CALLS), virtual_sleep=False)
    runner.loop(decider(("a", "work")))
    runner.loop(worker)
    register(runner.simulation.client())
    assert runner.finish(start(runner.simulation.client())).simulated_seconds == 0


def test_a_loop_may_wait_without_a_timeout_for_another_loop() -> None:
    event = threading.Event()

    def worker(client: Client) -> None:
        event.wait()
        work(client, "work")

    def waker(client: Client) -> None:
        work(client, "first")
        event.set()

    assert run(decider(("a", "first"), ("b", "work")), worker, waker).status == "COMPLETED"


def wait_in_a_queue(seconds: float) -> None:
    with pytest.raises(queue.Empty):
        queue.Queue[int]().get(timeout=seconds)


def wait_for_a_semaphore(seconds: float) -> None:
    assert not threading.Semaphore(0).acquire(timeout=seconds)


def wait_until_a_clock(seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    end = clock() + seconds
    while clock() < end:
        time.sleep(1)


def wait_until_the_time_of_day(seconds: float) -> None:
    began = time.time()
    while time.time() - began < seconds:
        pause(1)


def wait_in_nanoseconds(seconds: float) -> None:
    end = time.monotonic_ns() + seconds * 10**9
    while time.monotonic_ns() < end:
        time.sleep(1)


def schedule_a_call(seconds: float) -> None:
    agenda = sched.scheduler()  # time.sleep is the default of an argument.
    agenda.enter(seconds, 1, list)
    agenda.run()


class Naps:
    nap = staticmethod(time.sleep)

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.sleep = sleep


@pytest.mark.parametrize(
    "wait",
    [
        wait_in_a_queue,
        wait_for_a_semaphore,
        wait_until_a_clock,
        wait_until_the_time_of_day,
        wait_in_nanoseconds,
        schedule_a_call,
        lambda seconds: Naps.nap(seconds),
        lambda seconds: Naps().sleep(seconds),
        lambda seconds: threading.Timer(seconds, list).run(),
    ],
)
def test_every_wait_for_a_clock_takes_simulated_time(wait: Any) -> None:
    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            wait(100)
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    began = time.monotonic()
    assert run(decider(("a", "work")), worker).simulated_seconds == 100
    assert time.monotonic() - began < 100


def test_clocks_of_loops_never_stand_still_and_never_go_back() -> None:
    seen: list[float] = []

    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            seen.extend([time.monotonic(), time.monotonic()])
            time.sleep(500)
            seen.append(time.monotonic())
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    for _ in range(2):
        run(decider(("a", "work")), worker)
    assert seen == sorted(set(seen))


def test_a_real_wait_ends_at_an_instant_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_functions, "_STALL", 0.01)

    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                select.select([], [], [], 0.02)
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    assert run(decider(("a", "work")), worker).simulated_seconds == 0


def test_a_program_is_waited_for_in_real_time() -> None:
    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            program = subprocess.Popen([sys.executable, "-c", "print(input())"], stdin=-1)
            assert program.stdin is not None
            program.stdin.write(b"done")
            program.stdin.close()
            assert program.wait(timeout=60) == 0
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    assert run(decider(("a", "work")), worker).simulated_seconds == 0


@pytest.mark.parametrize("beat", ["thread", "timer"])
def test_a_thread_that_sends_heartbeats_sleeps_in_simulated_time_from_its_start(beat: str) -> None:
    ended = threading.Event()

    def send(client: Client, token: str) -> None:
        while not ended.wait(20):
            client.record_activity_task_heartbeat(taskToken=token)

    def send_again(client: Client, token: str) -> None:
        if not ended.is_set():
            client.record_activity_task_heartbeat(taskToken=token)
            threading.Timer(20, send_again, (client, token)).start()

    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            target = send if beat == "thread" else send_again
            threading.Thread(target=target, args=(client, task["taskToken"])).start()
            time.sleep(100)
            ended.set()
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    def decide(client: Client) -> None:
        task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
        if task.get("taskToken"):
            decision = complete() if done(task) else schedule("a", "work")
            if not done(task):
                decision["scheduleActivityTaskDecisionAttributes"]["heartbeatTimeout"] = "30"
            client.respond_decision_task_completed(
                taskToken=task["taskToken"], decisions=[decision]
            )

    ended_run = run(decide, worker)
    assert (ended_run.status, ended_run.simulated_seconds) == ("COMPLETED", 100)
