"""``flowy show``: show the status and outcome of an execution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from flowy import executions
from flowy._cli.common import instant_text, json_text, of_one, status_text, with_store
from flowy._client import Execution, SwfClient
from flowy._decider.history import attributes_of
from flowy._safe_text import safe_lines
from flowy.errors import SerializationError
from flowy.payloads import Payloads


@click.command(short_help="Show the status and outcome of an execution.")
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write a page to, with the timeline and all events: HTML without other files.",
)
@click.option("--redact", is_flag=True, help="Leave inputs, results and details out of the page.")
@with_store
@of_one
def show(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    run_id: str | None,
    store: str | None,
    report: Path | None,
    redact: bool,
    in_json: bool,
) -> None:
    """Show the execution WORKFLOW_ID: its status, its input, what is open, and its outcome.

    With --json: the reply of DescribeWorkflowExecution, with ``input``, ``result``, ``reason`` and
    ``details`` where they exist.
    """
    if redact and report is None:
        raise click.UsageError("--redact is for the page of --report; add --report FILE.")
    execution = executions.latest(client, domain, workflow_id, run_id)
    described = executions.describe(client, domain, execution)
    events = executions.history(client, domain, execution)
    if report is not None:
        _write_page(report, events, execution, redact=redact)
    texts = _texts(events, Payloads(store=store))
    info = described["executionInfo"]
    if in_json:
        described.pop("ResponseMetadata", None)
        click.echo(json_text({**described, **texts}))
        return
    named = info["workflowType"]
    lines = {
        "workflow id": execution.workflow_id,
        "run id": execution.run_id,
        "type": f"{named['name']} {named['version']}",
        "status": status_text(info),
        "tags": ", ".join(info.get("tagList", ())),
        "started": instant_text(info["startTimestamp"]),
        "closed": instant_text(info["closeTimestamp"]) if "closeTimestamp" in info else "",
        "open": _what_is_open(described["openCounts"]),
        **{
            name: value if isinstance(value, str) else json_text(value)
            for name, value in texts.items()
        },
    }
    for name, value in lines.items():
        if value:
            # Lines of a value are indented, so that none looks like the next member.
            click.echo(f"{name + ':':13}{safe_lines(value)}".replace("\n", f"\n{'':13}"))


def _write_page(
    path: Path, events: list[executions.Event], execution: Execution, *, redact: bool
) -> None:
    from flowy_sim._report.page import ReportedRun, page

    runs = [ReportedRun(events, *execution)]
    text = page(runs, f"Execution {execution.workflow_id}", redact=redact)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error


def _texts(events: list[executions.Event], payloads: Payloads) -> dict[str, Any]:
    """Return the input of an execution, and its result or the reason for its end."""
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
    """Read a value; return the text itself if it is not one of flowy's or cannot be read."""
    try:
        return payloads.decode_value(what, text)
    except SerializationError:
        return text


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
