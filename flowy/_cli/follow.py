"""Executions that are followed to their end: new events, a live timeline, and the exit status."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import click

from flowy import executions
from flowy._cli.common import console
from flowy._cli.event_lines import EventLines
from flowy._client import Execution, SwfClient
from flowy._decider.history import attributes_of

SECONDS = 1.0
"""The seconds between two requests for new events."""

_CONTINUED = "WorkflowExecutionContinuedAsNew"

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
        show: is given the events, as they come.

    Returns:
        Its IDs, those of its last run, and the exit status: 0 if it completed, else 1.

    Raises:
        UnknownExecutionError: there is no such execution.
    """
    last = 0
    while True:
        events = executions.history(client, domain, execution, after=last)
        if events:
            show(events)
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

    from flowy_sim._report import timeline

    shown: list[executions.Event] = []
    with Live(console=screen, transient=True, auto_refresh=False) as live:

        def draw(events: Sequence[executions.Event]) -> None:
            if events[0]["eventId"] == 1:
                shown.clear()
            shown.extend(events)
            rows = max(screen.height - 6, 5)
            ascii_only = screen.options.ascii_only
            live.update(
                timeline.rich_text(shown, screen.width, rows=rows, ascii=ascii_only), refresh=True
            )

        try:
            return follow_events(client, domain, execution, draw)
        except KeyboardInterrupt:
            click.echo(f"The execution {execution.workflow_id} continues.", err=True)
            raise
