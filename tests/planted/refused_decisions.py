"""Decisions that the service refuses, and nobody notices."""

from __future__ import annotations

from by_hand import (
    Decision,
    Past,
    by_hand,
    cancel_timer,
    complete,
    schedule,
    signal_other,
    start_child,
    timer,
)
from planting import planted

from flowy_sim.faults import AnswerLate, Signal
from flowy_sim.testing import Runner


@planted([Signal("again")])
def an_activity_id_is_still_in_use(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        signals = len(past.new_signals)
        first = [schedule("pack-0" if mended else "pack")] if past.is_first else []
        more = [schedule("pack-1" if mended else "pack")] if signals else []
        return [complete()] if len(past.done) == 2 else [*first, *more]

    by_hand(runner, decide)


@planted([Signal("touch"), AnswerLate(seconds=5)])
def a_timer_id_is_still_in_use(runner: Runner, mended: bool) -> None:
    """It is to close 20 s after the last signal."""

    def decide(past: Past) -> list[Decision]:
        timers = [each["timerId"] for each in past.of("TimerStarted")]
        fired = [each["timerId"] for each in past.of("TimerFired")]
        if past.is_first:
            return [schedule("open"), timer("quiet 0", 20)]
        if past.new_signals and mended:
            return [cancel_timer(timers[-1]), timer(f"quiet {len(timers)}", 20)]
        if past.new_signals:
            return [timer("quiet 0", 20)]
        return [complete()] if fired and (not mended or timers[-1] in fired) else []

    [run] = by_hand(runner, decide)
    times = {event["eventType"]: event["eventTimestamp"] for event in run.history}
    begun = times["WorkflowExecutionStarted"]
    touched = times.get("WorkflowExecutionSignaled", begun)
    quiet = (times["WorkflowExecutionCompleted"] - touched).total_seconds()
    assert quiet >= 20 or touched == begun, f"it closes {quiet:g} s after the last signal"


@planted()
def a_child_of_that_id_is_still_open(runner: Runner, mended: bool) -> None:
    def order(past: Past) -> list[Decision]:
        number = past.workflow_id[-1] if mended else "1"
        if past.is_first:
            return [start_child(f"invoice-{number}", "invoice")]
        return [complete()] if past.of("ChildWorkflowExecutionCompleted") else []

    def invoice(past: Past) -> list[Decision]:
        return [complete()] if past.done else [schedule("print")]

    by_hand(runner, {"order": order, "invoice": invoice}, starts=("order", "order"))


@planted()
def whom_it_signals_is_gone(runner: Runner, mended: bool) -> None:
    def order(past: Past) -> list[Decision]:
        if past.is_first:
            return [signal_other("desk-1", "ordered")]
        heard = past.of("ExternalWorkflowExecutionSignaled")
        failed = past.of("SignalExternalWorkflowExecutionFailed") if mended else []
        return [complete()] if heard or failed else []

    def desk(past: Past) -> list[Decision]:
        return [complete()] if past.done else [schedule("look")]

    by_hand(runner, {"desk": desk, "order": order}, starts=("desk", "order"))
