"""The command ``flowy-sim import``."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

_EXAMPLE = """\b
Example:
  flowy-sim import everything.db --db copy.db
  flowy-sim serve --db copy.db"""


@click.command("import", epilog=_EXAMPLE, short_help="Add simulations from a snapshot to a file.")
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
    """Add what 'flowy-sim snapshot' has written to a file; - reads it from stdin.

    If the file already has a simulation of that name, the executions are added to it. Either
    everything is imported or, if anything is wrong, nothing.
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
