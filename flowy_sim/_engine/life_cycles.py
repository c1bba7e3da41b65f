"""The life cycles of what an execution holds, each a table.

A table's rows say which event moves a thing from which state to which. Every event about a thing
goes through `step`; an event without a row for the thing's state is the one error path, and means
a mistake in the engine, for what a client may do wrong is answered with a fault before.
"""

from __future__ import annotations

from collections.abc import Mapping

Table = Mapping[tuple[str, str], str]

NEW = "new"
SCHEDULED = "scheduled"
STARTED = "started"
CLOSED = "closed"

EXECUTION: Table = {
    (NEW, "WorkflowExecutionStarted"): STARTED,
    (STARTED, "WorkflowExecutionCompleted"): CLOSED,
    (STARTED, "WorkflowExecutionFailed"): CLOSED,
    (STARTED, "WorkflowExecutionCanceled"): CLOSED,
    (STARTED, "WorkflowExecutionContinuedAsNew"): CLOSED,
    (STARTED, "WorkflowExecutionTerminated"): CLOSED,
    (STARTED, "WorkflowExecutionTimedOut"): CLOSED,
}

DECISION_TASK: Table = {
    (NEW, "DecisionTaskScheduled"): SCHEDULED,
    (SCHEDULED, "DecisionTaskStarted"): STARTED,
    (SCHEDULED, "DecisionTaskTimedOut"): CLOSED,
    (STARTED, "DecisionTaskCompleted"): CLOSED,
    (STARTED, "DecisionTaskTimedOut"): CLOSED,
}

ACTIVITY_TASK: Table = {
    (NEW, "ActivityTaskScheduled"): SCHEDULED,
    (SCHEDULED, "ActivityTaskStarted"): STARTED,
    (SCHEDULED, "ActivityTaskCancelRequested"): SCHEDULED,
    (SCHEDULED, "ActivityTaskCanceled"): CLOSED,
    (SCHEDULED, "ActivityTaskTimedOut"): CLOSED,
    (STARTED, "ActivityTaskCancelRequested"): STARTED,
    (STARTED, "ActivityTaskCompleted"): CLOSED,
    (STARTED, "ActivityTaskFailed"): CLOSED,
    (STARTED, "ActivityTaskCanceled"): CLOSED,
    (STARTED, "ActivityTaskTimedOut"): CLOSED,
}

TIMER: Table = {
    (NEW, "TimerStarted"): STARTED,
    (STARTED, "TimerFired"): CLOSED,
    (STARTED, "TimerCanceled"): CLOSED,
}

CHILD: Table = {
    (NEW, "StartChildWorkflowExecutionInitiated"): SCHEDULED,
    (SCHEDULED, "StartChildWorkflowExecutionFailed"): CLOSED,
    (SCHEDULED, "ChildWorkflowExecutionStarted"): STARTED,
    (STARTED, "ChildWorkflowExecutionCompleted"): CLOSED,
    (STARTED, "ChildWorkflowExecutionFailed"): CLOSED,
    (STARTED, "ChildWorkflowExecutionTimedOut"): CLOSED,
    (STARTED, "ChildWorkflowExecutionCanceled"): CLOSED,
    (STARTED, "ChildWorkflowExecutionTerminated"): CLOSED,
}

LAMBDA_FUNCTION: Table = {
    (NEW, "LambdaFunctionScheduled"): SCHEDULED,
    (SCHEDULED, "StartLambdaFunctionFailed"): CLOSED,
    (SCHEDULED, "LambdaFunctionStarted"): STARTED,
    (STARTED, "LambdaFunctionCompleted"): CLOSED,
    (STARTED, "LambdaFunctionFailed"): CLOSED,
    (STARTED, "LambdaFunctionTimedOut"): CLOSED,
}


class LifecycleError(AssertionError):
    """The engine was about to write an event that the service could not have written."""


def step(table: Table, state: str, event: str) -> str:
    """Return the state that an event leads to.

    Raises:
        LifecycleError: the table has no such row.
    """
    try:
        return table[state, event]
    except KeyError:
        raise LifecycleError(f"{event} cannot happen in the state {state!r}") from None
