"""The commands that read recorded histories: ``replay``, ``verify`` and ``report``.

Slow imports are made only when one of them runs.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowy_sim._cli import options

if TYPE_CHECKING:
    from flowy.workflow import Workflow
    from flowy_sim.verify import Verdict


_REPLAY_EXAMPLES = """\b
Examples:
  flowy-sim replay shop.orders:Order histories/
  flowy-sim replay shop.orders histories/      all workflows in the module
  aws swf get-workflow-execution-history --domain shop \\
      --execution workflowId=order-1,runId=22... > order-1.json
  flowy-sim replay shop.orders:Order order-1.json
  flowy-sim replay --decider shop.deciders:decide histories/

The exit status is 0 only if at least one history was replayed, and none failed."""


@click.command(
    short_help="Replay recorded histories with the current code.", epilog=_REPLAY_EXAMPLES
)
@click.argument("words", metavar="[WORKFLOW] FILE-or-FOLDER...", nargs=-1, required=True)
@options.decider
@click.option(
    "--ignore",
    metavar="MEMBER",
    multiple=True,
    help="Member of decisions that may differ, such as activityId; can be given several times.",
)
@click.option(
    "--any-order", is_flag=True, help="Allow another order of decisions in a decision task."
)
@click.option(
    "--freeze/--no-freeze",
    default=True,
    show_default=True,
    help="Whether --decider sees the time of each recorded decision, by freezegun.",
)
@click.option(
    "--store", metavar="PLACE", help="Store of long values: a folder, or s3://bucket/prefix."
)
@options.as_json
def replay(
    words: tuple[str, ...],
    decider: str | None,
    ignore: tuple[str, ...],
    any_order: bool,
    freeze: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Check that the current code makes the decisions that recorded histories show.

    WORKFLOW is module:Class, or a module for all of its workflows. A FILE is the history of an
    execution in JSON, as the AWS CLI prints it; it can contain several pages. A FOLDER contains
    such files. Histories of other workflows are skipped.

    Executions that are open during a deployment continue with the new code. If the code makes
    decisions that differ from their histories, they get stuck. Each history is replayed up to each
    of its decision tasks. If there is a difference, the command shows it in full and fails.

    With --decider, leave WORKFLOW out. The decider is a function or class that polls with an SWF
    client; its polls return each decision task of a history.
    """
    from flowy._safe_text import safe_lines
    from flowy.errors import ConfigurationError
    from flowy.payloads import Payloads
    from flowy_sim._cli.program import check_packages
    from flowy_sim._cli.targets import polling_code
    from flowy_sim.testing._history_files import DIFFERS, OTHER, REPLAYS, UNREADABLE, replay_files
    from flowy_sim.testing._recorded_decisions import Tolerance
    from flowy_sim.verify._comparison import count

    try:
        workflows = [] if decider else _workflows(words[0])
        payloads, tolerance = Payloads(store=store), Tolerance(ignore, any_order)
    except (ConfigurationError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    loop = None if decider is None else polling_code(decider)
    paths = _existing(words if decider else words[1:])
    found = []
    check_packages(loops=loop is not None, freeze=loop is not None and freeze)
    for replayed in replay_files(workflows, paths, payloads, loop, tolerance, freeze):
        found.append(replayed)
        if not as_json and replayed.outcome != OTHER:
            click.echo(safe_lines(replayed))
    if not found and not as_json:
        click.echo("No file ends in .json.", err=True)
    counts = Counter(replayed.outcome for replayed in found)
    if as_json:
        click.echo(json.dumps({"histories": [_replayed_as_dict(each) for each in found]}, indent=2))
    else:
        rest = f", {counts[OTHER]:,} of other workflows" if counts[OTHER] else ""
        click.echo(
            f"{count(len(found), 'history')}: {counts[REPLAYS]:,} replayed, "
            f"{counts[DIFFERS]:,} differ, {counts[UNREADABLE]:,} unreadable{rest}"
        )
    if counts[REPLAYS] == 0 or counts[DIFFERS] or counts[UNREADABLE]:
        sys.exit(1)


def _existing(words: Sequence[str]) -> list[Path]:
    """Return the files and folders that were given.

    Raises:
        click.UsageError: one does not exist, or there are none.
    """
    if not words:
        raise click.UsageError("Missing argument 'FILE-or-FOLDER...'.")
    for word in words:
        if not Path(word).exists():
            raise click.UsageError(f"The file or folder {word!r} does not exist.")
    return [Path(word) for word in words]


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


def _replayed_as_dict(replayed: Any) -> dict[str, Any]:
    return {
        "name": replayed.name,
        "outcome": replayed.outcome,
        "events": replayed.events,
        "error": replayed.sentence or None,
    }


_VERIFY_EXAMPLE = """\b
Example:
  aws swf get-workflow-execution-history --domain shop \\
      --execution workflowId=order-1,runId=22... > order-1.json
  flowy-sim verify order-1.json"""


@click.command(
    epilog=_VERIFY_EXAMPLE, short_help="Compare recorded histories with the simulator's."
)
@options.histories
@options.as_json
def verify(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check that the simulator writes the same histories as Amazon SWF.

    A FILE is the history of an execution in JSON, as the AWS CLI prints it. A FOLDER contains such
    files.

    The command repeats each execution in a new simulation, with the same start, decisions, answers,
    signals and times, and compares the histories event by event. If there is a difference, the
    command shows the first one in full and fails.
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


_REPORT_EXAMPLES = """\b
Examples:
  flowy-sim report order-1.json -o order-1.html
  flowy-sim report histories/ -o all.html
  flowy-sim report order-1.json --svg -o order-1.svg"""


@click.command(epilog=_REPORT_EXAMPLES, short_help="Write a page with the timelines of histories.")
@options.histories
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.",
)
@click.option("--svg", is_flag=True, help="Write only the timeline of one history, as SVG.")
@click.option("--redact", is_flag=True, help="Leave inputs, results and details out.")
def report(paths: tuple[Path, ...], output: Path, svg: bool, redact: bool) -> None:
    """Write a page with the timeline and all events of each history: one HTML file.

    A FILE is the history of an execution in JSON, as the AWS CLI prints it. A FOLDER contains such
    files. Executions that failed come first.

    The page needs no other file and makes no requests, so you can keep it, send it, or attach it to
    a build. It contains inputs and results, unless you give --redact.
    """
    from flowy._decider.decider import UNKNOWN
    from flowy.errors import HistoryError
    from flowy_sim._events.history import files
    from flowy_sim._events.spans import read
    from flowy_sim._report import page
    from flowy_sim._report.run_view import ReportedRun
    from flowy_sim.testing._history_files import load
    from flowy_sim.verify._comparison import count

    runs = []
    for name, path in files(*paths):
        try:
            loaded = load(path)
            read(loaded.events)
        except HistoryError as error:
            raise click.ClickException(str(error)) from error
        except ValueError as error:
            raise click.ClickException(f"{path} cannot be shown: {error}") from error
        ids = ("", "") if loaded.execution == UNKNOWN else loaded.execution
        runs.append(ReportedRun(loaded.events, *ids, source=name))
    if not runs:
        raise click.ClickException("no file ends in .json")
    if svg and len(runs) > 1:
        raise click.UsageError("--svg is for one history; leave it out for a page of several.")
    if svg:
        text = page.svg(runs[0].events)
    else:
        text = page.page(page.failed_first(runs), "Histories", redact=redact)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {output}: {count(len(runs), 'history')}.")
