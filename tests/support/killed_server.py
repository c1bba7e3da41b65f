"""Clients of a server that is killed: what they were answered, and whether it is still there."""

from __future__ import annotations

import http.client
import json
from contextlib import closing, suppress
from itertools import count
from typing import Any

DOMAIN = "shop"
ORDER = {"name": "Order", "version": "1"}


class InternalFailure(Exception):
    """The server answered with a server error."""


class Client:
    """Calls a server over one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def call(self, operation: str, /, **request: Any) -> dict[str, Any]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"SimpleWorkflowService.{operation}",
        }
        self._connection.request("POST", "/", json.dumps(request), headers)
        response = self._connection.getresponse()
        reply: dict[str, Any] = json.loads(response.read() or b"{}")
        if response.status == 500:
            raise InternalFailure(reply)
        assert response.status == 200, reply
        return reply

    def history(self, workflow_id: str, run_id: str) -> list[dict[str, Any]]:
        execution = {"workflowId": workflow_id, "runId": run_id}
        reply = self.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)
        events: list[dict[str, Any]] = reply["events"]
        return events


class Told:
    """The answers that clients got before the server was killed."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.signals: dict[str, list[str]] = {}
        self.histories: dict[str, list[dict[str, Any]]] = {}
        self.tokens: dict[str, str] = {}
        self.count = 0

    def work(self, port: int, name: str) -> None:
        """Start, signal, poll and decide until the server is gone."""
        with closing(Client(port)) as client, suppress(OSError, http.client.HTTPException):
            for number in count():
                self._one(client, f"{name}-{number}")

    def _one(self, client: Client, workflow_id: str) -> None:
        task_list = {"name": workflow_id}
        reply = client.call(
            "StartWorkflowExecution",
            domain=DOMAIN,
            workflowId=workflow_id,
            workflowType=ORDER,
            taskList=task_list,
        )
        self.runs[workflow_id] = reply["runId"]
        for number in range(3):
            told = {"domain": DOMAIN, "workflowId": workflow_id, "signalName": str(number)}
            client.call("SignalWorkflowExecution", **told)
            self.signals.setdefault(workflow_id, []).append(str(number))
        task = client.call("PollForDecisionTask", domain=DOMAIN, taskList=task_list)
        self.tokens[workflow_id] = task["taskToken"]
        self.histories[workflow_id] = client.history(workflow_id, reply["runId"])
        self.count += 1

    def check(self, client: Client) -> None:
        """Check that the server has everything that it answered."""
        for workflow_id, run_id in self.runs.items():
            history = client.history(workflow_id, run_id)
            signals = [
                event["workflowExecutionSignaledEventAttributes"]["signalName"]
                for event in history
                if event["eventType"] == "WorkflowExecutionSignaled"
            ]
            told = self.signals.get(workflow_id, [])
            assert signals[: len(told)] == told
            known = self.histories.get(workflow_id, [])
            assert history[: len(known)] == known
        for token in self.tokens.values():
            client.call("RespondDecisionTaskCompleted", taskToken=token)


def register(client: Client) -> None:
    client.call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    client.call(
        "RegisterWorkflowType",
        domain=DOMAIN,
        **ORDER,
        defaultChildPolicy="TERMINATE",
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskList={"name": "decisions"},
        defaultTaskStartToCloseTimeout="600",
    )


def open_executions(client: Client) -> set[str]:
    request = {"domain": DOMAIN, "startTimeFilter": {"oldestDate": 0}}
    reply = client.call("ListOpenWorkflowExecutions", **request)
    return {info["execution"]["workflowId"] for info in reply["executionInfos"]}
