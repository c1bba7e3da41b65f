"""What the engine does by itself, by the kind of the deadline that is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowy_sim._engine import (
    activity_tasks,
    children,
    decision_tasks,
    ending,
    external,
    lambdas,
    timers,
)

ACTIONS: dict[str, Callable[..., Any]] = {
    # At an instant that a request or a decision has set
    "timer": timers.fire,
    "activity task time-out": activity_tasks.time_out,
    "decision task time-out": decision_tasks.time_out,
    "execution time-out": ending.time_out,
    "lambda time-out": lambdas.end,
    "retention": ending.forget,
    # A little after their cause; see flowy_sim._engine.latency
    "zero timer": timers.fire,
    "activity cancel": activity_tasks.cancel_unstarted,
    "external request": external.deliver,
    "external confirmation": external.confirm,
    "child start": children.start,
    "child started": children.report_start,
    "child close": children.report_close,
    "child policy": ending.meet_policy,
    "lambda start": lambdas.start,
    "lambda close": lambdas.end,
}
