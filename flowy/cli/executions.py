"""``flowy start``, ``signal``, ``cancel``, ``terminate``, ``list``, ``show`` and ``history``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import click

from flowy import executions
from flowy.cli.common import argument, as_json, in_domain, one_sentence, say, with_store, written
from flowy.client import connect
from flowy.errors import SerializationError
from flowy.options import CHILD_POLICIES, Default
from flowy.registry import load_workflow
from flowy.serialization import Payloads
from flowy.starter import start as start_execution

F = TypeVar("F", bound=Callable[..., Any])


def of_one(command: F) -> F:
    """Add what names one execution."""
    run_id = click.option("--run-id", help="Which run; by default the open or the latest one.")
    return click.argument("workflow_id")(run_id(as_json(in_domain(command))))


@click.command()
@click.option("--workflow-id", help="The execution's id; made up if not given.")
@click.option("--task-list", help="The list for its decisions, if not the registered one.")
@click.option("--tag", "tags", multiple=True, help="A text to find it by; five at most.")
@click.option("--priority", type=int, help="Of its decision tasks; greater ones come first.")
@click.option("--execution-start-to-close", type=int, help="The longest it may last, in seconds.")
@click.option(
    "--task-start-to-close", type=int, help="The longest a decision may take, in seconds."
)
@click.option(
    "--child-policy",
    type=click.Choice(CHILD_POLICIES, case_sensitive=False),
    help="What becomes of open children when it ends.",
)
@click.option("--lambda-role", help="The IAM role for Lambda functions.")
@click.argument("workflow", metavar="MODULE:CLASS")
@click.argument("arguments", metavar="[ARGUMENT]...", nargs=-1)
@with_store
@as_json
@in_domain
def start(
    domain: str,
    workflow_id: str | None,
    task_list: str | None,
    tags: tuple[str, ...],
    workflow: str,
    arguments: tuple[str, ...],
    store: str | None,
    in_json: bool,
    endpoint_url: str | None,
    region: str | None,
    **settings: Any,
) -> None:
    """Start an execution of a workflow.

    Each argument is read as JSON; one that is no JSON is text.
    """
    with one_sentence():
        found = load_workflow(workflow)
        execution = start_execution(
            connect(endpoint_url, region),
            domain,
            found,
            *map(argument, arguments),
            workflow_id=workflow_id,
            task_list=task_list or Default.REGISTERED,
            tags=tags or Default.REGISTERED,
            payloads=Payloads(store=store),
            **{name: value for name, value in settings.items() if value is not None},
        )
    say(
        in_json,
        {"workflow_id": execution.workflow_id, "run_id": execution.run_id},
        f"workflow id: {execution.workflow_id}",
        f"run id: {execution.run_id}",
    )


@click.command()
@of_one
@with_store
@click.argument("name")
@click.argument("value", required=False)
def signal(
    domain: str,
    workflow_id: str,
    run_id: str | None,
    name: str,
    value: str | None,
    store: str | None,
    in_json: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Send the signal NAME to the open execution WORKFLOW_ID.

    VALUE is read as JSON; if it is no JSON it is text.
    """
    with one_sentence():
        executions.signal(
            connect(endpoint_url, region),
            domain,
            workflow_id,
            name,
            Default.REGISTERED if value is None else argument(value),
            run_id=run_id,
            payloads=Payloads(store=store),
        )
    say(
        in_json,
        {"workflow_id": workflow_id, "signal": name},
        f"Sent the signal {name} to {workflow_id}.",
    )


@click.command()
@of_one
def cancel(
    domain: str,
    workflow_id: str,
    run_id: str | None,
    in_json: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Ask the open execution WORKFLOW_ID to cancel itself."""
    with one_sentence():
        client = connect(endpoint_url, region)
        executions.request_cancel(client, domain, workflow_id, run_id=run_id)
    say(
        in_json,
        {"workflow_id": workflow_id, "cancel_requested": True},
        f"Asked {workflow_id} to cancel itself.",
    )


@click.command(short_help="End an open execution at once, without asking it.")
@click.option("--reason", default="", help="Why, in a few words.")
@click.option("--details", default="", help="More about it.")
@click.option(
    "--child-policy",
    type=click.Choice(CHILD_POLICIES, case_sensitive=False),
    help="What becomes of its open children, if not what it was started with.",
)
@of_one
def terminate(
    domain: str,
    workflow_id: str,
    run_id: str | None,
    reason: str,
    details: str,
    child_policy: str | None,
    in_json: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """End the open execution WORKFLOW_ID at once, without asking it."""
    with one_sentence():
        executions.terminate(
            connect(endpoint_url, region),
            domain,
            workflow_id,
            run_id=run_id,
            reason=reason,
            details=details,
            child_policy=child_policy,
        )
    say(in_json, {"workflow_id": workflow_id, "terminated": True}, f"Terminated {workflow_id}.")


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
def list_(
    domain: str,
    status: str | None,
    type_name: str | None,
    tag: str | None,
    workflow_id: str | None,
    since: datetime | None,
    limit: int,
    in_json: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """List executions: first the open ones, then the closed ones, the latest first.

    In JSON, each is a line of its own, as the service describes it.
    """
    with one_sentence():
        found = executions.list_executions(
            connect(endpoint_url, region),
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
    domain: str,
    workflow_id: str,
    run_id: str | None,
    store: str | None,
    in_json: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Show how the execution WORKFLOW_ID stands: its input, what is open, and how it ended.

    In JSON: what DescribeWorkflowExecution says, with ``input``, ``result``, ``reason`` and
    ``details`` beside it where there are such.
    """
    with one_sentence():
        client = connect(endpoint_url, region)
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
    domain: str,
    workflow_id: str,
    run_id: str | None,
    output: Path | None,
    in_json: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Show the history of the execution WORKFLOW_ID.

    In JSON, on standard output or in a file, it is what flowy.replay.replay and flowy-sim replay
    read.
    """
    with one_sentence():
        client = connect(endpoint_url, region)
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
                f"{event['eventType']} {_in_short(executions.attributes(event))}".rstrip()
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
    first, last = executions.attributes(events[0]), executions.attributes(events[-1])
    texts: dict[str, Any] = {}
    if "input" in first:
        texts["input"] = _read(payloads, "the input", first["input"])
    closed = events[-1]["eventType"].startswith("WorkflowExecution") and len(events) > 1
    if closed:
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


def _on_one_line(value: Any) -> str:
    return value if isinstance(value, str) else written(value)


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
