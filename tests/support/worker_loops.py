"""Letting workers work until an execution has ended."""

from __future__ import annotations

from typing import Any

from flowy import ActivityWorker, Execution, Outcome, WorkflowWorker, outcome

DOMAIN = "flowy"


def workers(client: Any, activities: Any, workflows: Any, **options: Any) -> list[Any]:
    both = [
        WorkflowWorker(client, DOMAIN, "decisions", workflows, **options),
        ActivityWorker(client, DOMAIN, "numbers", activities),
    ]
    for worker in both:
        worker.register()
    return both


def carried_out(client: Any, execution: Execution, both: list[Any]) -> Outcome:
    """Let workers work until the execution has ended; never wait while there is something to do."""
    ended = None
    while ended is None:
        busy = [worker.run_once() for worker in both]
        assert any(busy), "no worker has anything to do"
        ended = outcome(client, DOMAIN, execution)
    return ended


def history(client: Any, execution: Execution) -> list[dict[str, Any]]:
    reply = client.get_workflow_execution_history(
        domain=DOMAIN,
        execution={"workflowId": execution.workflow_id, "runId": execution.run_id},
    )
    assert "nextPageToken" not in reply
    events: list[dict[str, Any]] = reply["events"]
    return events


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventType"] for event in events]


def attributes(events: list[dict[str, Any]], event_type: str) -> list[dict[str, Any]]:
    member = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
    return [event[member] for event in events if event["eventType"] == event_type]
