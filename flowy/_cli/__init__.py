"""The command line ``flowy``: workers, executions and domains."""

from __future__ import annotations

import os
import sys

import click

from flowy._cli.common import INTERRUPTED, Commands, errors_as_messages, parse_argument
from flowy._cli.domains import register_domain
from flowy._cli.showing import history, list_, show
from flowy._cli.steering import cancel, signal, start, terminate
from flowy._cli.workers import worker

__all__ = ["INTERRUPTED", "cli", "errors_as_messages", "parse_argument"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flowy-sim", message="flowy %(version)s")
def cli() -> None:
    """Workflows for Amazon SWF in plain Python."""
    # Modules are named as seen from here, also by an installed script.
    sys.path.insert(0, os.getcwd())


for command in (
    register_domain,
    worker,
    start,
    signal,
    cancel,
    terminate,
    list_,
    show,
    history,
):
    cli.add_command(command)
