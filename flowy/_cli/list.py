"""``flowy list``: list executions."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import click

from flowy import executions
from flowy._cli.common import as_json, in_domain, instant_text, say, status_text, with_client
from flowy._client import SwfClient
from flowy._safe_text import safe_text

_ID_COLUMNS = 40
"""The width of the column of ids at most; the rest of a line moves to the right of a longer id."""


@click.command("list", short_help="List executions, open ones first.")
@click.option(
    "--status",
    type=click.Choice(("OPEN", "CLOSED", *executions.STATUSES), case_sensitive=False),
    help="Filter by status.",
)
@click.option("--type", "type_name", help="Filter by the name of the workflow type.")
@click.option("--tag", help="Filter by tag.")
@click.option("--workflow-id", help="Filter by workflow id.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    metavar="DATE[THH:MM:SS]",
    help="Filter by start time: executions started at or after it, in UTC.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Number of executions to list.",
)
@as_json
@in_domain
@with_client
def list_(
    client: SwfClient,
    domain: str,
    status: str | None,
    type_name: str | None,
    tag: str | None,
    workflow_id: str | None,
    since: datetime | None,
    limit: int,
    in_json: bool,
) -> None:
    """List executions: first the open ones, then the closed ones, most recently started first.

    With --json, each line is one execution, as the service describes it.
    """
    found = executions.list_executions(
        client,
        domain,
        status=status,
        workflow_id=workflow_id,
        type_name=type_name,
        tag=tag,
        since=since and since.replace(tzinfo=UTC),
    )
    chosen = list(islice(found, limit))
    if not chosen and not in_json:
        click.echo(f"No executions found in {domain}.")
    ids = [safe_text(info["execution"]["workflowId"]) for info in chosen]
    width = min(max(map(len, ids), default=0), _ID_COLUMNS)
    for shown_id, info in zip(ids, chosen, strict=True):
        named = info["workflowType"]
        say(
            in_json,
            info,
            f"{shown_id:{width}}  {status_text(info):16}  "
            f"{instant_text(info['startTimestamp'])}  {named['name']} {named['version']}",
        )
