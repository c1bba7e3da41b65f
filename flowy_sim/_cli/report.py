"""The command ``flowy-sim report``. What is slow to import is imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from flowy_sim._cli import options

_EXAMPLES = """\b
Examples:
  flowy-sim report order-1.json -o order-1.html
  flowy-sim report histories/ -o all.html
  flowy-sim report order-1.json --svg -o order-1.svg"""


@click.command(epilog=_EXAMPLES, short_help="Write recorded histories as a page to look at.")
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

    The page needs no other file and makes no requests, so it can be kept, sent, and attached to a
    build. It contains the inputs and results that the histories contain, except with --redact.
    """
    from flowy._decider.decider import UNKNOWN
    from flowy.errors import HistoryError
    from flowy_sim._report import page
    from flowy_sim.testing._histories import files, load
    from flowy_sim.verify._comparison import count

    runs = []
    for name, path in files(*paths):
        try:
            loaded = load(path)
        except HistoryError as error:
            raise click.ClickException(str(error)) from error
        ids = ("", "") if loaded.execution == UNKNOWN else loaded.execution
        runs.append(page.ReportedRun(loaded.events, *ids, source=name))
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
