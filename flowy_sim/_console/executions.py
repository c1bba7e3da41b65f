"""The list of executions: filters, counts, pages, and the box that takes an ID or text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flowy_sim._console.commands import Copies, copies
from flowy_sim._console.renderer import parse_iso
from flowy_sim._console.source import OPEN, STATUSES, Filter, SourceError
from flowy_sim._console.visit import Visit
from flowy_sim._simulation.clock import from_milliseconds

TEMPLATE = "executions.html"

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
        raise SourceError(f"before={before!r} is not the end of a page; follow the links of pages.")
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
