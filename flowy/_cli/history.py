"""``flowy history``: show or save the history of an execution."""

from __future__ import annotations

from pathlib import Path

import click

from flowy import executions
from flowy._cli.common import (
    console,
    examples,
    json_text,
    of_one,
    say,
)
from flowy._cli.follow import EventLines, follow_events
from flowy._client import SwfClient


@click.command(
    short_help="Show or save the history of an execution.",
    **examples(
        "flowy history --domain photos lake",
        "flowy history --domain photos lake --follow",
        "flowy history --domain photos lake --output lake.json",
        "flowy history --domain photos lake --json | jq '.events[-1]'",
    ),
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write the history to, as JSON.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Show new events until the execution is closed. The exit status is 1 unless it completed.",
)
@of_one
def history(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    run_id: str | None,
    output: Path | None,
    follow: bool,
    in_json: bool,
) -> None:
    """Show the history of the execution WORKFLOW_ID, one line for each event.

    A line has the time in UTC, the type of the event, what it is about, such as the activity of a
    completion, and its most important details. On a terminal, it is cut at the margin.

    As JSON, on standard output or in a file, it can be read by flowy.replay.replay and flowy-sim
    replay.
    """
    if follow and (output is not None or in_json):
        raise click.UsageError("--follow shows lines; leave --output and --json out.")
    execution = executions.latest(client, domain, workflow_id, run_id)
    if follow:
        _, status = follow_events(client, domain, execution, EventLines(console()).show)
        raise click.exceptions.Exit(status)
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
        EventLines(console(), len(str(len(events)))).show(events)
