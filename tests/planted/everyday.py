"""Bugs of ordinary code, with flowy and with poll loops, among all everyday faults."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal

import flowy
from flowy import Activity, ActivityProxy, TaskError, TaskFailed, TaskTimedOut, activity
from flowy_sim.faults import EVERYDAY
from flowy_sim.testing import Run, Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import (
    DECISIONS,
    DOMAIN,
    STEPS,
    Decision,
    History,
    by_hand,
    by_loops,
    complete,
    schedule,
)
from tests.planted.steps import Charge, Refund, Release, Reserve, Ship, Shop, note, order

Task = dict[str, Any]


@activity("stock", 1, "shop", start_to_close=60, retry=2)
class Stock(Activity):
    def run(self, article: str) -> dict[str, int]:
        raise OSError("the stock cannot be read")


@activity("verdict", 1, "shop", start_to_close=60, retry=3)
class Verdict(Activity):
    def run(self, article: str) -> Literal["good", "fraud", "review"]:
        raise OSError("there is no verdict")


def completed(run: Run, called: Any) -> list[Any]:
    """The results of an activity, of all calls that have completed."""
    return [call.result for call in run.calls(called) if call.outcome == "completed"]


# With flowy


@planted(EVERYDAY)
def a_payment_that_timed_out_is_not_refunded(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            try:
                self.charge("lamp").result()
            except TaskFailed:
                self.refund("lamp").result()
            except TaskTimedOut:
                if fixed:
                    self.refund("lamp").result()
            else:
                return "sold"
            return "refunded"

    note(runner, ledger, Charge, Refund)
    run = runner(Order)
    if run.status == "COMPLETED" and run.result == "refunded":
        assert "charge" not in ledger or "refund" in ledger


@planted(EVERYDAY)
def the_first_failure_hides_a_payment(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            reserved, charged = self.reserve("lamp"), self.charge("lamp")
            if fixed:
                flowy.wait(reserved, charged)
            try:
                reserved.result()
            except TaskError:
                if charged.done and charged.error is None:
                    self.refund("lamp").result()
                return "failed"
            try:
                charged.result()
            except TaskError:
                self.release("lamp").result()
                return "failed"
            return "sold"

    note(runner, ledger, Reserve, Release, Refund)
    runner.stubs(Charge, result=None, takes=5)
    run = runner(Order)
    if run.status == "COMPLETED" and run.result == "failed" and completed(run, Charge):
        assert "refund" in ledger


@planted(EVERYDAY)
def a_stock_without_shelves(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        stock = ActivityProxy(Stock, error_handling=True)

        def run(self) -> int:
            try:
                found = self.stock("lamp").result()
            except TaskError:
                return -1
            return max(found.values(), default=0) if fixed else max(found.values())

    runner.stubs(Stock, result={"upper shelf": 3}, any_result=True)
    assert runner(Order).status == "COMPLETED"


@planted(EVERYDAY)
def a_parcel_after_the_deadline_is_the_second_one(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            express, deadline = self.ship("express"), self.timer(300)
            if flowy.first(express, deadline) is deadline:
                if fixed:
                    flowy.wait(express)
                    if express.error is None:
                        return "late"
                self.reserve("another courier").result()
            return "shipped"

    runner.stubs(Ship, function=shipped.append)
    runner.stubs(Reserve, function=shipped.append)
    run = runner(Order)
    if run.status == "COMPLETED" and completed(run, Ship):
        assert len(shipped) == 1


@planted(EVERYDAY)
def an_order_under_review_is_shipped(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        verdict = ActivityProxy(Verdict, error_handling=True)

        def run(self) -> str:
            try:
                verdict = self.verdict("lamp").result()
            except TaskError:
                return "unknown"
            if verdict == "fraud" or (fixed and verdict == "review"):
                return "stopped"
            flowy.wait(self.ship("lamp"))
            return "shipped"

    runner.stubs(Verdict, result="good", any_result=True)
    runner.stubs(Ship, result=None)
    run = runner(Order)
    assert "review" not in completed(run, Verdict) or not run.calls(Ship)


# With poll loops


def again(history: History) -> list[Decision]:
    """Schedule what has just failed or timed out once more."""
    ended = ("ActivityTaskTimedOut", "ActivityTaskFailed")
    return [schedule(each) for kind in ended for each in history.ids(kind, history.new)]


def ship(history: History) -> list[Decision]:
    if history.done:
        return [complete()]
    return [schedule("ship")] if history.is_first else again(history)


def decide(client: Any) -> None:
    with suppress(Exception):
        task = client.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS)
        if task.get("taskToken"):
            client.respond_decision_task_completed(
                taskToken=task["taskToken"], decisions=ship(History(task))
            )


def works(work: Callable[[Any, Task], None]) -> Callable[[Any], None]:
    """A worker that polls again if something fails."""

    def main(client: Any) -> None:
        while True:
            with suppress(Exception):
                task = client.poll_for_activity_task(domain=DOMAIN, taskList=STEPS)
                if task.get("taskToken"):
                    work(client, task)

    return main


def answer(client: Any, task: Task) -> None:
    client.respond_activity_task_completed(taskToken=task["taskToken"])


@planted(EVERYDAY)
def work_is_answered_before_it_is_done(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []

    def work(client: Any, task: Task) -> None:
        if fixed:
            shipped.append(task["activityId"])
        answer(client, task)
        if not fixed:
            shipped.append(task["activityId"])

    [run] = by_loops(runner, decide, works(work))
    runner.advance(1)
    assert run.status != "COMPLETED" or shipped


@planted(EVERYDAY)
def decisions_are_counted_instead_of_results(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        steps = len(history.done) if fixed else len(history.of("DecisionTaskCompleted"))
        if history.is_first:
            return [schedule("charge")]
        if steps == 2:
            return [complete()]
        return again(history) or ([schedule("ship")] if "ship" not in history.scheduled else [])

    [run] = by_hand(runner, decide)
    done = [each["eventType"] for each in run.history].count("ActivityTaskCompleted")
    assert run.status != "COMPLETED" or done == 2


@planted(EVERYDAY)
def a_pool_ignores_what_it_has_failed_to_answer(runner: Runner, fixed: bool) -> None:
    def main(client: Any) -> None:
        working: set[str] = set()

        def work(task: Task) -> None:
            try:
                answer(client, task)
            finally:
                if fixed:
                    working.discard(task["activityId"])

        with ThreadPoolExecutor(2) as pool:
            while True:
                with suppress(Exception):
                    task = client.poll_for_activity_task(domain=DOMAIN, taskList=STEPS)
                    if task.get("taskToken") and task["activityId"] not in working:
                        working.add(task["activityId"])
                        pool.submit(work, task)

    [run] = by_loops(runner, decide, main)
    assert run.status == "COMPLETED"


@planted(EVERYDAY)
def an_unknown_status_keeps_the_parcel_here(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []

    def work(client: Any, task: Task) -> None:
        is_open = False
        try:
            found = client.describe_workflow_execution(
                domain=DOMAIN, execution=dict(task["workflowExecution"])
            )
            is_open = found["executionInfo"]["executionStatus"] == "OPEN"
        except Exception:
            if fixed:
                raise
        if is_open:
            shipped.append(task["activityId"])
        answer(client, task)

    [run] = by_loops(runner, decide, works(work))
    assert run.status != "COMPLETED" or shipped
