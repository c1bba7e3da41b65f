"""The command ``flowy-sim run``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from flowy_sim._cli import options as arguments

LIVE_WORKERS = 2
"""So many workers wait on each task list in real time, if nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What was said on the command line beside the workflow and its arguments."""

    activities: tuple[str, ...]
    as_json: bool
    history: Path | None
    seed: int | None
    workers: int | None
    realtime: bool
    endpoint_url: str | None
    aws: bool
    domain: str
    region: str | None
    verbose: bool

    def check(self) -> None:
        """Refuse options that do not go together, and a file that cannot be written.

        Raises:
            click.UsageError: with a sentence.
        """
        elsewhere = "--aws" if self.aws else "--endpoint-url"
        if self.aws and self.endpoint_url is not None:
            raise click.UsageError("--aws and --endpoint-url are two services; give one of them.")
        if self.remote and self.realtime:
            raise click.UsageError(f"With {elsewhere} time is real anyway; leave --realtime out.")
        if self.remote and self.seed is not None:
            raise click.UsageError(f"--seed is for simulations; it cannot go with {elsewhere}.")
        if self.history is not None and not self.history.absolute().parent.is_dir():
            raise click.UsageError(f"There is no folder for the history: {self.history}")

    @property
    def remote(self) -> bool:
        """Whether the service is somewhere else."""
        return self.aws or self.endpoint_url is not None


_EXAMPLES = """\b
Examples:
  flowy-sim run
  flowy-sim run https://example.com/photo.jpg 200
  flowy-sim run shop.orders:Order 42 '{"gift": true}' --history order.json
  flowy-sim run shop.orders:Order 42 --aws --region eu-west-1 --domain shop
  flowy-sim run shop.orders:Refund -- -5    what begins with a dash goes behind --

The exit status is 0 only if the execution completed; it is 2 for wrong options."""


@click.command(short_help="Run a workflow to its end.", epilog=_EXAMPLES)
@arguments.words
@arguments.activities
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.option(
    "--history",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Save the history, as GetWorkflowExecutionHistory gives it.",
)
@click.option("--seed", type=int, help="Another seed makes other run ids; 0 if not given.")
@arguments.whole_number(
    "--workers",
    "So many workers on each task list; by default as many as there are tasks, in real "
    f"time {LIVE_WORKERS}.",
    least=1,
)
@click.option("--realtime", is_flag=True, help="Let time pass as it does, with worker threads.")
@click.option("--endpoint-url", metavar="URL", help="Run it at a service that answers there.")
@click.option("--aws", is_flag=True, help="Run it at Amazon SWF, with your credentials.")
@click.option(
    "--domain",
    default="flowy_tutorial",
    show_default=True,
    help="The domain at such a service.",
)
@click.option("--region", help="The AWS region, if the environment does not say it.")
@click.option("-v", "--verbose", is_flag=True, help="Log what workers do, on standard error.")
def run(words: tuple[str, ...], **options: Any) -> None:
    """Run a workflow to its end: decider, workers and Amazon SWF in this process.

    WORKFLOW is module:Class. Its package is searched for activities. Each ARGUMENT is read as
    JSON; one that is no JSON is text. Time is simulated: it jumps over whatever is waited for,
    and a year takes milliseconds.

    A file or a URL instead of module:Class is a photograph for the tutorial's workflow. With
    nothing at all, that gets a sample.
    """
    given = RunOptions(**options)
    given.check()
    from flowy_sim._cli.performing import perform

    sys.exit(perform(words, given))
