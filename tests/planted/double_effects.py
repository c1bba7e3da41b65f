"""Work that is done twice, because it is retried or scheduled again."""

from __future__ import annotations

from typing import Any

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.faults import (
    EVERYDAY,
    AnsweredTwice,
    AnswerLate,
    DeciderDies,
    Signal,
    WorkerDiesLate,
    WorkFails,
)
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import Decision, History, by_hand, complete, schedule


@activity("charge", 1, "payments", start_to_close=60, retry=3)
class Charge(Activity):
    def run(self, order: str, amount: int) -> None:
        raise NotImplementedError


@workflow("purchase", 1, "purchases", execution_start_to_close=86_400)
class Purchase(Workflow):
    charge = ActivityProxy(Charge)

    def run(self, order: str) -> Any:
        return self.charge(order, 7)


@planted(EVERYDAY)
def a_card_is_charged_twice(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    def charge(order: str, amount: int) -> None:
        if order not in charged or not fixed:
            charged.append(order)

    runner.stubs(Charge, function=charge)

    @runner.invariant
    def nobody_has_paid_twice() -> None:
        assert len(charged) <= 1

    runner(Purchase, "order-1")


@planted([WorkFails()])
def work_that_failed_at_the_end_is_repeated(runner: Runner, fixed: bool) -> None:
    stock = {"lamps": 5}
    reserved: set[str] = set()

    def take(order: str, amount: int) -> None:
        if order not in reserved or not fixed:
            stock["lamps"] -= 1
        reserved.add(order)

    runner.stubs(Charge, function=take)
    runner(Purchase, "order-1")
    assert stock["lamps"] == 4


@planted([WorkerDiesLate(), AnswerLate()], most_faults=1)
def finished_work_is_remembered_only_by_the_worker(runner: Runner, fixed: bool) -> None:
    sent: list[str] = []
    kept: set[str] = set()

    class Send:
        def __init__(self) -> None:
            self.known = kept if fixed else set()

        def __call__(self, activity_id: str) -> None:
            letter = activity_id.partition(" ")[0]
            if letter not in self.known:
                self.known.add(letter)
                sent.append(letter)

    def decide(history: History) -> list[Decision]:
        if history.done:
            return [complete()]
        return [schedule(f"letter {len(history.scheduled)}")]

    by_hand(runner, decide, Send)
    assert sent == ["letter"]


@planted([DeciderDies()])
def scheduled_work_is_remembered_only_by_the_decider(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []

    class Decide:
        def __init__(self) -> None:
            self.step = 0

        def __call__(self, history: History) -> list[Decision]:
            step = len(history.scheduled) if fixed else self.step
            self.step += 1
            if step == 0:
                return [schedule(f"ship-{history.started_id}")]
            return [complete()] if history.done else []

    by_hand(runner, Decide, shipped.append)
    assert len(shipped) == 1


@planted([Signal("hurry")])
def unfinished_work_is_scheduled_again(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []

    def decide(history: History) -> list[Decision]:
        if history.done and history.signals:
            return [complete()]
        asked = history.scheduled if fixed else history.done
        return [] if asked else [schedule(f"ship-{history.started_id}")]

    by_hand(runner, decide, shipped.append)
    assert len(shipped) == 1


@planted([AnsweredTwice()])
def a_refused_answer_is_taken_for_a_failure(runner: Runner, fixed: bool) -> None:
    rooms: list[str] = []

    def decide(history: History) -> list[Decision]:
        return [complete()] if history.done else [schedule("book")]

    def worker(client: Any) -> None:
        task = client.poll_for_activity_task(domain="simulated", taskList={"name": "rooms"})
        if not task.get("taskToken"):
            return
        rooms.append(task["activityId"])
        try:
            client.respond_activity_task_completed(taskToken=task["taskToken"])
        except client.exceptions.UnknownResourceFault:
            if not fixed:
                rooms.remove(task["activityId"])

    def book(history: History) -> list[Decision]:
        decisions = decide(history)
        for each in decisions:
            if each["decisionType"] == "ScheduleActivityTask":
                each["scheduleActivityTaskDecisionAttributes"]["taskList"] = {"name": "rooms"}
        return decisions

    runner.loop(worker)
    by_hand(runner, book)
    assert rooms == ["book"]
