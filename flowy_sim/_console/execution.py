"""The page of an execution: what it waits for, its timeline, events and relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowy_sim._console.commands import copies
from flowy_sim._console.drawn import Drawer, Job, draw_data, draw_history
from flowy_sim._console.source import OPEN, ExecutionRow, SourceError
from flowy_sim._console.visit import Visit

TEMPLATE = "execution.html"

_RUNS = 20
"""The number of other runs of a workflow ID that are shown."""


async def execution(visit: Visit, drawer: Drawer) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    row, job = await _asked_for(visit)
    drawn = await drawer.draw(job)
    found = [] if visit.source.is_costly else await visit.source.runs(row.workflow_id)
    runs = [each for each in found if each.run_id != row.run_id]
    return {
        "row": row,
        "is_open": row.status == OPEN,
        "drawn": drawn,
        "is_part": bool(job.after),
        "runs": runs[:_RUNS],
        "more_runs": len(runs[_RUNS:]),
        "heartbeats": job.heartbeats,
        "now": job.now,
        "calls": [
            copies(title, operation, _named(visit, row), visit.target)
            for title, operation in (
                ("Describe the execution", "DescribeWorkflowExecution"),
                ("Get its history", "GetWorkflowExecutionHistory"),
            )
        ],
    }


def _named(visit: Visit, row: ExecutionRow) -> dict[str, Any]:
    execution = {"workflowId": row.workflow_id, "runId": row.run_id}
    return {"domain": visit.source.place.domain, "execution": execution}


async def data(visit: Visit, drawer: Drawer) -> str:
    """Return what the scripts of the page need, as JSON.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    return await _text(visit, drawer, draw_data)


async def history(visit: Visit, drawer: Drawer) -> str:
    """Return the history as JSON, as ``flowy history --json`` writes it.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    return await _text(visit, drawer, draw_history)


async def _text(visit: Visit, drawer: Drawer, function: Callable[[Job], str]) -> str:
    _, job = await _asked_for(visit)
    return await drawer.text(function, job)


async def _asked_for(visit: Visit) -> tuple[ExecutionRow, Job]:
    """Return the execution that the URL names, and what to draw of it."""
    source, query = visit.source, visit.query
    if not query.get("workflow"):
        raise SourceError("The URL names no execution: give workflow=… and run=….")
    row = await source.execution_row(query["workflow"], query.get("run", ""))
    recorded = await source.recorded(row.workflow_id, row.run_id)
    after = query.get("after", "")
    now = source.clock().now if row.closed is None else row.closed
    return row, Job(
        recorded,
        row.workflow_id,
        row.run_id,
        now,
        source.workers(),
        await source.heartbeats(row.workflow_id, row.run_id) if row.closed is None else {},
        int(after) if after.isdecimal() else 0,
    )
