"""A decider and a worker on aiobotocore, in one event loop; they end with the execution."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session


def decision(kind, **attributes):
    return {"decisionType": kind, f"{kind[0].lower()}{kind[1:]}DecisionAttributes": attributes}


async def decide(swf):
    result = None
    while result is None:
        task = await swf.poll_for_decision_task(domain="shop", taskList={"name": "decisions"})
        if not task.get("taskToken"):
            continue
        last = [e for e in task["events"] if not e["eventType"].startswith("Decision")][-1]
        if last["eventType"] == "WorkflowExecutionStarted":
            decided = decision("StartTimer", timerId="day", startToFireTimeout="86400")
        elif last["eventType"] == "TimerFired":
            decided = decision(
                "ScheduleActivityTask",
                activityId="pack",
                activityType={"name": "pack", "version": "1"},
            )
        else:
            result = last["activityTaskCompletedEventAttributes"]["result"]
            decided = decision("CompleteWorkflowExecution", result=result)
        await swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decided])


async def work(swf):
    task = {}
    while not task.get("taskToken"):
        task = await swf.poll_for_activity_task(domain="shop", taskList={"name": "work"})
    await swf.respond_activity_task_completed(taskToken=task["taskToken"], result="packed")


async def main():
    config = AioConfig(read_timeout=70)
    async with (
        get_session().create_client("swf", config=config) as one,
        get_session().create_client("swf", config=config) as other,
    ):
        await asyncio.gather(decide(one), work(other))


asyncio.run(main())
