"""Deciders and workers with threads, whose calls fail as others do."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from typing import Any

from flowy_sim.faults import AnswerLost, DeciderDies, NetworkError, Throttled, WorkerDies
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import (
    DECISIONS,
    DOMAIN,
    STEPS,
    Decision,
    History,
    by_loops,
    complete,
    schedule,
)

Task = dict[str, Any]


def poll_step(client: Any) -> Task:
    task: Task = client.poll_for_activity_task(domain=DOMAIN, taskList=STEPS)
    return task


def poll_decision(client: Any) -> Task:
    task: Task = client.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS)
    return task


def answer(client: Any, task: Task) -> None:
    client.respond_activity_task_completed(taskToken=task["taskToken"])


def decide(task: Task, steps: tuple[str, ...]) -> list[Decision]:
    """Schedule steps at once, repeat those that time out, and then complete."""
    history = History(task)
    if set(history.done) >= set(steps):
        return [complete()]
    again = history.ids("ActivityTaskTimedOut", history.new)
    return [schedule(step) for step in (steps if history.is_first else again)]


def decides(*steps: str) -> Callable[[Any], None]:
    """A decider that polls again if something fails."""

    def main(client: Any) -> None:
        while True:
            with suppress(Exception):
                task = poll_decision(client)
                if task.get("taskToken"):
                    client.respond_decision_task_completed(
                        taskToken=task["taskToken"], decisions=decide(task, steps)
                    )

    return main


def works(client: Any) -> None:
    """A worker that polls again if something fails."""
    with suppress(Exception):
        task = poll_step(client)
        if task.get("taskToken"):
            answer(client, task)


@planted([Throttled(), NetworkError()])
def a_thread_ends_at_its_first_error(runner: Runner, fixed: bool) -> None:
    def main(client: Any) -> None:
        def serve() -> None:
            while True:
                with suppress(Exception) if fixed else nullcontext():
                    task = poll_step(client)
                    if task.get("taskToken"):
                        answer(client, task)

        threading.Thread(target=serve, daemon=True).start()
        while True:
            time.sleep(3600)

    [run] = by_loops(runner, decides("ship"), main)
    assert run.status == "COMPLETED"


@planted([Throttled(), AnswerLost()])
def a_task_that_a_pool_could_not_answer_is_never_taken_again(runner: Runner, fixed: bool) -> None:
    def main(client: Any) -> None:
        deciding: set[str] = set()

        def respond(task: Task) -> None:
            order = task["workflowExecution"]["workflowId"]
            try:
                client.respond_decision_task_completed(
                    taskToken=task["taskToken"], decisions=decide(task, ("ship",))
                )
                deciding.discard(order)
            finally:
                if fixed:
                    deciding.discard(order)

        with ThreadPoolExecutor(2) as pool:
            while True:
                with suppress(Exception):
                    task = poll_decision(client)
                    order = task.get("workflowExecution", {}).get("workflowId")
                    if order and order not in deciding:
                        deciding.add(order)
                        pool.submit(respond, task)

    [run] = by_loops(runner, main, works)
    assert run.status == "COMPLETED"


@planted([Throttled()])
def one_failed_heartbeat_ends_all(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    def main(client: Any) -> None:
        while True:
            with suppress(Exception):
                task = poll_step(client)
                if not task.get("taskToken"):
                    continue
                ended = threading.Event()

                def beat(token: str = task["taskToken"], ended: threading.Event = ended) -> None:
                    while not ended.wait(10):
                        with suppress(Exception) if fixed else nullcontext():
                            client.record_activity_task_heartbeat(taskToken=token)

                threading.Thread(target=beat, daemon=True).start()
                time.sleep(50)
                charged.append(task["activityId"])
                ended.set()
                for _ in range(3):
                    with suppress(client.exceptions.ClientError):
                        answer(client, task)
                        break

    by_loops(runner, decides("charge"), main, heartbeat="30")
    assert charged == ["charge"]


@planted()
def two_threads_charge_at_once(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    def main(client: Any) -> None:
        lock = threading.Lock()

        def charge(task: Task) -> None:
            with lock if fixed else nullcontext():
                if "order-1" not in charged:
                    time.sleep(1)
                    charged.append("order-1")
            answer(client, task)

        with ThreadPoolExecutor(2) as pool:
            while True:
                task = poll_step(client)
                if task.get("taskToken"):
                    pool.submit(charge, task)

    by_loops(runner, decides("charge", "charge again"), main)
    assert charged == ["order-1"]


@planted([WorkerDies()])
def what_is_queued_dies_with_the_worker(runner: Runner, fixed: bool) -> None:
    mailed: list[str] = []

    def main(client: Any) -> None:
        mails: queue.Queue[Task] = queue.Queue()

        def send() -> None:
            while True:
                task = mails.get()
                time.sleep(5)
                mailed.append(task["activityId"])
                if fixed:
                    answer(client, task)

        threading.Thread(target=send, daemon=True).start()
        while True:
            task = poll_step(client)
            if task.get("taskToken"):
                mails.put(task)
                if not fixed:
                    answer(client, task)

    by_loops(runner, decides("a", "b"), main)
    assert {"a", "b"} <= set(mailed) or not fixed
    runner.advance(60)
    assert {"a", "b"} <= set(mailed)


@planted([DeciderDies()])
def a_pool_notes_what_it_decides_too_early(runner: Runner, fixed: bool) -> None:
    booked: list[str] = []

    def main(client: Any) -> None:
        def respond(task: Task) -> None:
            if not fixed and History(task).is_first:
                booked.append("order-1")
            client.respond_decision_task_completed(
                taskToken=task["taskToken"], decisions=decide(task, ("ship",))
            )
            if fixed and History(task).is_first:
                booked.append("order-1")

        with ThreadPoolExecutor(2) as pool:
            while True:
                task = poll_decision(client)
                if task.get("taskToken"):
                    pool.submit(respond, task)

    by_loops(runner, main, works)
    assert booked == ["order-1"]


@planted()
def a_count_is_read_before_a_call_and_written_after_it(runner: Runner, fixed: bool) -> None:
    counted = [0]

    def main(client: Any) -> None:
        def serve() -> None:
            while True:
                task = poll_step(client)
                if task.get("taskToken"):
                    before = counted[0]
                    client.record_activity_task_heartbeat(taskToken=task["taskToken"])
                    counted[0] = (counted[0] if fixed else before) + 1
                    answer(client, task)

        for _ in range(2):
            threading.Thread(target=serve, daemon=True).start()
        while True:
            time.sleep(3600)

    by_loops(runner, decides("a", "b"), main)
    assert counted == [2]


@planted()
def two_schedulers_start_the_same_job(runner: Runner, fixed: bool) -> None:
    class Scheduler:
        def __init__(self) -> None:
            self.is_over = False
            self.job = f"job {next(numbers)}"

        def __call__(self, client: Any) -> None:
            if not self.is_over:
                self._start(client)
            self.is_over = True
            client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "nothing"})

        def _start(self, client: Any) -> None:
            job, since = {"name": "job", "version": "1"}, {"oldestDate": 0}
            found = client.list_open_workflow_executions(
                domain=DOMAIN, startTimeFilter=since, typeFilter=job
            )
            if not found["executionInfos"]:
                name = "job of the day" if fixed else self.job
                with suppress(client.exceptions.WorkflowExecutionAlreadyStartedFault):
                    client.start_workflow_execution(
                        domain=DOMAIN, workflowId=name, workflowType=job
                    )
                    started.append(name)

    started: list[str] = []
    numbers = itertools.count(1)
    runner.loop(Scheduler, "one scheduler")
    runner.loop(Scheduler, "another scheduler")
    by_loops(runner, decides("ship"), works, ("order", "job"))
    # A job that has completed may start again; two that are open at once have different names.
    assert len(set(started)) < 2
