"""Reading what the service holds: descriptions and lists that are not about open or closed runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine.events import instant
from flowy_sim._engine.task_lists import TaskLists

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

#: What every execution was started with, and what only some were.
_CONFIGURATION = (
    "childPolicy",
    "executionStartToCloseTimeout",
    "lambdaRole",
    "taskList",
    "taskPriority",
    "taskStartToCloseTimeout",
)


def describe_workflow_execution(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DescribeWorkflowExecution."""
    execution = engine.execution(request["domain"], request["execution"])
    started = execution.attributes(1)
    reply: dict[str, Any] = {
        # Assumption: described-task-list: the list it was started with, also under an override.
        "executionConfiguration": {m: started[m] for m in _CONFIGURATION if m in started},
        "executionInfo": execution.info(),
    }
    latest = execution.latest_activity_at()
    if latest is not None:
        reply["latestActivityTaskTimestamp"] = instant(latest)
    if execution.context_id:
        reply["latestExecutionContext"] = execution.member(execution.context_id, "executionContext")
    reply["openCounts"] = execution.open_counts()
    return reply


def count_pending_decision_tasks(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out CountPendingDecisionTasks."""
    # Assumption: held-back-not-pending: a task that waits for the one before it does not count.
    return _count(engine.domain(request["domain"]).decision_lists, request)


def count_pending_activity_tasks(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out CountPendingActivityTasks."""
    return _count(engine.domain(request["domain"]).activity_lists, request)


def _count(lists: TaskLists[Any], request: dict[str, Any]) -> dict[str, Any]:
    return {"count": lists.count(request["taskList"]["name"]), "truncated": False}
