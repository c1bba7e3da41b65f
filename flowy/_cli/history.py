"""``flowy history``: show or save the history of an execution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from flowy import executions
from flowy._cli.common import instant_text, json_text, of_one, say
from flowy._client import SwfClient
from flowy._decider.history import attributes_of
from flowy._safe_text import safe_text


@click.command(short_help="Show or save the history of an execution.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write the history to, as JSON.",
)
@of_one
def history(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    run_id: str | None,
    output: Path | None,
    in_json: bool,
) -> None:
    """Show the history of the execution WORKFLOW_ID.

    As JSON, on standard output or in a file, it can be read by flowy.replay.replay and flowy-sim
    replay.
    """
    execution = executions.latest(client, domain, workflow_id, run_id)
    events = executions.history(client, domain, execution)
    text = json_text({"events": events}, indent=1)
    if output is not None:
        try:
            output.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
        say(
            in_json,
            {"events": len(events), "file": str(output)},
            f"Wrote {len(events)} events to {output}.",
        )
    elif in_json:
        click.echo(text)
    else:
        width = len(str(len(events)))
        for event in events:
            click.echo(
                f"{event['eventId']:{width}}  {instant_text(event['eventTimestamp'])}  "
                f"{event['eventType']} {_in_short(attributes_of(event))}".rstrip()
            )


_SHORT = (
    "activityId",
    "timerId",
    "workflowId",
    "signalName",
    "markerName",
    "activityType",
    "workflowType",
    "input",
    "result",
    "timeoutType",
    "cause",
    "reason",
)
"""The attributes of an event that are shown, in this order."""


def _in_short(attributes: Mapping[str, Any]) -> str:
    parts = []
    for name in _SHORT:
        if value := attributes.get(name):
            text = " ".join(value.values()) if isinstance(value, dict) else str(value)
            parts.append(safe_text(text if len(text) <= 60 else f"{text[:60]}…"))
    return "  ".join(parts)
