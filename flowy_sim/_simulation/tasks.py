"""Task lists that clients poll, and the tasks that were handed out from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine

DECISION_POLL = "PollForDecisionTask"
ACTIVITY_POLL = "PollForActivityTask"
POLLS = frozenset({DECISION_POLL, ACTIVITY_POLL})


class TaskList(NamedTuple):
    """A task list of one kind; lists of either kind may have the same name.

    Attributes:
        region: such as ``us-east-1``.
        poll: the operation that polls it.
        domain: the name of its domain.
        name: its name.
    """

    region: str
    poll: str
    domain: str
    name: str

    def __str__(self) -> str:
        kind = "decision" if self.poll == DECISION_POLL else "activity"
        return f"{kind} task list {self.name!r} of domain {self.domain!r}"


class TaskKey(NamedTuple):
    """Identifies a task, as a token does."""

    run_id: str
    started_id: int


class HandedOutTask(NamedTuple):
    """A task that was handed out.

    Attributes:
        engine: the engine it belongs to.
        task_list: where it was handed out.
        workflow_id, run_id: its execution.
        started_id: the event that started it.
        activity_id: empty for a decision task.
    """

    engine: Engine
    task_list: TaskList
    workflow_id: str
    run_id: str
    started_id: int
    activity_id: str

    @property
    def key(self) -> TaskKey:
        """What it is found by."""
        return TaskKey(self.run_id, self.started_id)

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
        kind = f"activity task {self.activity_id!r}" if self.activity_id else "decision task"
        return f"{kind} of {self.workflow_id!r}"


def handed_out(engine: Engine, task_list: TaskList, reply: Mapping[str, Any]) -> HandedOutTask:
    """Return the task that the reply to a poll hands out."""
    execution = reply["workflowExecution"]
    return HandedOutTask(
        engine,
        task_list,
        execution["workflowId"],
        execution["runId"],
        reply["startedEventId"],
        reply.get("activityId", ""),
    )


def all_handed_out(engine: Engine) -> Iterator[HandedOutTask]:
    """Yield all tasks of an engine that were handed out and are open."""
    for name, domain in engine.domains.items():
        for execution in domain.open_executions.values():
            started = {"": execution.running_decision_task, **execution.activities}
            for activity_id, task in started.items():
                if task is not None and task.started_id:
                    poll = ACTIVITY_POLL if activity_id else DECISION_POLL
                    yield HandedOutTask(
                        engine,
                        TaskList(engine.region, poll, name, task.task_list),
                        execution.workflow_id,
                        execution.run_id,
                        task.started_id,
                        activity_id,
                    )
