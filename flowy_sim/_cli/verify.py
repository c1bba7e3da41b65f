"""The command ``flowy-sim verify``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowy_sim._cli import options

if TYPE_CHECKING:
    from flowy_sim.verify import Verdict


_EXAMPLE = """\b
Example:
  aws swf get-workflow-execution-history --domain shop \\
      --execution workflowId=order-1,runId=22... > order-1.json
  flowy-sim verify order-1.json"""


@click.command(epilog=_EXAMPLE, short_help="Compare recorded histories with the simulator's.")
@options.histories
@options.as_json
def verify(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check that the simulator writes the same histories as Amazon SWF.

    A FILE is the history of an execution in JSON, as the AWS CLI prints it. A FOLDER contains such
    files.

    Each execution is repeated in a new simulation, with the same start, decisions, answers,
    signals and times, and compared event by event. The command fails if there is a difference,
    and shows the first one in full.
    """
    from flowy._safe_text import safe_lines
    from flowy_sim.verify import verify_paths
    from flowy_sim.verify._comparison import count

    verdicts = []
    for verdict in verify_paths(*paths):
        verdicts.append(verdict)
        if not as_json:
            click.echo(safe_lines(verdict))
    totals = _totals(verdicts)
    if not verdicts and not as_json:
        click.echo("No file ends in .json.", err=True)
    if as_json:
        histories = [verdict.as_dict() for verdict in verdicts]
        click.echo(json.dumps({"histories": histories, "totals": totals}, indent=2))
    else:
        click.echo(
            f"{count(totals['histories'], 'history')} with {count(totals['events'], 'event')}: "
            f"{totals['agree']:,} agree, {totals['differ']:,} differ, "
            f"{totals['unreadable']:,} unreadable"
        )
    if totals["agree"] < totals["histories"] or not verdicts:
        sys.exit(1)


def _totals(verdicts: Sequence[Verdict]) -> dict[str, int]:
    return {
        "histories": len(verdicts),
        "events": sum(verdict.events for verdict in verdicts),
        "agree": sum(verdict.agrees for verdict in verdicts),
        "differ": sum(verdict.difference is not None for verdict in verdicts),
        "unreadable": sum(bool(verdict.error) for verdict in verdicts),
    }
