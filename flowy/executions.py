"""Executions from outside: list them, get their histories, signal, cancel and terminate them.

You name an execution by its workflow ID. If it has had several runs, and you give no run ID, the
functions use the open run or, if none is open, the one that was started last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from flowy import _checks
from flowy._client import Execution, Reply, SwfClient, call, fault_code, no_domain
from flowy.errors import ConfigurationError, UnknownExecutionError
from flowy.options import CHILD_POLICIES
from flowy.payloads import PLAIN, Payloads

Event = dict[str, Any]

_ANY_TIME = {"oldestDate": datetime(2000, 1, 1, tzinfo=UTC)}

CLOSED_AS = {
    "WorkflowExecutionCompleted": "COMPLETED",
    "WorkflowExecutionFailed": "FAILED",
    "WorkflowExecutionCanceled": "CANCELED",
    "WorkflowExecutionTerminated": "TERMINATED",
    "WorkflowExecutionContinuedAsNew": "CONTINUED_AS_NEW",
    "WorkflowExecutionTimedOut": "TIMED_OUT",
}
"""The status of a closed execution, by the type of its last event."""

STATUSES = tuple(CLOSED_AS.values())
"""The statuses of closed executions."""


def signal(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    name: str,
    value: object = None,
    *,
    run_id: str | None = None,
    payloads: Payloads = PLAIN,
) -> None:
    """Send a signal to an open execution.

    Args:
        client: an SWF client.
        domain: the domain's name.
        workflow_id: the receiver's workflow ID.
        name: the signal's name, 1 to 256 characters.
        value: the value that it carries; None for nothing.
        run_id: the receiver's run; None for the open one.
        payloads: how values are written; the same as that of the workers.

    Raises:
        SerializationError: the value cannot be sent.
        UnknownExecutionError: no such execution is open, or the domain is unknown.

    Example:
        ``executions.signal(client, "photos", "lake", "approved", True)``
    """
    request: dict[str, Any] = {"signalName": _checks.text("the name of a signal", name)}
    if value is not None:
        request["input"] = payloads.encode_value(f"the signal {name!r}", value)
    _request(client, "signal_workflow_execution", domain, workflow_id, run_id, request)


def request_cancel(
    client: SwfClient, domain: str, workflow_id: str, *, run_id: str | None = None
) -> None:
    """Ask an open execution to cancel itself; it may clean up first, or ignore the request.

    Args:
        client: an SWF client.
        domain: the domain's name.
        workflow_id: the execution's workflow ID.
        run_id: its run; None for the open one.

    Raises:
        UnknownExecutionError: no such execution is open, or the domain is unknown.
    """
    _request(client, "request_cancel_workflow_execution", domain, workflow_id, run_id, {})


def terminate(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    *,
    run_id: str | None = None,
    reason: str = "",
    details: str = "",
    child_policy: str | None = None,
) -> None:
    """Close an open execution at once, without giving it a chance to clean up.

    Args:
        client: an SWF client.
        domain: the domain's name.
        workflow_id: the execution's workflow ID.
        run_id: its run; None for the open one.
        reason: the reason, at most 256 characters.
        details: more about it, at most 32,768 characters.
        child_policy: what happens to its open children; None for what it was started with.

    Raises:
        ConfigurationError: there is no such child policy, or a text is too long.
        UnknownExecutionError: no such execution is open, or the domain is unknown.
    """
    longest = {"reason": 256, "details": 32_768}
    given = {name: text for name, text in (("reason", reason), ("details", details)) if text}
    request = {name: _checks.text(name, text, longest[name]) for name, text in given.items()}
    if child_policy is not None:
        if child_policy not in CHILD_POLICIES:
            raise ConfigurationError(
                f"child_policy must be one of {', '.join(CHILD_POLICIES)}, not {child_policy!r}"
            )
        request["childPolicy"] = child_policy
    _request(client, "terminate_workflow_execution", domain, workflow_id, run_id, request)


def list_executions(
    client: SwfClient,
    domain: str,
    *,
    status: str | Collection[str] | None = None,
    workflow_id: str | None = None,
    type_name: str | None = None,
    type_version: str | None = None,
    tag: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Reply]:
    """List executions: first the open ones, then the closed ones, most recently started first.

    Args:
        client: an SWF client.
        domain: the domain's name.
        status: ``OPEN``, ``CLOSED``, or the status of closed ones, such as ``FAILED``; several of
            them; or None for all.
        workflow_id: filters by workflow ID.
        type_name: filters by the name of the type.
        type_version: filters by the version of the type; None for all versions.
        tag: filters by tag. The service applies only one filter: the first that is given of
            workflow ID, tag, type name and status. The others are applied to the executions that it
            returns.
        since: the earliest start time; a datetime with a time zone.
        until: the latest start time; also with a time zone.

    Yields:
        Descriptions in the form of ListOpenWorkflowExecutions.

    Raises:
        ConfigurationError: there is no such status.
        UnknownExecutionError: the domain is unknown.
    """
    statuses = {status} if isinstance(status, str) else set(status or ("OPEN", "CLOSED"))
    for each in statuses - {"OPEN", "CLOSED", *STATUSES}:
        raise ConfigurationError(
            f"status must be OPEN, CLOSED or one of {', '.join(STATUSES)}, not {each!r}"
        )
    times = dict(_ANY_TIME) if since is None else {"oldestDate": since}
    if until is not None:
        times["latestDate"] = until
    given = _one_filter(workflow_id, tag, type_name, type_version)
    request = {"domain": _checks.text("domain", domain), "startTimeFilter": times, **given}
    closed = {**request}
    if not given and len(statuses) == 1 and not statuses & {"OPEN", "CLOSED"}:
        closed["closeStatusFilter"] = {"status": next(iter(statuses))}
    both = []
    if "OPEN" in statuses:
        both.append(_pages(client, "list_open_workflow_executions", request))
    if statuses != {"OPEN"}:
        both.append(_pages(client, "list_closed_workflow_executions", closed))
    for found in chain.from_iterable(both):
        if (
            found.get("closeStatus", "OPEN") in statuses
            or ("CLOSED" in statuses and "closeStatus" in found)
        ) and (
            type_name in (None, found["workflowType"]["name"])
            and type_version in (None, found["workflowType"]["version"])
            and (tag is None or tag in found.get("tagList", ()))
        ):
            yield found


def _one_filter(
    workflow_id: str | None, tag: str | None, type_name: str | None, type_version: str | None
) -> dict[str, Any]:
    """Return the filter that narrows a list most; the service refuses more than one."""
    if workflow_id is not None:
        return {"executionFilter": {"workflowId": _checks.text("workflow_id", workflow_id)}}
    if tag is not None:
        return {"tagFilter": {"tag": _checks.text("tag", tag)}}
    if type_name is None:
        return {}
    named = {"name": _checks.text("type_name", type_name)}
    if type_version is not None:
        named["version"] = _checks.text("type_version", type_version)
    return {"typeFilter": named}


def latest(
    client: SwfClient, domain: str, workflow_id: str, run_id: str | None = None
) -> Execution:
    """Find the run that a workflow ID stands for.

    Args:
        client: an SWF client.
        domain: the domain's name.
        workflow_id: the workflow ID.
        run_id: the run, if it is known.

    Returns:
        The open run, or else the one that was started last.

    Raises:
        UnknownExecutionError: there is no such execution.
    """
    if run_id is not None:
        return Execution(workflow_id, _checks.text("run_id", run_id, 64))
    for found in list_executions(client, domain, workflow_id=workflow_id):
        return Execution(workflow_id, found["execution"]["runId"])
    raise _unknown(domain, workflow_id, None)


def describe(client: SwfClient, domain: str, execution: Execution) -> Reply:
    """Return all that DescribeWorkflowExecution reports about an execution.

    Args:
        client: an SWF client.
        domain: the domain's name.
        execution: the execution; see `latest`.

    Returns:
        The reply of the service, with ``executionInfo``, ``executionConfiguration``,
        ``openCounts`` and more.

    Raises:
        UnknownExecutionError: there is no such execution.
    """
    try:
        request = {"domain": domain, "execution": _wire(execution)}
        return call(client, "describe_workflow_execution", request)
    except Exception as error:
        if fault_code(error) != "UnknownResourceFault":
            raise
        raise _unknown(domain, *execution) from error


def history(client: SwfClient, domain: str, execution: Execution, *, after: int = 0) -> list[Event]:
    """Return the history of an execution.

    Args:
        client: an SWF client.
        domain: the domain's name.
        execution: the execution; see `latest`.
        after: the ID of the last event that is known already; 0 to return all events.

    Returns:
        Its events, oldest first, in the form that `flowy.replay.replay` takes.

    Raises:
        UnknownExecutionError: there is no such execution.
    """
    request: dict[str, Any] = {"domain": domain, "execution": _wire(execution)}
    if after:  # A few new events are at the end, so that one page of it is usually enough.
        request |= {"reverseOrder": True, "maximumPageSize": 20}
    events: list[Event] = []
    while True:
        try:
            page = call(client, "get_workflow_execution_history", request)
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
            raise _unknown(domain, *execution) from error
        events += page["events"]
        known = after and events and events[-1]["eventId"] <= after + 1
        if known or not page.get("nextPageToken"):
            break
        request["nextPageToken"] = page["nextPageToken"]
    if not after:
        return events
    return [event for event in reversed(events) if event["eventId"] > after]


def _wire(execution: Execution) -> dict[str, str]:
    return {"workflowId": execution.workflow_id, "runId": execution.run_id}


def _pages(client: SwfClient, operation: str, request: dict[str, Any]) -> Iterator[Reply]:
    while True:
        try:
            page = call(client, operation, request)
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
            raise UnknownExecutionError(no_domain(request["domain"])) from error
        yield from page["executionInfos"]
        if not page.get("nextPageToken"):
            return
        request["nextPageToken"] = page["nextPageToken"]


def _request(
    client: SwfClient,
    operation: str,
    domain: str,
    workflow_id: str,
    run_id: str | None,
    request: dict[str, Any],
) -> None:
    request["domain"] = _checks.text("domain", domain)
    request["workflowId"] = _checks.text("workflow_id", workflow_id)
    if run_id is not None:
        request["runId"] = _checks.text("run_id", run_id, 64)
    try:
        call(client, operation, request)
    except Exception as error:
        if fault_code(error) != "UnknownResourceFault":
            raise
        if "Unknown domain" in str(error):
            raise UnknownExecutionError(no_domain(domain)) from error
        raise _unknown(domain, workflow_id, run_id, "open ") from error


def _unknown(
    domain: str, workflow_id: str, run_id: str | None, which: str = ""
) -> UnknownExecutionError:
    run = f" and the run ID {run_id!r}" if run_id else ""
    return UnknownExecutionError(
        f"there is no {which}execution with the workflow ID {workflow_id!r}{run} in the domain "
        f"{domain!r}"
    )
