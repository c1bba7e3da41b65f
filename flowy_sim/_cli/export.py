"""The commands ``flowy-sim export`` and ``flowy-sim import``."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

_EXPORT_EXAMPLE = """\b
Examples:
  flowy-sim export --db swf.db > everything.json
  flowy-sim export --endpoint-url http://127.0.0.1:4567 -o now.json
  flowy-sim export --db swf.db --domain shop --workflow-id order-1"""

_IMPORT_EXAMPLE = """\b
Example:
  flowy-sim import everything.json --db copy.db
  flowy-sim serve --db copy.db"""


@click.command(epilog=_EXPORT_EXAMPLE, short_help="Write a simulation, or a part of it, as JSON.")
@click.option(
    "--db", metavar="FILE", type=click.Path(path_type=Path), help="A file that is not served."
)
@click.option("--endpoint-url", metavar="URL", help="A server, with the path of a simulation.")
@click.option("--simulation", metavar="NAME", help="Only this one of the simulations in the file.")
@click.option("--domain", metavar="NAME", help="Only this domain.")
@click.option(
    "--workflow-id",
    "workflow_ids",
    metavar="ID",
    multiple=True,
    help="Only these executions, with parents and children; needs --domain.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it, instead of to stdout.",
)
def export(
    db: Path | None,
    endpoint_url: str | None,
    simulation: str | None,
    domain: str | None,
    workflow_ids: tuple[str, ...],
    output: Path | None,
) -> None:
    """Write simulations as JSON, from a file of 'serve --db' or from a running server.

    What 'flowy-sim import' makes of it goes on exactly where it was: tasks keep their tokens, and
    timers fire. Histories are in it as the service sends them.
    """
    if (db is None) == (endpoint_url is None):
        raise click.UsageError("Say what to export: either --db or --endpoint-url.")
    if workflow_ids and domain is None:
        raise click.UsageError("--workflow-id needs --domain.")
    exported = _from_file(db) if db is not None else _from_server(str(endpoint_url))
    _choose(exported, simulation, domain, workflow_ids)
    _write(exported, output)


def _from_file(path: Path) -> dict[str, Any]:
    from flowy_sim._storage.exporting import export_file
    from flowy_sim._storage.files import FileRefusedError

    try:
        return export_file(path)
    except FileRefusedError as error:
        raise click.ClickException(str(error)) from error


def _from_server(url: str) -> dict[str, Any]:
    from http.client import HTTPException

    from flowy_sim._server.endpoint import Endpoint, EndpointError

    if not url.startswith("http://"):
        raise click.ClickException(f"{url!r} is no URL of a server, such as http://127.0.0.1:4567")
    try:
        exported = Endpoint(url).export()
        exported["simulations"]
    except EndpointError as error:
        raise click.ClickException(f"{url}: {error}") from error
    except (ValueError, LookupError, AttributeError, TypeError, HTTPException) as error:
        raise click.ClickException(f"{url} is no server of flowy-sim ({error})") from error
    except OSError as error:
        raise click.ClickException(
            f"{url} cannot be reached ({error}); start it with 'flowy-sim serve'"
        ) from error
    return exported


def _choose(
    exported: dict[str, Any],
    simulation: str | None,
    domain: str | None,
    workflow_ids: tuple[str, ...],
) -> None:
    from flowy_sim._storage.exporting import (
        NothingChosenError,
        choose_executions,
        choose_simulation,
    )

    try:
        if simulation is not None:
            choose_simulation(exported, simulation)
        if domain is not None:
            choose_executions(exported, domain, workflow_ids)
    except NothingChosenError as error:
        raise click.ClickException(str(error)) from error


def _write(exported: dict[str, Any], output: Path | None) -> None:
    text = json.dumps(exported)
    if output is None:
        click.echo(text)
        return
    written = output.with_name(f"{output.name}.new")
    try:
        written.write_text(f"{text}\n", encoding="ascii")
        os.replace(written, output)
    except OSError as error:
        with suppress(OSError):
            written.unlink(missing_ok=True)
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error


@click.command("import", epilog=_IMPORT_EXAMPLE, short_help="Put what was exported into a file.")
@click.argument("source", metavar="FILE", type=click.File("rb"))
@click.option(
    "--db",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="The file that 'flowy-sim serve --db' is to serve; it is made if there is none.",
)
@click.option("--as", "name", metavar="NAME", help="Another name for the simulation.")
def import_(source: Any, db: Path, name: str | None) -> None:
    """Put what 'flowy-sim export' has written into a file; - reads it from stdin.

    A simulation that is in the file already gets the executions beside its own. Everything is
    imported or, if anything is wrong, nothing.
    """
    from flowy_sim._storage.adding import import_file
    from flowy_sim._storage.files import FileRefusedError
    from flowy_sim._storage.forms import DocumentError
    from flowy_sim.verify._verdict import count

    said = getattr(source, "name", "<stdin>")
    try:
        document = json.load(source)
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{said} is not JSON: {error}") from error
    try:
        imported = import_file(db, _renamed(document, name))
    except DocumentError as error:
        raise click.ClickException(f"{said} cannot be imported: {error}") from error
    except FileRefusedError as error:
        raise click.ClickException(str(error)) from error
    moved = ", ".join(
        (
            count(len(imported.simulations), "simulation"),
            count(imported.executions, "execution"),
            count(imported.events, "event"),
        )
    )
    click.echo(f"Imported into {db}: {moved}.")
    if imported.lost_tokens:
        click.echo(
            f"The tokens of {imported.lost_tokens:,} tasks that are being worked on are no good "
            "there, since the simulation was begun with another seed; those tasks time out.",
            err=True,
        )


def _renamed(document: Any, name: str | None) -> Any:
    if name is None:
        return document
    try:
        (simulation,) = document["simulations"]
        return {**document, "simulations": [{**simulation, "name": name}]}
    except (LookupError, TypeError, ValueError):
        raise click.ClickException("--as needs a document with one simulation in it") from None
