"""What happens at the same instant, in another order, once more, or with another value."""

from __future__ import annotations

from typing import Any, Literal

import flowy
from flowy import SerializationError
from flowy_sim.faults import CancelRequest, Signal, SignalTwice, StartedTwice
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.steps import Charge, Refund, Reserve, Ship, Shop, order


def kinds(run: Any) -> list[str]:
    """The types of the events of a run."""
    return [event["eventType"] for event in run.history]


def was_first(run: Any, one: str, other: str) -> bool:
    """Whether the first event of a type was written before the first of another."""
    found = kinds(run)
    return one in found and (other not in found or found.index(one) < found.index(other))


@planted([Signal("paid")])
def a_payment_and_its_deadline_are_news_at_once(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            paid, deadline = self.signal("paid"), self.timer(60)
            winner = flowy.first(paid, deadline)
            late = winner is deadline if fixed else deadline.done
            return "expired" if late else "paid"

    run = runner(Order)
    in_time = was_first(run, "WorkflowExecutionSignaled", "TimerFired")
    assert run.result == ("paid" if in_time else "expired")


@planted([])
def an_answer_and_a_deadline_are_due_at_once(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            charged, deadline = self.charge("lamp"), self.timer(60)
            winner = flowy.first(charged, deadline)
            late = winner is deadline if fixed else deadline.done
            return "expired" if late else "paid"

    runner.stubs(Charge, result="paid", takes=60)
    run = runner(Order)
    in_time = was_first(run, "ActivityTaskCompleted", "TimerFired")
    assert run.result == ("paid" if in_time else "expired")


@planted([])
def an_action_and_a_deadline_are_due_at_once(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            paid, deadline = self.signal("paid"), self.timer(60)
            winner = flowy.first(paid, deadline)
            late = winner is deadline if fixed else deadline.done
            return "expired" if late else "paid"

    execution = runner.start(Order)
    runner.after(60, lambda: runner.signal(execution, "paid"))
    run = runner.finish(execution)
    in_time = was_first(run, "WorkflowExecutionSignaled", "TimerFired")
    assert run.result == ("paid" if in_time else "expired")


@planted([Signal("stop"), Signal("go")])
def stop_is_looked_for_before_go(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            stop, go = self.signal("stop"), self.signal("go")
            winner = flowy.first(stop, go)
            self.sleep(10)
            stopped = stop.done if fixed else winner is stop
            if not stopped:
                self.ship("lamp").result()
            return "stopped" if stopped else "shipped"

    runner.stubs(Ship, function=shipped.append)
    run = runner(Order)
    found = kinds(run)
    fired = found.index("TimerFired")
    names = [
        event["workflowExecutionSignaledEventAttributes"]["signalName"]
        for event in run.history[:fired]
        if event["eventType"] == "WorkflowExecutionSignaled"
    ]
    assert "stop" not in names or not shipped


@planted([Signal("item", '"lamp"'), SignalTwice()])
def an_item_that_arrives_twice_is_charged_twice(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            seen: list[str] = []
            until = self.timer(60)
            while True:
                item = self.signal("item")
                if flowy.first(item, until) is until:
                    return "done"
                if item.result() not in seen or not fixed:
                    seen.append(item.result())
                    self.charge(item.result()).result()

    runner.stubs(Charge, function=charged.append)
    runner(Order)
    assert len(charged) <= 1


@planted([Signal("approve", "true"), SignalTwice()])
def a_second_approval_starts_the_second_step(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            first = self.signal("approve")
            first.result()
            self.sleep(60)
            second = self.signal("approve second" if fixed else "approve")
            return "both" if second.done else "one"

    assert runner(Order).result == "one"


@planted([Signal("approved", "true", any_value=True)])
def a_malformed_approval_ends_the_order(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            approved = self.signal("approved", bool)
            if not fixed:
                return "approved" if approved.result() else "refused"
            try:
                return "approved" if approved.result() else "refused"
            except SerializationError:
                return "unreadable"

    assert runner(Order).status == "COMPLETED"


@planted([Signal("amount", "7", any_value=True)])
def an_amount_of_zero_is_divided(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> Any:
            try:
                amount = self.signal("amount", int).result()
            except SerializationError:
                return "unreadable"
            return "nothing" if fixed and amount == 0 else 100 // amount

    assert runner(Order).status == "COMPLETED"


@planted([Signal("answer", '"yes"', any_value=True)])
def maybe_is_taken_for_yes(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []
    answers: list[Any] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            try:
                answer = self.signal("answer", Literal["yes", "no", "maybe"]).result()
            except SerializationError:
                return "unreadable"
            if answer == "yes" if fixed else answer != "no":
                self.ship(answer).result()
            return str(answer)

    runner.stubs(Ship, function=shipped.append)
    answers.append(runner(Order).result)
    assert not shipped or answers == ["yes"]


@planted([StartedTwice()])
def an_order_that_is_started_again_is_charged_again(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            return str(self.charge(self.workflow_id).result())

    def charge(key: str) -> None:
        if key not in charged or not fixed:
            charged.append(key)

    runner.stubs(Charge, function=charge)
    runner(Order)
    assert len(charged) == 1


@planted([StartedTwice()])
def a_second_start_empties_the_folder(runner: Runner, fixed: bool) -> None:
    folder: set[str] = set()

    @order
    class Order(Shop):
        def run(self) -> str:
            self.reserve("folder").result()
            self.ship("lamp").result()
            return "shipped"

    def ship(name: str) -> None:
        if name not in shipped:
            folder.add(name)
        shipped.append(name)

    def empty(name: str) -> None:
        if not fixed:
            folder.clear()

    shipped: list[str] = []
    runner.stubs(Reserve, function=empty)
    runner.stubs(Ship, function=ship)
    runner(Order)
    assert folder == {"lamp"}


@planted([CancelRequest()])
def a_cancellation_and_a_delivery_are_news_at_once(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            charged = self.charge("lamp")
            try:
                charged.result()
                self.sleep(10)
            except flowy.ExecutionCanceled:
                flowy.wait(charged)
                if charged.error is None and fixed:
                    self.refund("lamp").result()
                raise
            return "sold"

    runner.stubs(Charge, function=lambda name: ledger.append("charge"), takes=30)
    runner.stubs(Refund, function=lambda name: ledger.append("refund"))
    run = runner(Order)
    assert run.status != "CANCELED" or ledger.count("charge") == ledger.count("refund")
