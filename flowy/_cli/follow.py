"""Executions that are followed to their end: events as lines, a live timeline, the exit status."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from flowy import executions
from flowy._cli.common import console, instant_text, width_of
from flowy._client import Execution, SwfClient
from flowy._decider.history import attributes_of
from flowy._safe_text import safe_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text


_TYPE_COLUMNS = 26
"""The width of the column of event types; the rest of a line moves to the right of a longer one."""


class EventLines:
    """Shows events as lines, with a line for each day. It receives all events, in their order.

    Args:
        screen: where they are shown.
        width: the number of columns for IDs.
    """

    def __init__(self, screen: Console, width: int = 3) -> None:
        self._console = screen
        self._columns = width_of(self._console)
        self._width = width
        self._events: dict[int, executions.Event] = {}
        self._day = ""

    def show(self, events: Iterable[executions.Event]) -> None:
        """Show some more events."""
        from rich.text import Text

        for event in events:
            if event["eventId"] == 1:
                self._events.clear()  # A new run.
            self._events[event["eventId"]] = event
            day, time, zone = instant_text(event["eventTimestamp"]).split()
            if day != self._day:
                self._day = day
                self._console.print(Text(f"{day} {zone}", "bold"), soft_wrap=True)
            self._console.print(self._line(event, time), soft_wrap=True)

    def _line(self, event: executions.Event, time: str) -> Text:
        from rich.text import Text

        from flowy_sim._events.schema import EVENTS
        from flowy_sim._report.layout import columns, cut, one_line
        from flowy_sim._report.timeline import STYLES

        ascii_only = self._console.options.ascii_only
        schema = EVENTS.get(event["eventType"])
        style = STYLES.get(schema.outcome, "") if schema is not None and schema.outcome else ""
        margin = f"{event['eventId']:{self._width}}  {time}  "
        kind = f"{one_line(event['eventType'], ascii_only):{_TYPE_COLUMNS}}"
        parts = _details(event, self._events)
        rest = "  ".join(one_line(part, ascii_only) for part in parts)
        if self._columns is not None:
            room = self._columns - columns(margin + kind) - 2
            rest = cut(rest, max(room, 1), "~" if ascii_only else "…")
        line = Text.assemble((margin, "dim"), (kind, style), "  ", rest)
        line.rstrip()
        return line


_MEMBERS = (
    "activityType",
    "workflowType",
    "startToFireTimeout",
    "taskList",
    "timeoutType",
    "cause",
    "reason",
    "input",
    "result",
    "details",
    "identity",
)
"""The attributes of an event that are shown after its subject, in this order."""

_LONGEST = 200


def _details(event: executions.Event, events: Mapping[int, executions.Event]) -> list[str]:
    """Return what an event is about, and its details."""
    from flowy_sim._events.schema import EVENTS, attributes_of

    attributes = attributes_of(event)
    parts = [_subject(event, events)]
    schema = EVENTS.get(event["eventType"])
    opener = events.get(attributes.get(schema.about, 0)) if schema and schema.about else None
    if opener is not None and opener["eventType"] == "TimerStarted":
        attributes = {**attributes, "startToFireTimeout": _member(opener, "startToFireTimeout")}
    for name in _MEMBERS:
        if value := attributes.get(name):
            text = _text(name, value)
            if opener is not None and name == "timeoutType":
                text += _limit(opener, value)
            if text not in parts[0].split("  "):
                parts.append(text[:_LONGEST])
    return [part for part in parts if part]


def _subject(event: executions.Event, events: Mapping[int, executions.Event]) -> str:
    from flowy_sim._events.schema import EVENTS, attributes_of, refused_decision

    schema, attributes = EVENTS.get(event["eventType"]), attributes_of(event)
    if schema is None:
        return ""
    if schema.refuses:
        return refused_decision(event["eventType"], attributes)
    opener = events.get(attributes.get(schema.about, 0)) if schema.about else event
    if opener is not None and (opened := EVENTS.get(opener["eventType"])) is not None:
        if opened.kind == "decisions":
            return ""
        if label := opened.label(attributes_of(opener)):
            return label
    return str(attributes.get("activityId") or attributes.get("timerId") or "")


def _text(name: str, value: Any) -> str:
    if name == "taskList":
        return f"on {value['name']}"
    if name == "startToFireTimeout":
        return _seconds(value)
    return " ".join(value.values()) if isinstance(value, dict) else str(value)


def _limit(opener: executions.Event, kind: str) -> str:
    """Return the length of the time-out that ended a task."""
    from flowy_sim._events.schema import TIMEOUTS

    seconds = _member(opener, TIMEOUTS.get(kind, ""))
    return f" of {_seconds(seconds)}" if seconds else ""


def _member(event: executions.Event, name: str) -> Any:
    from flowy_sim._events.schema import attributes_of

    return attributes_of(event).get(name)


def _seconds(text: str) -> str:
    from flowy_sim._report.layout import duration

    return duration(int(text) * 1000) if text.isdecimal() else text


SECONDS = 1.0
"""The seconds between two requests for new events."""

_CONTINUED = "WorkflowExecutionContinuedAsNew"

_OTHER_LINES = 8
"""The lines of a terminal that are kept free for things other than rows of the timeline."""

Show = Callable[[Sequence[executions.Event]], None]


def follow_events(
    client: SwfClient, domain: str, execution: Execution, show: Show
) -> tuple[Execution, int]:
    """Wait until an execution is closed, and show its events meanwhile.

    If it continues as a new run, that one is followed.

    Args:
        client: an SWF client.
        domain: the execution's domain.
        execution: its IDs.
        show: receives the new events after each request; often there are none.

    Returns:
        Its IDs, those of its last run, and the exit status: 0 if it completed, else 1.

    Raises:
        UnknownExecutionError: there is no such execution.
    """
    last = 0
    while True:
        events = executions.history(client, domain, execution, after=last)
        show(events)
        if events:
            last, kind = events[-1]["eventId"], events[-1]["eventType"]
            if kind == _CONTINUED:
                run_id = attributes_of(events[-1])["newExecutionRunId"]
                execution, last = Execution(execution.workflow_id, run_id), 0
                continue
            if kind in executions.CLOSED_AS:
                return execution, int(executions.CLOSED_AS[kind] != "COMPLETED")
        time.sleep(SECONDS)


def follow(
    client: SwfClient, domain: str, execution: Execution, quiet: bool = False
) -> tuple[Execution, int]:
    """Wait until an execution is closed, and show its progress on standard error.

    That is a timeline that grows on a terminal, and a line for each event elsewhere.

    Args:
        client: an SWF client.
        domain: the execution's domain.
        execution: its IDs.
        quiet: whether to show nothing.

    Returns:
        Its IDs, those of its last run, and the exit status: 0 if it completed, else 1.
    """
    screen = console(stderr=True)
    if quiet:
        return follow_events(client, domain, execution, lambda events: None)
    if not screen.is_terminal:
        return follow_events(client, domain, execution, EventLines(screen).show)
    from rich.live import Live

    try:
        with Live(console=screen, transient=True, auto_refresh=False) as live:
            return follow_events(client, domain, execution, _GrowingTimeline(live).show)
    except KeyboardInterrupt:
        click.echo(f"The execution {safe_text(execution.workflow_id)} continues.", err=True)
        raise


class _GrowingTimeline:
    """A timeline drawn again with each request for new events, and how long there were none.

    Args:
        live: where it is drawn.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._events: list[executions.Event] = []
        self._news_at = time.monotonic()

    def show(self, events: Sequence[executions.Event]) -> None:
        """Add events, and draw."""
        from rich.console import Group
        from rich.text import Text

        from flowy_sim._report import timeline
        from flowy_sim._report.layout import duration

        if events:
            self._news_at = time.monotonic()
            if events[0]["eventId"] == 1:
                self._events.clear()  # A new run.
        self._events.extend(events)
        screen = self._live.console
        drawn = timeline.rich_text(
            self._events,
            screen.width,
            rows=max(screen.height - _OTHER_LINES, 1),
            ascii=screen.options.ascii_only,
        )
        quiet = duration(round(time.monotonic() - self._news_at) * 1000)
        words = f"no news for {quiet}; Ctrl-C does not stop the execution"
        self._live.update(Group(drawn, "", Text(words, "dim")), refresh=True)
