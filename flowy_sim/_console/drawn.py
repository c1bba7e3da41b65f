"""Executions as drawn: the parts of a page that take time, made from a history alone.

A history may have 25,000 events, and drawing them takes seconds in which no call would be answered.
So a long one is drawn in another process, which gets the events as the engine stores them and
returns text.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import wait
from typing import Any, NamedTuple, TypeVar

from flowy._client import Execution
from flowy.executions import CLOSED_AS
from flowy_sim._console.renderer import environment
from flowy_sim._console.source import Event, LastHeartbeat, Recorded
from flowy_sim._events.schema import attributes_of
from flowy_sim._events.waits import Wait, Workers, signals_of, times_out_at, waits
from flowy_sim._report.layout import WIDTH
from flowy_sim._report.page import ReportedRun, RunView

T = TypeVar("T")

_AT_ONCE = 100
"""The number of events that are drawn where calls are answered."""
_WAITS = 20
"""The number of things that an execution waits for that are shown."""
_RELATIVES = 100
"""The number of children that are shown."""


class WaitRow(NamedTuple):
    """A thing that an execution waits for, and what can be done about it.

    Attributes:
        sentence: what it is.
        event_id: the event that opened it; None if there is none.
        activity_id: the activity that a worker has, if it is one.
        until: when it ends by itself, in milliseconds since 1970; None if it does not.
        signals: whether a signal might help.
        child: workflow ID and run ID of the child that it is, if any.
    """

    sentence: str
    event_id: int | None
    activity_id: str = ""
    until: int | None = None
    signals: bool = False
    child: tuple[str, str] | None = None


class Relative(NamedTuple):
    """Another execution: what it is to this one, and its IDs."""

    relation: str
    workflow_id: str
    run_id: str


class Job(NamedTuple):
    """What to draw.

    Attributes:
        recorded: the history.
        workflow_id, run_id: its execution.
        now: the current time in milliseconds since 1970.
        workers: the workers that poll for tasks.
        heartbeats: the last heartbeats of open activities by activity ID.
        after: the last event that the page has; 0 if it has none.
        signals: the names of signals that it waits for.
    """

    recorded: Recorded
    workflow_id: str
    run_id: str
    now: int
    workers: Workers
    heartbeats: Mapping[str, LastHeartbeat]
    after: int = 0
    signals: Sequence[str] = ()

    def read(self) -> tuple[list[Event], list[Wait], RunView]:
        """Return the events, what the execution waits for, and what a page shows of it."""
        events = self.recorded.history()
        is_open = bool(events) and events[-1]["eventType"] not in CLOSED_AS
        execution = Execution(self.workflow_id, self.run_id)
        found = waits(events, self.workers, execution, self.signals) if is_open else []
        scheduled = {
            attributes_of(event)["activityId"]: int(event["eventId"])
            for event in events
            if event["eventType"] == "ActivityTaskScheduled"
        }
        run = ReportedRun(events, *execution, awaited=signals_of(found))
        # A heartbeat may be newer than the history.
        beats = {
            scheduled[activity_id]: beat.at
            for activity_id, beat in self.heartbeats.items()
            if activity_id in scheduled
        }
        view = RunView(run, now=self.now, heartbeats=beats, after=self.after)
        return events, found, view


@dataclass(slots=True)
class Drawn:
    """An execution as drawn.

    Attributes:
        facts: such as the number of events, in words.
        waits: what it waits for; empty if it is closed.
        more_waits: the number of waits that are left out.
        times_out: when it times out, in milliseconds since 1970; None if it is closed.
        relatives: its parent, its children, and the runs before and after it.
        html: the parts of the page, by their names.
        data: what scripts need to bring the page up to date, as JSON; empty for a whole page.
        last: the ID of the last event.
    """

    facts: list[str]
    waits: list[WaitRow] = field(default_factory=list)
    more_waits: int = 0
    times_out: int | None = None
    relatives: list[Relative] = field(default_factory=list)
    html: dict[str, str] = field(default_factory=dict)
    data: str = ""
    last: int = 0


def draw(job: Job) -> Drawn:
    """Draw an execution."""
    events, found, run = job.read()
    drawn = Drawn(run.facts, last=int(events[-1]["eventId"]) if events else 0)
    if run.outcome == "open":
        drawn.waits = [_wait_row(each, events) for each in found[:_WAITS]]
        drawn.more_waits = len(found) - len(drawn.waits)
        drawn.times_out = _milliseconds(times_out_at(events))
    drawn.relatives = _relatives(events, run)
    if job.after:
        drawn.data = _data(run).replace("<", "\\u003c")
    context = {"run": run, "width": WIDTH}
    drawn.html = {
        name: environment().get_template(f"{name}.part.html").render(context)
        for name in (("problems", "payloads", "events") if job.after else _PARTS)
    }
    return drawn


_PARTS = ("problems", "timeline", "payloads", "events")


def draw_data(job: Job) -> str:
    """Return what the scripts of an execution's page need, as JSON."""
    _, _, run = job.read()
    return _data(run)


def _data(run: RunView) -> str:
    return json.dumps(run.data(), separators=(",", ":"))


def draw_history(job: Job) -> str:
    """Return the history as JSON, as ``flowy history --json`` writes it."""
    return json.dumps({"events": job.recorded.history()}, indent=1, default=_written)


def _written(value: Any) -> str:
    return str(value.astimezone(UTC).isoformat())


class Drawer:
    """Draws executions, long ones in another process."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def draw(self, job: Job) -> Drawn:
        """Draw an execution."""
        return await self.run(draw, job)

    async def run(self, function: Callable[[Job], T], job: Job) -> T:
        """Return what a function returns about an execution, such as `draw_data`."""
        if len(job.recorded.events) <= _AT_ONCE:
            return function(job)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._processes(), function, job)
        except BrokenProcessPool:
            # Somebody has ended the process; another one starts.
            self._pool = None
            return await loop.run_in_executor(self._processes(), function, job)

    def close(self) -> None:
        """End the other process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _processes(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, begin_process)
        return self._pool


def begin_process() -> None:
    """Prepare a process beside the server: calls come first, and it ends with the server."""
    os.nice(5)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _wait_row(found: Wait, events: list[Event]) -> WaitRow:
    until = None if found.at is None else _milliseconds(found.at)
    if found.event_id is None:
        return WaitRow(found.sentence, None, until=until, signals=True)
    opened = events[found.event_id - 1]
    attributes = attributes_of(opened)
    if opened["eventType"] == "ActivityTaskScheduled":
        is_held = any(
            event["eventType"] == "ActivityTaskStarted"
            and attributes_of(event)["scheduledEventId"] == found.event_id
            for event in events[found.event_id :]
        )
        activity_id = attributes["activityId"] if is_held else ""
        return WaitRow(found.sentence, found.event_id, activity_id, until)
    if opened["eventType"] == "StartChildWorkflowExecutionInitiated":
        return WaitRow(found.sentence, found.event_id, child=(attributes["workflowId"], ""))
    return WaitRow(found.sentence, found.event_id, until=until)


def _relatives(events: list[Event], run: RunView) -> list[Relative]:
    if not events:
        return []
    first, last = attributes_of(events[0]), attributes_of(events[-1])
    found = []
    if parent := first.get("parentWorkflowExecution"):
        found.append(Relative("parent", parent["workflowId"], parent["runId"]))
    if before := first.get("continuedExecutionRunId"):
        found.append(Relative("continues", run.execution[0], before))
    if after := last.get("newExecutionRunId"):
        found.append(Relative("continued by", run.execution[0], after))
    children = [row.child for row in run.picture.rows if row.child]
    found += [Relative("child", *each) for each in children[:_RELATIVES]]
    return found


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
