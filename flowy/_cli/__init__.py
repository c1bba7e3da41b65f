"""The command line ``flowy``: one module for each command, or for a few that belong together."""

from __future__ import annotations

import os
import sys

import click

from flowy._cli import list as list_
from flowy._cli import open_executions, show, start, worker
from flowy._cli.common import (
    INTERRUPTED,
    Commands,
    errors_as_messages,
    examples,
    parse_argument,
)

__all__ = ["INTERRUPTED", "cli", "errors_as_messages", "parse_argument"]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    **examples(
        "flowy register-domain photos",
        "flowy worker --domain photos --task-list image_processing flowy.tutorial",
        "flowy start --domain photos --wait shop.photos:Categorization lake.jpg",
        "flowy list --domain photos --status OPEN",
        "flowy show --domain photos lake",
    ),
)
@click.version_option(package_name="flowy-sim", message="flowy %(version)s")
def cli() -> None:
    """Run workers, and start and manage executions, on Amazon SWF."""
    # Like `python -m`: modules of the current directory can be named.
    sys.path.insert(0, os.getcwd())


for command in (
    start.register_domain,
    worker.worker,
    start.start,
    open_executions.signal,
    open_executions.cancel,
    open_executions.terminate,
    list_.list_,
    show.show,
    show.history,
):
    cli.add_command(command)
