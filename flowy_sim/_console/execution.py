"""The page of an execution: what it waits for, its timeline, events and relatives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from flowy_sim._console.commands import copies
from flowy_sim._console.drawer import Drawer
from flowy_sim._console.drawn import Job, draw, draw_data, draw_history
from flowy_sim._console.source import OPEN, ExecutionRow, Recorded, SourceError
from flowy_sim._console.visit import Visit
from flowy_sim._console.workflow_code import Told, WorkflowCode

TEMPLATE = "execution.html"

_RUNS = 20
"""The number of other runs of a workflow ID that are shown."""


_CODE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_NAME = 60
"""The number of characters of a workflow ID that a file's name takes."""

MakeTest = Callable[..., bytes]
"""Makes a test of a `DrawnRun` and its `Job`, with its history, as a ZIP file. It is given the
``name`` of the files, ``code`` such as ``shop.orders:Order``, and whether it ``is_workflow``."""


class TestFile(NamedTuple):
    """A test with its history: the name of a ZIP file, and what is in it."""

    name: str
    content: bytes


async def execution(visit: Visit, drawer: Drawer, code: WorkflowCode) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    row, recorded = await _asked_for(visit)
    told = await code.told(visit.source.place, row, recorded)
    job = await _job(visit, row, told)
    drawn = await drawer.run(draw, recorded, job)
    found = [] if visit.source.is_costly else await visit.source.runs(row.workflow_id)
    runs = [each for each in found if each.run_id != row.run_id]
    return {
        "row": row,
        "is_open": row.status == OPEN,
        "drawn": drawn,
        "told": told,
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


async def data(visit: Visit, drawer: Drawer, code: WorkflowCode) -> str:
    """Return what the scripts of the page need, as JSON.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    row, recorded = await _asked_for(visit)
    told = await code.told(visit.source.place, row, recorded)
    return await drawer.run(draw_data, recorded, await _job(visit, row, told))


async def history(visit: Visit, drawer: Drawer, code: WorkflowCode) -> str:
    """Return the history as JSON, as ``flowy history --json`` writes it.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    row, recorded = await _asked_for(visit)
    return await drawer.run(draw_history, recorded, await _job(visit, row, Told()))


async def test(visit: Visit, drawer: Drawer, make: MakeTest, fields: Mapping[str, str]) -> TestFile:
    """Return a test that repeats the run, with its history.

    Args:
        visit: the request.
        drawer: makes the test beside the server.
        make: makes it.
        fields: the fields of its form.

    Raises:
        SourceError: there is no such execution, or no test can be made of it.
    """
    code = fields.get("code", "").strip()
    if not _CODE.fullmatch(code):
        raise SourceError(
            f"{code!r} is not the name of code; write module:Class, such as shop.orders:Order."
        )
    row, recorded = await _asked_for(visit)
    if row.status == OPEN:
        raise SourceError(
            "The execution is still open, so a test cannot tell how it has to end; make the test "
            "when it is closed."
        )
    words = re.sub(r"\W+", "_", row.workflow_id, flags=re.ASCII)[:_NAME].strip("_").lower()
    name = f"test_{words or 'run'}"
    written = partial(make, name=name, code=code, is_workflow="polls" not in fields)
    job = await _job(visit, row, Told())
    return TestFile(f"{name}.zip", await drawer.run(written, recorded, job))


async def _asked_for(visit: Visit) -> tuple[ExecutionRow, Recorded]:
    """Return the execution that the URL names, and its history."""
    source, query = visit.source, visit.query
    if not query.get("workflow"):
        raise SourceError("The URL names no execution: give workflow=… and run=….")
    row = await source.execution_row(query["workflow"], query.get("run", ""))
    return row, await source.recorded(row.workflow_id, row.run_id)


async def _job(visit: Visit, row: ExecutionRow, told: Told) -> Job:
    """Return what is asked about an execution."""
    source, after = visit.source, visit.query.get("after", "")
    return Job(
        row.workflow_id,
        row.run_id,
        source.clock().now if row.closed is None else row.closed,
        source.workers(),
        await source.heartbeats(row.workflow_id, row.run_id) if row.closed is None else {},
        int(after) if after.isdecimal() else 0,
        visit.query.get("axis", ""),
        told.signals,
    )
