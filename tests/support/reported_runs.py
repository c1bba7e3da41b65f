"""Histories to be shown on pages."""

from __future__ import annotations

from typing import Any

from tests.support.event_builder import History


def order(text: str = "disk full") -> History:
    """Return a run with an attempt that fails, one that works, a timer, and a text of choice."""
    made = History().decide(0).schedule(0, "pack").start(2, "pack")
    made.end(5, "pack", "Failed", reason=text, details=text).decide(5)
    made.schedule(5, "ship").start(6, "ship").end(8, "ship", result='["a parcel", {"kg": 2}]')
    made.timer(8, text).add(9, "WorkflowExecutionSignaled", signalName=text, input=text)
    return made.decide(9).add(9, "WorkflowExecutionFailed", reason=text, details=text)


def many(count: int) -> list[dict[str, Any]]:
    """Return a history with activities that work one after the other."""
    made = History().decide(0)
    for number in range(count):
        made.schedule(number, f"a-{number}").start(number, f"a-{number}")
        made.end(number + 0.5, f"a-{number}", result='["small.jpg"]')
    return made.events
