"""Work that is done twice, because it is tried again or asked for again."""

from __future__ import annotations

from typing import Any

from by_hand import Decision, Past, by_hand, complete, schedule
from planting import planted

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
def a_card_is_charged_again(runner: Runner, mended: bool) -> None:
    charged: list[str] = []

    def charge(order: str, amount: int) -> None:
        if order not in charged or not mended:
            charged.append(order)

    runner.stubs(Charge, function=charge)

    @runner.invariant
    def nobody_has_paid_twice() -> None:
        assert len(charged) <= 1

    runner(Purchase, "order-1")


@planted([WorkFails()])
def what_failed_at_its_end_had_been_done(runner: Runner, mended: bool) -> None:
    stock = {"lamps": 5}
    reserved: set[str] = set()

    def take(order: str, amount: int) -> None:
        if order not in reserved or not mended:
            stock["lamps"] -= 1
        reserved.add(order)

    runner.stubs(Charge, function=take)
    runner(Purchase, "order-1")
    assert stock["lamps"] == 4


@planted([WorkerDiesLate(), AnswerLate()], most_faults=1)
def what_was_done_is_known_to_the_worker_alone(runner: Runner, mended: bool) -> None:
    sent: list[str] = []
    kept: set[str] = set()

    class Send:
        def __init__(self) -> None:
            self.known = kept if mended else set()

        def __call__(self, activity_id: str) -> None:
            letter = activity_id.partition(" ")[0]
            if letter not in self.known:
                self.known.add(letter)
                sent.append(letter)

    def decide(past: Past) -> list[Decision]:
        if past.done:
            return [complete()]
        return [schedule(f"letter {len(past.scheduled)}")]

    by_hand(runner, decide, Send)
    assert sent == ["letter"]


@planted([DeciderDies()])
def what_was_scheduled_is_known_to_the_decider_alone(runner: Runner, mended: bool) -> None:
    shipped: list[str] = []

    class Decide:
        def __init__(self) -> None:
            self.step = 0

        def __call__(self, past: Past) -> list[Decision]:
            step = len(past.scheduled) if mended else self.step
            self.step += 1
            if step == 0:
                return [schedule(f"ship-{past.started_id}")]
            return [complete()] if past.done else []

    by_hand(runner, Decide, shipped.append)
    assert len(shipped) == 1


@planted([Signal("hurry")])
def what_is_not_done_yet_is_asked_for_again(runner: Runner, mended: bool) -> None:
    shipped: list[str] = []

    def decide(past: Past) -> list[Decision]:
        if past.done and past.signals:
            return [complete()]
        asked = past.scheduled if mended else past.done
        return [] if asked else [schedule(f"ship-{past.started_id}")]

    by_hand(runner, decide, shipped.append)
    assert len(shipped) == 1


@planted([AnsweredTwice()])
def a_refused_answer_is_taken_for_a_failure(runner: Runner, mended: bool) -> None:
    rooms: list[str] = []

    def decide(past: Past) -> list[Decision]:
        return [complete()] if past.done else [schedule("book")]

    def worker(client: Any) -> None:
        task = client.poll_for_activity_task(domain="simulated", taskList={"name": "rooms"})
        if not task.get("taskToken"):
            return
        rooms.append(task["activityId"])
        try:
            client.respond_activity_task_completed(taskToken=task["taskToken"])
        except client.exceptions.UnknownResourceFault:
            if not mended:
                rooms.remove(task["activityId"])

    def book(past: Past) -> list[Decision]:
        decisions = decide(past)
        for each in decisions:
            if each["decisionType"] == "ScheduleActivityTask":
                each["scheduleActivityTaskDecisionAttributes"]["taskList"] = {"name": "rooms"}
        return decisions

    runner.loop(worker)
    by_hand(runner, book)
    assert rooms == ["book"]
