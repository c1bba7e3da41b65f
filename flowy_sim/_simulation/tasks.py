"""Tasks that somebody works on, as the engine knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine


class Task(NamedTuple):
    """A task that was handed out.

    Attributes:
        engine: whose task it is.
        workflow_id, run_id: its execution.
        started_id: the event that started it.
        activity_id: empty for a decision task.
    """

    engine: Engine
    workflow_id: str
    run_id: str
    started_id: int
    activity_id: str

    def is_open(self) -> bool:
        """Return whether it was neither answered nor ended in another way."""
        execution = self.engine.executions.get(self.run_id)
        if execution is None or not execution.is_open:
            return False
        task: Any
        if self.activity_id:
            task = execution.activities.get(self.activity_id)
        else:
            task = execution.running_decision_task
        return task is not None and bool(task.started_id == self.started_id)

    def __str__(self) -> str:
        """Return how a message calls it."""
        kind = f"activity task {self.activity_id!r}" if self.activity_id else "decision task"
        return f"{kind} of {self.workflow_id!r}"


def handed_out(engine: Engine, reply: Mapping[str, Any]) -> Task:
    """Return the task that the reply to a poll hands out."""
    execution = reply["workflowExecution"]
    return Task(
        engine,
        execution["workflowId"],
        execution["runId"],
        reply["startedEventId"],
        reply.get("activityId", ""),
    )


def all_handed_out(engine: Engine) -> Iterator[Task]:
    """Yield all tasks that were handed out and are open."""
    for domain in engine.domains.values():
        for execution in domain.open_executions.values():
            started = {"": execution.running_decision_task, **execution.activities}
            for activity_id, task in started.items():
                if task is not None and task.started_id:
                    yield Task(
                        engine,
                        execution.workflow_id,
                        execution.run_id,
                        task.started_id,
                        activity_id,
                    )
