"""Work that goes on after its task has timed out, and results that come too late."""

from __future__ import annotations

from itertools import count
from typing import Any

from by_hand import Decision, Past, by_hand, complete, schedule
from planting import planted

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.faults import EVERYDAY, AnswerLate, HeartbeatLate, TaskLate, WorkerDiesLate
from flowy_sim.testing import Runner

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
def a_late_worker_overwrites_what_is_newer(runner: Runner, mended: bool) -> None:
    numbers = count(1)
    store: dict[str, int] = {}

    def price() -> int:
        if mended and store:
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
def a_worker_goes_on_that_is_taken_for_dead(runner: Runner, mended: bool) -> None:
    COPIES.clear()
    CAREFUL[0] = mended
    runner(Backup, "tape")
    assert COPIES == ["tape"]


@planted([WorkerDiesLate(), AnswerLate()], most_faults=1)
def a_time_out_is_taken_for_nothing_done(runner: Runner, mended: bool) -> None:
    balance = [0]
    moves = {"charge": 7, "refund": -7}

    def work(activity_id: str) -> None:
        balance[0] += moves[activity_id]

    def decide(past: Past) -> list[Decision]:
        if "charge" in past.done:
            return [complete("paid")]
        if "charge" in past.timed_out and mended:
            # Here nobody knows; what takes it back must be told which charge it was.
            moves["refund"] = -balance[0]
            return [complete("not paid")] if "refund" in past.done else [schedule("refund")]
        return [complete("not paid")] if past.timed_out else [schedule("charge")]

    [run] = by_hand(runner, decide, work)
    paid = run.history[-1]["workflowExecutionCompletedEventAttributes"]["result"] == "paid"
    assert balance[0] == (7 if paid else 0)


@planted([AnswerLate(), WorkerDiesLate()], most_faults=1)
def a_second_try_counts_beside_the_first(runner: Runner, mended: bool) -> None:
    """Each try leaves a row, and all rows are taken for results."""
    rows: dict[str, int] = {}

    def work(activity_id: str) -> None:
        rows["votes" if mended else activity_id] = 12

    def decide(past: Past) -> list[Decision]:
        return [complete()] if past.done else [schedule(f"votes {len(past.scheduled)}")]

    by_hand(runner, decide, work)
    assert sum(rows.values()) == 12


@planted(EVERYDAY, most_faults=1)
def a_time_out_ends_it_all(runner: Runner, mended: bool) -> None:
    tries = 2 if mended else 1
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
