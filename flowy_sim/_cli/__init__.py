"""The command line ``flowy-sim``, one module for each command, or for a few that belong together.

Slow imports are made only when a command needs them, so that help and completion are fast.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from flowy_sim._cli.console import console
from flowy_sim._cli.explore import explore
from flowy_sim._cli.history import history
from flowy_sim._cli.recorded_histories import replay, report, verify
from flowy_sim._cli.run import run
from flowy_sim._cli.serve import serve
from flowy_sim._cli.snapshot import import_, snapshot
from flowy_sim._cli.write_test import write_test


def _version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"flowy-sim {version('flowy-sim')}")
        context.exit()


class InterruptibleGroup(click.Group):
    """A group of commands that end in the same way as those of ``flowy``."""

    def main(self, *arguments: Any, **others: Any) -> Any:
        """Run the command line."""
        try:
            return super().main(*arguments, **others)
        except OSError as error:
            from flowy._cli.common import end_if_output_failed

            end_if_output_failed(error)

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(context)
        except click.NoSuchOption as error:
            from flowy._cli.common import with_dash_explained

            raise with_dash_explained(error) from error
        except KeyboardInterrupt:
            from flowy._cli.common import interrupted

            interrupted(context)


_EXAMPLES = """\b
Examples:
  flowy-sim run                   run the tutorial's workflow on a sample
  flowy-sim run photo.jpg         run it on your own photo
  flowy-sim run shop:Order 42     run your own workflow
  flowy-sim explore shop:Order 42 find orders and faults that break it
  flowy-sim replay shop hists/    does the code still make the same decisions?
  flowy-sim verify history.json   does the simulator write the same history?
  flowy-sim serve                 serve clients in any language
  flowy-sim console --db swf.db   show a file of 'serve --db' in a browser
  flowy-sim snapshot --db swf.db  copy a file while a server uses it"""


@click.group(
    cls=InterruptibleGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXAMPLES,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Run and test workflows on Amazon SWF in memory, without AWS."""
    # Unlike `python -m`, an installed script does not search the current folder for modules.
    sys.path.insert(0, os.getcwd())


cli.add_command(console)
cli.add_command(explore)
cli.add_command(history)
cli.add_command(import_)
cli.add_command(replay)
cli.add_command(report)
cli.add_command(run)
cli.add_command(serve)
cli.add_command(snapshot)
cli.add_command(verify)
cli.add_command(write_test)
