"""Work that is slow, or that no worker takes in time."""

from __future__ import annotations

import flowy
from flowy import Activity, ActivityProxy, TaskError, TaskFailed, TaskTimedOut, activity
from flowy_sim.faults import EVERYDAY, SlowWork, TaskUntaken
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.steps import Charge, Refund, Ship, Shop, note, order


@activity("courier", 1, "shop", start_to_close=600, schedule_to_start=60)
class Courier(Activity):
    def run(self, article: str) -> str:
        raise OSError("no courier is available")


class ByCourier(Shop):
    deliver = ActivityProxy(Courier, error_handling=True)


@planted([SlowWork()])
def a_payment_after_the_deadline_is_kept(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            charged, deadline = self.charge("lamp"), self.timer(60)
            flowy.first(charged, deadline)
            if charged.done:
                return "sold"
            flowy.wait(charged)
            if fixed and charged.error is None:
                self.refund("lamp").result()
            return "too late"

    note(runner, ledger, Charge, Refund)
    assert runner(Order).result == "sold" or ledger == ["charge", "refund"]


@planted([SlowWork()])
def a_second_courier_is_sent(runner: Runner, fixed: bool) -> None:
    sent: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            shipped = self.ship("lamp")
            if flowy.first(shipped, self.timer(60)) is not shipped and not fixed:
                self.ship("lamp").result()
            flowy.wait(shipped)
            return "shipped"

    runner.stubs(Ship, function=sent.append)
    runner(Order)
    assert sent == ["lamp"]


@planted([SlowWork()])
def what_is_slow_is_reported_as_failed(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            charged = self.charge("lamp")
            flowy.first(charged, self.timer(60))
            if fixed:
                flowy.wait(charged)
            return "paid" if charged.done and charged.error is None else "not paid"

    note(runner, ledger, Charge)
    run = runner(Order)
    assert (run.result == "paid") == (ledger == ["charge"])


@planted(EVERYDAY, most_faults=1)
def only_slow_couriers_are_expected(runner: Runner, fixed: bool) -> None:
    @order
    class Order(ByCourier):
        def run(self) -> str:
            try:
                return str(self.deliver("lamp").result())
            except TaskTimedOut as error:
                if fixed or error.timeout_type == "START_TO_CLOSE":
                    return "late"
                raise
            except TaskFailed:
                return "failed"

    runner.stubs(Courier, result="delivered")
    assert runner(Order).status == "COMPLETED"


@planted([TaskUntaken()])
def a_courier_who_never_came_is_paid(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(ByCourier):
        def run(self) -> str:
            try:
                self.deliver("lamp").result()
            except TaskTimedOut as error:
                # It has timed out, so it may have been delivered.
                if fixed and error.timeout_type == "SCHEDULE_TO_START":
                    return "not delivered"
            except TaskError:
                return "failed"
            self.charge("lamp").result()
            return "delivered"

    note(runner, ledger, Courier, Charge)
    runner(Order)
    assert "charge" not in ledger or "courier" in ledger
