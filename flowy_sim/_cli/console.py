"""The command ``flowy-sim console``. Slow imports are made only when it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowy_sim._cli.options import Number, code, host, port, region_option
from flowy_sim._cli.server_process import listener_at
from flowy_sim._cli.write_test import zipped_test

if TYPE_CHECKING:
    from flowy_sim._server.server import MakePages
    from flowy_sim._storage.journal import Journal, OpenJournal, RestoreTarget

_EXAMPLES = """\b
Examples:
  flowy-sim console --db swf.db
  flowy-sim console --aws --domain shop --region eu-west-1
  flowy-sim console --aws --domain shop --endpoint-url http://127.0.0.1:4567"""


@click.command(epilog=_EXAMPLES, short_help="Show a file, or Amazon SWF itself, in a browser.")
@click.option(
    "--db", metavar="FILE", type=click.Path(path_type=Path), help="File of 'serve --db' to show."
)
@click.option("--aws", is_flag=True, help="Show Amazon SWF, or the service at --endpoint-url.")
@click.option("--domain", metavar="NAME", help="Domain to show; required with --aws.")
@region_option("AWS region; by default from the environment.")
@click.option("--endpoint-url", metavar="URL", help="URL of the service; default: Amazon SWF.")
@click.option(
    "--requests-per-second",
    default=1.0,
    show_default=True,
    metavar="N",
    type=Number(0.01, 100),
    help="Maximum number of requests to the service per second.",
)
@code
@host
@port(4568)
def console(
    db: Path | None,
    aws: bool,
    domain: str | None,
    region: str | None,
    endpoint_url: str | None,
    requests_per_second: float,
    packages: tuple[str, ...],
    host: str,
    port: int,
) -> None:
    """Show a file of 'serve --db', or Amazon SWF itself, in a browser, and change nothing.

    With --db, the pages show the contents of the file when the command started. With --aws, they
    show one domain, for which the command makes nothing but queries: by default at most one a
    second, because production shares the account's request rates, and none while no page is open.
    A running 'flowy-sim serve' needs no such command: it shows its simulations at its own address.

    Only browsers on this machine see the pages.
    """
    if (db is None) == (not aws):
        raise click.UsageError("Give what to show: either --db or --aws.")
    if aws and not domain:
        raise click.UsageError("--aws requires --domain.")
    if db is not None and any(each is not None for each in (domain, region, endpoint_url)):
        raise click.UsageError("--domain, --region and --endpoint-url are for --aws.")
    try:
        from flowy_sim._server.server import Server, url_of
        from flowy_sim._server.settings import ServerSettings
        from flowy_sim._storage.files import FileInUseError, FileRefusedError
    except ModuleNotFoundError as error:
        from flowy._installation import install_command

        raise click.ClickException(
            f"the console needs {error.name}; install it: {install_command('serve')}"
        ) from error
    if db is None:
        open_journal, make_pages = _aws(
            str(domain), region, endpoint_url, requests_per_second, packages
        )
    else:
        open_journal, make_pages = _file(db, packages)
    listener = listener_at(host, port)
    server = Server(listener, ServerSettings(), open_journal, (), 1, make_pages)
    # The simulations are only shown, so no time passes in them.
    server.simulations.close()

    def greet() -> None:
        click.echo(f"Open {url_of(listener)}/ in a browser; Ctrl-C stops the console.")

    try:
        asyncio.run(server.serve(greet))
    except FileInUseError as error:
        raise click.ClickException(_in_use(str(error), db)) from error
    except FileRefusedError as error:
        raise click.ClickException(str(error)) from error
    finally:
        listener.close()


def _file(db: Path, packages: Sequence[str]) -> tuple[OpenJournal, MakePages]:
    from flowy_sim._console.application import console
    from flowy_sim._storage.file_journal import reading_only

    if not db.exists():
        raise click.ClickException(f"{db} does not exist; give a file of 'flowy-sim serve --db'")
    return reading_only(db), partial(
        console, can_act=False, packages=packages, make_test=zipped_test
    )


def _aws(
    domain: str,
    region: str | None,
    endpoint_url: str | None,
    per_second: float,
    packages: Sequence[str],
) -> tuple[OpenJournal, MakePages]:
    from botocore.exceptions import ClientError

    from flowy._cli import errors_as_messages
    from flowy._client import call, connect, fault_code
    from flowy_sim._console.application import Console
    from flowy_sim._console.aws import AwsSources
    from flowy_sim._storage.file_journal import ReadOnlyJournal

    with errors_as_messages():
        client = connect(endpoint_url, region)
        try:
            call(client, "describe_domain", {"name": domain})
        except ClientError as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
            where = endpoint_url or "Amazon SWF"
            raise click.ClickException(
                f"there is no domain {domain!r} at {where}; give another --domain or --region"
            ) from error

    async def open_journal(target: RestoreTarget) -> Journal:
        return ReadOnlyJournal()

    def make_pages(simulations: Any, settings: Any) -> Console:
        sources = AwsSources(client, domain, per_second, endpoint_url or "")
        return Console(sources, settings, packages=packages, make_test=zipped_test)

    return open_journal, make_pages


def _in_use(refusal: str, db: Path | None) -> str:
    """Return why a file is refused, with the address of the server that shows it."""
    from flowy_sim._storage.progress_mark import ProgressMark

    mark = None if db is None else ProgressMark.read_file(db)
    if mark is None or not mark.url:
        return refusal
    return f"{db} is in use by a server, which shows it itself: open {mark.url}/ in a browser"
