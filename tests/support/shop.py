"""A shop to test clients with: one workflow type, one activity type, plain loops.

The workflow sleeps and works, step by step: a timer of `pause` seconds, then an activity, `steps`
times. Its decider and its worker are written as one writes them against boto3.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

DOMAIN = "shop"
DECISIONS = {"name": "deciding"}
ACTIVITIES = {"name": "working"}
WORKFLOW = {"name": "order", "version": "1"}
ACTIVITY = {"name": "pack", "version": "1"}
DAY = 24 * 60 * 60


def register(client: Any) -> None:
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="90")
    client.register_workflow_type(
        domain=DOMAIN,
        **WORKFLOW,
        defaultTaskList=DECISIONS,
        defaultChildPolicy="TERMINATE",
        defaultTaskStartToCloseTimeout="60",
        defaultExecutionStartToCloseTimeout=str(365 * DAY),
    )
    client.register_activity_type(
        domain=DOMAIN,
        **ACTIVITY,
        defaultTaskList=ACTIVITIES,
        defaultTaskHeartbeatTimeout="30",
        defaultTaskScheduleToStartTimeout="50",
        defaultTaskScheduleToCloseTimeout="100",
        defaultTaskStartToCloseTimeout="80",
    )


def start(client: Any, workflow_id: str = "order-1", steps: int = 3, pause: int = 0) -> str:
    reply = client.start_workflow_execution(
        domain=DOMAIN, workflowId=workflow_id, workflowType=WORKFLOW, input=f"{steps} {pause}"
    )
    return str(reply["runId"])


def poll_for_decision(client: Any, **more: Any) -> dict[str, Any]:
    reply: dict[str, Any] = client.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS, **more)
    return reply


def poll_for_activity(client: Any) -> dict[str, Any]:
    reply: dict[str, Any] = client.poll_for_activity_task(domain=DOMAIN, taskList=ACTIVITIES)
    return reply


def decide_once(client: Any) -> bool:
    """Poll once for a decision task, and decide; return whether there was one."""
    task = poll_for_decision(client)
    if not task.get("taskToken"):
        return False
    events = task["events"]
    steps, pause = map(int, events[0]["workflowExecutionStartedEventAttributes"]["input"].split())
    decisions = []
    for event in events:
        if event["eventId"] <= task["previousStartedEventId"]:
            continue
        match event["eventType"]:
            case "WorkflowExecutionStarted":
                decisions.append(timer(1, pause))
            case "TimerFired":
                decisions.append(activity(event["timerFiredEventAttributes"]["timerId"]))
            case "ActivityTaskCompleted":
                step = int(event["activityTaskCompletedEventAttributes"]["result"])
                decisions.append(COMPLETE if step == steps else timer(step + 1, pause))
            case "ActivityTaskTimedOut":
                attributes = event["activityTaskTimedOutEventAttributes"]
                decisions.append(fail(attributes["timeoutType"]))
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)
    return True


def work_once(client: Any) -> bool:
    """Poll once for an activity task, and do it; return whether there was one."""
    task = poll_for_activity(client)
    if not task.get("taskToken"):
        return False
    client.respond_activity_task_completed(taskToken=task["taskToken"], result=task["input"])
    return True


COMPLETE = {"decisionType": "CompleteWorkflowExecution"}


def fail(reason: str) -> dict[str, Any]:
    return {
        "decisionType": "FailWorkflowExecution",
        "failWorkflowExecutionDecisionAttributes": {"reason": reason},
    }


def timer(step: int, seconds: int) -> dict[str, Any]:
    return {
        "decisionType": "StartTimer",
        "startTimerDecisionAttributes": {
            "timerId": str(step),
            "startToFireTimeout": str(seconds),
        },
    }


def activity(step: str, **more: Any) -> dict[str, Any]:
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": step,
            "activityType": ACTIVITY,
            "input": step,
            **more,
        },
    }


def history(client: Any, run_id: str, workflow_id: str = "order-1") -> list[dict[str, Any]]:
    pages = client.get_paginator("get_workflow_execution_history").paginate(
        domain=DOMAIN, execution={"workflowId": workflow_id, "runId": run_id}
    )
    return [event for page in pages for event in page["events"]]


def is_open(client: Any, run_id: str, workflow_id: str = "order-1") -> bool:
    execution = {"workflowId": workflow_id, "runId": run_id}
    reply = client.describe_workflow_execution(domain=DOMAIN, execution=execution)
    return bool(reply["executionInfo"]["executionStatus"] == "OPEN")


def event_types(client: Any, run_id: str, workflow_id: str = "order-1") -> Counter[str]:
    return Counter(event["eventType"] for event in history(client, run_id, workflow_id))
