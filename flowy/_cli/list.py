"""``flowy list``: list executions."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click

from flowy import executions
from flowy._cli.common import (
    Constant,
    WholeNumber,
    WorkflowType,
    as_json,
    console,
    examples,
    in_domain,
    instant_text,
    json_text,
    read_instant,
    status_text,
    type_option,
    width_of,
    with_client,
)
from flowy._client import Reply, SwfClient
from flowy._safe_text import safe_text

_HEADER = ("WORKFLOW ID", "STATUS", "STARTED (UTC)", "CLOSED", "DURATION", "TYPE", "TAGS")
_FLEXIBLE = (0, 5, 6)
"""The columns that are cut where a terminal is too narrow."""
_LEAST = 8
_ID_COLUMNS = 60
"""The width of the column of IDs at most, in a file; a longer ID moves the rest of its line.

It leaves 23 columns for the name of the type in an ID that flowy has made, with a UUID.
"""

_SECONDS = slice(0, 19)
"""The part of a timestamp without milliseconds."""

_CSV = (
    "workflow_id",
    "run_id",
    "type",
    "version",
    "status",
    "started",
    "closed",
    "seconds",
    "tags",
)


def _instant_option(name: str, help: str) -> Callable[[Any], Any]:
    return click.option(
        name,
        callback=read_instant,
        metavar="DATE[THH:MM:SS]",
        help=help,
    )


@click.command(
    "list",
    short_help="List executions, open ones first.",
    **examples(
        "flowy list --domain photos",
        "flowy list --domain shop --status FAILED --status TIMED_OUT --limit 20",
        "flowy list --domain shop --type order --tag gift --format csv > gifts.csv",
        "flowy list --domain photos --json | jq -r .execution.workflowId",
    ),
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    metavar="STATUS",
    type=Constant(("OPEN", "CLOSED", *executions.STATUSES)),
    help="Filter by status: OPEN, CLOSED, COMPLETED, FAILED, CANCELED, TERMINATED, TIMED_OUT or "
    "CONTINUED_AS_NEW; can be given several times.",
)
@type_option("Filter by workflow type, in all versions or in one.")
@click.option("--tag", help="Filter by tag.")
@click.option("--workflow-id", help="Filter by workflow ID.")
@_instant_option("--since", "Filter by start: executions started at or after this time, in UTC.")
@_instant_option("--until", "Filter by start: executions started at or before this time, in UTC.")
@click.option(
    "--limit",
    type=WholeNumber(min=1),
    default=100,
    show_default=True,
    help="Number of executions to list.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(("table", "csv", "json"), case_sensitive=False),
    default="table",
    show_default=True,
    help="Format of the output.",
)
@as_json
@in_domain
@with_client
def list_(
    client: SwfClient,
    domain: str,
    statuses: tuple[str, ...],
    of_type: WorkflowType | None,
    tag: str | None,
    workflow_id: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    output: str,
    in_json: bool,
) -> None:
    """List executions: first the open ones, then the closed ones, most recently started first.

    Executions have to match all filters. In JSON, each line is one execution, as the service
    describes it; --json is short for --format json.
    """
    if in_json and output == "csv":
        raise click.UsageError("--json is short for --format json; give one format.")
    if since is not None and until is not None and since > until:
        raise click.UsageError("--since is later than --until, so no execution can match.")
    name, version = of_type or (None, None)
    found = executions.list_executions(
        client,
        domain,
        status=statuses or None,
        workflow_id=workflow_id,
        type_name=name,
        type_version=version,
        tag=tag,
        since=since,
        until=until,
    )
    chosen = list(islice(found, limit))
    if in_json or output == "json":
        for info in chosen:
            click.echo(json_text(info))
    elif output == "csv":
        _write_csv(chosen)
    elif chosen:
        _print_table(chosen)
    else:
        click.echo(f"No executions found in {domain}.")


def _write_csv(infos: Iterable[Reply]) -> None:
    """Write executions, with times as ISO 8601 text in UTC; exactly, except to a terminal."""
    shown: Callable[[object], object] = safe_text if sys.stdout.isatty() else lambda cell: cell
    sys.stdout.write(_csv_line(_CSV))
    for info in infos:
        named = info["workflowType"]
        started, closed = info["startTimestamp"], info.get("closeTimestamp")
        row = (
            info["execution"]["workflowId"],
            info["execution"]["runId"],
            named["name"],
            named["version"],
            info.get("closeStatus", info["executionStatus"]),
            started.astimezone(UTC).isoformat(),
            closed.astimezone(UTC).isoformat() if closed else "",
            (closed - started).total_seconds() if closed else "",
            " ".join(info.get("tagList", ())),
        )
        sys.stdout.write(_csv_line(map(shown, row)))


def _csv_line(cells: Iterable[object]) -> str:
    line = io.StringIO(newline="")
    # With another end of lines, the writer would not quote carriage returns.
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().removesuffix("\r\n") + "\n"


def _print_table(infos: Sequence[Reply]) -> None:
    from rich.text import Text

    from flowy_sim._report.layout import columns, cut, padded
    from flowy_sim._report.timeline import STYLES

    screen = console()
    ascii_only = screen.options.ascii_only
    rows = [_HEADER, *(_row(info, ascii_only) for info in infos)]
    widths = {
        index: max(columns(row[index]) for row in rows)
        for index in range(len(_HEADER))
        if any(row[index] for row in rows[1:])  # Leave out empty columns, such as tags.
    }
    room = width_of(screen)
    if room is None:
        widths[0] = min(widths[0], _ID_COLUMNS)
    else:
        _fit(widths, room)
    ellipsis = "~" if ascii_only else "…"
    for number, row in enumerate(rows):
        line = Text()
        for index, width in widths.items():
            value = row[index]
            shown = value if room is None else cut(value, width, ellipsis, keep_end=0.5)
            style = STYLES.get(value.lower().replace("_", " "), "") if index == 1 else ""
            line.append(padded(shown, width) + "  ", style if number else "bold")
        line.rstrip()
        screen.print(line, soft_wrap=True)


def _fit(widths: dict[int, int], room: int) -> None:
    """Narrow columns, the widest first, until a line fits; their headers stay whole."""
    least = {index: max(_LEAST, len(_HEADER[index])) for index in _FLEXIBLE if index in widths}
    while sum(widths.values()) + 2 * (len(widths) - 1) > room:
        wide = [index for index in least if widths[index] > least[index]]
        if not wide:
            return
        widths[max(wide, key=widths.__getitem__)] -= 1


def _row(info: Reply, ascii_only: bool) -> tuple[str, ...]:
    from flowy_sim._report.layout import duration

    named = info["workflowType"]
    started, closed = instant_text(info["startTimestamp"]), ""
    passed = ""
    if "closeTimestamp" in info:
        closed = instant_text(info["closeTimestamp"])[_SECONDS]
        if closed[:10] == started[:10]:
            closed = closed[11:]  # The day is the same.
        seconds = (info["closeTimestamp"] - info["startTimestamp"]).total_seconds()
        passed = duration(seconds * 1000)
    texts = (
        info["execution"]["workflowId"],
        status_text(info),
        started[_SECONDS],
        closed,
        passed,
        f"{named['name']} {named['version']}",
        ", ".join(info.get("tagList", ())),
    )
    return tuple(safe_text(text, ascii=ascii_only) for text in texts)
