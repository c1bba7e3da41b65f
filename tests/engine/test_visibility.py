"""The lists and counts of executions, compared with a model that scans all executions."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flowy_sim._engine.faults import ValidationException
from flowy_sim._engine.limits import Limits
from flowy_sim._engine.tokens import LIFETIME, PageTokens
from flowy_sim._engine.validation import checked
from flowy_sim._engine.visibility import (
    Visibility,
    count_closed_workflow_executions,
    count_open_workflow_executions,
    list_closed_workflow_executions,
    list_open_workflow_executions,
)

OPERATIONS: dict[str, Any] = {
    "ListOpenWorkflowExecutions": list_open_workflow_executions,
    "ListClosedWorkflowExecutions": list_closed_workflow_executions,
    "CountOpenWorkflowExecutions": count_open_workflow_executions,
    "CountClosedWorkflowExecutions": count_closed_workflow_executions,
}
SECOND = 1000


@dataclass(eq=False)
class Execution:
    number: int
    started_at: int
    workflow_id: str
    workflow_type: tuple[str, str] = ("n", "1")
    tags: tuple[str | None, ...] = ()
    closed_at: int | None = None
    close_number: int | None = None
    close_status: str | None = None

    def info(self) -> dict[str, Any]:
        return {"number": self.number}


@dataclass
class Service:
    """What the handlers need of an engine, and executions to start, close and remove."""

    limits: Limits = field(default_factory=Limits)
    now: int = 0
    started: int = 0
    ended: int = 0
    page_tokens: PageTokens = field(default_factory=lambda: PageTokens(Random(0)))

    def __post_init__(self) -> None:
        self.open: dict[str, Execution] = {}
        self.visibility = Visibility(self.limits, self.open)

    def domain(self, name: str) -> Any:
        return SimpleNamespace(visibility=self.visibility)

    def start(self, workflow_id: str | None = None, **members: Any) -> Execution:
        self.started += 1
        execution = Execution(self.started, self.now, workflow_id or f"w{self.started}", **members)
        self.open[execution.workflow_id] = execution
        self.visibility.opened(execution)
        return execution

    def close(self, execution: Execution, status: str = "COMPLETED") -> Execution:
        self.ended += 1
        execution.closed_at = self.now
        execution.close_number = self.ended
        execution.close_status = status
        del self.open[execution.workflow_id]
        self.visibility.closed(execution)
        return execution

    def call(self, operation: str, **request: Any) -> Any:
        kept = checked(operation, {"domain": "d", **request})
        return OPERATIONS[operation](self, kept)

    def pages(self, operation: str, **request: Any) -> list[list[int]]:
        pages = []
        reply = self.call(operation, **request)
        while True:
            pages.append(numbers(reply))
            if "nextPageToken" not in reply:
                return pages
            reply = self.call(operation, nextPageToken=reply["nextPageToken"], **request)


def numbers(reply: Any) -> list[int]:
    return [info["number"] for info in reply["executionInfos"]]


EVER = {"oldestDate": 0}


def test_newest_come_first_unless_reversed() -> None:
    service = Service()
    for _ in range(3):
        service.start()
    reply = service.call("ListOpenWorkflowExecutions", startTimeFilter=EVER)
    assert reply == {"executionInfos": [{"number": 3}, {"number": 2}, {"number": 1}]}
    assert numbers(
        service.call("ListOpenWorkflowExecutions", startTimeFilter=EVER, reverseOrder=True)
    ) == [1, 2, 3]


def test_a_list_without_matches_is_empty() -> None:
    reply = Service().call("ListClosedWorkflowExecutions", closeTimeFilter=EVER)
    assert reply == {"executionInfos": []}


def test_closed_executions_are_in_the_order_of_the_time_that_is_asked_for() -> None:
    service = Service()
    first, second = service.start(), service.start()
    service.close(second)
    service.close(first)
    assert numbers(service.call("ListClosedWorkflowExecutions", startTimeFilter=EVER)) == [2, 1]
    assert numbers(service.call("ListClosedWorkflowExecutions", closeTimeFilter=EVER)) == [1, 2]


def test_both_bounds_of_a_time_range_are_within_it() -> None:
    service = Service()
    for second in range(5):
        service.now = second * SECOND
        service.start()
    asked = {"oldestDate": 1, "latestDate": 3}
    listed = service.call("ListOpenWorkflowExecutions", startTimeFilter=asked)
    assert numbers(listed) == [4, 3, 2]
    backwards = {"oldestDate": 3, "latestDate": 1}
    assert not numbers(service.call("ListOpenWorkflowExecutions", startTimeFilter=backwards))
    assert service.call("CountOpenWorkflowExecutions", startTimeFilter=asked)["count"] == 3
    assert service.call("CountOpenWorkflowExecutions", startTimeFilter=backwards)["count"] == 0


def test_a_type_filter_without_a_version_finds_all_versions() -> None:
    service = Service()
    service.start(workflow_type=("n", "1"))
    service.start(workflow_type=("m", "1"))
    service.start(workflow_type=("n", "2"))

    def found(**type_filter: str) -> list[int]:
        return numbers(
            service.call("ListOpenWorkflowExecutions", startTimeFilter=EVER, typeFilter=type_filter)
        )

    assert found(name="n") == [3, 1]
    assert found(name="n", version="") == [3, 1]
    assert found(name="n", version="1") == [1]
    assert found(name="x") == []


def test_a_tag_given_twice_or_null_does_no_harm() -> None:
    service = Service()
    execution = service.start(tags=("a", None, "a"))
    service.close(execution)
    tagged = {"closeTimeFilter": EVER, "tagFilter": {"tag": "a"}}
    assert service.call("CountClosedWorkflowExecutions", **tagged)["count"] == 1
    service.visibility.removed(execution)
    assert service.call("CountClosedWorkflowExecutions", **tagged)["count"] == 0


def test_a_full_last_page_has_no_token() -> None:
    service = Service()
    for _ in range(4):
        service.start()
    asked = {"startTimeFilter": EVER, "maximumPageSize": 2}
    assert service.pages("ListOpenWorkflowExecutions", **asked) == [[4, 3], [2, 1]]
    reverse = service.pages("ListOpenWorkflowExecutions", reverseOrder=True, **asked)
    assert reverse == [[1, 2], [3, 4]]


def test_a_page_is_never_larger_than_the_service_allows() -> None:
    service = Service(Limits(page=3))
    for _ in range(4):
        service.start()
    for asked in ({}, {"maximumPageSize": 0}, {"maximumPageSize": 1000}):
        pages = service.pages("ListOpenWorkflowExecutions", startTimeFilter=EVER, **asked)
        assert pages == [[4, 3, 2], [1]]


def test_a_count_beyond_the_maximum_is_truncated() -> None:
    service = Service(Limits(counted=2))
    for truncated in (False, False, True):
        service.start()
        reply = service.call("CountOpenWorkflowExecutions", startTimeFilter=EVER)
        assert reply == {"count": min(service.started, 2), "truncated": truncated}


def test_a_page_token_is_good_for_a_day_and_for_its_own_operation() -> None:
    service = Service()
    for _ in range(2):
        service.close(service.start())
        service.start()
    asked = {"startTimeFilter": EVER, "maximumPageSize": 1}
    token = service.call("ListOpenWorkflowExecutions", **asked)["nextPageToken"]
    assert len(token) <= 2048
    service.now = LIFETIME
    assert service.call("ListOpenWorkflowExecutions", nextPageToken=token, **asked)
    for operation, given, refusal in (
        ("ListClosedWorkflowExecutions", token, "Invalid token"),
        ("ListOpenWorkflowExecutions", "nonsense", "Invalid token"),
        ("ListOpenWorkflowExecutions", token[4:], "Invalid token"),
    ):
        with pytest.raises(ValidationException, match=refusal):
            service.call(operation, nextPageToken=given, **asked)
    service.now += 1
    with pytest.raises(ValidationException, match="exceeded its maximum lifetime"):
        service.call("ListOpenWorkflowExecutions", nextPageToken=token, **asked)


@pytest.mark.slow
def test_removing_executions_frees_their_memory() -> None:
    service = Service()

    def fill_and_empty() -> int:
        executions = [service.start(tags=("a",)) for _ in range(2_000)]
        for execution in executions:
            service.close(execution)
        for execution in executions:
            service.visibility.removed(execution)
        del executions, execution
        gc.collect()
        return sys.getallocatedblocks()

    fill_and_empty()
    assert fill_and_empty() - fill_and_empty() < 500


STATUSES = ["COMPLETED", "FAILED", "CANCELED", "TERMINATED", "CONTINUED_AS_NEW", "TIMED_OUT"]
times = st.builds(
    lambda oldest, span: (
        {"oldestDate": oldest} | ({} if span is None else {"latestDate": oldest + span})
    ),
    st.integers(0, 20),
    st.none() | st.integers(0, 20),
)
workflow_ids = st.sampled_from(["v", "w", "x"])
names, versions, tags = st.sampled_from("mn"), st.sampled_from("12"), st.sampled_from("abc")
open_filters: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    workflow_ids.map(lambda workflow_id: {"executionFilter": {"workflowId": workflow_id}}),
    names.map(lambda name: {"typeFilter": {"name": name}}),
    st.tuples(names, versions).map(lambda key: {"typeFilter": {"name": key[0], "version": key[1]}}),
    tags.map(lambda tag: {"tagFilter": {"tag": tag}}),
)
closed_filters = open_filters | st.sampled_from(STATUSES).map(
    lambda status: {"closeStatusFilter": {"status": status}}
)


def fits(execution: Execution, request: dict[str, Any]) -> bool:
    """Return whether a request matches an execution, in the simplest way."""
    for name, at in (
        ("startTimeFilter", execution.started_at),
        ("closeTimeFilter", execution.closed_at or 0),
    ):
        times = request.get(name, {"oldestDate": 0})
        latest = times.get("latestDate", 10**9)
        if not times["oldestDate"] * SECOND <= at <= latest * SECOND:
            return False
    wanted_type = request.get("typeFilter", {})
    return (
        request.get("executionFilter", {}).get("workflowId") in (None, execution.workflow_id)
        and wanted_type.get("name") in (None, execution.workflow_type[0])
        and wanted_type.get("version") in (None, execution.workflow_type[1])
        and ("tagFilter" not in request or request["tagFilter"]["tag"] in execution.tags)
        and request.get("closeStatusFilter", {}).get("status") in (None, execution.close_status)
    )


class Listing:
    """A list that is being paged through while executions come and go."""

    def __init__(self, operation: str, request: dict[str, Any], expected: list[int]) -> None:
        self.operation = operation
        self.request = request
        self.token: str | None = None
        self.there_all_along = set(expected)
        self.shown: list[int] = []


class Comings(RuleBasedStateMachine):
    """Executions come and go; every list and count equals that of a scan."""

    def __init__(self) -> None:
        super().__init__()
        self.service = Service()
        self.open: dict[str, Execution] = {}
        self.closed: list[Execution] = []
        self.listings: list[Listing] = []

    def expected(self, operation: str, request: dict[str, Any]) -> list[int]:
        closed = "Closed" in operation
        found = [e for e in (self.closed if closed else self.open.values()) if fits(e, request)]
        by_close = "closeTimeFilter" in request
        found.sort(key=lambda e: (e.close_number or 0) if by_close else e.number)
        return [e.number for e in (found if request.get("reverseOrder") else reversed(found))]

    @rule(seconds=st.integers(0, 3))
    def pass_time(self, seconds: int) -> None:
        self.service.now += seconds * SECOND

    @rule(
        workflow_id=workflow_ids,
        name=names,
        version=versions,
        tags=st.lists(tags | st.none(), max_size=3),
    )
    def start(self, workflow_id: str, name: str, version: str, tags: list[str]) -> None:
        if workflow_id not in self.open:
            self.open[workflow_id] = self.service.start(
                workflow_id, workflow_type=(name, version), tags=tuple(tags)
            )

    @precondition(lambda self: self.open)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def close(self, data: st.DataObject, status: str) -> None:
        execution = self.open.pop(data.draw(st.sampled_from(sorted(self.open))))
        self.closed.append(self.service.close(execution, status))
        self.gone(execution, "Open")

    @precondition(lambda self: self.closed)
    @rule()
    def expire(self) -> None:
        execution = self.closed.pop(0)
        self.service.visibility.removed(execution)
        self.gone(execution, "Closed")

    def gone(self, execution: Execution, kind: str) -> None:
        for listing in self.listings:
            if kind in listing.operation:
                listing.there_all_along.discard(execution.number)

    @rule(filters=open_filters, times=times, reverse=st.booleans(), size=st.integers(1, 3))
    def list_open(self, filters: Any, times: Any, reverse: bool, size: int) -> None:
        request = {"startTimeFilter": times, "reverseOrder": reverse, **filters}
        self.look("Open", request, size)

    @rule(
        filters=closed_filters,
        times=times,
        kind=st.sampled_from(["startTimeFilter", "closeTimeFilter"]),
        reverse=st.booleans(),
        size=st.integers(1, 3),
    )
    def list_closed(self, filters: Any, times: Any, kind: str, reverse: bool, size: int) -> None:
        self.look("Closed", {kind: times, "reverseOrder": reverse, **filters}, size)

    def look(self, kind: str, request: dict[str, Any], size: int) -> None:
        operation = f"List{kind}WorkflowExecutions"
        expected = self.expected(operation, request)
        assert numbers(self.service.call(operation, **request)) == expected
        pages = self.service.pages(operation, maximumPageSize=size, **request)
        assert pages == [expected[i : i + size] for i in range(0, len(expected), size)] or [[]]
        unordered = {name: value for name, value in request.items() if name != "reverseOrder"}
        reply = self.service.call(f"Count{kind}WorkflowExecutions", **unordered)
        assert reply == {"count": len(expected), "truncated": False}
        self.listings.append(Listing(operation, request | {"maximumPageSize": size}, expected))

    @precondition(lambda self: self.listings)
    @rule(data=st.data())
    def turn_a_page(self, data: st.DataObject) -> None:
        listing = data.draw(st.sampled_from(self.listings))
        token = {} if listing.token is None else {"nextPageToken": listing.token}
        reply = self.service.call(listing.operation, **listing.request, **token)
        listing.shown += numbers(reply)
        assert len(set(listing.shown)) == len(listing.shown)
        listing.token = reply.get("nextPageToken")
        if listing.token is None:
            assert listing.there_all_along <= set(listing.shown)
            self.listings.remove(listing)

    @invariant()
    def nothing_is_left_of_nothing(self) -> None:
        visibility = self.service.visibility
        visibility._list()
        if not self.open:
            assert not visibility._open._groups
        if not self.closed:
            assert not visibility._closed._groups
            assert not visibility._closed_by_close._groups
            assert not visibility._closed_runs


TestComings = Comings.TestCase
