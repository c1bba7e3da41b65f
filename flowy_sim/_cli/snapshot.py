"""The commands ``flowy-sim snapshot`` and ``flowy-sim import``."""

from __future__ import annotations

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

    The new file has the same format, and needs no other file beside it. Add its simulations to
    another file with 'flowy-sim import', or serve them with 'flowy-sim serve --db'. They continue
    exactly where they were: tasks keep their tokens, and timers fire. For histories in JSON, use
    'flowy-sim history'.
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
    from flowy_sim._storage.progress_mark import ProgressMark

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
    from flowy_sim._storage import files

    try:
        files.check_replaceable(output)
        files.write_complete(output, content)
    except files.FileRefusedError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {output}.")


_IMPORT_EXAMPLE = """\b
Example:
  flowy-sim import everything.db --db copy.db
  flowy-sim serve --db copy.db"""


@click.command(
    "import", epilog=_IMPORT_EXAMPLE, short_help="Add simulations from a snapshot to a file."
)
@click.argument(
    "source",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--db",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="File to add to, for 'flowy-sim serve --db'; created if it does not exist.",
)
@click.option("--as", "name", metavar="NAME", help="New name for the simulation.")
def import_(source: Path, db: Path, name: str | None) -> None:
    """Add simulations from a snapshot to a file of 'serve --db'.

    FILE is a file that 'flowy-sim snapshot' has written, or - for standard input. If the file of
    --db already has a simulation of the same name, the executions are added to that simulation. If
    anything is wrong, nothing is imported.
    """
    from flowy_sim._storage.files import FileRefusedError
    from flowy_sim._storage.snapshot import SnapshotError, import_file
    from flowy_sim.verify._comparison import count

    with TemporaryDirectory() as folder:
        snapshot, said = source, str(source)
        if said == "-":
            snapshot, said = Path(folder) / "stdin.db", "<stdin>"
            snapshot.write_bytes(sys.stdin.buffer.read())
        try:
            imported = import_file(db, snapshot, name=name, said=said)
        except (SnapshotError, FileRefusedError) as error:
            raise click.ClickException(str(error)) from error
    moved = ", ".join(
        (
            count(imported.simulations, "simulation"),
            count(imported.executions, "execution"),
            count(imported.events, "event"),
        )
    )
    click.echo(f"Imported into {db}: {moved}.")
    if imported.lost_tokens:
        click.echo(
            f"The tokens of {imported.lost_tokens:,} tasks that workers hold are not valid in this "
            "simulation, which has another seed; those tasks will time out.",
            err=True,
        )
