"""The work that is timed: the image workflow, by a decider and a worker written on plain polls.

Any SWF client will do: the loops are the ones that an engineer writes against boto3.
"""

from __future__ import annotations

import json
from typing import Any

DOMAIN = "bench"
DECISIONS = {"name": "image_decisions"}
ACTIVITIES = {"name": "image_processing"}
WORKFLOW = {"name": "imagecateg", "version": "1"}
TIMEOUTS = {
    "defaultTaskStartToCloseTimeout": "60",
    "defaultTaskScheduleToStartTimeout": "60",
    "defaultTaskScheduleToCloseTimeout": "120",
    "defaultTaskHeartbeatTimeout": "30",
}
RESIZE, COLOUR, MOVE = "resize", "predominantcolor", "renameimage"


def register(client: Any) -> None:
    """Register the domain, the workflow type and the three activity types."""
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    client.register_workflow_type(
        domain=DOMAIN,
        **WORKFLOW,
        defaultTaskStartToCloseTimeout="60",
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskList=DECISIONS,
        defaultChildPolicy="TERMINATE",
    )
    for name in (RESIZE, COLOUR, MOVE):
        client.register_activity_type(
            domain=DOMAIN, name=name, version="1", defaultTaskList=ACTIVITIES, **TIMEOUTS
        )


def run(client: Any, count: int) -> None:
    """Start `count` executions, then decide and work until all of them have completed."""
    start(client, count)
    completed = 0
    while completed < count:
        while (ended := decide(client)) is not None:
            completed += ended
        while work(client):
            pass


def run_counted(client: Any, count: int) -> None:
    """Do what `run` does, but poll only for tasks that are there: elsewhere a poll would wait."""
    start(client, count)
    completed = 0
    while completed < count:
        waiting = client.count_pending_decision_tasks(domain=DOMAIN, taskList=DECISIONS)
        completed += sum(bool(decide(client)) for _ in range(waiting["count"]))
        waiting = client.count_pending_activity_tasks(domain=DOMAIN, taskList=ACTIVITIES)
        for _ in range(waiting["count"]):
            work(client)


def start(client: Any, count: int) -> None:
    """Start `count` executions."""
    for number in range(count):
        client.start_workflow_execution(
            domain=DOMAIN,
            workflowId=f"image-{number}",
            workflowType=WORKFLOW,
            input=json.dumps([f"photo-{number}.jpg", 150]),
        )


def decide(client: Any) -> bool | None:
    """Poll for one decision task and answer it; return whether its execution completed.

    None means that there was no task.
    """
    task = client.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS)
    if not task.get("taskToken"):
        return None
    decisions = _decisions(task["events"])
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)
    return any(d["decisionType"] == "CompleteWorkflowExecution" for d in decisions)


def work(client: Any) -> bool:
    """Poll for one activity task and answer it; return whether there was one."""
    task = client.poll_for_activity_task(domain=DOMAIN, taskList=ACTIVITIES)
    if not task.get("taskToken"):
        return False
    client.respond_activity_task_completed(taskToken=task["taskToken"], result='"done"')
    return True


def _decisions(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is to be done next: resize and colour side by side, then move, then complete."""
    scheduled = set()
    names = {}
    completed = set()
    for event in events:
        if event["eventType"] == "ActivityTaskScheduled":
            name = event["activityTaskScheduledEventAttributes"]["activityType"]["name"]
            names[event["eventId"]] = name
            scheduled.add(name)
        elif event["eventType"] == "ActivityTaskCompleted":
            attributes = event["activityTaskCompletedEventAttributes"]
            completed.add(names[attributes["scheduledEventId"]])
    if not scheduled:
        return [schedule(RESIZE, RESIZE), schedule(COLOUR, COLOUR)]
    if completed == {RESIZE, COLOUR} == scheduled:
        return [schedule(MOVE, MOVE)]
    if MOVE in completed:
        return [
            {
                "decisionType": "CompleteWorkflowExecution",
                "completeWorkflowExecutionDecisionAttributes": {"result": '"green/photo.jpg"'},
            }
        ]
    return []


def schedule(name: str, activity_id: str) -> dict[str, Any]:
    """Return the decision to schedule one of the activities."""
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": activity_id,
            "activityType": {"name": name, "version": "1"},
            "input": '["photo.jpg", 150]',
        },
    }
