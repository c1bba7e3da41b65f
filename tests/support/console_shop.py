"""A domain with executions for pages to show."""

from __future__ import annotations

from typing import Any

DOMAIN = "shop"


class Shop:
    """Makes executions with an SWF client, and decides for them by hand.

    Args:
        client: the client; the domain and its types are registered with it.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
        for name in ("Purchase", "Refund"):
            client.register_workflow_type(
                domain=DOMAIN,
                name=name,
                version="2",
                defaultTaskList={"name": "orders"},
                defaultExecutionStartToCloseTimeout="86400",
                defaultTaskStartToCloseTimeout="60",
                defaultChildPolicy="TERMINATE",
            )
        client.register_activity_type(
            domain=DOMAIN,
            name="charge",
            version="1",
            defaultTaskList={"name": "cards"},
            defaultTaskHeartbeatTimeout="NONE",
            defaultTaskScheduleToStartTimeout="NONE",
            defaultTaskScheduleToCloseTimeout="NONE",
            defaultTaskStartToCloseTimeout="NONE",
        )

    def start(self, workflow_id: str, name: str = "Purchase", **members: Any) -> str:
        """Start an execution, and return its run ID."""
        started = self.client.start_workflow_execution(
            domain=DOMAIN,
            workflowId=workflow_id,
            workflowType={"name": name, "version": "2"},
            **members,
        )
        return str(started["runId"])

    def decide(self, *decisions: dict[str, Any]) -> None:
        """Answer the next decision task."""
        task = self.client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "orders"})
        self.client.respond_decision_task_completed(
            taskToken=task["taskToken"], decisions=list(decisions)
        )

    def signal(self, name: str, workflow_id: str = "order-1") -> None:
        """Send a signal to an execution."""
        self.client.signal_workflow_execution(
            domain=DOMAIN, workflowId=workflow_id, signalName=name
        )

    def take(self, identity: str = "worker-7") -> str:
        """Take the next activity task, and return its token."""
        task = self.client.poll_for_activity_task(
            domain=DOMAIN, taskList={"name": "cards"}, identity=identity
        )
        return str(task["taskToken"])


def decision(name: str, **members: Any) -> dict[str, Any]:
    """Return a decision, such as ``decision("StartTimer", timerId="remind", …)``."""
    return {
        "decisionType": name,
        f"{name[0].lower()}{name[1:]}DecisionAttributes": members,
    }


def charge(activity_id: str, **members: Any) -> dict[str, Any]:
    """Return the decision that schedules the activity."""
    return decision(
        "ScheduleActivityTask",
        activityType={"name": "charge", "version": "1"},
        activityId=activity_id,
        **members,
    )


def timer(timer_id: str, seconds: int) -> dict[str, Any]:
    """Return the decision that starts a timer."""
    return decision("StartTimer", timerId=timer_id, startToFireTimeout=str(seconds))
