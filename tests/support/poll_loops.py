"""A decider and workers that poll with their own loops, and how to run them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

import flowy
from flowy_sim import Simulation
from flowy_sim.testing import Run, Runner
from tests.support.exact_calls import EXACT_CALLS

DOMAIN = "simulated"
Client = Any


def complete(result: str = "") -> dict[str, Any]:
    return {
        "decisionType": "CompleteWorkflowExecution",
        "completeWorkflowExecutionDecisionAttributes": {"result": result},
    }


def schedule(name: str, task_list: str) -> dict[str, Any]:
    timeouts = ("scheduleToClose", "scheduleToStart", "heartbeat")
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": name,
            "activityType": {"name": "step", "version": "1"},
            "taskList": {"name": task_list},
            "startToCloseTimeout": "600",
            **{f"{each}Timeout": "NONE" for each in timeouts},
        },
    }


def register(client: Client) -> None:
    client.register_workflow_type(domain=DOMAIN, name="order", version="1")
    client.register_activity_type(domain=DOMAIN, name="step", version="1")


def start(client: Client, domain: str = DOMAIN, workflow_id: str = "order-1") -> flowy.Execution:
    reply = client.start_workflow_execution(
        domain=domain,
        workflowId=workflow_id,
        workflowType={"name": "order", "version": "1"},
        taskList={"name": "decisions"},
        childPolicy="TERMINATE",
        executionStartToCloseTimeout="86400",
        taskStartToCloseTimeout="10",
    )
    return flowy.Execution(workflow_id, reply["runId"])


def done(task: dict[str, Any]) -> list[str]:
    events = task["events"]
    ends = [
        e["activityTaskCompletedEventAttributes"]
        for e in events
        if "Completed" in e["eventType"] and e["eventType"].startswith("Activity")
    ]
    opened = [events[each["scheduledEventId"] - 1] for each in ends]
    return [e["activityTaskScheduledEventAttributes"]["activityId"] for e in opened]


def decider(*steps: tuple[str, str]) -> Callable[[Client], None]:
    """An endless decider that schedules one step after the other."""

    def main(client: Client) -> None:
        while True:
            task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
            if not task.get("taskToken"):
                continue
            left = steps[len(done(task)) :]
            decisions = [schedule(*left[0])] if left else [complete('"done"')]
            client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)

    return main


def poll(client: Client, name: str) -> dict[str, Any]:
    task: dict[str, Any] = client.poll_for_activity_task(domain=DOMAIN, taskList={"name": name})
    return task


def work(client: Client, name: str) -> bool:
    task = poll(client, name)
    if task.get("taskToken"):
        client.respond_activity_task_completed(taskToken=task["taskToken"], result=name)
    return bool(task.get("taskToken"))


def run(*loops: Any, simulation: Simulation | None = None) -> Run:
    runner = Runner(simulation or Simulation(latency=EXACT_CALLS))
    for loop in loops:
        runner.loop(loop)
    client = runner.simulation.client()
    register(client)
    return runner.finish(start(client))


def released_by_warning(log: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> threading.Lock:
    """Return a lock that is held until something is written to a log as a warning."""
    lock, really_warn = threading.Lock(), log.warning
    lock.acquire()

    def warn(*arguments: object) -> None:
        really_warn(*arguments)
        if lock.locked():
            lock.release()

    monkeypatch.setattr(log, "warning", warn)
    return lock
