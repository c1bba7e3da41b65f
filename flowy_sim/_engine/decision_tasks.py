"""Decision tasks: when one is scheduled, where it waits, when it times out.

An execution has at most one decision task that waits and one that a decider holds. Whatever a
decider has to know of schedules one at once, in the same transaction, unless one waits already;
that one is held back while a decider holds another.
"""

from __future__ import annotations

from typing import Any

from flowy_sim._engine.execution import Execution, Open
from flowy_sim._engine.life_cycles import DECISION_TASK, SCHEDULED

NO_TIMEOUT = "NONE"


class DecisionTask(Open):
    """A decision task.

    Attributes:
        task_list: where it waits.
        priority: how soon it is handed out; greater is sooner.
        waits_under: the key under which it waits on its list; 0 while it cannot be handed out.
    """

    __slots__ = ("priority", "task_list", "waits_under")

    table = DECISION_TASK

    def __init__(self, execution: Execution, task_list: str) -> None:
        """Make a task that is not scheduled yet."""
        super().__init__(execution)
        self.task_list = task_list
        self.priority = int(execution.started("taskPriority") or 0)
        self.waits_under = 0


def trigger(execution: Execution, event: str, **attributes: Any) -> int:
    """Write an event that a decider has to know of; return its id."""
    event_id = execution.append(event, **attributes)
    schedule(execution)
    return event_id


def schedule(execution: Execution) -> None:
    """Schedule a decision task, unless one waits already."""
    if execution.decision_task is not None:
        return
    engine = execution.engine
    override = execution.task_list_override
    (own_list,) = execution.started("taskList")
    task_list, patience = override if override else (own_list, NO_TIMEOUT)
    task = execution.decision_task = DecisionTask(execution, task_list)
    task.opened_id = task.append(
        "DecisionTaskScheduled",
        scheduleToStartTimeout=patience,
        startToCloseTimeout=execution.started("taskStartToCloseTimeout"),
        taskList={"name": task_list},
        taskPriority=execution.started("taskPriority"),
    )
    if patience != NO_TIMEOUT:
        # Assumption: held-back-patience: the time to start runs also while the task is held back.
        due = engine.now + int(patience) * 1000
        task.deadline = engine.at(due, "decision task time-out", execution, task.opened_id, task)
    if execution.running_decision_task is None:
        _offer(task)


def withdraw(task: DecisionTask) -> None:
    """Take a task from its list, so that nobody gets it any more."""
    task.execution.domain.decision_lists.withdraw(task.task_list, task.priority, task.waits_under)
    task.waits_under = 0


def _offer(task: DecisionTask) -> None:
    lists = task.execution.domain.decision_lists
    task.waits_under = lists.add(task.task_list, task.priority, task)


def offer_held_back(execution: Execution) -> None:
    """Hand out the decision task that had to wait for the one before it, if that one is over."""
    task = execution.decision_task
    if task is not None and task.waits_under == 0 and execution.running_decision_task is None:
        _offer(task)


def time_out(task: DecisionTask) -> None:
    """End a task whose time is up, and schedule it anew.

    A list on which it was to wait for a limited time is left, as documented.
    """
    execution = task.execution
    patience = task.opened("scheduleToStartTimeout")
    if patience != NO_TIMEOUT and execution.task_list_override == (task.task_list, patience):
        execution.task_list_override = None
    if task.state == SCHEDULED:
        withdraw(task)
        execution.decision_task = None
        timeout_type = "SCHEDULE_TO_START"
    else:
        execution.running_decision_task = None
        timeout_type = "START_TO_CLOSE"
    task.append(
        "DecisionTaskTimedOut",
        scheduledEventId=task.opened_id,
        startedEventId=task.started_id,
        timeoutType=timeout_type,
    )
    # Assumption: time-out-beside-queued: a task that waits already takes the place of a new one.
    schedule(execution)
    offer_held_back(execution)
