"""Queries: histories, descriptions, counts of waiting tasks, and lists of domains and types.

Lists and counts of executions are in `flowy_sim._engine.visibility`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from flowy_sim._engine.faults import ValidationException
from flowy_sim._engine.model import instant
from flowy_sim._engine.queues import TaskLists
from flowy_sim._engine.registered_types import ACTIVITY, DEFAULTS, WORKFLOW
from flowy_sim._engine.tokens import page_size

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine
    from flowy_sim._engine.execution import WorkflowExecution

OPERATION = "GetWorkflowExecutionHistory"

#: The members of an execution's configuration, as it was started with.
_CONFIGURATION = sorted(DEFAULTS[WORKFLOW])

Key = TypeVar("Key", str, tuple[str, str])


def get_workflow_execution_history(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out GetWorkflowExecutionHistory."""
    execution = engine.execution(request["domain"], request["execution"])
    engine.throttle.check_execution(OPERATION, execution, engine.now)
    first, last = 1, len(execution)
    token = request.get("nextPageToken")
    if token is not None:
        run_id, first, last = engine.page_tokens.read(OPERATION, engine.now, token)
        if run_id != execution.run_id:
            raise ValidationException("Invalid token")
    reverse = bool(request.get("reverseOrder"))
    if token is not None and not reverse:
        last = len(execution)
    events, rest = page(execution, first, last, reverse, page_size(request, engine.limits.page))
    reply: dict[str, Any] = {"events": events}
    if rest is not None:
        reply["nextPageToken"] = engine.page_tokens.write(
            OPERATION, engine.now, [execution.run_id, *rest]
        )
    return reply


def page(
    execution: WorkflowExecution, first: int, last: int, reverse: bool, size: int
) -> tuple[list[dict[str, Any]], tuple[int, int] | None]:
    """Return a page of the events from one ID to another, and the IDs that are left.

    Args:
        execution: whose events.
        first: the lowest id.
        last: the greatest id.
        reverse: whether the newest come first.
        size: the greatest number of events on a page.

    Returns:
        The events as the service sends them, and the range that is left for the next pages;
        None on the last page.
    """
    if reverse:
        split = max(first, last - size + 1)
        events = execution.events(split, last)
        events.reverse()
        return events, ((first, split - 1) if split > first else None)
    split = min(last, first + size - 1)
    return execution.events(first, split), ((split + 1, last) if split < last else None)


def describe_workflow_execution(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DescribeWorkflowExecution."""
    execution = engine.execution(request["domain"], request["execution"])
    started = execution.attributes(1)
    reply: dict[str, Any] = {
        # Assumption: described-task-list: the list it was started with, even under an override.
        "executionConfiguration": {m: started[m] for m in _CONFIGURATION if m in started},
        "executionInfo": execution.info(),
    }
    latest = execution.latest_activity_at()
    if latest is not None:
        reply["latestActivityTaskTimestamp"] = instant(latest)
    if execution.context_id:
        reply["latestExecutionContext"] = execution.member(execution.context_id, "executionContext")
    reply["openCounts"] = execution.open_counts()
    return reply


def count_pending_decision_tasks(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out CountPendingDecisionTasks."""
    # Assumption: held-back-not-pending: a decision task that is held back does not count.
    return _count(engine.domain(request["domain"]).decision_lists, request)


def count_pending_activity_tasks(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out CountPendingActivityTasks."""
    return _count(engine.domain(request["domain"]).activity_lists, request)


def _count(lists: TaskLists[Any], request: dict[str, Any]) -> dict[str, Any]:
    return {"count": lists.count(request["taskList"]["name"]), "truncated": False}


def list_domains(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListDomains."""
    deprecated = request["registrationStatus"] == "DEPRECATED"
    shown, token = _page(
        engine,
        "ListDomains",
        request,
        sorted(engine.domains),
        lambda name: engine.domains[name].deprecated == deprecated,
    )
    return {"domainInfos": [engine.domains[name].info() for name in shown], **token}


def list_workflow_types(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListWorkflowTypes."""
    return _list_types(engine, "ListWorkflowTypes", request, WORKFLOW)


def list_activity_types(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListActivityTypes."""
    return _list_types(engine, "ListActivityTypes", request, ACTIVITY)


def _list_types(
    engine: Engine, operation: str, request: dict[str, Any], kind: str
) -> dict[str, Any]:
    types = engine.domain(request["domain"]).types(kind)
    status = request["registrationStatus"]
    shown, token = _page(
        engine,
        operation,
        request,
        types.keys(request.get("name")),
        lambda key: types.require(key).status == status,
    )
    return {**token, "typeInfos": [types.require(key).info() for key in shown]}


def _page(
    engine: Engine,
    operation: str,
    request: dict[str, Any],
    keys: Sequence[Key],
    wanted: Callable[[Key], bool],
) -> tuple[list[Key], dict[str, str]]:
    """Return the keys on a page, and the token of the next page if there is one.

    The order is reversed before the pages are cut. A token holds the last key shown, so what is
    registered or deprecated in between does not move the others.
    """
    reverse = bool(request.get("reverseOrder"))
    rest: Sequence[Key] = keys
    if "nextPageToken" in request:
        last = engine.page_tokens.read(operation, engine.now, request["nextPageToken"])
        position: Any = tuple(last) if len(last) > 1 else last[0]
        if reverse:
            rest = keys[: bisect_left(keys, position)]
        else:
            rest = keys[bisect_right(keys, position) :]
    size = page_size(request, engine.limits.page)
    found = list(islice(filter(wanted, reversed(rest) if reverse else rest), size + 1))
    if len(found) <= size:
        return found, {}
    shown = found[:size]
    end: Any = shown[-1]
    ends_at = end if isinstance(end, tuple) else (end,)
    token = engine.page_tokens.write(operation, engine.now, ends_at)
    return shown, {"nextPageToken": token}
