"""Timers of an execution."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine.decision_tasks import schedule
from flowy_sim._engine.execution import Execution, Open
from flowy_sim._engine.life_cycles import TIMER


class Timer(Open):
    """A timer that runs."""

    __slots__ = ()

    table = TIMER


def start_timer(execution: Execution, decision: dict[str, Any], completed_id: int) -> str | None:
    """Apply StartTimer; return the cause if it fails."""
    engine = execution.engine
    timer_id = decision["timerId"]
    if timer_id in execution.timers:
        return "TIMER_ID_ALREADY_IN_USE"
    if len(execution.timers) >= engine.limits.open_timers:
        return "OPEN_TIMERS_LIMIT_EXCEEDED"
    if not engine.throttle.allows("StartTimer", engine.now):
        return "TIMER_CREATION_RATE_EXCEEDED"
    timer = execution.timers[timer_id] = Timer(execution)
    timer.opened_id = timer.append(
        "TimerStarted",
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        startToFireTimeout=decision["startToFireTimeout"],
        timerId=timer_id,
    )
    seconds = int(decision["startToFireTimeout"])
    due = engine.now + seconds * 1000
    kind = "timer" if seconds else "zero timer"
    timer.deadline = engine.at(due, kind, execution, timer.opened_id, timer)
    return None


def cancel_timer(execution: Execution, decision: dict[str, Any], completed_id: int) -> str | None:
    """Apply CancelTimer; return the cause if it fails."""
    timer = execution.timers.pop(decision["timerId"], None)
    if timer is None:
        return "TIMER_ID_UNKNOWN"
    execution.engine.deadlines.cancel(timer.deadline)
    timer.append(
        "TimerCanceled",
        decisionTaskCompletedEventId=completed_id,
        startedEventId=timer.opened_id,
        timerId=decision["timerId"],
    )
    return None


def fire(timer: Timer) -> None:
    """Fire a timer whose time has come."""
    execution = timer.execution
    timer_id = timer.opened("timerId")
    del execution.timers[timer_id]
    timer.append("TimerFired", startedEventId=timer.opened_id, timerId=timer_id)
    schedule(execution)
