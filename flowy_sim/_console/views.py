"""Views: what each page shows, as values that its template lays out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from flowy_sim._console.commands import Copies, copies
from flowy_sim._console.drawer import Drawer
from flowy_sim._console.drawn import Job, draw, draw_data, draw_history
from flowy_sim._console.renderer import parse_iso
from flowy_sim._console.source import OPEN, STATUSES, ExecutionRow, Filter, Recorded, SourceError
from flowy_sim._console.visit import Visit
from flowy_sim._console.workflow_code import Inspection, WorkflowCode
from flowy_sim._simulation.clock import from_milliseconds

# The list of executions: filters, counts, pages, and the box that takes an ID or text


_PLACE = ("account", "region", "domain")


class Elsewhere(Exception):
    """What was searched for is on another page.

    Attributes:
        url: the page, relative to this one.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def filter_of(query: dict[str, str]) -> Filter:
    """Return the filter in the parameters of a URL.

    Raises:
        SourceError: a time or a status cannot be read.
    """
    status = query.get("status", "")
    if status and status not in STATUSES:
        raise SourceError(f"status={status!r} is not a status; use one of {', '.join(STATUSES)}.")
    before = query.get("before", "")
    if before and not before.isdecimal():
        raise SourceError(f"before={before!r} is not the end of a page; follow a link to a page.")
    return Filter(
        status=status,
        type_name=query.get("type_name", ""),
        type_version=query.get("type_version", ""),
        tag=query.get("tag", ""),
        workflow_id=query.get("workflow_id", ""),
        text=query.get("q", "").strip(),
        started_from=_time(query, "started_from"),
        started_to=_time(query, "started_to"),
        closed_from=_time(query, "closed_from"),
        closed_to=_time(query, "closed_to"),
        before=int(before) if before else None,
    )


def _time(query: dict[str, str], name: str) -> int | None:
    try:
        return parse_iso(query.get(name, ""))
    except ValueError:
        raise SourceError(
            f"{name}={query[name]!r} is not a time; write it as 2024-01-31 12:00:00."
        ) from None


async def executions(visit: Visit) -> dict[str, Any]:
    """Return what the list shows.

    Raises:
        Elsewhere: the box has the ID of a run, which has a page of its own.
        SourceError: the executions cannot be listed.
    """
    wanted = filter_of(dict(visit.query))
    exactly = False
    if wanted.text and not visit.source.is_costly:
        found = await visit.source.find_run(wanted.text)
        if found is not None:
            raise Elsewhere(visit.link("execution", workflow=found.workflow_id, run=found.run_id))
        if not visit.query.get("anywhere") and await visit.source.runs(wanted.text):
            exactly = True
            wanted = replace(wanted, text="", workflow_id=wanted.text)
    page = await visit.source.executions(wanted)
    kept = {name: value for name, value in visit.query.items() if name not in _PLACE}
    without_page = {name: value for name, value in kept.items() if name != "before"}
    return {
        "wanted": wanted,
        "exactly": exactly,
        "page": page,
        "counts": await visit.source.counts(wanted),
        "types": await visit.source.types(),
        "statuses": STATUSES,
        "kept": without_page,
        "is_filtered": bool(set(without_page) - {"q", "anywhere"}),
        "next_url": "" if page.end is None else visit.link(**{**kept, "before": page.end}),
        "first_url": visit.link(**without_page) if wanted.before is not None else "",
        "now": visit.source.clock().now,
        "calls": list(_calls(visit, wanted)),
    }


def _calls(visit: Visit, wanted: Filter) -> Iterator[Copies]:
    """Yield what lists the same executions with Amazon SWF, which can filter by one thing only."""
    request: dict[str, Any] = {"domain": visit.source.place.domain}
    first = from_milliseconds(wanted.started_from or 0)
    request["startTimeFilter"] = {"oldestDate": first}
    if wanted.started_to is not None:
        request["startTimeFilter"]["latestDate"] = from_milliseconds(wanted.started_to)
    if wanted.workflow_id or wanted.text:
        request["executionFilter"] = {"workflowId": wanted.workflow_id or wanted.text}
    elif wanted.type_name:
        version = {"version": wanted.type_version} if wanted.type_version else {}
        request["typeFilter"] = {"name": wanted.type_name, **version}
    elif wanted.tag:
        request["tagFilter"] = {"tag": wanted.tag}
    if wanted.status in ("", OPEN) and wanted.closed_from is None and wanted.closed_to is None:
        yield copies("List open executions", "ListOpenWorkflowExecutions", request, visit.target)
    if wanted.status != OPEN:
        if wanted.status and not {"executionFilter", "typeFilter", "tagFilter"} & request.keys():
            request = {**request, "closeStatusFilter": {"status": wanted.status}}
        yield copies(
            "List closed executions", "ListClosedWorkflowExecutions", request, visit.target
        )


# The page of an execution: what it waits for, its timeline, events and relatives


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
    inspection = await code.inspect(visit.source.place, row, recorded)
    job = await _job(visit, row, inspection)
    drawn = await drawer.run(draw, recorded, job)
    found = [] if visit.source.is_costly else await visit.source.runs(row.workflow_id)
    runs = [each for each in found if each.run_id != row.run_id]
    return {
        "row": row,
        "is_open": row.status == OPEN,
        "drawn": drawn,
        "code": inspection,
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


async def execution_data(visit: Visit, drawer: Drawer, code: WorkflowCode) -> str:
    """Return what the scripts of the page need, as JSON.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    row, recorded = await _asked_for(visit)
    inspection = await code.inspect(visit.source.place, row, recorded)
    return await drawer.run(draw_data, recorded, await _job(visit, row, inspection))


async def execution_history(visit: Visit, drawer: Drawer, code: WorkflowCode) -> str:
    """Return the history as JSON, as ``flowy history --json`` writes it.

    Raises:
        SourceError: there is no such execution, or its history cannot be read.
    """
    row, recorded = await _asked_for(visit)
    return await drawer.run(draw_history, recorded, await _job(visit, row, Inspection()))


async def execution_test(
    visit: Visit, drawer: Drawer, make: MakeTest, fields: Mapping[str, str]
) -> TestFile:
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
            "The execution is still open, so a test cannot know how it should end; make the test "
            "once it is closed."
        )
    words = re.sub(r"\W+", "_", row.workflow_id, flags=re.ASCII)[:_NAME].strip("_").lower()
    name = f"test_{words or 'run'}"
    written = partial(make, name=name, code=code, is_workflow="polls" not in fields)
    job = await _job(visit, row, Inspection())
    return TestFile(f"{name}.zip", await drawer.run(written, recorded, job))


async def _asked_for(visit: Visit) -> tuple[ExecutionRow, Recorded]:
    """Return the execution that the URL names, and its history."""
    source, query = visit.source, visit.query
    if not query.get("workflow"):
        raise SourceError("The URL names no execution: give workflow=… and run=….")
    row = await source.execution_row(query["workflow"], query.get("run", ""))
    return row, await source.recorded(row.workflow_id, row.run_id)


async def _job(visit: Visit, row: ExecutionRow, inspection: Inspection) -> Job:
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
        inspection.signals,
    )


# The page of task lists: tasks that wait, workers that poll, and the tasks that they hold


_COPIED = 10
"""The number of task lists that can be copied as commands."""


async def task_lists(visit: Visit) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        SourceError: the lists cannot be read.
    """
    lists = await visit.source.task_lists()
    return {
        "lists": lists,
        "now": visit.source.clock().now,
        "calls": [
            copies(
                f"Count the {each.kind} tasks of {each.name}",
                f"CountPending{each.kind.capitalize()}Tasks",
                {"domain": visit.source.place.domain, "taskList": {"name": each.name}},
                visit.target,
            )
            for each in lists[:_COPIED]
        ],
    }
