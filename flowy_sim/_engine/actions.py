"""What the engine does by itself, by the kind of the deadline that is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowy_sim._engine import (
    activity_tasks,
    children,
    closing,
    decision_tasks,
    external,
    lambda_functions,
    timers,
)

ACTIONS: dict[str, Callable[..., Any]] = {
    # At an instant that a request or a decision has set
    "timer": timers.fire,
    "activity task time-out": activity_tasks.time_out,
    "decision task time-out": decision_tasks.time_out,
    "execution time-out": closing.time_out,
    "lambda time-out": lambda_functions.end,
    "retention": closing.forget,
    # A little after their cause; see flowy_sim._engine.latency
    "zero timer": timers.fire,
    "activity cancel": activity_tasks.cancel_unstarted,
    "external request": external.deliver,
    "external confirmation": external.confirm,
    "child start": children.start,
    "child started": children.report_start,
    "child close": children.report_close,
    "child policy": closing.meet_policy,
    "lambda start": lambda_functions.start,
    "lambda close": lambda_functions.end,
}
