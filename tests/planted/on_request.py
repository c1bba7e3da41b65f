"""What is tried only if a test asks for it: other arguments, few workers, goals, deployments."""

from __future__ import annotations

from typing import Any

import flowy
from flowy import SerializationError, TaskError
from flowy_sim.faults import ActivityFails, GradualDeploy, Signal, WorkerDies
from flowy_sim.testing import Runner
from tests.planted import waiting_workflows as others
from tests.planted.bugs import planted
from tests.planted.steps import DAY, Charge, Refund, Release, Reserve, Ship, Shop, note, order


@planted(arguments=True)
def an_order_of_nothing_divides(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self, price: int, number: int) -> int:
            return 0 if fixed and number == 0 else price // number

    assert runner(Order, 7, 2).status == "COMPLETED"


@planted(arguments=True)
def an_order_without_a_name(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self, name: str | None = "lamp") -> str:
            if fixed:
                name = name or "nothing"
            return name.upper()  # type: ignore[union-attr]

    assert runner(Order).status == "COMPLETED"


@planted(arguments=[("lamp",), ("lamp", "table")])
def only_the_first_article_is_shipped(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []
    asked: list[int] = []

    @order
    class Order(Shop):
        def run(self, *names: str) -> int:
            for name in names if fixed else names[:1]:
                self.ship(name).result()
            return len(names)

    runner.stubs(Ship, function=shipped.append)
    asked.append(runner(Order, "lamp").result)
    assert len(shipped) == asked[0]


@planted(starts=(0, DAY, 59 * DAY))
def the_thirtieth_of_the_next_month(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            now = self.now()
            day = min(now.day + 1, 28) if fixed else now.day + 1
            return now.replace(day=day).isoformat()

    assert runner(Order).status == "COMPLETED"


@planted(workers=(None, 1), times_out=True)
def two_that_wait_for_each_other_need_two_workers(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            charged = self.charge("lamp")
            if fixed:
                charged.result()
            shipped = self.ship("lamp")
            deadline = self.timer(45)
            return "late" if flowy.first(shipped, deadline) is deadline else "shipped"

    runner.stubs(Charge, result="paid", takes=40)
    runner.stubs(Ship, result="shipped", takes=40)
    assert runner(Order).result == "shipped"


@planted([ActivityFails(), WorkerDies()], most_faults=1, ends_within=3_600)
def it_waits_a_day_before_it_tries_again(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Shop):
        def run(self) -> str:
            for _ in range(3):
                try:
                    return str(self.charge("lamp").result())
                except TaskError:
                    self.sleep(60 if fixed else DAY)
            return "given up"

    runner.stubs(Charge, result="paid")
    runner(Order)


@planted([ActivityFails()], most_faults=1)
def not_everything_is_refunded_in_the_end(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Shop):
        def run(self) -> str:
            self.charge("lamp").result()
            try:
                self.ship("lamp").result()
            except TaskError:
                if fixed:
                    self.refund("lamp").result()
                return "refunded"
            return "shipped"

    note(runner, ledger, Charge, Refund, Ship)

    @runner.eventually
    def what_is_not_shipped_is_refunded() -> None:
        assert "charge" not in ledger or {"ship", "refund"} & {*ledger}

    runner(Order)


@planted([GradualDeploy((others.Unpatched,))], twin=[GradualDeploy((others.Patched,))])
def old_and_new_deciders_disagree(runner: Runner, fixed: bool) -> None:
    runner.stubs(others.Charge, result="paid", takes=5)
    runner.stubs(others.Refund, result="paid back", takes=5)
    runner(others.Old)


@planted([Signal("amount", "7", any_value=True)])
def an_unreadable_amount_keeps_the_reservation(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []
    caught: Any = (TaskError, SerializationError) if fixed else TaskError

    @order
    class Order(Shop):
        def run(self) -> str:
            self.reserve("lamp").result()
            try:
                return str(self.signal("amount", int).result())
            except caught:
                self.release("lamp").result()
                return "released"

    note(runner, ledger, Reserve, Release)
    run = runner(Order)
    assert run.status == "COMPLETED" or "release" in ledger
