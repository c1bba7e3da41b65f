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
  flowy-sim replay shop.orders histories/      all workflows in the module
  aws swf get-workflow-execution-history --domain shop \\
      --execution workflowId=order-1,runId=22... > order-1.json
  flowy-sim replay shop.orders:Order order-1.json

The exit status is 0 only if at least one history was replayed, and none failed."""


@click.command(short_help="Replay recorded histories with the current code.", epilog=_EXAMPLES)
@click.argument("workflow", metavar="WORKFLOW")
@options.histories
@click.option(
    "--store", metavar="PLACE", help="Store of long values: a folder, or s3://bucket/prefix."
)
@options.as_json
def replay(workflow: str, paths: tuple[Path, ...], store: str | None, as_json: bool) -> None:
    """Check that the current code makes the decisions that recorded histories show.

    WORKFLOW is module:Class, or a module for all of its workflows. A FILE is the history of an
    execution in JSON, as the AWS CLI prints it; it can contain several pages. A FOLDER contains
    such files. Histories of other workflows are skipped.

    Executions that are open during a deployment continue with the new code. If it makes other
    decisions than their histories show, they get stuck. Each history is replayed as far as each
    of its decision tasks. The command fails if there is a difference, and shows it in full.
    """
    from flowy._safe_text import safe_lines
    from flowy.errors import ConfigurationError
    from flowy.payloads import Payloads
    from flowy_sim.testing._replay import DIFFERS, OTHER, REPLAYS, UNREADABLE, replay_files
    from flowy_sim.verify._comparison import count

    try:
        workflows, payloads = _workflows(workflow), Payloads(store=store)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    found = []
    for replayed in replay_files(workflows, paths, payloads):
        found.append(replayed)
        if not as_json and replayed.outcome != OTHER:
            click.echo(safe_lines(replayed))
    if not found and not as_json:
        click.echo("No file ends in .json.", err=True)
    counts = Counter(replayed.outcome for replayed in found)
    if as_json:
        click.echo(json.dumps({"histories": [_as_dict(each) for each in found]}, indent=2))
    else:
        rest = f", {counts[OTHER]:,} of other workflows" if counts[OTHER] else ""
        click.echo(
            f"{count(len(found), 'history')}: {counts[REPLAYS]:,} replayed, "
            f"{counts[DIFFERS]:,} differ, {counts[UNREADABLE]:,} unreadable{rest}"
        )
    if counts[REPLAYS] == 0 or counts[DIFFERS] or counts[UNREADABLE]:
        sys.exit(1)


def _workflows(name: str) -> list[type[Workflow]]:
    """Return the workflow of a path, or all workflows in a module.

    Raises:
        ConfigurationError: there is no such module or workflow.
    """
    from flowy._workers.registration import load_workflow, scan
    from flowy.errors import ConfigurationError

    if ":" in name:
        return [load_workflow(name)]
    workflows = list(scan(name).workflows)
    if not workflows:
        raise ConfigurationError(f"the module {name!r} has no workflows")
    return workflows


def _as_dict(replayed: Any) -> dict[str, Any]:
    return {
        "name": replayed.name,
        "outcome": replayed.outcome,
        "events": replayed.events,
        "error": replayed.sentence or None,
    }
