"""An engine with one domain and a few types, and shortcuts for calls."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine import Engine

DOMAIN = "shop"
ORDER = {"name": "Order", "version": "1"}
PACK = {"name": "Pack", "version": "1"}
START = 1_700_000_000_000


def decision(kind: str, **attributes: Any) -> dict[str, Any]:
    """A decision with its attributes."""
    name = f"{kind[0].lower()}{kind[1:]}DecisionAttributes"
    return {"decisionType": kind, name: attributes} if attributes else {"decisionType": kind}


class Driver:
    """Calls an engine at an instant that moves only on request."""

    def __init__(self, retention: str = "7", **settings: Any) -> None:
        self.engine = Engine(**settings)
        self.now = START
        self.register(retention)

    def register(self, retention: str = "7") -> None:
        """Register a domain and two types."""
        self.call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays=retention)
        self.call(
            "RegisterWorkflowType",
            domain=DOMAIN,
            **ORDER,
            defaultChildPolicy="TERMINATE",
            defaultExecutionStartToCloseTimeout="3600",
            defaultTaskList={"name": "decisions"},
            defaultTaskStartToCloseTimeout="60",
        )
        self.call(
            "RegisterActivityType",
            domain=DOMAIN,
            **PACK,
            defaultTaskList={"name": "work"},
            defaultTaskHeartbeatTimeout="NONE",
            defaultTaskScheduleToCloseTimeout="NONE",
            defaultTaskScheduleToStartTimeout="NONE",
            defaultTaskStartToCloseTimeout="NONE",
        )

    def call(self, operation: str, /, **request: Any) -> dict[str, Any]:
        return self.engine.call(operation, request, self.now)

    def advance(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.engine.run_until(self.now)

    def start(self, workflow_id: str = "order-1", **request: Any) -> str:
        reply = self.call(
            "StartWorkflowExecution",
            domain=DOMAIN,
            workflowId=workflow_id,
            workflowType=ORDER,
            **request,
        )
        return str(reply["runId"])

    def poll(self, task_list: str = "decisions", **request: Any) -> dict[str, Any]:
        return self.call(
            "PollForDecisionTask", domain=DOMAIN, taskList={"name": task_list}, **request
        )

    def answer(self, task: dict[str, Any], *decisions: dict[str, Any], **request: Any) -> None:
        self.call(
            "RespondDecisionTaskCompleted",
            taskToken=task["taskToken"],
            decisions=list(decisions),
            **request,
        )

    def decide(self, *decisions: dict[str, Any], task_list: str = "decisions") -> None:
        self.answer(self.poll(task_list), *decisions)

    def signal(self, workflow_id: str = "order-1", name: str = "hurry") -> None:
        self.call("SignalWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, signalName=name)

    def history(self, run_id: str, workflow_id: str = "order-1") -> list[dict[str, Any]]:
        execution = {"workflowId": workflow_id, "runId": run_id}
        reply = self.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)
        events: list[dict[str, Any]] = reply["events"]
        return events

    def types(self, run_id: str, workflow_id: str = "order-1") -> list[str]:
        return [event["eventType"] for event in self.history(run_id, workflow_id)]
