"""Amazon SWF itself, or any endpoint, as a read-only source.

Production shares the account's rates, so requests per second are limited, replies are kept for a
while, and no request is made while no page waits for an answer. Only operations of Amazon SWF are
used; each page names what they do not reveal.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from flowy_sim._console.source import (
    OPEN,
    PAGE,
    ClockState,
    Event,
    ExecutionPage,
    ExecutionRow,
    Filter,
    IsGone,
    LastHeartbeat,
    Place,
    Recorded,
    SourceError,
    TaskListRow,
)
from flowy_sim._events.schema import EVENTS, attributes_of
from flowy_sim._events.waits import Workers
from flowy_sim._simulation.clock import from_milliseconds, to_milliseconds

_KEPT_SECONDS = 4.0
"""Real seconds for which a reply is kept, so that several pages cost no more than one."""
_KEPT_LONG = 600.0
"""The same, of what seldom changes."""
_MANY = 500
"""The number of replies, of histories and of pages that are kept."""
_TYPE_PAGES = 5
"""The number of pages of workflow types that are listed."""

UNKNOWN = (
    "Amazon SWF does not report which task lists exist, which clients poll them, which worker has "
    "a task, or what its last heartbeat said. Pages show only the task lists of the histories that "
    "were opened in this console.",
    "A search finds workflow IDs only. Amazon SWF takes one filter at a time, so pages may be "
    "short if you set several. Closed executions are not counted: each count would take a request.",
)


class Requests:
    """Requests to Amazon SWF, of all pages together.

    Args:
        client: an SWF client.
        per_second: the maximum number of requests per second.

    Attributes:
        count: the number of requests made.
    """

    def __init__(self, client: Any, per_second: float = 1.0) -> None:
        self.count = 0
        self._client = client
        self._pause = 1 / per_second
        self._turn = asyncio.Lock()
        self._next = 0.0
        self._kept: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()

    async def ask(
        self, is_gone: IsGone, operation: str, keep: float = 0.0, **request: Any
    ) -> dict[str, Any]:
        """Return the reply to a request, which may have to wait for its turn.

        Args:
            is_gone: returns whether the browser has stopped waiting for the reply.
            operation: such as ``ListDomains``.
            keep: for how many real seconds a reply may be kept.
            request: its members.

        Raises:
            SourceError: it is refused, or the service cannot be reached.
        """
        key = f"{operation} {request!r}"
        async with self._turn:
            kept_at, reply = self._kept.get(key, (0.0, {}))
            if reply and time.monotonic() < kept_at + keep:
                return reply
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            if await is_gone():
                raise SourceError("The page was closed.")
            self._next = time.monotonic() + self._pause
            self.count += 1
            try:
                method = getattr(self._client, xform_name(operation))
                reply = await asyncio.to_thread(method, **request)
            except ClientError as error:
                details = error.response["Error"]
                message, code = details.get("Message", ""), details.get("Code", "")
                raise SourceError(message or code, code) from error
            except BotoCoreError as error:
                raise SourceError(str(error)) from error
        _keep(self._kept, key, (time.monotonic(), reply))
        return reply


@dataclass
class _Lists:
    """Where a page of executions ended, in each of the lists that it takes from."""

    rows: dict[str, list[ExecutionRow]] = field(default_factory=dict)
    tokens: dict[str, str | None] = field(default_factory=dict)


class Seen:
    """What all pages have seen.

    Attributes:
        ends: where pages of lists ended, by numbers that their links contain.
        numbers: the next such number.
        histories: the histories that were read, by run ID.
        task_lists: the kind and name of each task list in them.
    """

    def __init__(self) -> None:
        self.ends: OrderedDict[int, _Lists] = OrderedDict()
        self.numbers = count(1)
        self.histories: OrderedDict[str, list[Event]] = OrderedDict()
        self.task_lists: dict[tuple[str, str], None] = {}


class AwsSource:
    """A domain of Amazon SWF; see `flowy_sim._console.source.Source`.

    Args:
        requests: makes requests.
        seen: what all pages have seen.
        place: region and domain.
        endpoint: the URL of the service; empty for Amazon SWF itself.
        is_gone: returns whether the browser waits for the page no longer.
    """

    can_act = False
    is_costly = True
    unknown: Sequence[str] = UNKNOWN

    def __init__(
        self, requests: Requests, seen: Seen, place: Place, endpoint: str, is_gone: IsGone
    ) -> None:
        self.place = place
        self.endpoint: str | None = endpoint
        self.unnamed = urlsplit(endpoint).netloc or f"Amazon SWF in {place.region}"
        self._requests = requests
        self._seen = seen
        self._is_gone = is_gone

    def clock(self) -> ClockState:
        """Return the clock of this machine."""
        return ClockState(int(time.time() * 1000), "real", 1.0)

    def stamp(self) -> str:
        """Return nothing: it is unknown when something changes."""
        return ""

    async def places(self) -> list[Place]:
        """Return this place: others are shown by consoles of their own."""
        return [self.place]

    async def types(self) -> list[tuple[str, str]]:
        """Return the registered workflow types, unless there are very many."""
        found: list[tuple[str, str]] = []
        token: dict[str, str] = {}
        for _ in range(_TYPE_PAGES):
            reply = await self._ask(
                "ListWorkflowTypes", _KEPT_LONG, registrationStatus="REGISTERED", **token
            )
            named = [each["workflowType"] for each in reply["typeInfos"]]
            found += [(each["name"], each["version"]) for each in named]
            if "nextPageToken" not in reply:
                break
            token = {"nextPageToken": reply["nextPageToken"]}
        return found

    async def executions(self, wanted: Filter) -> ExecutionPage:
        """Return a page of executions, from the lists of open and of closed ones."""
        # The service searches for whole workflow IDs only.
        if wanted.text:
            wanted = replace(wanted, text="", workflow_id=wanted.text)
        if wanted.before is None:
            lists = _Lists(tokens=dict.fromkeys(_operations(wanted), ""))
        elif wanted.before in self._seen.ends:
            ended = self._seen.ends[wanted.before]
            # Copied, because the page may be asked for again, by the same link.
            lists = _Lists({k: list(v) for k, v in ended.rows.items()}, dict(ended.tokens))
        else:
            raise SourceError("The start of this page is no longer known; start from the newest.")
        rows: list[ExecutionRow] = []
        while len(rows) < PAGE:
            for operation, token in lists.tokens.items():
                if token is not None and not lists.rows.get(operation):
                    await self._fill(lists, operation, token, wanted)
            available = {name: each[0] for name, each in lists.rows.items() if each}
            if not available:
                break
            # Two lists, each the newest first, are merged into one.
            newest = max(available, key=lambda name: available[name].started)
            rows.append(lists.rows[newest].pop(0))
        page = ExecutionPage([row for row in rows if _matches(row, wanted)])
        if any(lists.rows.values()) or any(lists.tokens.values()):
            page.end = next(self._seen.numbers)
            _keep(self._seen.ends, page.end, lists)
        return page

    async def _fill(self, lists: _Lists, operation: str, token: str, wanted: Filter) -> None:
        request = _list_request(operation, wanted)
        if token:
            request["nextPageToken"] = token
        reply = await self._ask(operation, **request)
        lists.rows[operation] = list(map(_row, reply["executionInfos"]))
        lists.tokens[operation] = reply.get("nextPageToken")

    async def counts(self, wanted: Filter) -> Mapping[str, int]:
        """Return the number of open executions."""
        # Each number would cost a request, and few are made per second.
        if wanted.text or wanted.type_name or wanted.tag or wanted.workflow_id:
            return {}
        times = _list_request("ListOpenWorkflowExecutions", wanted)["startTimeFilter"]
        reply = await self._ask("CountOpenWorkflowExecutions", 30.0, startTimeFilter=times)
        return {OPEN: reply["count"]}

    async def find_run(self, run_id: str) -> ExecutionRow | None:
        """Return None: Amazon SWF finds no execution by its run ID alone."""
        return None

    async def runs(self, workflow_id: str) -> list[ExecutionRow]:
        """Return the newest runs of a workflow ID."""
        page = await self.executions(Filter(workflow_id=workflow_id))
        return page.rows

    async def execution_row(self, workflow_id: str, run_id: str) -> ExecutionRow:
        """Return an execution; without a run ID the newest run."""
        if not run_id:
            runs = await self.runs(workflow_id)
            if not runs:
                raise SourceError(
                    f"Unknown execution, workflowId = {workflow_id}", "UnknownResourceFault"
                )
            return runs[0]
        named = {"workflowId": workflow_id, "runId": run_id}
        reply = await self._ask("DescribeWorkflowExecution", execution=named)
        return _row(reply["executionInfo"])

    async def recorded(self, workflow_id: str, run_id: str) -> Recorded:
        """Return all events of an execution; those that are known are not asked for again."""
        known = self._seen.histories.get(run_id, [])
        # A closed execution never changes.
        if known and EVENTS[known[-1]["eventType"]].close_status is not None:
            return Recorded(known)
        named = {"workflowId": workflow_id, "runId": run_id}
        newer: list[Event] = []
        token: dict[str, Any] = {}
        # From the newest event on to one that is known.
        last = known[-1]["eventId"] if known else 0
        while True:
            request = {"execution": named, "reverseOrder": bool(last), **token}
            reply = await self._ask("GetWorkflowExecutionHistory", **request)
            newer += [each for each in reply["events"] if each["eventId"] > last]
            reached = bool(last) and reply["events"][-1]["eventId"] <= last + 1
            if reached or "nextPageToken" not in reply:
                break
            token = {"nextPageToken": reply["nextPageToken"]}
        events = [*known, *sorted(newer, key=lambda each: int(each["eventId"]))]
        _keep(self._seen.histories, run_id, events)
        self._seen.task_lists.update(dict.fromkeys(_task_lists(newer)))
        return Recorded(events)

    def workers(self) -> Workers:
        """Return that nothing is known of workers."""
        return Workers(None, None, ())

    async def heartbeats(self, workflow_id: str, run_id: str) -> Mapping[str, LastHeartbeat]:
        """Return nothing: only the worker and the service know."""
        return {}

    async def task_lists(self) -> list[TaskListRow]:
        """Return the task lists in the histories that were shown, with their backlog."""
        rows = []
        for kind, name in sorted(self._seen.task_lists):
            operation = f"CountPending{kind.capitalize()}Tasks"
            reply = await self._ask(operation, 30.0, taskList={"name": name})
            rows.append(TaskListRow(kind, name, reply["count"], None, None))
        return rows

    async def task_token(self, workflow_id: str, run_id: str, activity_id: str) -> str:
        """Refuse."""
        raise SourceError("This console is read-only.")

    async def move(self, how: str, seconds: float) -> str:
        """Refuse."""
        raise SourceError("This console is read-only.")

    async def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Refuse."""
        raise SourceError("This console is read-only.")

    async def _ask(self, operation: str, keep: float = 0.0, /, **request: Any) -> dict[str, Any]:
        return await self._requests.ask(
            self._is_gone, operation, max(keep, _KEPT_SECONDS), domain=self.place.domain, **request
        )


class AwsSources:
    """Finds the only source there is.

    Args:
        client: an SWF client.
        domain: the domain to show.
        per_second: the maximum number of requests per second.
        endpoint: the URL of the service; empty for Amazon SWF itself.
    """

    def __init__(self, client: Any, domain: str, per_second: float, endpoint: str) -> None:
        self.requests = Requests(client, per_second)
        self._seen = Seen()
        self._domain = domain
        self._endpoint = endpoint
        self._region = str(client.meta.region_name)

    def find(self, place: Place, is_gone: IsGone) -> AwsSource | None:
        """Return the source; None if another simulation is asked for."""
        if place.simulation:
            return None
        if place.domain not in ("", self._domain):
            raise SourceError(
                f"This console shows the domain {self._domain!r}; start another for other domains."
            )
        here = Place("", place.account, self._region, self._domain)
        return AwsSource(self.requests, self._seen, here, self._endpoint, is_gone)


_LISTS = {OPEN: "ListOpenWorkflowExecutions", "": "ListClosedWorkflowExecutions"}


def _operations(wanted: Filter) -> list[str]:
    by_close = wanted.closed_from is not None or wanted.closed_to is not None
    if wanted.status == OPEN:
        return [_LISTS[OPEN]]
    if wanted.status or by_close:
        return [_LISTS[""]]
    return [_LISTS[OPEN], _LISTS[""]]


def _list_request(operation: str, wanted: Filter) -> dict[str, Any]:
    """Return a request for a list, with the first of the filters: the service takes only one."""
    name, first, last = "startTimeFilter", wanted.started_from, wanted.started_to
    if operation == _LISTS[""] and (wanted.closed_from, wanted.closed_to) != (None, None):
        name, first, last = "closeTimeFilter", wanted.closed_from, wanted.closed_to
    times = {"oldestDate": from_milliseconds(first or 0)}
    if last is not None:
        times["latestDate"] = from_milliseconds(last)
    request: dict[str, Any] = {name: times, "maximumPageSize": PAGE}
    if wanted.workflow_id:
        request["executionFilter"] = {"workflowId": wanted.workflow_id}
    elif wanted.type_name:
        version = {"version": wanted.type_version} if wanted.type_version else {}
        request["typeFilter"] = {"name": wanted.type_name, **version}
    elif wanted.tag:
        request["tagFilter"] = {"tag": wanted.tag}
    elif wanted.status not in ("", OPEN):
        request["closeStatusFilter"] = {"status": wanted.status}
    return request


def _matches(row: ExecutionRow, wanted: Filter) -> bool:
    """Return whether an execution meets the filters that the service was not asked for."""
    first, last = wanted.started_from, wanted.started_to
    return (
        wanted.status in ("", row.status)
        and wanted.type_name in ("", row.type_name)
        and wanted.type_version in ("", row.type_version)
        and (not wanted.tag or wanted.tag in row.tags)
        and (first is None or first <= row.started)
        and (last is None or row.started <= last)
    )


def _row(info: Mapping[str, Any]) -> ExecutionRow:
    closed = info.get("closeTimestamp")
    return ExecutionRow(
        info["execution"]["workflowId"],
        info["execution"]["runId"],
        info["workflowType"]["name"],
        info["workflowType"]["version"],
        info.get("closeStatus", OPEN),
        to_milliseconds(info["startTimestamp"]),
        None if closed is None else to_milliseconds(closed),
        info.get("tagList", ()),
        "",
        info.get("cancelRequested", False),
    )


def _task_lists(events: Sequence[Event]) -> Iterator[tuple[str, str]]:
    for event in events:
        kind = {"DecisionTaskScheduled": "decision", "ActivityTaskScheduled": "activity"}.get(
            event["eventType"]
        )
        if kind is not None:
            yield kind, attributes_of(event)["taskList"]["name"]


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MANY:
        kept.popitem(last=False)
