"""What is shown of an execution that was run, and what is kept of it in a file."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.text import Text

from flowy_sim import _report
from flowy_sim.testing._history_files import iso
from flowy_sim.testing._run import COMPLETED, Run

_DETAIL_LINES = 12

ELSEWHERE = (
    "Activities were looked for in the workflow's package; --activities MODULE names another place."
)

NEXT = """\
Try next:
  flowy-sim run photo.jpg         a photograph of yours, a file or a URL
  flowy-sim run photo.jpg 400     a larger small picture of it
  flowy-sim run --json            for programs; --history FILE keeps every event
  flowy-sim run shop:Order 42     a workflow of yours: module, class, arguments
  flowy-sim run --help            all options
FLOWY_TUTORIAL_RESULTS names another folder for pictures, or s3://bucket/prefix."""


def show(
    console: Console,
    run: Run,
    real_seconds: float,
    *,
    headline: str,
    details: str = "",
    simulated: bool = True,
) -> None:
    """Print what came of an execution, what ran when, and how much time passed.

    Args:
        console: where.
        run: the execution.
        real_seconds: how long it took.
        headline: what came of it.
        details: more about that, of which the end is shown.
        simulated: whether it had a time of its own.
    """
    _line(console, headline, "bold green" if run.status == COMPLETED else "bold red")
    if details:
        _line(console, _end_of(details), "dim")
    console.print()
    ascii_only = console.options.ascii_only
    picture = _report.rich_text(run.history, console.width, ascii=ascii_only)
    console.print(picture, soft_wrap=True)
    console.print()
    passed = _report.duration(run.simulated_seconds * 1000)
    took = _report.duration(real_seconds * 1000)
    sentence = f"{passed} of simulated time passed in {took}" if simulated else f"It took {took}"
    _line(console, f"{sentence}.", "")
    _line(console, f"Workflow id {run.workflow_id}, run id {run.run_id}", "dim")


def headline_of(run: Run) -> str:
    """Say what came of an execution: its result, or what happened instead."""
    if run.status != COMPLETED:
        return run.describe()
    result = run.result
    return result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False)


def as_json(run: Run, real_seconds: float, trouble: str = "") -> str:
    """Write an execution as one JSON object.

    Args:
        run: the execution.
        real_seconds: how long it took.
        trouble: why it did not come to an end, if it did not.
    """
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
        document["error"] = {"reason": trouble or run.reason, "details": run.details}
    return json.dumps(document, default=iso)


def _end_of(details: str) -> str:
    lines = details.rstrip().splitlines()
    return "\n".join(lines[-_DETAIL_LINES:])


def _line(console: Console, text: str, style: str) -> None:
    console.print(Text(text, style), soft_wrap=True)
