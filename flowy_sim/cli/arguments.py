"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

words = click.argument("words", metavar="[WORKFLOW] [ARGUMENT]...", nargs=-1)

activities = click.option(
    "--activities",
    metavar="MODULE",
    multiple=True,
    help="Look for activities there, too; may be given several times.",
)

histories = click.argument(
    "paths",
    metavar="FILE-or-FOLDER...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, for programs."
)
