"""The seam: the one object through which flowy talks to Amazon SWF.

Everything in flowy takes an *SWF client*: any object with the methods of ``boto3.client("swf")``
that are listed here. Faults are exceptions with botocore's ``response`` dictionary.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from flowy.errors import ConfigurationError

Reply = dict[str, Any]


class Execution(NamedTuple):
    """One run of a workflow."""

    workflow_id: str
    run_id: str


POLL_SECONDS = 60
"""The service holds a poll for so long when there is no task, as documented."""


class SwfClient(Protocol):
    """The operations that flowy uses, in boto3's spelling: camelCase keywords, dict replies."""

    def register_domain(self, **request: Any) -> Reply:
        """Register a domain."""

    def describe_domain(self, **request: Any) -> Reply:
        """Tell the settings of a domain."""

    def register_activity_type(self, **request: Any) -> Reply:
        """Register an activity type."""

    def register_workflow_type(self, **request: Any) -> Reply:
        """Register a workflow type."""

    def describe_activity_type(self, **request: Any) -> Reply:
        """Tell the defaults of an activity type."""

    def describe_workflow_type(self, **request: Any) -> Reply:
        """Tell the defaults of a workflow type."""

    def start_workflow_execution(self, **request: Any) -> Reply:
        """Start an execution."""

    def signal_workflow_execution(self, **request: Any) -> Reply:
        """Send a signal to an execution."""

    def request_cancel_workflow_execution(self, **request: Any) -> Reply:
        """Ask an execution to cancel itself."""

    def terminate_workflow_execution(self, **request: Any) -> Reply:
        """End an execution at once."""

    def describe_workflow_execution(self, **request: Any) -> Reply:
        """Tell how an execution stands."""

    def list_open_workflow_executions(self, **request: Any) -> Reply:
        """Find open executions."""

    def list_closed_workflow_executions(self, **request: Any) -> Reply:
        """Find closed executions."""

    def get_workflow_execution_history(self, **request: Any) -> Reply:
        """Tell what happened in an execution."""

    def poll_for_activity_task(self, **request: Any) -> Reply:
        """Wait for an activity task; without one the reply has no ``taskToken``."""

    def poll_for_decision_task(self, **request: Any) -> Reply:
        """Wait for a decision task; without one the reply has no ``taskToken``."""

    def record_activity_task_heartbeat(self, **request: Any) -> Reply:
        """Say that an activity is alive."""

    def respond_activity_task_completed(self, **request: Any) -> Reply:
        """Give an activity's result."""

    def respond_activity_task_failed(self, **request: Any) -> Reply:
        """Say that an activity failed."""

    def respond_activity_task_canceled(self, **request: Any) -> Reply:
        """Say that an activity stopped as it was asked to."""

    def respond_decision_task_completed(self, **request: Any) -> Reply:
        """Give the decisions of a decision task."""


def connect(
    endpoint_url: str | None = None, region: str | None = None, connections: int = 10
) -> SwfClient:
    """Make a boto3 client that long polls suit.

    Args:
        endpoint_url: where another service than AWS's answers, such as
            ``http://127.0.0.1:4567``; None for what the environment says.
        region: an AWS region, such as ``eu-west-1``; None for what the environment says.
        connections: how many calls there may be at once, one for each thread that polls.

    Returns:
        The client. It waits for an answer longer than the service holds a poll: one given up
        early may take a task with it.

    Raises:
        botocore.exceptions.NoRegionError: no region is configured.
        ConfigurationError: what was given, or the environment says, is no URL.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        read_timeout=POLL_SECONDS + 10, tcp_keepalive=True, max_pool_connections=connections
    )
    try:
        client: SwfClient = boto3.client(
            "swf", endpoint_url=endpoint_url, region_name=region, config=config
        )
    except ValueError as error:
        raise ConfigurationError(f"{error}; give a URL, such as http://127.0.0.1:4567") from error
    return client


def no_domain(domain: str) -> str:
    """Say that there is no such domain, and how it comes to be."""
    return f"there is no domain {domain!r}; register it first: flowy register-domain {domain}"


def fault_code(error: Exception) -> str | None:
    """Name the fault an exception stands for, such as ``UnknownResourceFault``.

    Args:
        error: what a call of an SWF client raised.

    Returns:
        The code, or None where the exception is not the service's answer.
    """
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code if isinstance(code, str) else None
