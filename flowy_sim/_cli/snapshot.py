"""The command ``flowy-sim snapshot``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import click

_EXAMPLE = """\b
Examples:
  flowy-sim snapshot --db swf.db -o everything.db
  flowy-sim snapshot --endpoint-url http://127.0.0.1:4567 -o now.db
  flowy-sim snapshot --db swf.db --domain shop --workflow-id order-1 > 1.db"""


@click.command(epilog=_EXAMPLE, short_help="Copy simulations, or executions, into a file.")
@click.option(
    "--db",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File of 'serve --db' to copy; if a server has it open, through that server.",
)
@click.option(
    "--endpoint-url", metavar="URL", help="URL of a server, with the path of a simulation."
)
@click.option("--simulation", metavar="NAME", help="Simulation to copy; default: all.")
@click.option("--domain", metavar="NAME", help="Domain to copy; default: all.")
@click.option(
    "--workflow-id",
    "workflow_ids",
    metavar="ID",
    multiple=True,
    help="Executions to copy, with parents and children; requires --domain.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write to; default: standard output.",
)
def snapshot(
    db: Path | None,
    endpoint_url: str | None,
    simulation: str | None,
    domain: str | None,
    workflow_ids: tuple[str, ...],
    output: Path | None,
) -> None:
    """Copy simulations from a file of 'serve --db', or from a running server, into a new file.

    The new file needs no other file beside it. It has the same format: 'flowy-sim import' adds it
    to another file, and 'flowy-sim serve --db' serves it. Everything continues exactly where it
    was: tasks keep their tokens, and timers fire. For histories in JSON, use 'flowy-sim history'.
    """
    from flowy_sim._storage.files import FileInUseError, FileRefusedError
    from flowy_sim._storage.snapshot import NothingSelectedError, Selection, snapshot_file

    if (db is None) == (endpoint_url is None):
        raise click.UsageError("Give what to copy: either --db or --endpoint-url.")
    if workflow_ids and domain is None:
        raise click.UsageError("--workflow-id requires --domain.")
    if output is None and sys.stdout.isatty():
        raise click.UsageError(
            "A snapshot is not text for a terminal; give --output, or redirect stdout."
        )
    selection = Selection(simulation, domain, workflow_ids)
    with TemporaryDirectory() as folder:
        made, downloaded = Path(folder, "snapshot.db"), Path(folder, "server.db")
        try:
            if db is None:
                _download(str(endpoint_url), downloaded)
                snapshot_file(downloaded, made, selection, said=str(endpoint_url))
            else:
                try:
                    snapshot_file(db, made, selection)
                except FileInUseError as error:
                    _download_all(_server_of(db, error), downloaded)
                    snapshot_file(downloaded, made, selection, said=str(db))
        except FileRefusedError as error:
            said = str(error) if db else f"{endpoint_url} is not a flowy-sim server ({error})"
            raise click.ClickException(said) from error
        except NothingSelectedError as error:
            raise click.ClickException(str(error)) from error
        _write(made.read_bytes(), output)


def _server_of(db: Path, error: Exception) -> str:
    """Return the URL of the server that has a file open."""
    from flowy_sim._storage.progress import ProgressMark

    mark = ProgressMark.read_file(db)
    if mark is None or not mark.url:
        raise click.ClickException(str(error)) from error
    return mark.url


def _download(url: str, path: Path) -> None:
    """Write a snapshot of a served simulation to a file."""
    from flowy_sim._server.endpoint import Endpoint

    if not url.startswith("http://"):
        raise click.ClickException(
            f"{url!r} is not the URL of a server; one looks like http://127.0.0.1:4567"
        )
    _save(url, lambda: Endpoint(url).snapshot(), path)


def _download_all(url: str, path: Path) -> None:
    """Write a snapshot of all simulations of a server to a file."""
    from flowy_sim._server.endpoint import Endpoint

    _save(url, lambda: Endpoint(url).snapshot_of_all(), path)


def _save(url: str, download: Callable[[], bytes], path: Path) -> None:
    from http.client import HTTPException

    from flowy_sim._server.endpoint import EndpointError

    try:
        path.write_bytes(download())
    except EndpointError as error:
        raise click.ClickException(f"{url}: {error}") from error
    except (ValueError, AttributeError, HTTPException) as error:
        raise click.ClickException(f"{url} is not a flowy-sim server ({error})") from error
    except OSError as error:
        raise click.ClickException(
            f"{url} cannot be reached: {error.strerror or error}; start it with 'flowy-sim serve'"
        ) from error


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        return
    written = output.with_name(f"{output.name}.new")
    try:
        written.write_bytes(content)
        os.replace(written, output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    finally:
        written.unlink(missing_ok=True)
    click.echo(f"Wrote {output}.")
