"""The life cycles of executions and of what is open in them, each a table.

A row says which event leads from which state to which. Every event goes through `step`. An event
without a row for the present state is the only error: it means a mistake in the engine, because
mistakes of clients are answered with faults before any event is written.
"""

from __future__ import annotations

from collections.abc import Mapping

Table = Mapping[tuple[str, str], str]

NEW = "new"
SCHEDULED = "scheduled"
STARTED = "started"
CLOSED = "closed"

#: The close status of an execution, by the event that closes it.
CLOSE_STATUS = {
    "WorkflowExecutionCompleted": "COMPLETED",
    "WorkflowExecutionFailed": "FAILED",
    "WorkflowExecutionCanceled": "CANCELED",
    "WorkflowExecutionTerminated": "TERMINATED",
    "WorkflowExecutionContinuedAsNew": "CONTINUED_AS_NEW",
    "WorkflowExecutionTimedOut": "TIMED_OUT",
}

EXECUTION: Table = {
    (NEW, "WorkflowExecutionStarted"): STARTED,
    **{(STARTED, event): CLOSED for event in CLOSE_STATUS},
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


#: All of them.
TABLES = (EXECUTION, DECISION_TASK, ACTIVITY_TASK, TIMER, CHILD, LAMBDA_FUNCTION)


class LifeCycleError(AssertionError):
    """The engine was about to write an event that the service could not have written."""


def step(table: Table, state: str, event: str) -> str:
    """Return the state that an event leads to.

    Raises:
        LifeCycleError: the table has no such row.
    """
    try:
        return table[state, event]
    except KeyError:
        raise LifeCycleError(f"{event} cannot happen in the state {state!r}") from None
