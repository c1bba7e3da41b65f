"""The command ``flowy-sim history``. Slow imports are made only when it runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from flowy_sim._cli.options import Integer, region_option

_EXAMPLE = """\b
Examples:
  flowy-sim history --from-aws --domain shop --status FAILED --limit 20
  flowy-sim history --endpoint-url http://127.0.0.1:4567 --domain shop
  flowy-sim verify histories"""

#: `flowy.executions.STATUSES`, which is slow to import, and CLOSED for all of them but OPEN.
_STATUSES = (
    "OPEN",
    "CLOSED",
    "COMPLETED",
    "FAILED",
    "CANCELED",
    "TERMINATED",
    "CONTINUED_AS_NEW",
    "TIMED_OUT",
)


class _Status(click.Choice[str]):
    """A status, in capitals or not; click would show all of them in small letters."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:
        return str(choice).upper()


def _domains(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from flowy._cli.common import domains

    return domains(context, parameter, incomplete)


def _instant(context: click.Context, option: click.Parameter, text: str | None) -> datetime | None:
    from flowy._cli.common import read_instant

    return read_instant(context, option, text)


@click.command(epilog=_EXAMPLE, short_help="Record histories from Amazon SWF in files.")
@click.option("--from-aws", is_flag=True, help="Record from Amazon SWF, with your credentials.")
@click.option("--endpoint-url", metavar="URL", help="URL of a service to record from.")
@click.option(
    "--domain",
    required=True,
    envvar="FLOWY_DOMAIN",
    show_envvar=True,
    shell_complete=_domains,
    help="Domain to record from.",
)
@click.option("--workflow-id", metavar="ID", help="Filter by workflow ID.")
@click.option("--run-id", metavar="ID", help="Run to record; requires --workflow-id.")
@click.option(
    "--status",
    metavar="STATUS",
    type=_Status(_STATUSES),
    help="Filter by status: OPEN, CLOSED, COMPLETED, FAILED, CANCELED, TERMINATED, TIMED_OUT or "
    "CONTINUED_AS_NEW.",
)
@click.option(
    "--type", "type_name", metavar="NAME", help="Filter by the name of the workflow type."
)
@click.option("--tag", metavar="TAG", help="Filter by tag.")
@click.option(
    "--since",
    callback=_instant,
    metavar="DATE[THH:MM:SS]",
    help="Filter by start: executions started at or after this time, in UTC.",
)
@click.option("--limit", type=Integer(min=1), help="Number of executions to record.")
@click.option(
    "--to",
    "folder",
    metavar="FOLDER",
    default="histories",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files; created if necessary.",
)
@region_option("AWS region, if the environment does not set it.")
def history(
    from_aws: bool,
    endpoint_url: str | None,
    domain: str,
    workflow_id: str | None,
    run_id: str | None,
    since: datetime | None,
    limit: int | None,
    folder: Path,
    region: str | None,
    **filters: Any,
) -> None:
    """Record the histories of executions, each in a file.

    Check the files with 'flowy-sim verify' (does the simulator write the same histories?) and
    'flowy-sim replay' (does the current code make the same decisions?). The command changes nothing
    at the service. If you repeat it, it reads only executions that are new or were open. The files
    contain the inputs and results of the executions.
    """
    if from_aws == (endpoint_url is not None):
        raise click.UsageError("Give either --from-aws or --endpoint-url.")
    if run_id is not None and workflow_id is None:
        raise click.UsageError("--run-id requires --workflow-id.")
    if run_id is not None and any(each is not None for each in (since, limit, *filters.values())):
        raise click.UsageError("--run-id already names the run; leave the other filters out.")
    from flowy._cli import errors_as_messages
    from flowy._client import Execution, IncompleteReply
    from flowy_sim._cli.history_recorder import RetryingClient, record

    with errors_as_messages():
        recorded = record(
            RetryingClient(_client(endpoint_url, region, domain), _report_wait),
            domain,
            folder,
            None if run_id is None else Execution(str(workflow_id), run_id),
            limit,
            workflow_id=workflow_id,
            since=since,
            **filters,
        )
        try:
            _report(recorded, folder)
        except IncompleteReply:
            raise
        except OSError as error:
            raise click.ClickException(f"{folder} cannot be written: {error.strerror}") from error


def _client(endpoint_url: str | None, region: str | None, domain: str) -> Any:
    from flowy_sim._cli.live import amazon, service_at

    if endpoint_url is None:
        return amazon(region, domain).client
    return service_at(endpoint_url, region, domain).client


def _report_wait(error: Exception, seconds: float) -> None:
    from flowy._safe_text import safe_text

    click.echo(
        f"The service refuses calls for now ({safe_text(error)}); retrying in {seconds:.0f} s.",
        err=True,
    )


def _report(recorded: Any, folder: Path) -> None:
    from flowy._safe_text import safe_text
    from flowy_sim.verify._comparison import count

    executions = new = 0
    for each in recorded:
        executions += 1
        new += each.is_new
        if not each.events:
            click.echo(f"gone: {safe_text(each.execution.workflow_id)}", err=True)
        elif each.is_new:
            click.echo(f"{safe_text(each.path.name)}: {count(each.events, 'event')}")
    if not executions:
        raise click.ClickException("no execution matches the filters")
    known = f", {executions - new:,} of them from before" if new < executions else ""
    click.echo(f"{count(executions, 'execution')} in {folder}{known}.")
