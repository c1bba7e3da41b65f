"""Workflows that wait, and do not expect what happens meanwhile."""

from __future__ import annotations

from typing import Any

import flowy
from flowy import (
    Activity,
    ActivityProxy,
    ExecutionCanceled,
    TaskError,
    Workflow,
    WorkflowProxy,
    activity,
    workflow,
)
from flowy_sim.faults import (
    AnswerLate,
    CancelRequest,
    ClockJumps,
    DeciderDies,
    Deploy,
    Signal,
)
from flowy_sim.testing import Run, Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import known_to

DAY = 86_400


@activity("charge", 1, "payments", start_to_close=600, retry=2)
class Charge(Activity):
    def run(self, order: str) -> str:
        raise NotImplementedError


@activity("refund", 1, "payments", start_to_close=600, retry=2)
class Refund(Activity):
    def run(self, order: str) -> str:
        raise NotImplementedError


class Paying(Workflow):
    charge = ActivityProxy(Charge)
    refund = ActivityProxy(Refund)


order = workflow("order", 1, "orders", execution_start_to_close=30 * DAY)


def position(run: Run, event_type: str) -> int:
    """The ID of the first event of a type, or 0."""
    return next((e["eventId"] for e in run.history if e["eventType"] == event_type), 0)


@planted([Signal("approved", "true"), ClockJumps(DAY)])
def an_approval_in_time_is_overlooked(runner: Runner, fixed: bool) -> None:
    @order
    class Approval(Workflow):
        def run(self) -> str:
            approved, deadline = self.signal("approved"), self.timer(3_600)
            flowy.first(approved, deadline)
            late = not approved.done if fixed else deadline.done
            return "too late" if late else "approved"

    run = runner(Approval)
    approved, fired = position(run, "WorkflowExecutionSignaled"), position(run, "TimerFired")
    in_time = approved > 0 and not 0 < fired < approved
    assert not in_time or run.result == "approved"


@planted([CancelRequest()])
def a_payment_is_not_refunded_on_cancellation(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Paying):
        def run(self) -> str:
            charged = self.charge("lamp")
            try:
                charged.result()
                self.signal("delivered").result()
            except ExecutionCanceled:
                flowy.wait(charged)
                if fixed and charged.error is None:
                    self.refund("lamp").result()
                raise
            return "delivered"

    runner.stubs(Charge, function=lambda order: ledger.append("charge"))
    runner.stubs(Refund, function=lambda order: ledger.append("refund"))
    execution = runner.start(Order)
    runner.after(60, lambda: deliver(runner))
    run = runner.finish(execution)
    assert run.status == "COMPLETED" or ledger in ([], ["charge", "refund"]), ledger


def deliver(runner: Runner) -> None:
    client = runner.simulation.client()
    open_ones = client.list_open_workflow_executions(
        domain=runner.domain, startTimeFilter={"oldestDate": 0}
    )["executionInfos"]
    for each in open_ones:
        client.signal_workflow_execution(
            domain=runner.domain,
            workflowId=each["execution"]["workflowId"],
            signalName="delivered",
        )


@planted([CancelRequest()])
def every_exception_is_taken_for_a_failed_task(runner: Runner, fixed: bool) -> None:
    caught = TaskError if fixed else Exception

    @order
    class Order(Paying):
        def run(self) -> str:
            try:
                self.sleep(60)
                return str(self.charge("lamp").result())
            except caught:
                return str(self.charge("lamp").result())

    runner.stubs(Charge, result="paid")
    run = runner(Order)
    for event in run.history:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        known = known_to(run, scheduled) if scheduled else []
        assert "WorkflowExecutionCancelRequested" not in known, (
            "it pays although cancellation was requested"
        )


@planted([CancelRequest(), AnswerLate(seconds=30)])
def a_finished_activity_is_taken_for_canceled(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    @order
    class Order(Paying):
        def run(self) -> str:
            charged = self.charge.options(error_handling=True)("lamp")
            try:
                charged.result()
            except ExecutionCanceled:
                charged.cancel()
                flowy.wait(charged)
                if fixed and charged.error is None:
                    self.refund("lamp").result()
                raise
            return "paid"

    runner.stubs(Charge, function=lambda order: ledger.append("charge"))
    runner.stubs(Refund, function=lambda order: ledger.append("refund"))
    run = runner(Order)
    assert run.status != "CANCELED" or ledger in ([], ["charge", "refund"])


@planted([DeciderDies()])
def a_side_effect_is_expected_to_run_once(runner: Runner, fixed: bool) -> None:
    sent: list[str] = []

    @order
    class Order(Paying):
        def run(self) -> str:
            if fixed:
                self.charge("lamp").result()
            else:
                self.side_effect(lambda: sent.append("lamp"))
            self.sleep(60)
            return "done"

    runner.stubs(Charge, function=sent.append)
    runner(Order)
    assert sent == ["lamp"]


@planted([Signal("item", '"lamp"', most=2)])
def a_signal_taken_in_advance_is_lost_on_restart(runner: Runner, fixed: bool) -> None:
    packed: list[str] = []

    @order
    class Packing(Paying):
        def run(self, number: int, waiting: str | None = None) -> str:
            self.charge(waiting or self.signal("item").result()).result()
            following = self.signal("item")
            taken = following.result() if following.done else None
            if number < 2:
                self.restart(number + 1, taken if fixed else None)
            return f"{number} packed"

    runner.stubs(Charge, function=packed.append)
    runner(Packing, 1)
    assert packed == ["lamp", "lamp"]


@order
class Old(Paying):
    def run(self) -> Any:
        return self.charge("lamp").result(), self.refund("lamp").result()


@order
class Unpatched(Paying):
    def run(self) -> Any:
        self.charge("deposit")
        return self.charge("lamp").result(), self.refund("lamp").result()


@order
class Patched(Paying):
    def run(self) -> Any:
        if self.patched("deposit"):
            self.charge("deposit")
        return self.charge("lamp").result(), self.refund("lamp").result()


@planted([Deploy((Unpatched,))], twin=[Deploy((Patched,))])
def new_code_schedules_more_than_old_code(runner: Runner, fixed: bool) -> None:
    runner.stubs(Charge, result="paid", takes=5)
    runner.stubs(Refund, result="paid back", takes=5)
    runner(Old)


@workflow("invoice", 1, "invoices", execution_start_to_close=DAY)
class Invoice(Workflow):
    charge = ActivityProxy(Charge)

    def run(self, order: str) -> str:
        return str(self.charge(order).result())


@planted()
def two_parents_use_one_child_id(runner: Runner, fixed: bool) -> None:
    @order
    class Order(Workflow):
        invoice = WorkflowProxy(Invoice)

        def run(self, name: str) -> str:
            workflow_id = f"invoice of {name}" if fixed else "invoice"
            return str(self.invoice.options(workflow_id=workflow_id)(name).result())

    runner.stubs(Charge, result="paid")
    started = [runner.start(Order, name) for name in ("lamp", "table")]
    statuses = [runner.finish(each).status for each in started]
    assert statuses == ["COMPLETED", "COMPLETED"]


@planted([Signal("edit", "7")])
def an_edit_during_the_last_publication_is_not_published(runner: Runner, fixed: bool) -> None:
    published: list[str] = []

    @order
    class Page(Paying):
        def run(self) -> None:
            edit, text = self.signal("edit", int), "0"
            while text:
                self.charge(text).result()
                text = ""
                if fixed and edit.done:
                    edit, text = self.signal("edit", int), str(edit.result())

    runner.stubs(Charge, function=published.append, takes=10)
    run = runner(Page)
    assert not position(run, "WorkflowExecutionSignaled") or published[-1] == "7"
