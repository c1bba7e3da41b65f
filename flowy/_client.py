"""The seam: the one object through which flowy talks to Amazon SWF.

An *SWF client* is any object with those methods of ``boto3.client("swf")`` that are listed here.
The service's faults are exceptions with a ``response`` dictionary, like botocore's ``ClientError``.
flowy never knows whether the client leads to Amazon SWF or to a simulation.
"""

from __future__ import annotations

import traceback
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

from flowy.errors import ConfigurationError

Reply = dict[str, Any]


class Execution(NamedTuple):
    """One run of a workflow, as Amazon SWF identifies it.

    Attributes:
        workflow_id: the execution's ID, chosen by the caller that started it.
        run_id: the ID of this run of it, chosen by the service.
    """

    workflow_id: str
    run_id: str


POLL_SECONDS = 60
"""How long the service holds a poll when there is no task, as documented."""


class SwfClient(Protocol):
    """The operations that flowy calls, as boto3 spells them: camelCase keywords, dict replies."""

    def register_domain(self, **request: Any) -> Reply:
        """Register a domain."""

    def describe_domain(self, **request: Any) -> Reply:
        """Return the settings of a domain."""

    def register_activity_type(self, **request: Any) -> Reply:
        """Register an activity type."""

    def register_workflow_type(self, **request: Any) -> Reply:
        """Register a workflow type."""

    def describe_activity_type(self, **request: Any) -> Reply:
        """Return the registered defaults of an activity type."""

    def describe_workflow_type(self, **request: Any) -> Reply:
        """Return the registered defaults of a workflow type."""

    def start_workflow_execution(self, **request: Any) -> Reply:
        """Start an execution."""

    def signal_workflow_execution(self, **request: Any) -> Reply:
        """Send a signal to an execution."""

    def request_cancel_workflow_execution(self, **request: Any) -> Reply:
        """Ask an execution to cancel itself."""

    def terminate_workflow_execution(self, **request: Any) -> Reply:
        """Close an execution at once."""

    def describe_workflow_execution(self, **request: Any) -> Reply:
        """Return the status and settings of an execution."""

    def list_open_workflow_executions(self, **request: Any) -> Reply:
        """List open executions."""

    def list_closed_workflow_executions(self, **request: Any) -> Reply:
        """List closed executions."""

    def get_workflow_execution_history(self, **request: Any) -> Reply:
        """Return the events of an execution."""

    def poll_for_activity_task(self, **request: Any) -> Reply:
        """Wait for an activity task; if there is none, the reply has no ``taskToken``."""

    def poll_for_decision_task(self, **request: Any) -> Reply:
        """Wait for a decision task; if there is none, the reply has no ``taskToken``."""

    def record_activity_task_heartbeat(self, **request: Any) -> Reply:
        """Report that an activity is still running."""

    def respond_activity_task_completed(self, **request: Any) -> Reply:
        """Report an activity's result."""

    def respond_activity_task_failed(self, **request: Any) -> Reply:
        """Report that an activity failed."""

    def respond_activity_task_canceled(self, **request: Any) -> Reply:
        """Report that an activity stopped because it was asked to."""

    def respond_decision_task_completed(self, **request: Any) -> Reply:
        """Send the decisions of a decision task."""


class IncompleteReply(ConnectionError):
    """A reply was empty, cut off or unreadable, although its HTTP status was received."""


_ALWAYS_PRESENT = {
    "describe_activity_type": "configuration",
    "describe_domain": "configuration",
    "describe_workflow_execution": "executionInfo",
    "describe_workflow_type": "configuration",
    "get_workflow_execution_history": "events",
    "list_closed_workflow_executions": "executionInfos",
    "list_open_workflow_executions": "executionInfos",
    "poll_for_activity_task": "startedEventId",
    "poll_for_decision_task": "startedEventId",
    "record_activity_task_heartbeat": "cancelRequested",
    "start_workflow_execution": "runId",
}
"""A member of every complete reply, by operation, as recorded; also of a poll without a task.

botocore reads JSON that is cut off as an empty object, so checking the first member is enough.
"""

_IN_EVERY_TASK = {
    "poll_for_activity_task": (
        ("activityId",),
        ("activityType", "name"),
        ("activityType", "version"),
        ("workflowExecution", "workflowId"),
        ("workflowExecution", "runId"),
    ),
    "poll_for_decision_task": (
        ("events",),
        ("workflowType", "name"),
        ("workflowType", "version"),
        ("workflowExecution", "workflowId"),
        ("workflowExecution", "runId"),
    ),
}
"""The members of a reply with a task, by operation, as documented; workers rely on them.

A proxy may answer with complete JSON that does not come from the service.
"""


def call(client: SwfClient, operation: str, request: dict[str, Any]) -> Reply:
    """Call the service, and check that its reply is complete.

    Args:
        client: an SWF client.
        operation: the client's method.
        request: its arguments.

    Returns:
        The reply.

    Raises:
        IncompleteReply: the reply is empty, cut off or unreadable, or a page that leads to itself.
        Exception: whatever the client raises.
    """
    try:
        reply: Reply = getattr(client, operation)(**request)
    except Exception as error:
        if _failed_to_read(error):
            message = f"the reply to {operation} cannot be read: {type(error).__name__}: {error}"
            raise IncompleteReply(message) from error
        raise
    member = _ALWAYS_PRESENT.get(operation)
    if member is None:  # The reply has no members.
        return reply
    token = reply.get("nextPageToken")
    if token and token == request.get("nextPageToken"):
        raise IncompleteReply(f"the pages of {operation} do not end: one names itself as the next")
    if "taskToken" in reply:
        if reply["taskToken"]:
            _check_task(operation, reply)
    elif member not in reply:
        raise IncompleteReply(f"the reply to {operation} is empty or cut off: it has no {member}")
    return reply


def _check_task(operation: str, reply: Any) -> None:
    for path in _IN_EVERY_TASK.get(operation, ()):
        found = reply
        try:
            for name in path:
                found = found[name]
        except (KeyError, TypeError):
            message = f"the task in the reply to {operation} has no {path[-1]}"
            raise IncompleteReply(message) from None


def _failed_to_read(error: Exception) -> bool:
    """Whether botocore failed to read a reply; it does not catch what its parsers raise.

    A reply that is cut off within a character is not UTF-8, and a proxy may answer ``null``, which
    fails in the caller of the parsers.
    """
    frames = traceback.walk_tb(error.__traceback__)
    modules = [frame.f_globals.get("__name__") for frame, _ in frames]
    return "botocore.parsers" in modules or modules[-1] == "botocore.endpoint"


def connect(
    endpoint_url: str | None = None, region: str | None = None, connections: int = 10
) -> SwfClient:
    """Create a boto3 client that is configured for long polls.

    Args:
        endpoint_url: the URL of a service other than AWS's, such as ``http://127.0.0.1:4567``; None
            to use what the environment configures.
        region: an AWS region, such as ``eu-west-1``; None to use what the environment configures.
        connections: the number of calls that may be in progress at once. Each polling thread needs
            one.

    Returns:
        The client. Its read time-out is longer than the service holds a poll: a poll that is given
        up early may take a task with it, which then has to time out.

    Raises:
        botocore.exceptions.NoRegionError: no region is configured.
        ConfigurationError: the endpoint that was given or configured is not a URL, or the region
            cannot be one.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import InvalidRegionError

    if region == "":  # boto3 would sign requests for a region without a name.
        raise ConfigurationError("invalid region ''; give a region, such as eu-west-1")

    config = Config(
        read_timeout=POLL_SECONDS + 10, tcp_keepalive=True, max_pool_connections=connections
    )
    try:
        client: Any = boto3.client(
            "swf", endpoint_url=endpoint_url, region_name=region, config=config
        )
    except InvalidRegionError as error:
        raise ConfigurationError(
            f"{str(error).rstrip('.')}; give a region, such as eu-west-1"
        ) from error
    except ValueError as error:  # Its message ends with the URL, perhaps from the environment.
        raise _wrong_endpoint(str(error).partition(": ")[2]) from error
    if not _can_be_called(client.meta.endpoint_url):
        raise _wrong_endpoint(client.meta.endpoint_url)
    return cast("SwfClient", client)


def _can_be_called(url: str) -> bool:
    """Return whether a URL can be called; boto3 would find out only at the first call."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:  # The port is too large.
        return False
    return parts.scheme in ("http", "https") and port != 0


def _wrong_endpoint(url: str) -> ConfigurationError:
    return ConfigurationError(
        f"invalid endpoint {url!r}; give a URL, such as http://127.0.0.1:4567"
    )


def no_domain(domain: str) -> str:
    """Write the message for an unknown domain."""
    return f"there is no domain {domain!r}; register it first: flowy register-domain {domain}"


def fault_code(error: Exception) -> str | None:
    """Return the code of the fault that an exception stands for, such as ``UnknownResourceFault``.

    Args:
        error: an exception raised by a method of an SWF client.

    Returns:
        The code, or None if the exception is not an answer of the service.
    """
    code = _fault(error).get("Code")
    return code if isinstance(code, str) else None


def fault_message(error: Exception) -> str:
    """Return the message of the fault that an exception stands for; empty if there is none."""
    return str(_fault(error).get("Message") or "")


def _fault(error: Exception) -> dict[str, Any]:
    response = getattr(error, "response", None)
    fault = response.get("Error") if isinstance(response, dict) else None
    return fault if isinstance(fault, dict) else {}
