"""Arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def whole_number(
    name: str, help: str, *, least: int, default: int | None = None
) -> Callable[[Any], Any]:
    """Return an option that takes a whole number.

    Args:
        name: such as ``--workers``.
        help: what it is for.
        least: the least that may be given.
        default: what it is if it is not given, which help shows; None for no number at all.
    """
    return click.option(
        name,
        metavar="N",
        type=click.IntRange(min=least),
        default=default,
        show_default=default is not None,
        help=help,
    )
