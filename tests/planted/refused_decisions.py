"""Decisions that the service refuses, which the decider does not notice."""

from __future__ import annotations

from flowy_sim.faults import AnswerLate, Signal
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import (
    Decision,
    History,
    by_hand,
    cancel_timer,
    complete,
    schedule,
    signal_other,
    start_child,
    timer,
)


@planted([Signal("again")])
def an_activity_id_is_still_in_use(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        signals = len(history.new_signals)
        first = [schedule("pack-0" if fixed else "pack")] if history.is_first else []
        more = [schedule("pack-1" if fixed else "pack")] if signals else []
        return [complete()] if len(history.done) == 2 else [*first, *more]

    by_hand(runner, decide)


@planted([Signal("touch"), AnswerLate(seconds=5)])
def a_timer_id_is_still_in_use(runner: Runner, fixed: bool) -> None:
    """The execution must close 20 s after the last signal."""

    def decide(history: History) -> list[Decision]:
        timers = [each["timerId"] for each in history.of("TimerStarted")]
        fired = [each["timerId"] for each in history.of("TimerFired")]
        if history.is_first:
            return [schedule("open"), timer("quiet 0", 20)]
        if history.new_signals and fixed:
            return [cancel_timer(timers[-1]), timer(f"quiet {len(timers)}", 20)]
        if history.new_signals:
            return [timer("quiet 0", 20)]
        return [complete()] if fired and (not fixed or timers[-1] in fired) else []

    [run] = by_hand(runner, decide)
    times = {event["eventType"]: event["eventTimestamp"] for event in run.history}
    begun = times["WorkflowExecutionStarted"]
    touched = times.get("WorkflowExecutionSignaled", begun)
    quiet = (times["WorkflowExecutionCompleted"] - touched).total_seconds()
    assert quiet >= 20 or touched == begun, f"it closes {quiet:g} s after the last signal"


@planted()
def a_child_with_the_same_id_is_still_open(runner: Runner, fixed: bool) -> None:
    def order(history: History) -> list[Decision]:
        number = history.workflow_id[-1] if fixed else "1"
        if history.is_first:
            return [start_child(f"invoice-{number}", "invoice")]
        return [complete()] if history.of("ChildWorkflowExecutionCompleted") else []

    def invoice(history: History) -> list[Decision]:
        return [complete()] if history.done else [schedule("print")]

    by_hand(runner, {"order": order, "invoice": invoice}, starts=("order", "order"))


@planted()
def the_signaled_execution_is_closed(runner: Runner, fixed: bool) -> None:
    def order(history: History) -> list[Decision]:
        if history.is_first:
            return [signal_other("desk-1", "ordered")]
        heard = history.of("ExternalWorkflowExecutionSignaled")
        failed = history.of("SignalExternalWorkflowExecutionFailed") if fixed else []
        return [complete()] if heard or failed else []

    def desk(history: History) -> list[Decision]:
        return [complete()] if history.done else [schedule("look")]

    by_hand(runner, {"desk": desk, "order": order}, starts=("desk", "order"))
