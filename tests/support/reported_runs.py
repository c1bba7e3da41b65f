"""Histories to be shown on pages."""

from __future__ import annotations

from datetime import timedelta
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


def timed() -> History:
    """Return a run with two activities whose time-outs are equal."""
    made = History()
    limits = dict.fromkeys(("heartbeatTimeout", "scheduleToCloseTimeout"), "NONE")
    for task_id in ("first", "second"):
        made.schedule(0, task_id)
        made.events[-1]["activityTaskScheduledEventAttributes"] |= {
            **limits,
            "startToCloseTimeout": "60",
        }
    return made


def year() -> History:
    """Return a run that works for a few seconds, sleeps for a year, and works again."""
    made = History().decide(0, 1).schedule(1, "pack").start(2, "pack").end(12, "pack")
    made.decide(12).timer(12, "remind").fire(31_536_012, "remind").decide(31_536_012)
    made.schedule(31_536_012, "ship").start(31_536_015, "ship").end(31_536_025, "ship")
    return made.decide(31_536_025).add(31_536_025, "WorkflowExecutionCompleted", result='"sent"')


def siblings(count: int, failing: int = 2) -> History:
    """Return a run with equal activities, of which some fail, and another one."""
    made = History().decide(0).schedule(0, "pack", {"name": "pack", "version": "1"})
    for number in range(count):
        made.schedule(0, f"resize-{number}")
    made.start(1, "pack")
    for second in range(1, count + 21):
        if 0 <= second - 1 < count:
            made.start(second, f"resize-{second - 1}")
        if 0 <= second - 15 < failing:
            made.end(second, f"resize-{second - 15}", "Failed", reason="no")
        elif failing <= second - 15 < count:
            made.end(second, f"resize-{second - 15}")
    made.end(count + 20, "pack")
    return made.decide(count + 20)


def family() -> tuple[History, History]:
    """Return a run with a child, ``ship-7`` with the run ID ``child-run``, and the child's run."""
    child = {"workflowId": "ship-7", "runId": "child-run"}
    parent = History().decide(0).schedule(0, "pack").start(1, "pack").end(10, "pack").decide(10)
    named = {"workflowType": {"name": "ship", "version": "2"}}
    parent.add(10, "StartChildWorkflowExecutionInitiated", workflowId="ship-7", **named)
    begun = {"initiatedEventId": len(parent.events), "workflowExecution": child}
    parent.add(11, "ChildWorkflowExecutionStarted", **begun, **named)
    parent.add(40, "ChildWorkflowExecutionCompleted", **begun, **named, result='"sent"')
    parent.decide(40).add(40, "WorkflowExecutionCompleted", result='"sent"')
    run = History()
    for event in run.events:
        event["eventTimestamp"] += timedelta(seconds=11)
    run.decide(12).schedule(12, "label").start(14, "label").end(20, "label").decide(20)
    run.schedule(20, "carry").start(21, "carry").end(39, "carry").decide(39)
    return parent, run.add(40, "WorkflowExecutionCompleted", result='"sent"')
