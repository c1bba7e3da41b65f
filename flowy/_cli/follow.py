"""Executions that are followed to their end: new events, a live timeline, and the exit status."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from flowy import executions
from flowy._cli.common import console
from flowy._cli.event_lines import EventLines
from flowy._client import Execution, SwfClient
from flowy._decider.history import attributes_of
from flowy._safe_text import safe_text

if TYPE_CHECKING:
    from rich.live import Live

SECONDS = 1.0
"""The seconds between two requests for new events."""

_CONTINUED = "WorkflowExecutionContinuedAsNew"

_OTHER_LINES = 8
"""The lines of a terminal that are kept free for other things than rows of the timeline."""

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
        show: is given the new events, again and again; often there are none.

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
    """A timeline that is drawn again with each request for news, and how long there were none.

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
        words = f"{quiet} without news; Ctrl-C leaves the execution alone"
        self._live.update(Group(drawn, "", Text(words, "dim")), refresh=True)
