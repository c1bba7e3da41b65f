"""The page of an execution: what it waits for, its timeline, events and relatives."""

from __future__ import annotations

from typing import Any

from flowy_sim._console.source import OPEN, SourceError
from flowy_sim._console.visit import Visit
from flowy_sim._report.page import ReportedRun, RunView

TEMPLATE = "execution.html"


async def execution(visit: Visit) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    workflow_id, run_id = visit.query.get("workflow", ""), visit.query.get("run", "")
    if not workflow_id:
        raise SourceError("The URL names no execution: give workflow=… and run=….")
    row = await visit.source.execution_row(workflow_id, run_id)
    events = await visit.source.history(row.workflow_id, row.run_id)
    return {
        "row": row,
        "is_open": row.status == OPEN,
        "run": RunView(ReportedRun(events, row.workflow_id, row.run_id)),
        "runs": await visit.source.runs(row.workflow_id),
        "width": 1000,
    }
