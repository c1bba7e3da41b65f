"""The command ``flowy-sim export``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

_EXAMPLE = """\b
Examples:
  flowy-sim export --db swf.db -o everything.db
  flowy-sim export --endpoint-url http://127.0.0.1:4567 -o now.db
  flowy-sim export --db swf.db --domain shop --workflow-id order-1 > order-1.db"""


@click.command(epilog=_EXAMPLE, short_help="Copy simulations, or executions, into a file.")
@click.option(
    "--db",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File to copy from; no server may have it open.",
)
@click.option(
    "--endpoint-url", metavar="URL", help="URL of a server, with the path of a simulation."
)
@click.option("--simulation", metavar="NAME", help="Simulation to export; default: all.")
@click.option("--domain", metavar="NAME", help="Domain to export; default: all.")
@click.option(
    "--workflow-id",
    "workflow_ids",
    metavar="ID",
    multiple=True,
    help="Executions to export, with parents and children; requires --domain.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write to; default: standard output.",
)
def export(
    db: Path | None,
    endpoint_url: str | None,
    simulation: str | None,
    domain: str | None,
    workflow_ids: tuple[str, ...],
    output: Path | None,
) -> None:
    """Copy simulations from a file of 'serve --db', or from a running server, into a new file.

    The new file has the same format: 'flowy-sim import' adds it to another file, and 'flowy-sim
    serve --db' serves it. Everything continues exactly where it was: tasks keep their tokens, and
    timers fire. For histories in JSON, use 'flowy-sim history'.
    """
    from flowy_sim._storage.files import FileRefusedError
    from flowy_sim._storage.snapshot import NothingSelectedError, Selection, export_file

    if (db is None) == (endpoint_url is None):
        raise click.UsageError("Give what to export: either --db or --endpoint-url.")
    if workflow_ids and domain is None:
        raise click.UsageError("--workflow-id requires --domain.")
    if output is None and sys.stdout.isatty():
        raise click.UsageError(
            "An export is not text for a terminal; give --output, or redirect stdout."
        )
    selection = Selection(simulation, domain, workflow_ids)
    with TemporaryDirectory() as folder:
        exported = Path(folder) / "export.db"
        source = Path(folder) / "server.db" if db is None else db
        if db is None:
            _download(str(endpoint_url), source)
        try:
            export_file(source, exported, selection, said=str(db or endpoint_url))
        except FileRefusedError as error:
            said = str(error) if db else f"{endpoint_url} is not a flowy-sim server ({error})"
            raise click.ClickException(said) from error
        except NothingSelectedError as error:
            raise click.ClickException(str(error)) from error
        _write(exported.read_bytes(), output)


def _download(url: str, path: Path) -> None:
    """Write a snapshot of a served simulation to a file."""
    from http.client import HTTPException

    from flowy_sim._server.endpoint import Endpoint, EndpointError

    if not url.startswith("http://"):
        raise click.ClickException(
            f"{url!r} is not the URL of a server; one looks like http://127.0.0.1:4567"
        )
    try:
        path.write_bytes(Endpoint(url).export())
    except EndpointError as error:
        raise click.ClickException(f"{url}: {error}") from error
    except (ValueError, AttributeError, HTTPException) as error:
        raise click.ClickException(f"{url} is not a flowy-sim server ({error})") from error
    except OSError as error:
        raise click.ClickException(
            f"{url} cannot be reached ({error}); start it with 'flowy-sim serve'"
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
