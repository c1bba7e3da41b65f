"""``flowy show`` and ``flowy history``: what an execution did, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowy import executions
from flowy._cli.common import (
    console,
    examples,
    instant_text,
    json_text,
    of_one,
    say,
    status_text,
    with_store,
)
from flowy._cli.follow import EventLines, follow, follow_events
from flowy._client import Execution, Reply, SwfClient
from flowy._decider.history import attributes_of
from flowy._safe_text import safe_lines
from flowy._workers.registration import scan
from flowy.errors import SerializationError
from flowy.payloads import Payloads

if TYPE_CHECKING:
    from flowy_sim._events.waits import Wait


@click.command(
    short_help="Show the status, timeline and outcome of an execution.",
    **examples(
        "flowy show --domain photos lake",
        "flowy show --domain photos lake --follow",
        "flowy show --domain shop order-42 --code shop    with awaited signals",
        "flowy show --domain photos lake --report lake.html",
    ),
)
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="HTML file to write, a page with the timeline and all events that needs no other file.",
)
@click.option("--redact", is_flag=True, help="Leave inputs, results and details out of the page.")
@click.option(
    "--follow",
    "followed",
    is_flag=True,
    help="Show progress until the execution is closed. The exit status is 1 unless it completed.",
)
@click.option(
    "--code",
    "packages",
    metavar="PACKAGE",
    multiple=True,
    help="Package with the workflow's class, to show the signals that it waits for; can be "
    "given several times.",
)
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
    followed: bool,
    packages: tuple[str, ...],
    in_json: bool,
) -> None:
    """Show the execution WORKFLOW_ID: its input, its timeline, and its outcome.

    If the execution is open, also show the tasks, timers and children that it waits for: since when
    no worker has taken a task, and until when each wait lasts.

    With --json, print the reply of DescribeWorkflowExecution, with 'input', 'result', 'reason' and
    'details' if they exist, and with 'waits' if the execution is open.
    """
    if redact and report is None:
        raise click.UsageError("--redact is for the page of --report; add --report FILE.")
    scan(*packages)  # A package that does not exist is refused for closed executions as well.
    execution = executions.latest(client, domain, workflow_id, run_id)
    status = 0
    if followed:
        execution, status = follow(client, domain, execution, quiet=in_json)
    payloads = Payloads(store=store)
    show_execution(
        client, domain, execution, payloads, packages, report, in_json=in_json, redact=redact
    )
    raise click.exceptions.Exit(status)


def show_execution(
    client: SwfClient,
    domain: str,
    execution: Execution,
    payloads: Payloads,
    packages: tuple[str, ...] = (),
    report: Path | None = None,
    *,
    in_json: bool,
    redact: bool = False,
) -> None:
    """Show an execution.

    Args:
        client: an SWF client.
        domain: the execution's domain.
        execution: its IDs.
        payloads: reads its input and result.
        packages: the packages that are searched for its workflow.
        in_json: whether to write JSON.
        report: a file to write a page to.
        redact: whether to leave inputs, results and details out of the page.
    """
    described = executions.describe(client, domain, execution)
    events = executions.history(client, domain, execution)
    texts, info = _texts(events, payloads), described["executionInfo"]
    waits = (
        _waits(events, execution, payloads, packages) if info["executionStatus"] == "OPEN" else []
    )
    awaited = list(dict.fromkeys(wait.signal for wait in waits if wait.signal))
    if report is not None:
        _write_page(report, events, execution, awaited, redact=redact)
    if in_json:
        described.pop("ResponseMetadata", None)
        open_ = {"waits": [wait.until for wait in waits]} if waits else {}
        click.echo(json_text({**described, **texts, **open_}))
        return
    _print_facts(info, described["openCounts"], events, texts)
    _print_timeline(events, awaited)
    if waits:
        click.echo("\nIt waits for (times in UTC):")
    for wait in waits:
        click.echo(f"- {safe_lines(wait.until)}")


def _print_facts(
    info: Reply,
    counts: Mapping[str, int],
    events: list[executions.Event],
    texts: Mapping[str, Any],
) -> None:
    from flowy_sim._events.waits import times_out_at

    named, is_open = info["workflowType"], info["executionStatus"] == "OPEN"
    lines = {
        "workflow ID": info["execution"]["workflowId"],
        "run ID": info["execution"]["runId"],
        "type": f"{named['name']} {named['version']}",
        "status": status_text(info),
        "tags": ", ".join(info.get("tagList", ())),
        "started": instant_text(info["startTimestamp"]),
        "closed": instant_text(info["closeTimestamp"]) if "closeTimestamp" in info else "",
        "times out": instant_text(times_out_at(events)) if is_open else "",
        "open": _what_is_open(counts) if is_open else "",
        **{
            name: value if isinstance(value, str) else json_text(value)
            for name, value in texts.items()
        },
    }
    # A traceback ends with the message that is the reason.
    if lines.get("details", "").rstrip().endswith(lines.get("reason", "")):
        lines["details"] = _without_last_line(lines.get("details", ""))
    for name, value in lines.items():
        if value:
            # Lines of a value are indented, so that none looks like the next member.
            click.echo(f"{name + ':':13}{safe_lines(value.rstrip())}".replace("\n", f"\n{'':13}"))


def _without_last_line(details: str) -> str:
    """Leave out the message at the end of a traceback; the reason says the same."""
    return details.rstrip("\n").rpartition("\n")[0]


def _print_timeline(events: list[executions.Event], awaited: list[str]) -> None:
    from flowy_sim._report import timeline

    screen = console()
    ascii_only = screen.options.ascii_only
    screen.print()
    drawn = timeline.rich_text(
        events, screen.width, ascii=ascii_only, explain_end=False, awaited=awaited
    )
    screen.print(drawn, soft_wrap=True)


def _waits(
    events: list[executions.Event],
    execution: Execution,
    payloads: Payloads,
    packages: tuple[str, ...],
) -> list[Wait]:
    """Return what an open execution waits for."""
    from flowy_sim._events.waits import Workers, waits

    workflows = {
        (cls.flowy_type.name, cls.flowy_type.version): cls for cls in scan(*packages).workflows
    }
    return waits(events, Workers(None, None, (), workflows, payloads), execution)


def _write_page(
    path: Path,
    events: list[executions.Event],
    execution: Execution,
    awaited: list[str],
    *,
    redact: bool,
) -> None:
    from flowy_sim._report.page import page
    from flowy_sim._report.run_view import ReportedRun

    runs = [ReportedRun(events, *execution, awaited=awaited)]
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
        f"{count} {what}{'' if count == 1 else 's'}"
        for name, what in (
            ("openActivityTasks", "activity task"),
            ("openDecisionTasks", "decision task"),
            ("openTimers", "timer"),
            ("openChildWorkflowExecutions", "child execution"),
            ("openLambdaFunctions", "Lambda function"),
        )
        if (count := counts.get(name, 0))
    )


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

    Each line shows the time in UTC, the type of the event, the activity, timer or other call that
    it belongs to, and its most important details. On a terminal, long lines are cut off.

    flowy.replay.replay and flowy-sim replay can read the history that --output or --json writes.
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
