"""What is open in an execution, told again by its history.

An event that was written before is added to its execution, and what stands beside the history is
brought to where it was after that event: the same life cycles, driven by the events alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowy_sim._engine.activity_tasks import ActivityTask
from flowy_sim._engine.children import Child
from flowy_sim._engine.decision_tasks import NO_TIMEOUT, DecisionTask
from flowy_sim._engine.events import TYPE, Event
from flowy_sim._engine.execution import CLOSE_STATUS, Execution, Open
from flowy_sim._engine.lambda_functions import LambdaTask
from flowy_sim._engine.life_cycles import EXECUTION, SCHEDULED, step
from flowy_sim._engine.timers import Timer

#: Brings an execution to where its newest event has brought it. The place is where among all
#: events of its engine that one stands.
Effect = Callable[[Execution, int, int], None]


def fold(execution: Execution, event: Event, place: int, close_number: int | None) -> None:
    """Add an event, and all that follows from it for its execution.

    A task that waits to be handed out gets the place at which it began to wait as its
    ``waits_under``: tasks wait in the order of their places.

    Args:
        execution: whose event it is; all events before it have been added.
        event: the event.
        place: greater than that of any event of the engine that was written before, at least 1.
        close_number: counts the executions of the domain in the order of their close.

    Raises:
        LifecycleError, LookupError, TypeError: the event cannot follow those before it.
    """
    event_id = execution.add(event)
    name = event[TYPE]
    if name in CLOSE_STATUS:
        _close(execution, name, close_number)
    elif name in _EFFECTS:
        _EFFECTS[name](execution, event_id, place)


def _close(execution: Execution, name: str, close_number: int | None) -> None:
    execution.state = step(EXECUTION, execution.state, name)
    if close_number is None:
        raise LookupError(f"{execution.describe()} is closed, but not counted as closed")
    execution.closed_by(name, close_number)
    terminated = name == "WorkflowExecutionTerminated"
    told = execution.member(len(execution), "childPolicy") if terminated else None
    execution.applied_child_policy = told or execution.started("childPolicy")
    execution.decision_task = execution.running_decision_task = None
    execution.activities = {}
    execution.timers = {}
    execution.children = {}
    execution.lambda_functions = {}


def _step(opened: Open, event_id: int) -> None:
    opened.state = step(opened.table, opened.state, opened.execution.event_type(event_id))


def _start(execution: Execution, event_id: int, place: int) -> None:
    execution.state = step(EXECUTION, execution.state, execution.event_type(event_id))


def _request_cancel(execution: Execution, event_id: int, place: int) -> None:
    execution.cancel_requested = True


# Decision tasks


def _schedule_decision(execution: Execution, event_id: int, place: int) -> None:
    task = DecisionTask(execution, execution.member(event_id, "taskList")[0])
    task.opened_id = event_id
    _step(task, event_id)
    execution.decision_task = task
    _offer(execution, place)


def _start_decision(execution: Execution, event_id: int, place: int) -> None:
    task = execution.decision_task
    _step(task, event_id)
    task.started_id = event_id
    task.waits_under = 0
    execution.decision_task = None
    execution.running_decision_task = task


def _complete_decision(execution: Execution, event_id: int, place: int) -> None:
    task = execution.running_decision_task
    _step(task, event_id)
    execution.running_decision_task = None
    execution.last_completed_start = task.started_id
    if execution.member(event_id, "executionContext") is not None:
        execution.context_id = event_id
    task_list = execution.member(event_id, "taskList")
    if task_list is not None:
        patience = execution.member(event_id, "taskListScheduleToStartTimeout") or NO_TIMEOUT
        execution.task_list_override = (task_list[0], patience)
    _offer(execution, place)


def _time_out_decision(execution: Execution, event_id: int, place: int) -> None:
    started = bool(execution.member(event_id, "startedEventId"))
    task = execution.running_decision_task if started else execution.decision_task
    _step(task, event_id)
    patience = task.opened("scheduleToStartTimeout")
    if patience != NO_TIMEOUT and execution.task_list_override == (task.task_list, patience):
        execution.task_list_override = None
    if started:
        execution.running_decision_task = None
    else:
        execution.decision_task = None
    _offer(execution, place)


def _offer(execution: Execution, place: int) -> None:
    task = execution.decision_task
    if task is not None and task.waits_under == 0 and execution.running_decision_task is None:
        task.waits_under = place


# Activity tasks


def _schedule_activity(execution: Execution, event_id: int, place: int) -> None:
    task = ActivityTask(execution, execution.member(event_id, "activityId"))
    task.opened_id = event_id
    _step(task, event_id)
    task.waits_under = place
    execution.activities[task.activity_id] = task


def _start_activity(execution: Execution, event_id: int, place: int) -> None:
    task = execution.activities[_named(execution, event_id, "scheduledEventId", "activityId")]
    _step(task, event_id)
    task.started_id = event_id
    task.heartbeat_at = execution.time(event_id)
    task.waits_under = 0


def _request_activity_cancel(execution: Execution, event_id: int, place: int) -> None:
    task = execution.activities[execution.member(event_id, "activityId")]
    _step(task, event_id)
    task.cancel_requested_id = event_id
    if task.state == SCHEDULED:
        task.waits_under = 0


def _end_activity(execution: Execution, event_id: int, place: int) -> None:
    activity_id = _named(execution, event_id, "scheduledEventId", "activityId")
    _step(execution.activities.pop(activity_id), event_id)


# Timers


def _start_timer(execution: Execution, event_id: int, place: int) -> None:
    timer = execution.timers[execution.member(event_id, "timerId")] = Timer(execution)
    timer.opened_id = event_id
    _step(timer, event_id)


def _end_timer(execution: Execution, event_id: int, place: int) -> None:
    _step(execution.timers.pop(execution.member(event_id, "timerId")), event_id)


# Children


def _initiate_child(execution: Execution, event_id: int, place: int) -> None:
    child = execution.children[event_id] = Child(execution)
    child.opened_id = event_id
    _step(child, event_id)


def _start_child(execution: Execution, event_id: int, place: int) -> None:
    child = execution.children[execution.member(event_id, "initiatedEventId")]
    _step(child, event_id)
    child.started_id = event_id
    child.run_id = execution.member(event_id, "workflowExecution")[0]


def _end_child(execution: Execution, event_id: int, place: int) -> None:
    initiated_id = execution.member(event_id, "initiatedEventId")
    # A decision that fails at once has initiated nothing.
    if initiated_id:
        _step(execution.children.pop(initiated_id), event_id)


# Lambda functions


def _schedule_lambda(execution: Execution, event_id: int, place: int) -> None:
    task = execution.lambda_functions[execution.member(event_id, "id")] = LambdaTask(execution)
    task.opened_id = event_id
    _step(task, event_id)


def _start_lambda(execution: Execution, event_id: int, place: int) -> None:
    task = execution.lambda_functions[_named(execution, event_id, "scheduledEventId", "id")]
    _step(task, event_id)
    task.started_id = event_id


def _end_lambda(execution: Execution, event_id: int, place: int) -> None:
    task_id = _named(execution, event_id, "scheduledEventId", "id")
    _step(execution.lambda_functions.pop(task_id), event_id)


def _named(execution: Execution, event_id: int, link: str, member: str) -> Any:
    return execution.member(execution.member(event_id, link), member)


_EFFECTS: dict[str, Effect] = {
    "WorkflowExecutionStarted": _start,
    "WorkflowExecutionCancelRequested": _request_cancel,
    "DecisionTaskScheduled": _schedule_decision,
    "DecisionTaskStarted": _start_decision,
    "DecisionTaskCompleted": _complete_decision,
    "DecisionTaskTimedOut": _time_out_decision,
    "ActivityTaskScheduled": _schedule_activity,
    "ActivityTaskStarted": _start_activity,
    "ActivityTaskCancelRequested": _request_activity_cancel,
    "ActivityTaskCompleted": _end_activity,
    "ActivityTaskFailed": _end_activity,
    "ActivityTaskTimedOut": _end_activity,
    "ActivityTaskCanceled": _end_activity,
    "TimerStarted": _start_timer,
    "TimerFired": _end_timer,
    "TimerCanceled": _end_timer,
    "StartChildWorkflowExecutionInitiated": _initiate_child,
    "StartChildWorkflowExecutionFailed": _end_child,
    "ChildWorkflowExecutionStarted": _start_child,
    "ChildWorkflowExecutionCompleted": _end_child,
    "ChildWorkflowExecutionFailed": _end_child,
    "ChildWorkflowExecutionTimedOut": _end_child,
    "ChildWorkflowExecutionCanceled": _end_child,
    "ChildWorkflowExecutionTerminated": _end_child,
    "LambdaFunctionScheduled": _schedule_lambda,
    "StartLambdaFunctionFailed": _end_lambda,
    "LambdaFunctionStarted": _start_lambda,
    "LambdaFunctionCompleted": _end_lambda,
    "LambdaFunctionFailed": _end_lambda,
    "LambdaFunctionTimedOut": _end_lambda,
}
