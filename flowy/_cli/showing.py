"""``flowy list``, ``show`` and ``history``: what can be seen of executions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from flowy import executions
from flowy._cli.common import as_json, in_domain, of_one, say, with_client, with_store, written
from flowy._client import SwfClient
from flowy._decider.history import attributes_of
from flowy.errors import SerializationError
from flowy.payloads import Payloads


@click.command("list", short_help="List executions, the open ones first.")
@click.option(
    "--status",
    type=click.Choice(("OPEN", "CLOSED", *executions.STATUSES), case_sensitive=False),
    help="Only those that are open, closed, or closed so.",
)
@click.option("--type", "type_name", help="Only those of the type of this name.")
@click.option("--tag", help="Only those with this tag.")
@click.option("--workflow-id", help="Only those with this id.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    metavar="DATE[THH:MM:SS]",
    help="Only those that were started since, in UTC.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The most of them."
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
    """List executions: first the open ones, then the closed ones, the latest first.

    In JSON, each is a line of its own, as the service describes it.
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
        click.echo(f"There are no such executions in {domain}.")
    width = max((len(info["execution"]["workflowId"]) for info in chosen), default=0)
    for info in chosen:
        named = info["workflowType"]
        say(
            in_json,
            info,
            f"{info['execution']['workflowId']:{width}}  {_status(info):16}  "
            f"{_instant(info['startTimestamp'])}  {named['name']} {named['version']}",
        )


@click.command(short_help="Show how an execution stands, or how it ended.")
@with_store
@of_one
def show(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    run_id: str | None,
    store: str | None,
    in_json: bool,
) -> None:
    """Show how the execution WORKFLOW_ID stands: its input, what is open, and how it ended.

    In JSON: what DescribeWorkflowExecution says, with ``input``, ``result``, ``reason`` and
    ``details`` beside it where there are such.
    """
    execution = executions.latest(client, domain, workflow_id, run_id)
    described = executions.describe(client, domain, execution)
    texts = _texts(executions.history(client, domain, execution), Payloads(store=store))
    info = described["executionInfo"]
    if in_json:
        described.pop("ResponseMetadata", None)
        click.echo(written({**described, **texts}))
        return
    named = info["workflowType"]
    lines = {
        "workflow id": execution.workflow_id,
        "run id": execution.run_id,
        "type": f"{named['name']} {named['version']}",
        "status": _status(info),
        "tags": ", ".join(info.get("tagList", ())),
        "started": _instant(info["startTimestamp"]),
        "closed": _instant(info["closeTimestamp"]) if "closeTimestamp" in info else "",
        "open": _what_is_open(described["openCounts"]),
        **{
            name: value if isinstance(value, str) else written(value)
            for name, value in texts.items()
        },
    }
    for name, value in lines.items():
        if value:
            click.echo(f"{name + ':':13}{value}")


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the history to this file, as JSON.",
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

    In JSON, on standard output or in a file, it is what flowy.replay.replay and flowy-sim replay
    read.
    """
    execution = executions.latest(client, domain, workflow_id, run_id)
    events = executions.history(client, domain, execution)
    text = written({"events": events}, indent=1)
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
                f"{event['eventId']:{width}}  {_instant(event['eventTimestamp'])}  "
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
"""The attributes of an event that people are shown, in this order."""


def _in_short(attributes: Mapping[str, Any]) -> str:
    parts = []
    for name in _SHORT:
        if value := attributes.get(name):
            text = " ".join(value.values()) if isinstance(value, dict) else str(value)
            parts.append(text if len(text) <= 60 else f"{text[:60]}…")
    return "  ".join(parts)


def _texts(events: list[executions.Event], payloads: Payloads) -> dict[str, Any]:
    """What went in, and what came out."""
    first, last = attributes_of(events[0]), attributes_of(events[-1])
    texts: dict[str, Any] = {}
    if "input" in first:
        texts["input"] = _read(payloads, "the input", first["input"])
    if events[-1]["eventType"] in executions.CLOSED_AS:
        if "result" in last:
            texts["result"] = _read(payloads, "the result", last["result"])
        texts.update({name: last[name] for name in ("reason", "details") if last.get(name)})
    return texts


def _read(payloads: Payloads, what: str, text: str) -> Any:
    """Read a value; show the text itself where it is none of flowy's, or is out of reach."""
    try:
        return payloads.decode_value(what, text)
    except SerializationError:
        return text


def _status(info: Mapping[str, Any]) -> str:
    status: str = info.get("closeStatus", info["executionStatus"])
    asked = status == "OPEN" and info.get("cancelRequested")
    return "OPEN, canceling" if asked else status


def _what_is_open(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count} {what}"
        for name, what in (
            ("openActivityTasks", "activity tasks"),
            ("openDecisionTasks", "decision tasks"),
            ("openTimers", "timers"),
            ("openChildWorkflowExecutions", "child executions"),
            ("openLambdaFunctions", "Lambda functions"),
        )
        if (count := counts.get(name, 0))
    )


def _instant(instant: datetime) -> str:
    """Write an instant in UTC, to the millisecond."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{instant.microsecond // 1000:03}"
