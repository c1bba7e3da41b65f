"""The command ``flowy-sim replay``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowy_sim._cli import options

if TYPE_CHECKING:
    from flowy.workflow import Workflow

_EXAMPLES = """\b
Examples:
  flowy-sim replay shop.orders:Order histories/
  flowy-sim replay shop.orders histories/      all workflows of the module
  aws swf get-workflow-execution-history --domain shop \\
      --execution workflowId=order-1,runId=22... > order-1.json
  flowy-sim replay shop.orders:Order order-1.json

The exit status is 0 only if there is a history of such a workflow, and each is replayed."""


@click.command(short_help="Replay histories by the code of today.", epilog=_EXAMPLES)
@click.argument("workflow", metavar="WORKFLOW")
@options.histories
@click.option("--store", metavar="PLACE", help="Where long values are kept: a folder or s3://….")
@options.as_json
def replay(workflow: str, paths: tuple[Path, ...], store: str | None, as_json: bool) -> None:
    """Check that changed code decides as the code did that wrote some histories.

    WORKFLOW is module:Class, or a module for all its workflows. A FILE is the JSON of an
    execution's history, as the AWS command line prints it; it may hold several pages, one after
    the other. A FOLDER holds such files; histories of other workflows are left out.

    Executions that are open while you deploy go on with the new code from their old histories.
    Where it decides otherwise than they show, they would be stuck. Each history is replayed at
    every prefix at which it was decided on; where code and history part is shown in full, and the
    command fails.
    """
    from flowy.errors import ConfigurationError
    from flowy.payloads import Payloads
    from flowy_sim.testing._replay import DIFFERS, OTHER, REPLAYS, UNREADABLE, replay_files
    from flowy_sim.verify._verdict import count

    try:
        workflows, payloads = _workflows(workflow), Payloads(store=store)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    found = []
    for replayed in replay_files(workflows, paths, payloads):
        found.append(replayed)
        if not as_json and replayed.outcome != OTHER:
            click.echo(str(replayed))
    if not found and not as_json:
        click.echo("There is no file that ends in .json.", err=True)
    counts = Counter(replayed.outcome for replayed in found)
    if as_json:
        click.echo(json.dumps({"histories": [_plain(each) for each in found]}, indent=2))
    else:
        rest = f", {counts[OTHER]:,} of other workflows" if counts[OTHER] else ""
        click.echo(
            f"{count(len(found), 'history')}: {counts[REPLAYS]:,} replayed, "
            f"{counts[DIFFERS]:,} differ, {counts[UNREADABLE]:,} unreadable{rest}"
        )
    if counts[REPLAYS] == 0 or counts[DIFFERS] or counts[UNREADABLE]:
        sys.exit(1)


def _workflows(name: str) -> list[type[Workflow]]:
    """Return the workflows that are meant.

    Raises:
        ConfigurationError: there is no such module, or none in it.
    """
    from flowy._workers.registration import load_workflow, scan
    from flowy.errors import ConfigurationError

    if ":" in name:
        return [load_workflow(name)]
    workflows = list(scan(name).workflows)
    if not workflows:
        raise ConfigurationError(f"the module {name!r} has no workflows")
    return workflows


def _plain(replayed: Any) -> dict[str, Any]:
    return {
        "name": replayed.name,
        "outcome": replayed.outcome,
        "events": replayed.events,
        "error": replayed.sentence or None,
    }
