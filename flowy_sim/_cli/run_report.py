"""What ``flowy-sim run`` reports: on a terminal, as JSON, and in files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

    from flowy_sim.testing._run import Run

_DETAIL_LINES = 12
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How a run is reported.

    Attributes:
        output: where the outcome is written.
        as_json: whether it is one JSON object.
        history, page: files for the history and for a page; None for none.
        redact: whether to leave inputs, results and details out of the page.
        simulated: whether time is simulated.
        is_tutorial: whether the result is where a photo was filed.
        remark: what is written at the end if it completed.
    """

    output: TextIO
    as_json: bool
    history: Path | None
    page: Path | None
    redact: bool
    simulated: bool
    is_tutorial: bool
    remark: str

    def write(self, run: Run, real_seconds: float, problem: str) -> None:
        """Report the outcome of a run.

        Args:
            run: the run.
            real_seconds: how long it took.
            problem: why it did not reach its end; empty if it did.

        Raises:
            click.ClickException: a file cannot be written.
        """
        from flowy_sim.testing._run import COMPLETED

        self.save(run)
        if self.as_json:
            click.echo(_as_json(run, real_seconds, problem), file=self.output)
            return
        headline = problem or _headline(run)
        if self.is_tutorial and run.status == COMPLETED:
            headline = f"Filed as {headline}"
        _print_run(
            self.console(),
            run,
            real_seconds,
            headline=headline,
            details="" if self.is_tutorial else run.details,
            simulated=self.simulated,
        )
        if self.history is not None:
            click.echo(f"The history is in {self.history}", file=self.output)
        if self.page is not None:
            click.echo(f"The report is in {self.page}", file=self.output)
        if self.remark and run.status == COMPLETED:
            click.echo(f"\n{self.remark}", file=self.output)

    def save(self, run: Run) -> None:
        """Write the files.

        Raises:
            click.ClickException: one of them cannot be written.
        """
        from flowy_sim.testing._history_files import save

        if self.history is not None:
            with _saving("history", self.history):
                save(self.history, run.history)
        if self.page is not None:
            with _saving("report", self.page):
                _write_page(self.page, run, redact=self.redact)

    def console(self) -> Console:
        """Return the terminal."""
        from rich.console import Console

        return Console(file=self.output, highlight=False)


@contextmanager
def _saving(what: str, path: Path) -> Iterator[None]:
    """End the command with a message if a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(
            f"the {what} cannot be saved: {path}: {error.strerror}"
        ) from error


def _write_page(path: Path, run: Run, *, redact: bool) -> None:
    from flowy_sim._report.page import page
    from flowy_sim._report.run_view import ReportedRun

    runs = [ReportedRun(each.history, each.workflow_id, each.run_id) for each in run.earlier]
    runs.append(ReportedRun(run.history, run.workflow_id, run.run_id, awaited=run.awaited))
    text = page(runs, f"{run.type} {run.workflow_id}", redact=redact)
    path.write_text(text, encoding="utf-8")


def _print_run(
    console: Console,
    run: Run,
    real_seconds: float,
    *,
    headline: str,
    details: str = "",
    simulated: bool = True,
) -> None:
    """Print the outcome of a run, its timeline, and the time that it took.

    Args:
        console: where to print.
        run: the run.
        real_seconds: how long it took.
        headline: the outcome.
        details: details of the outcome; their end is printed.
        simulated: whether its time was simulated.
    """
    from flowy._safe_text import safe_text
    from flowy_sim._report import timeline
    from flowy_sim._report.layout import duration
    from flowy_sim.testing._run import COMPLETED

    _print_line(console, headline, "bold green" if run.status == COMPLETED else "bold red")
    if shown := _shown_details(details, headline):
        _print_line(console, shown, "dim")
    console.print()
    drawn = timeline.rich_text(
        run.history,
        console.width,
        ascii=console.options.ascii_only,
        explain_end=False,
        awaited=run.awaited,
    )
    console.print(drawn, soft_wrap=True)
    console.print()
    passed, took = duration(run.simulated_seconds * 1000), duration(real_seconds * 1000)
    sentence = f"{passed} of simulated time passed in {took}" if simulated else f"It took {took}"
    _print_line(console, f"{sentence}.", "")
    _print_line(console, f"Workflow ID {safe_text(run.workflow_id)}, run ID {run.run_id}", "dim")


def _shown_details(details: str, headline: str) -> str:
    """Return the end of a traceback, without what the headline says already."""
    lines = details.rstrip().splitlines()
    if lines and headline.endswith((lines[-1], lines[-1].partition(": ")[2] or lines[-1])):
        lines.pop()
    if len(lines) > _DETAIL_LINES:
        # The last one of a chain of exceptions, or its end.
        first = max((index for index, line in enumerate(lines) if line == _TRACEBACK), default=0)
        lines = lines[max(first, len(lines) - _DETAIL_LINES) :]
    return "" if lines == [_TRACEBACK] else "\n".join(lines)


def _print_line(console: Console, text: str, style: str) -> None:
    from rich.text import Text

    from flowy._safe_text import safe_lines

    console.print(Text(safe_lines(text), style), soft_wrap=True)


def _headline(run: Run) -> str:
    """Return the result of a run, or its outcome if it did not complete."""
    from flowy_sim.testing._run import COMPLETED

    if run.status != COMPLETED:
        return run.describe()
    result = run.result
    return result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False)


def _as_json(run: Run, real_seconds: float, problem: str) -> str:
    """Return a run as one JSON object.

    Args:
        run: the run.
        real_seconds: how long it took.
        problem: why it did not reach its end; empty if it did.
    """
    from flowy_sim.testing._history_files import iso
    from flowy_sim.testing._run import COMPLETED

    document: dict[str, Any] = {
        "status": run.status,
        "result": run.result if run.status == COMPLETED else None,
        "workflowId": run.workflow_id,
        "runId": run.run_id,
        "events": run.history,
        "simulatedSeconds": run.simulated_seconds,
        "realSeconds": round(real_seconds, 3),
    }
    if run.status != COMPLETED:
        document["error"] = {"reason": problem or run.reason, "details": run.details}
    return json.dumps(document, default=iso)
