"""Clients of Amazon SWF made by hand: each is one connection, as a program would have it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from flowy_sim._server.endpoint import Endpoint

SECONDS = 120  # How long a test waits before it fails instead of hanging.

DOMAIN = "shop"
ORDER = {"name": "Order", "version": "1"}
PACK = {"name": "Pack", "version": "1"}
DECISIONS = {"domain": DOMAIN, "taskList": {"name": "decisions"}}
ACTIVITIES = {"domain": DOMAIN, "taskList": {"name": "work"}}
COMPLETE = {"decisionType": "CompleteWorkflowExecution"}


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def members(self) -> dict[str, Any]:
        """Its body, read as JSON."""
        members: dict[str, Any] = json.loads(self.body or b"{}")
        return members


class RefusedError(Exception):
    """The call was refused."""


class Program:
    """A program with one connection."""

    def __init__(self, url: str, agent: str = "aws-sdk/1.0", access_key: str = "AKIDEXAMPLE"):
        parts = urlsplit(url)
        self.path = parts.path or "/"
        self.connection = HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
        scope = f"{access_key}/20240101/us-east-1/swf/aws4_request"
        self.headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "User-Agent": agent,
            "Authorization": (
                f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
            ),
        }

    def send(self, operation: str, members: Any, **headers: str) -> None:
        """Send a request, and do not wait for the response."""
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        target = {"X-Amz-Target": f"SimpleWorkflowService.{operation}"}
        self.connection.request("POST", self.path, body, {**self.headers, **target, **headers})

    def receive(self) -> Reply:
        """Wait for the response."""
        response = self.connection.getresponse()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, headers, response.read())

    def post(self, operation: str, members: Any, **headers: str) -> Reply:
        """Make a request; return the response, whatever it is."""
        self.send(operation, members, **headers)
        return self.receive()

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Make a call that is not refused; return the reply."""
        reply = self.post(operation, members)
        if reply.status != 200:
            raise RefusedError(reply.body.decode())
        return reply.members

    def hang_up(self) -> None:
        """End the connection."""
        self.connection.close()

    # What tests need of the service

    def prepare(self) -> None:
        """Register a domain and types."""
        self.call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
        self.call(
            "RegisterWorkflowType",
            domain=DOMAIN,
            **ORDER,
            defaultChildPolicy="TERMINATE",
            defaultExecutionStartToCloseTimeout="86400",
            defaultTaskList=DECISIONS["taskList"],
            defaultTaskStartToCloseTimeout="60",
        )
        self.call(
            "RegisterActivityType",
            domain=DOMAIN,
            **PACK,
            defaultTaskList=ACTIVITIES["taskList"],
            defaultTaskScheduleToStartTimeout="600",
            defaultTaskScheduleToCloseTimeout="3600",
            defaultTaskStartToCloseTimeout="300",
            defaultTaskHeartbeatTimeout="NONE",
        )

    def start(self, workflow_id: str = "order-1") -> str:
        """Start an execution; return its run ID."""
        reply = self.call(
            "StartWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, workflowType=ORDER
        )
        return str(reply["runId"])

    def decide(self, *decisions: dict[str, Any]) -> None:
        """Take a decision task, which is there, and answer it."""
        task = self.call("PollForDecisionTask", **DECISIONS)
        self.call(
            "RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=list(decisions)
        )

    def events(self, run_id: str, workflow_id: str = "order-1") -> list[str]:
        """Return the types of an execution's events."""
        execution = {"workflowId": workflow_id, "runId": run_id}
        reply = self.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)
        return [event["eventType"] for event in reply["events"]]


def pack(activity_id: str = "pack", **attributes: Any) -> dict[str, Any]:
    """Return the decision that schedules an activity."""
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": activity_id,
            "activityType": PACK,
            **attributes,
        },
    }


def timer(seconds: int) -> dict[str, Any]:
    """Return the decision that starts a timer."""
    return {
        "decisionType": "StartTimer",
        "startTimerDecisionAttributes": {"timerId": "t", "startToFireTimeout": str(seconds)},
    }


def wait_until(condition: Callable[[], object], seconds: int = SECONDS) -> None:
    """Check repeatedly until a condition holds; fail if that takes too long."""
    pause = threading.Event()
    for _ in range(seconds * 200):
        if condition():
            return
        pause.wait(0.005)
    pytest.fail("the condition never held")


def waiting(endpoint: Endpoint) -> int:
    """Return how many polls wait."""
    return int(endpoint.describe()["waitingPolls"])


def wait_for_polls(endpoint: Endpoint, number: int) -> None:
    """Wait until a number of polls wait."""
    wait_until(lambda: waiting(endpoint) == number)
