"""The life cycles of executions and of what is open in them, each a table.

A row says which event leads from which state to which. Every event goes through `step`. An event
without a row for the present state is the only error: it means a mistake in the engine, because
mistakes of clients are answered with faults before any event is written. h11 keeps the states of
a connection in the same way: first the rules, then a table, and one error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from flowy_sim._engine import queues
from flowy_sim._engine.model import TYPE, Event, event_types, member

if TYPE_CHECKING:
    from flowy_sim._engine.execution import WorkflowExecution

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


#: All life cycles.
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


# What can be open in an execution: tasks, timers, child executions, Lambda functions.
#
# Each is a small record of where it is in its life cycle. Only `flowy_sim._engine.apply` moves it
# along; everything else about it is read from the event that opened it.

#: Instead of a number of seconds: there is no limit.
NO_TIMEOUT = "NONE"


#: Shared by all executions that have nothing open of a kind: an execution gets its own dict when it
#: opens something. Nothing is ever put into this one.
NOTHING: dict[Any, Any] = {}


class OpenItem:
    """Something that is open in an execution.

    Args:
        execution: the execution that it belongs to.
        opened_id: the ID of the event that opens it.
        event: that event.

    Attributes:
        state: where it is in its life cycle.
        started_id: the event that started it; 0 before.
        effect: the key of the effect that ends it, such as a time-out; 0 for none.

    Raises:
        LifeCycleError: such an event does not open it.
    """

    __slots__ = ("effect", "execution", "opened_id", "started_id", "state")

    table: ClassVar[Table]

    def __init__(self, execution: WorkflowExecution, opened_id: int, event: Event) -> None:
        self.execution = execution
        self.opened_id = opened_id
        self.state = step(self.table, NEW, event[TYPE])
        self.started_id = 0
        self.effect = 0

    def move(self, event_type: str) -> None:
        """Move along the life cycle.

        Raises:
            LifeCycleError: this event cannot happen now.
        """
        self.state = step(self.table, self.state, event_type)

    def opened(self, name: str) -> Any:
        """Return a member of the event that opened it, as stored."""
        return self.execution.member(self.opened_id, name)


class Task(OpenItem):
    """A task that waits on a task list until a poll takes it.

    Attributes:
        kind: which lists it waits on: `flowy_sim._engine.queues.DECISION` or ``ACTIVITY``.
        task_list: the name of the list.
        priority: of several tasks on a list, a poll takes one of the greatest priority.
        waiting_key: the key under which it waits on the list; 0 while it does not.
    """

    __slots__ = ("priority", "task_list", "waiting_key")

    kind: ClassVar[str]

    def __init__(self, execution: WorkflowExecution, opened_id: int, event: Event) -> None:
        super().__init__(execution, opened_id, event)
        position = event_types()[event[TYPE]].position
        self.task_list: str = event[position["taskList"]][0]
        self.priority = int(event[position["taskPriority"]] or 0)
        self.waiting_key = 0

    @property
    def can_be_taken(self) -> bool:
        """Whether it waits on its list, so that a poll may take it."""
        raise NotImplementedError

    @property
    def is_held(self) -> bool:
        """Whether a decider or worker has it and may still answer it."""
        return self.state == STARTED and self.execution.is_open


class DecisionTask(Task):
    """A decision task."""

    __slots__ = ()

    table = DECISION_TASK
    kind = queues.DECISION

    @property
    def can_be_taken(self) -> bool:
        """Whether it waits on its list; it is held back while a decider has the one before."""
        return self.state == SCHEDULED and self.execution.running_decision_task is None


class ActivityTask(Task):
    """An activity task.

    Attributes:
        activity_id: unique among the open ones of its execution.
        heartbeat_at: when its worker last reported, in milliseconds.
        heartbeat_details: what it reported, or None.
        cancel_requested_id: the newest request to cancel it, or None.
    """

    __slots__ = ("activity_id", "cancel_requested_id", "heartbeat_at", "heartbeat_details")

    table = ACTIVITY_TASK
    kind = queues.ACTIVITY

    def __init__(self, execution: WorkflowExecution, opened_id: int, event: Event) -> None:
        super().__init__(execution, opened_id, event)
        self.activity_id: str = member(event, "activityId")
        self.heartbeat_at = 0
        self.heartbeat_details: str | None = None
        self.cancel_requested_id: int | None = None

    @property
    def can_be_taken(self) -> bool:
        """Whether it waits on its list; a poll takes none that is to be canceled."""
        return self.state == SCHEDULED and self.cancel_requested_id is None


class Timer(OpenItem):
    """A timer that runs."""

    __slots__ = ()

    table = TIMER


class Child(OpenItem):
    """A child execution, as its parent sees it.

    Attributes:
        run_id: its first run; empty until it has started.
    """

    __slots__ = ("run_id",)

    table = CHILD

    def __init__(self, execution: WorkflowExecution, opened_id: int, event: Event) -> None:
        super().__init__(execution, opened_id, event)
        self.run_id = ""


class LambdaTask(OpenItem):
    """A call of a Lambda function."""

    __slots__ = ()

    table = LAMBDA_FUNCTION
