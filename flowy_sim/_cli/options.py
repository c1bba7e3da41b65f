"""Arguments and options that several commands share."""

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
    help="Another module with activities; can be given several times.",
)

histories = click.argument(
    "paths",
    metavar="FILE-or-FOLDER...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def whole_number(
    name: str, help: str, *, least: int, default: int | None = None
) -> Callable[[Any], Any]:
    """Return an option that takes a whole number.

    Args:
        name: the name, such as ``--workers``.
        help: the help text.
        least: the minimum.
        default: the default, which the help shows; None for no value.
    """
    return click.option(
        name,
        metavar="N",
        type=click.IntRange(min=least),
        default=default,
        show_default=default is not None,
        help=help,
    )
