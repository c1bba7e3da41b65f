"""A workflow on boto3 alone: ``python plain_boto3.py starter|decider|worker``.

An order is packed, sent a day later, and complete. The environment has the address of Amazon SWF.
"""

from __future__ import annotations

import sys
from typing import Any

import boto3
from botocore.config import Config

swf = boto3.client("swf", config=Config(read_timeout=70))

ORDER = {"name": "Order", "version": "1"}
STEPS = ("pack", "send")


def start() -> None:
    swf.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
    swf.register_workflow_type(
        domain="shop",
        **ORDER,
        defaultTaskList={"name": "decisions"},
        defaultChildPolicy="TERMINATE",
        defaultExecutionStartToCloseTimeout="200000",
        defaultTaskStartToCloseTimeout="60",
    )
    for step in STEPS:
        swf.register_activity_type(
            domain="shop",
            name=step,
            version="1",
            defaultTaskList={"name": "work"},
            defaultTaskHeartbeatTimeout="NONE",
            defaultTaskScheduleToStartTimeout="NONE",
            defaultTaskScheduleToCloseTimeout="NONE",
            defaultTaskStartToCloseTimeout="60",
        )
    swf.start_workflow_execution(
        domain="shop", workflowId="order-1", workflowType=ORDER, input="2 books"
    )


def decide() -> None:
    closing = ("CompleteWorkflowExecution", "FailWorkflowExecution")
    decisions: list[dict[str, Any]] = []
    while not any(decision["decisionType"] in closing for decision in decisions):
        pages = swf.get_paginator("poll_for_decision_task").paginate(
            domain="shop", taskList={"name": "decisions"}
        )
        task = pages.build_full_result()
        if task.get("taskToken"):
            decisions = [_next(task["events"])]
            swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)


def _next(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the decision that the last relevant event calls for."""
    for event in reversed(events):
        match event["eventType"]:
            case "WorkflowExecutionStarted":
                return _step("pack", event["workflowExecutionStartedEventAttributes"]["input"])
            case "TimerFired":
                packed = [each for each in events if each["eventType"] == "ActivityTaskCompleted"]
                return _step("send", _result(packed[0]))
            case "ActivityTaskCompleted" if any(
                each["eventType"] == "TimerFired" for each in events
            ):
                result = {"result": _result(event)}
                return {
                    "decisionType": "CompleteWorkflowExecution",
                    "completeWorkflowExecutionDecisionAttributes": result,
                }
            case "ActivityTaskCompleted":
                day = {"timerId": "day", "startToFireTimeout": "86400"}
                return {"decisionType": "StartTimer", "startTimerDecisionAttributes": day}
            case "ActivityTaskTimedOut" | "ActivityTaskFailed":
                return {"decisionType": "FailWorkflowExecution"}
    raise AssertionError(events)


def _step(name: str, text: str) -> dict[str, Any]:
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": name,
            "activityType": {"name": name, "version": "1"},
            "input": text,
        },
    }


def _result(event: dict[str, Any]) -> str:
    result: str = event["activityTaskCompletedEventAttributes"]["result"]
    return result


def work() -> None:
    for _ in STEPS:
        task: dict[str, Any] = {}
        while not task.get("taskToken"):
            task = swf.poll_for_activity_task(domain="shop", taskList={"name": "work"})
        done = {"pack": "{} in a box", "send": "{} on its way"}[task["activityType"]["name"]]
        swf.respond_activity_task_completed(
            taskToken=task["taskToken"], result=done.format(task["input"])
        )


if __name__ == "__main__":
    {"starter": start, "decider": decide, "worker": work}[sys.argv[1]]()
