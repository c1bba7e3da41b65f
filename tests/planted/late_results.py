"""Work that continues after its task has timed out, and results that arrive too late."""

from __future__ import annotations

from itertools import count
from typing import Any

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.faults import EVERYDAY, AnswerLate, HeartbeatLate, TaskLate, WorkerDiesLate
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import Decision, History, by_hand, complete, schedule

COPIES: list[str] = []
CAREFUL = [False]


@activity("price", 1, "prices", start_to_close=60, retry=2)
class Price(Activity):
    def run(self) -> int:
        raise NotImplementedError


@activity("print", 1, "prices", start_to_close=600, retry=2)
class Print(Activity):
    def run(self, price: int) -> int:
        raise NotImplementedError


@workflow("catalogue", 1, "catalogues", execution_start_to_close=86_400)
class Catalogue(Workflow):
    price = ActivityProxy(Price)
    print = ActivityProxy(Print)

    def run(self) -> Any:
        return self.print(self.price())


@planted([TaskLate()])
def a_late_worker_overwrites_a_newer_value(runner: Runner, fixed: bool) -> None:
    numbers = count(1)
    store: dict[str, int] = {}

    def price() -> int:
        if fixed and store:
            return store["price"]
        store["price"] = next(numbers)
        return store["price"]

    runner.stubs(Price, function=price)
    runner.stubs(Print, function=lambda price: price, takes=120)
    assert runner(Catalogue).result == store["price"]


@activity("copy", 1, "copies", start_to_close=600, heartbeat=30, retry=2)
class Copy(Activity):
    def run(self, name: str) -> str:
        goes_on = self.heartbeat()
        if goes_on or not CAREFUL[0]:
            COPIES.append(name)
        return name


@workflow("backup", 1, "backups", execution_start_to_close=86_400)
class Backup(Workflow):
    copy = ActivityProxy(Copy)

    def run(self, name: str) -> Any:
        return self.copy(name)


@planted([HeartbeatLate()])
def a_worker_continues_after_its_task_timed_out(runner: Runner, fixed: bool) -> None:
    COPIES.clear()
    CAREFUL[0] = fixed
    runner(Backup, "tape")
    assert COPIES == ["tape"]


@planted([WorkerDiesLate(), AnswerLate()], most_faults=1)
def a_time_out_is_taken_for_work_not_done(runner: Runner, fixed: bool) -> None:
    balance = [0]
    moves = {"charge": 7, "refund": -7}

    def work(activity_id: str) -> None:
        balance[0] += moves[activity_id]

    def decide(history: History) -> list[Decision]:
        if "charge" in history.done:
            return [complete("paid")]
        if "charge" in history.timed_out and fixed:
            # It is unknown whether the card was charged, so the refund must name the charge.
            moves["refund"] = -balance[0]
            return [complete("not paid")] if "refund" in history.done else [schedule("refund")]
        return [complete("not paid")] if history.timed_out else [schedule("charge")]

    [run] = by_hand(runner, decide, work)
    paid = run.history[-1]["workflowExecutionCompletedEventAttributes"]["result"] == "paid"
    assert balance[0] == (7 if paid else 0)


@planted([AnswerLate(), WorkerDiesLate()], most_faults=1)
def both_attempts_are_counted(runner: Runner, fixed: bool) -> None:
    """Each attempt writes a row, and all rows are counted as results."""
    rows: dict[str, int] = {}

    def work(activity_id: str) -> None:
        rows["votes" if fixed else activity_id] = 12

    def decide(history: History) -> list[Decision]:
        return [complete()] if history.done else [schedule(f"votes {len(history.scheduled)}")]

    by_hand(runner, decide, work)
    assert sum(rows.values()) == 12


@planted(EVERYDAY, most_faults=1)
def a_single_time_out_fails_the_workflow(runner: Runner, fixed: bool) -> None:
    tries = 2 if fixed else 1
    runner.stubs(Price, result=7)
    runner.stubs(Print, result=7)

    @workflow("catalogue", 1, "catalogues", execution_start_to_close=86_400)
    class Once(Workflow):
        price = ActivityProxy(Price, retry=tries)
        print = ActivityProxy(Print, retry=2)

        def run(self) -> Any:
            return self.print(self.price())

    run = runner(Once)
    assert run.status == "COMPLETED", run.describe()
