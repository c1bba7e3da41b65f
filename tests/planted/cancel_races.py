"""Cancellations that race with something else."""

from __future__ import annotations

from flowy_sim.faults import AnswerLate, CancelRequest, Signal
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import (
    Decision,
    History,
    by_hand,
    cancel,
    cancel_task,
    cancel_timer,
    complete,
    known_to,
    schedule,
    timer,
)


@planted([CancelRequest()])
def a_cancellation_beside_a_result_is_overlooked(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if history.cancel_requested and fixed:
            return [cancel()]
        if history.is_first:
            return [schedule("pack")]
        if "pack" in history.newly_done:
            return [schedule("ship")]
        if history.of("WorkflowExecutionCancelRequested", history.new):
            return [cancel()]
        return [complete()] if "ship" in history.done else []

    [run] = by_hand(runner, decide)
    for event in run.history:
        scheduled = event.get("activityTaskScheduledEventAttributes", {})
        if scheduled.get("activityId") == "ship":
            known = known_to(run, scheduled)
            assert "WorkflowExecutionCancelRequested" not in known, (
                "it is shipped although cancellation was requested"
            )


@planted([CancelRequest()])
def an_activity_that_is_not_open_is_canceled(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if history.cancel_requested:
            there = "pack" in history.scheduled and "pack" not in history.done
            gone = history.of("ActivityTaskCanceled") or (fixed and not there)
            return [cancel()] if gone else [cancel_task("pack")]
        return [complete()] if history.done else [schedule("pack")]

    by_hand(runner, decide)


@planted([CancelRequest(), AnswerLate(seconds=30)])
def an_activity_completes_while_it_is_being_canceled(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if not history.cancel_requested:
            return [complete()] if history.done else [schedule("pack")]
        canceled = history.of("ActivityTaskCanceled") or history.of(
            "RequestCancelActivityTaskFailed"
        )
        if canceled or not history.scheduled or (history.done and fixed):
            return [cancel()]
        return [] if history.of("ActivityTaskCancelRequested") else [cancel_task("pack")]

    by_hand(runner, decide)


@planted([CancelRequest(), AnswerLate(seconds=30)])
def finished_work_is_not_undone(runner: Runner, fixed: bool) -> None:
    ledger: list[str] = []

    def decide(history: History) -> list[Decision]:
        if history.is_first:
            return [cancel()] if history.cancel_requested else [schedule("charge")]
        if not history.cancel_requested:
            return [complete()] if history.done else []
        if not fixed or "refund" in history.done:
            return [cancel()]
        return [schedule("refund")] if "charge" in history.newly_done else []

    def decide_late(history: History) -> list[Decision]:
        if (
            history.cancel_requested
            and history.done == ["charge"]
            and "refund" not in history.scheduled
        ):
            return [schedule("refund")]
        return decide(history)

    [run] = by_hand(runner, decide_late if fixed else decide, ledger.append)
    if run.status == "CANCELED":
        assert ledger in ([], ["charge", "refund"])


@planted([AnswerLate(seconds=5)])
def a_timer_fires_while_it_is_being_canceled(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []

    def work(activity_id: str) -> None:
        if activity_id == "ship":
            shipped.append(activity_id)

    def decide(history: History) -> list[Decision]:
        if history.is_first:
            return [schedule("pack"), timer("patience", 5)]
        if history.of("TimerFired") and not (fixed and "pack" in history.done):
            return [complete("given up")]
        if "pack" in history.newly_done:
            return [cancel_timer("patience"), schedule("ship")]
        return [complete("shipped")] if "ship" in history.done else []

    [run] = by_hand(runner, decide, work)
    closed = run.history[-1]["workflowExecutionCompletedEventAttributes"]
    assert bool(shipped) == (closed["result"] == "shipped")


@planted([CancelRequest(), Signal("note", eventually=False)])
def a_refused_cancellation_is_forgotten(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if history.of("WorkflowExecutionCancelRequested", history.events if fixed else history.new):
            return [cancel()]
        if history.done:
            return [complete()]
        return [] if history.scheduled else [schedule("pack")]

    [run] = by_hand(runner, decide)
    tried = any(e["eventType"] == "CancelWorkflowExecutionFailed" for e in run.history)
    assert not tried or run.status == "CANCELED", "it completes although it was canceled"
