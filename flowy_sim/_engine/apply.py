"""What an event does to its execution.

Everything about an execution that follows from its history is changed here and nowhere else:
while the service runs, and again when an engine is restored from stored events. What an event
alone does not contain is kept outside: pending effects, places on task lists, heartbeats.

The events of types that are not in `APPLY` change nothing besides the history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowy_sim._engine.life_cycles import (
    CLOSE_STATUS,
    EXECUTION,
    NO_TIMEOUT,
    NOTHING,
    ActivityTask,
    Child,
    DecisionTask,
    LambdaTask,
    LifeCycleError,
    Timer,
    step,
)
from flowy_sim._engine.model import TIME, TYPE, Event, member

if TYPE_CHECKING:
    from flowy_sim._engine.execution import WorkflowExecution

#: Takes the execution, the event, which is the newest of its history, and the event's id.
Handler = Callable[["WorkflowExecution", Event, int], None]


def start_execution(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """List the execution as open."""
    execution.state = step(EXECUTION, execution.state, event[TYPE])
    domain = execution.domain
    if execution.workflow_id in domain.open_executions:
        raise LifeCycleError(f"two executions of {execution.workflow_id!r} are open")
    execution.engine.executions[execution.run_id] = execution
    domain.open_executions[execution.workflow_id] = execution
    domain.visibility.opened(execution)


def close_execution(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """List the execution as closed, with nothing open.

    Items that are still open get no event, and stay in the open counts, as recorded.
    """
    name = event[TYPE]
    execution.state = step(EXECUTION, execution.state, name)
    execution.counts_at_close = execution.open_counts()
    execution.close_status = CLOSE_STATUS[name]
    execution.closed_at = event[TIME]
    execution.close_number = execution.domain.next_close_number()
    terminated = name == "WorkflowExecutionTerminated"
    told = member(event, "childPolicy") if terminated else None
    execution.applied_child_policy = told or execution.started("childPolicy")
    execution.decision_task = execution.running_decision_task = None
    execution.activities = execution.timers = NOTHING
    execution.children = execution.lambda_functions = NOTHING
    del execution.domain.open_executions[execution.workflow_id]
    execution.domain.visibility.closed(execution)


def request_cancel(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Note that the execution was asked to cancel itself."""
    execution.cancel_requested = True


# Decision tasks


def schedule_decision_task(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Open a decision task, which waits or is held back."""
    execution.decision_task = DecisionTask(execution, event_id, event)


def start_decision_task(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Turn the waiting decision task into the running one."""
    task = execution.decision_task
    assert task is not None
    task.move(event[TYPE])
    task.started_id = event_id
    execution.decision_task = None
    execution.running_decision_task = task


def complete_decision_task(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Close the running decision task, and keep what the decider sent besides its decisions."""
    task = execution.running_decision_task
    assert task is not None
    task.move(event[TYPE])
    execution.running_decision_task = None
    execution.last_completed_start = task.started_id
    if member(event, "executionContext") is not None:
        execution.context_id = event_id
    task_list = member(event, "taskList")
    if task_list is not None:
        # Assumption: queued-task-stays: a task that waits already stays on its list.
        patience = member(event, "taskListScheduleToStartTimeout") or NO_TIMEOUT
        execution.task_list_override = (task_list[0], patience)


def time_out_decision_task(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Close the running decision task, or the waiting one if the task was never started.

    If it waited on a list that the decider had chosen with a limited time to wait there, later
    tasks go to the original list again, as documented.
    """
    if member(event, "startedEventId"):
        task, execution.running_decision_task = execution.running_decision_task, None
    else:
        task, execution.decision_task = execution.decision_task, None
    assert task is not None
    task.move(event[TYPE])
    patience = task.opened("scheduleToStartTimeout")
    if patience != NO_TIMEOUT and execution.task_list_override == (task.task_list, patience):
        execution.task_list_override = None


# Activity tasks


def schedule_activity_task(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Open an activity task."""
    task = ActivityTask(execution, event_id, event)
    execution.activities = execution.activities or {}
    execution.activities[task.activity_id] = task
    execution.latest_activity_event_id = event_id


def start_activity_task(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Note which event started an activity task; its first heartbeat is due from then on."""
    task = execution.activities[_opened_by(execution, event, "activityId")]
    task.move(event[TYPE])
    task.started_id = event_id
    task.heartbeat_at = event[TIME]
    execution.latest_activity_event_id = event_id


def request_cancel_activity_task(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Note that an activity task was asked to stop."""
    task = execution.activities[member(event, "activityId")]
    task.move(event[TYPE])
    task.cancel_requested_id = event_id
    execution.latest_activity_event_id = event_id


def end_activity_task(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Close an activity task."""
    execution.activities.pop(_opened_by(execution, event, "activityId")).move(event[TYPE])
    execution.latest_activity_event_id = event_id


# Timers


def start_timer(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Open a timer."""
    execution.timers = execution.timers or {}
    execution.timers[member(event, "timerId")] = Timer(execution, event_id, event)


def end_timer(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Close a timer."""
    execution.timers.pop(member(event, "timerId")).move(event[TYPE])


# Child executions


def initiate_child(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Open a child execution, which has not started yet."""
    execution.children = execution.children or {}
    execution.children[event_id] = Child(execution, event_id, event)


def start_child(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Note that a child execution has started."""
    child = execution.children[member(event, "initiatedEventId")]
    child.move(event[TYPE])
    child.started_id = event_id
    child.run_id = member(event, "workflowExecution")[0]


def end_child(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Close a child execution; a decision that fails at once has initiated none."""
    initiated_id = member(event, "initiatedEventId")
    if initiated_id:
        execution.children.pop(initiated_id).move(event[TYPE])


# Lambda functions


def schedule_lambda_function(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Open a call of a Lambda function."""
    execution.lambda_functions = execution.lambda_functions or {}
    execution.lambda_functions[member(event, "id")] = LambdaTask(execution, event_id, event)


def start_lambda_function(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Note that a Lambda function is being called."""
    task = execution.lambda_functions[_opened_by(execution, event, "id")]
    task.move(event[TYPE])
    task.started_id = event_id


def end_lambda_function(execution: WorkflowExecution, event: Event, event_id: int) -> None:
    """Close a call of a Lambda function."""
    execution.lambda_functions.pop(_opened_by(execution, event, "id")).move(event[TYPE])


def _opened_by(execution: WorkflowExecution, event: Event, name: str) -> Any:
    """Return a member of the event that scheduled what an event is about."""
    return execution.member(member(event, "scheduledEventId"), name)


APPLY: dict[str, Handler] = {
    "WorkflowExecutionStarted": start_execution,
    "WorkflowExecutionCancelRequested": request_cancel,
    **dict.fromkeys(CLOSE_STATUS, close_execution),
    "DecisionTaskScheduled": schedule_decision_task,
    "DecisionTaskStarted": start_decision_task,
    "DecisionTaskCompleted": complete_decision_task,
    "DecisionTaskTimedOut": time_out_decision_task,
    "ActivityTaskScheduled": schedule_activity_task,
    "ActivityTaskStarted": start_activity_task,
    "ActivityTaskCancelRequested": request_cancel_activity_task,
    "ActivityTaskCompleted": end_activity_task,
    "ActivityTaskFailed": end_activity_task,
    "ActivityTaskTimedOut": end_activity_task,
    "ActivityTaskCanceled": end_activity_task,
    "TimerStarted": start_timer,
    "TimerFired": end_timer,
    "TimerCanceled": end_timer,
    "StartChildWorkflowExecutionInitiated": initiate_child,
    "StartChildWorkflowExecutionFailed": end_child,
    "ChildWorkflowExecutionStarted": start_child,
    "ChildWorkflowExecutionCompleted": end_child,
    "ChildWorkflowExecutionFailed": end_child,
    "ChildWorkflowExecutionTimedOut": end_child,
    "ChildWorkflowExecutionCanceled": end_child,
    "ChildWorkflowExecutionTerminated": end_child,
    "LambdaFunctionScheduled": schedule_lambda_function,
    "StartLambdaFunctionFailed": end_lambda_function,
    "LambdaFunctionStarted": start_lambda_function,
    "LambdaFunctionCompleted": end_lambda_function,
    "LambdaFunctionFailed": end_lambda_function,
    "LambdaFunctionTimedOut": end_lambda_function,
}
