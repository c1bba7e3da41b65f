"""Somebody cancels, while something else happens."""

from __future__ import annotations

from by_hand import (
    Decision,
    Past,
    by_hand,
    cancel,
    cancel_task,
    cancel_timer,
    complete,
    known_to,
    schedule,
    timer,
)
from planting import planted

from flowy_sim.faults import AnswerLate, CancelRequest, Signal
from flowy_sim.testing import Runner


@planted([CancelRequest()])
def a_request_beside_a_result_is_overlooked(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        if past.cancel_requested and mended:
            return [cancel()]
        if past.is_first:
            return [schedule("pack")]
        if "pack" in past.newly_done:
            return [schedule("ship")]
        if past.of("WorkflowExecutionCancelRequested", past.new):
            return [cancel()]
        return [complete()] if "ship" in past.done else []

    [run] = by_hand(runner, decide)
    for event in run.history:
        scheduled = event.get("activityTaskScheduledEventAttributes", {})
        if scheduled.get("activityId") == "ship":
            known = known_to(run, scheduled)
            assert "WorkflowExecutionCancelRequested" not in known, "it is shipped all the same"


@planted([CancelRequest()])
def what_is_to_be_canceled_is_not_there(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        if past.cancel_requested:
            there = "pack" in past.scheduled and "pack" not in past.done
            gone = past.of("ActivityTaskCanceled") or (mended and not there)
            return [cancel()] if gone else [cancel_task("pack")]
        return [complete()] if past.done else [schedule("pack")]

    by_hand(runner, decide)


@planted([CancelRequest(), AnswerLate(seconds=30)])
def what_is_to_be_canceled_completes_instead(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        if not past.cancel_requested:
            return [complete()] if past.done else [schedule("pack")]
        canceled = past.of("ActivityTaskCanceled") or past.of("RequestCancelActivityTaskFailed")
        if canceled or not past.scheduled or (past.done and mended):
            return [cancel()]
        return [] if past.of("ActivityTaskCancelRequested") else [cancel_task("pack")]

    by_hand(runner, decide)


@planted([CancelRequest(), AnswerLate(seconds=30)])
def what_was_done_already_is_not_undone(runner: Runner, mended: bool) -> None:
    ledger: list[str] = []

    def decide(past: Past) -> list[Decision]:
        if past.is_first:
            return [cancel()] if past.cancel_requested else [schedule("charge")]
        if not past.cancel_requested:
            return [complete()] if past.done else []
        if not mended or "refund" in past.done:
            return [cancel()]
        return [schedule("refund")] if "charge" in past.newly_done else []

    def decide_late(past: Past) -> list[Decision]:
        if past.cancel_requested and past.done == ["charge"] and "refund" not in past.scheduled:
            return [schedule("refund")]
        return decide(past)

    [run] = by_hand(runner, decide_late if mended else decide, ledger.append)
    if run.status == "CANCELED":
        assert ledger in ([], ["charge", "refund"])


@planted([AnswerLate(seconds=5)])
def a_timer_fires_while_it_is_being_canceled(runner: Runner, mended: bool) -> None:
    shipped: list[str] = []

    def work(activity_id: str) -> None:
        if activity_id == "ship":
            shipped.append(activity_id)

    def decide(past: Past) -> list[Decision]:
        if past.is_first:
            return [schedule("pack"), timer("patience", 5)]
        if past.of("TimerFired") and not (mended and "pack" in past.done):
            return [complete("given up")]
        if "pack" in past.newly_done:
            return [cancel_timer("patience"), schedule("ship")]
        return [complete("shipped")] if "ship" in past.done else []

    [run] = by_hand(runner, decide, work)
    closed = run.history[-1]["workflowExecutionCompletedEventAttributes"]
    assert bool(shipped) == (closed["result"] == "shipped")


@planted([CancelRequest(), Signal("note", eventually=False)])
def a_refused_cancellation_is_forgotten(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        if past.of("WorkflowExecutionCancelRequested", past.events if mended else past.new):
            return [cancel()]
        if past.done:
            return [complete()]
        return [] if past.scheduled else [schedule("pack")]

    [run] = by_hand(runner, decide)
    tried = any(e["eventType"] == "CancelWorkflowExecutionFailed" for e in run.history)
    assert not tried or run.status == "CANCELED", "it completes although it was canceled"
