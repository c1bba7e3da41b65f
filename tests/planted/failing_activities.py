"""Activities that fail, before or after their work."""

from __future__ import annotations

import flowy
from flowy import (
    Activity,
    ActivityProxy,
    TaskError,
    TaskFailed,
    TaskTimedOut,
    WorkflowProxy,
    activity,
    workflow,
)
from flowy_sim.faults import EVERYDAY, ActivityFails, Outage, WorkFails
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.steps import DAY, Charge, Refund, Release, Reserve, Ship, Shop, note, order, step

FAILS = [ActivityFails(), WorkFails()]


@planted(EVERYDAY, most_faults=1)
def the_reservation_stays_if_charging_fails(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            self.reserve("lamp").result()
            try:
                self.charge("lamp").result()
            except TaskError:
                if fixed:
                    self.release("lamp").result()
                return "declined"
            return "sold"

    note(runner, ledger, Reserve, Release, Charge)
    run = runner(Order)
    if run.status == "COMPLETED" and run.result == "declined":
        assert ledger.count("release") >= ledger.count("reserve")


@planted(FAILS)
def only_time_outs_are_caught(runner: Runner, fixed: bool) -> None:
    caught = TaskError if fixed else TaskTimedOut

    @order
    class Order(Shop):
        def run(self) -> str:
            try:
                self.charge("lamp").result()
            except caught:
                return "later"
            return "paid"

    runner.stubs(Charge)
    assert runner(Order).result in ("paid", "later")


@planted(FAILS)
def a_payment_that_was_reported_as_failed_is_kept(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            try:
                self.charge("lamp").result()
            except TaskError:
                if fixed:
                    self.refund("lamp").result()
                return "declined"
            return "paid"

    def refund(name: str) -> None:
        if "charge" in ledger:
            ledger.remove("charge")

    note(runner, ledger, Charge)
    runner.stubs(Refund, function=refund)
    run = runner(Order)
    assert run.status != "COMPLETED" or run.result == "paid" or not ledger


@planted(FAILS)
def a_refund_is_paid_for_what_was_never_charged(runner: Runner, fixed: bool) -> None:
    balance = [0]

    @order
    class Order(Shop):
        def run(self) -> str:
            try:
                self.charge("lamp").result()
            except TaskError:
                self.refund("lamp").result()
            return "done"

    def charge(name: str) -> None:
        balance[0] += 7

    def refund(name: str) -> None:
        if not fixed or balance[0]:
            balance[0] -= 7

    runner.stubs(Charge, function=charge)
    runner.stubs(Refund, function=refund)
    runner(Order)
    assert balance[0] >= 0


class Declined(Exception):
    """The bank declines."""


@activity("pay", 1, "shop", start_to_close=60)
class Pay(Activity):
    def run(self, name: str) -> str:
        if name == "nobody":
            raise Declined(name)
        return self._connect(name)

    def _connect(self, name: str) -> str:
        if name == "offline":
            raise ConnectionError(name)
        return name


@planted([ActivityFails()])
def a_decline_is_looked_for_by_a_wrong_name(runner: Runner, fixed: bool) -> None:
    name = "Declined" if fixed else "PaymentDeclined"

    @order
    class Order(Shop):
        pay = ActivityProxy(Pay, error_handling=True)

        def run(self) -> str:
            for _ in range(3):
                try:
                    return str(self.pay("lamp").result())
                except TaskFailed as error:
                    if error.reason.startswith(name):
                        return "declined"
            return "given up"

    asked: list[str] = []
    runner.stubs(Pay, function=lambda name: asked.append(name) or "paid")
    run = runner(Order)
    failed = [each.reason for each in run.calls() if each.outcome == "failed"]
    declined = any(reason.startswith("Declined") for reason in failed)
    assert not declined or run.result == "declined"


@planted([ActivityFails()])
def a_lost_connection_is_taken_for_a_decline(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        pay = ActivityProxy(Pay, error_handling=True)

        def run(self) -> str:
            for _ in range(3):
                try:
                    return str(self.pay("lamp").result())
                except TaskFailed as error:
                    if not fixed or error.reason.startswith("Declined"):
                        return "declined"
            return "given up"

    runner.stubs(Pay, result="paid")
    run = runner(Order)
    failed = [each.reason for each in run.calls() if each.outcome == "failed"]
    assert run.result != "declined" or any(each.startswith("Declined") for each in failed)


Count = step("count")


@planted(FAILS)
def a_failed_count_is_taken_for_an_empty_stock(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        count = ActivityProxy(Count, error_handling=True)

        def run(self) -> str:
            found = self.count("lamp")
            flowy.wait(found)
            if found.error is not None:
                return "unknown" if fixed else self._order()
            return "enough" if found.result() else self._order()

        def _order(self) -> str:
            self.ship("lamp").result()
            return "ordered"

    runner.stubs(Count, result=5)
    note(runner, ledger, Ship)
    if runner(Order).status == "COMPLETED":
        assert not ledger


@planted(FAILS, most_faults=1)
def what_the_other_branch_did_stays(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            reserved, charged = self.reserve("lamp"), self.charge("lamp")
            try:
                charged.result()
                reserved.result()
            except TaskError:
                flowy.wait(reserved, charged)
                if charged.error is None:
                    self.refund("lamp").result()
                if reserved.error is None and fixed:
                    self.release("lamp").result()
                return "undone"
            return "sold"

    runner.stubs(Reserve, function=lambda name: ledger.append("reserved"))
    runner.stubs(Release, function=lambda name: ledger.append("released"))
    runner.stubs(Charge)
    runner.stubs(Refund)
    run = runner(Order)
    reserved = [each for each in run.calls(Reserve) if each.outcome == "completed"]
    assert run.result != "undone" or not reserved or "released" in ledger


@planted(FAILS, most_faults=1)
def the_lock_is_never_released(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            self.reserve("door").result()
            if not fixed:
                self.charge("lamp").result()
                self.release("door").result()
                return "sold"
            try:
                self.charge("lamp").result()
            finally:
                self.release("door").result()
            return "sold"

    locked: set[str] = set()
    runner.stubs(Reserve, function=locked.add)
    runner.stubs(Release, function=locked.discard)
    runner.stubs(Charge)
    run = runner(Order)
    reserved = any(each.outcome == "completed" for each in run.calls(Reserve))
    assert not reserved or not locked


Mark = step("mark", retry=3)


@planted(FAILS, most_faults=1)
def the_order_is_running_forever(runner: Runner, fixed: bool) -> None:
    status: list[str] = []

    @order
    class Order(Shop):
        mark = ActivityProxy(Mark)

        def run(self) -> str:
            self.mark("running").result()
            try:
                self.ship("lamp").result()
            except TaskError:
                if fixed:
                    self.mark("failed").result()
                raise
            self.mark("done").result()
            return "sold"

    runner.stubs(Mark, function=status.append)
    runner.stubs(Ship)
    runner(Order)
    assert status[-1] != "running"


@planted(FAILS, most_faults=2)
def a_compensation_is_tried_only_once(runner: Runner, fixed: bool) -> None:
    undo = ActivityProxy(Release, error_handling=True, retry=3 if fixed else 1)
    locked: set[str] = set()

    @order
    class Order(Shop):
        undo_reservation = undo

        def run(self) -> str:
            self.reserve("lamp").result()
            try:
                self.charge("lamp").result()
            except TaskError:
                self.undo_reservation("lamp").result()
            return "done"

    runner.stubs(Reserve, function=locked.add)
    runner.stubs(Release, function=locked.discard)
    runner.stubs(Charge)
    run = runner(Order)
    failed = any(each.outcome == "failed" for each in run.calls(Charge))
    assert not failed or not locked


@planted(FAILS)
def what_failed_is_repeated_under_a_new_number(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            for attempt in range(3):
                number = "payment" if fixed else f"payment {attempt}"
                try:
                    self.charge(number).result()
                except TaskError:
                    continue
                return "paid"
            return "given up"

    runner.stubs(Charge, function=charged.append)
    runner(Order)
    assert len(set(charged)) <= 1


@planted([Outage()])
def all_attempts_fail_and_the_reservation_stays(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []
    Bank = step("bank", retry=5)  # noqa: N806 - a class

    @order
    class Order(Shop):
        pay = ActivityProxy(Bank, error_handling=True)

        def run(self) -> str:
            try:
                self.reserve("lamp").result()
            except TaskError:
                return "none left"
            try:
                self.pay("lamp").result()
            except TaskError:
                if fixed:
                    self.release.options(retry=20)("lamp").result()
                return "declined"
            return "sold"

    note(runner, ledger, Reserve, Release, Bank)
    run = runner(Order)
    assert run.result != "declined" or ledger.count("reserve") == ledger.count("release")


@planted(EVERYDAY, most_faults=1)
def what_was_done_before_a_child_failed_stays(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @workflow("delivery", 1, "orders", execution_start_to_close=DAY)
    class Delivery(Shop):
        def run(self) -> None:
            raise NotImplementedError

    @order
    class Order(Shop):
        deliver = WorkflowProxy(Delivery, error_handling=True)

        def run(self) -> str:
            charged = self.charge("lamp")
            flowy.wait(charged)
            if charged.error is not None:
                return "not paid"
            try:
                self.deliver().result()
            except TaskError:
                if fixed:
                    self.refund("lamp").result()
                return "not delivered"
            return "delivered"

    note(runner, ledger, Charge, Refund)
    runner.stubs(Delivery)
    run = runner(Order)
    assert run.result != "not delivered" or "refund" in ledger
