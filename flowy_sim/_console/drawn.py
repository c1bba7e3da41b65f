"""Executions as drawn: the parts of a page that take time, made from a history alone.

What was read and drawn is kept while a browser shows an execution: a new event costs only what it
changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, NamedTuple

from markupsafe import Markup

from flowy._client import Execution
from flowy.executions import CLOSED_AS
from flowy_sim._console.renderer import environment
from flowy_sim._console.source import Event, LastHeartbeat
from flowy_sim._events.schema import attributes_of
from flowy_sim._events.spans import Span
from flowy_sim._events.waits import Wait, Workers, signals_of, times_out_at, waits
from flowy_sim._report.layout import WIDTH
from flowy_sim._report.run_view import ReportedRun, RunReading, RunView
from flowy_sim._simulation.clock import to_milliseconds

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
    """What is asked about an execution.

    Attributes:
        workflow_id, run_id: its IDs.
        now: the current time in milliseconds since 1970.
        workers: the workers that poll for tasks.
        heartbeats: the last heartbeats of open activities by activity ID.
        after: the last event that the page has; 0 if it has none.
        axis: what the axis of its timeline shows.
        signals: the names of signals that it waits for.
    """

    workflow_id: str
    run_id: str
    now: int
    workers: Workers
    heartbeats: Mapping[str, LastHeartbeat]
    after: int = 0
    axis: str = ""
    signals: Sequence[str] = ()


class DrawnRun(RunReading):
    """What was read and drawn of an execution, to which newer events are added."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: dict[int, tuple[tuple[int, int], Markup]] = {}

    def waits(self, job: Job) -> list[Wait]:
        """Return what it waits for; nothing if it is closed."""
        if not self.is_open:
            return []
        execution = Execution(job.workflow_id, job.run_id)
        return waits(self.events, job.workers, execution, job.signals, self.timeline.rows)

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return bool(self.events) and self.events[-1]["eventType"] not in CLOSED_AS

    def view(self, job: Job, awaited: Sequence[str]) -> RunView:
        """Return what a page shows of it."""
        # A heartbeat may be newer than the history.
        opened = self.open_spans() if job.heartbeats else ()
        named = {attributes_of(self.event(begun)).get("activityId"): begun for begun in opened}
        beats = {named[each]: beat.at for each, beat in job.heartbeats.items() if each in named}
        run = ReportedRun(self.events, job.workflow_id, job.run_id, awaited=awaited)
        return RunView(run, "", self, job.now, beats, job.after)

    def event(self, event_id: int) -> Event:
        """Return an event."""
        return self.events[event_id - 1]

    def open_spans(self) -> dict[int, Span]:
        """Return what is open, by the event that opened it."""
        lasts = (row.spans[-1] for row in self.timeline.rows)
        return {span.begun: span for span in lasts if span.ended is None}

    def chunks(self, view: RunView, render: Callable[..., Markup]) -> list[Markup]:
        """Return the chunks of its table; those that were rendered before are rendered no more."""
        for each in view.chunks:
            stamp = each.last, sum(len(row.effects) + row.more for row in each.rows)
            if self._chunks.get(each.number, (None,))[0] != stamp:
                self._chunks[each.number] = stamp, render(view, each)
        return [html for _, html in self._chunks.values()]


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


def draw(run: DrawnRun, job: Job) -> Drawn:
    """Draw an execution."""
    found = run.waits(job)
    view = run.view(job, signals_of(found))
    drawn = Drawn(view.facts, last=int(run.events[-1]["eventId"]) if run.events else 0)
    if run.is_open:
        spans = run.open_spans()
        drawn.waits = [_wait_row(each, run, spans) for each in found[:_WAITS]]
        drawn.more_waits = len(found) - len(drawn.waits)
        drawn.times_out = to_milliseconds(times_out_at(run.events))
    drawn.relatives = _relatives(run.events, view)
    macros: Any = environment().get_template("run.html").make_module({"width": WIDTH})
    drawn.html = {"problems": macros.problems(view), "payloads": macros.payloads(view)}
    if job.after:
        known = job.after if view.picture.axis == job.axis else 0
        drawn.data = _json(view.data(known)).replace("<", "\\u003c")
        drawn.html["events"] = macros.newer_events(view)
    else:
        drawn.html["timeline"] = macros.timeline(view)
        drawn.html["events"] = macros.events(view, run.chunks(view, macros.chunk))
    return drawn


def draw_data(run: DrawnRun, job: Job) -> str:
    """Return what the scripts of an execution's page need, as JSON."""
    return _json(run.view(job, signals_of(run.waits(job))).data())


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def draw_history(run: DrawnRun, job: Job) -> str:
    """Return the history as JSON, as ``flowy history --json`` writes it."""
    return json.dumps({"events": run.events}, indent=1, default=_written)


def _written(value: Any) -> str:
    return str(value.astimezone(UTC).isoformat())


def _wait_row(found: Wait, run: DrawnRun, spans: Mapping[int, Span]) -> WaitRow:
    until = None if found.at is None else to_milliseconds(found.at)
    if found.event_id is None:
        return WaitRow(found.sentence, None, until=until, signals=True)
    opened = run.event(found.event_id)
    attributes = attributes_of(opened)
    if opened["eventType"] == "ActivityTaskScheduled":
        is_held = spans[found.event_id].started is not None
        activity_id = attributes["activityId"] if is_held else ""
        return WaitRow(found.sentence, found.event_id, activity_id, until)
    if opened["eventType"] == "StartChildWorkflowExecutionInitiated":
        return WaitRow(found.sentence, found.event_id, child=(attributes["workflowId"], ""))
    return WaitRow(found.sentence, found.event_id, until=until)


def _relatives(events: Sequence[Event], run: RunView) -> list[Relative]:
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
