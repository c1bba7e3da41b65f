"""The command ``flowy-sim explore``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import click

from flowy_sim._cli import options as arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreOptions:
    """What was said on the command line beside what is explored."""

    activities: tuple[str, ...]
    invariants: tuple[str, ...]
    real: bool
    completes: bool
    faults: tuple[str, ...]
    signals: tuple[str, ...]
    most_faults: int
    workers: int | None
    runs: int
    seconds: float
    processes: int
    seed: int
    choices: str | None
    as_json: bool


_EXAMPLES = """\b
Examples:
  flowy-sim explore shop.orders:Order 42
  flowy-sim explore shop.orders:Order 42 --completes --fault worker-dies-late
  flowy-sim explore shop.orders:Order 42 --signal approve --fault cancel-request
  flowy-sim explore shop.checks:no_order_is_lost --processes 0

The exit status is 0 if nothing was found, 1 if something was, 2 for wrong options."""


def _fault_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from flowy_sim.faults import BY_NAME

    names = ("everyday", "help", "none", *BY_NAME)
    return [name for name in names if name.startswith(incomplete)]


@click.command(short_help="Look for orders and faults that break a workflow.", epilog=_EXAMPLES)
@arguments.words
@arguments.activities
@click.option(
    "--invariants",
    metavar="MODULE",
    multiple=True,
    help="Check what is decorated with @invariant there, as in the workflow's own module.",
)
@click.option("--real", is_flag=True, help="Let the activities do their work, in every run.")
@click.option("--completes", is_flag=True, help="Take it for a failure if it does not complete.")
@click.option(
    "--fault",
    "faults",
    metavar="NAME",
    multiple=True,
    shell_complete=_fault_names,
    help="Let only this go wrong: a name as --fault help lists them, none, or everyday.",
)
@click.option(
    "--signal",
    "signals",
    metavar="NAME[=INPUT]",
    multiple=True,
    help="A signal that comes at whatever moment; INPUT is JSON, or else text.",
)
@arguments.whole_number("--most-faults", "So many faults in one run at most.", least=0, default=2)
@arguments.whole_number(
    "--workers",
    "So many workers on each task list; by default as many as there are tasks.",
    least=1,
)
@arguments.whole_number("--runs", "Stop after so many runs.", least=1, default=100_000)
@click.option(
    "--seconds",
    metavar="S",
    type=click.FloatRange(min=0),
    default=10,
    show_default=True,
    help="Stop after so long.",
)
@arguments.whole_number(
    "--processes", "So many processes; 0 for one on each core.", least=0, default=1
)
@click.option("--seed", type=int, default=0, help="Take other samples of a large space.")
@click.option("--choices", help="Make only the run with these choices, as a failure names them.")
@arguments.as_json
def explore(words: tuple[str, ...], **options: Any) -> None:
    """Run a workflow under many orders and faults, each run different, until one breaks it.

    WORKFLOW is module:Class, as for flowy-sim run; its activities are stood in for by such as
    return the plainest value of their type. What is looked for is that it gets stuck, decides
    otherwise than before, goes on for ever, or breaks an invariant. It may also be
    module:function, a test that is given a runner (docs/exploring.md). With nothing at all the
    tutorial's workflow is explored.

    A failure is made as small as can be, and told in a few lines; the last one repeats it.
    """
    from flowy_sim._cli.exploring import perform

    sys.exit(perform(words, ExploreOptions(**options)))
