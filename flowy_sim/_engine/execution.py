"""Workflow executions: a history, and what is open according to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from flowy_sim._engine.events import TIME, TYPE, Event, event_types, instant
from flowy_sim._engine.life_cycles import CLOSED, EXECUTION, NEW, SCHEDULED, Table, step

if TYPE_CHECKING:
    from flowy_sim._engine.domains import Domain
    from flowy_sim._engine.engine import Engine

#: The close status of an execution, by the event that closes it.
CLOSE_STATUS = {
    "WorkflowExecutionCompleted": "COMPLETED",
    "WorkflowExecutionFailed": "FAILED",
    "WorkflowExecutionCanceled": "CANCELED",
    "WorkflowExecutionTerminated": "TERMINATED",
    "WorkflowExecutionContinuedAsNew": "CONTINUED_AS_NEW",
    "WorkflowExecutionTimedOut": "TIMED_OUT",
}


class Open:
    """Something of an execution that is open: a task, a timer, a child.

    Attributes:
        execution: whose it is.
        state: where it stands in its life cycle.
        opened_id: the event that opened it.
        started_id: the event that started it; 0 before.
        deadline: the key of what will happen to it by itself; 0 for nothing.
    """

    __slots__ = ("deadline", "execution", "opened_id", "started_id", "state")

    table: ClassVar[Table]

    def __init__(self, execution: Execution) -> None:
        """Begin a life cycle."""
        self.execution = execution
        self.state = NEW
        self.opened_id = 0
        self.started_id = 0
        self.deadline = 0

    def append(self, event: str, **attributes: Any) -> int:
        """Move along the life cycle and write the event that does it; return its id.

        Raises:
            LifecycleError: this event cannot happen now.
        """
        self.state = step(self.table, self.state, event)
        return self.execution.append(event, **attributes)

    def opened(self, member: str) -> Any:
        """Return a member of the event that opened it, as stored."""
        return self.execution.member(self.opened_id, member)


class Execution:
    """One run of a workflow.

    What its history tells is read from the history. Beside it stand only the indexes that keep
    every call from having to search: which tasks, timers and children are open, by their ids.

    Attributes:
        number: counts the executions of a domain in the order of their start.
        close_number: counts them in the order of their close; None while open.
        close_status: None while open.
        decision_task: the decision task that waits to be started, or None.
        running_decision_task: the decision task that a decider holds, or None.
        last_completed_start: the start of the last completed decision task, or 0.
        activities, timers, children, lambda_functions: what is open.
        task_list_override: the list that a decider moved decision tasks to, with the seconds
            that one may wait there ("NONE" for ever); None without an override.
        applied_child_policy: what its end did to its children; None while open.
    """

    __slots__ = (
        "_events",
        "_open_counts",
        "activities",
        "applied_child_policy",
        "cancel_requested",
        "children",
        "close_number",
        "close_status",
        "closed_at",
        "context_id",
        "deadline",
        "decision_task",
        "domain",
        "engine",
        "lambda_functions",
        "last_completed_start",
        "latest_activity_event_id",
        "number",
        "run_id",
        "running_decision_task",
        "state",
        "task_list_override",
        "timers",
        "workflow_id",
    )

    def __init__(self, engine: Engine, domain: Domain, workflow_id: str, run_id: str) -> None:
        """Begin with an empty history; `starting.start` writes the first events."""
        self.engine = engine
        self.domain = domain
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.number = domain.next_number()
        self.close_number: int | None = None
        self.close_status: str | None = None
        self.closed_at: int | None = None
        self.cancel_requested = False
        self.applied_child_policy: str | None = None
        self.context_id = 0
        self.latest_activity_event_id = 0
        self.deadline = 0
        self.state = NEW
        self.decision_task: Any = None
        self.running_decision_task: Any = None
        self.last_completed_start = 0
        self.activities: dict[str, Any] = {}
        self.timers: dict[str, Any] = {}
        self.children: dict[int, Any] = {}
        self.lambda_functions: dict[str, Any] = {}
        self.task_list_override: tuple[str, str] | None = None
        self._events: list[Event] = []
        self._open_counts: dict[str, int] | None = None

    # Reading

    def __len__(self) -> int:
        """Return the number of events, which is also the newest event's id."""
        return len(self._events)

    def __bool__(self) -> bool:
        """Be true, whatever the length of the history."""
        return True

    @property
    def is_open(self) -> bool:
        """Whether nothing has closed it yet."""
        return self.state != CLOSED

    @property
    def started_at(self) -> int:
        """When it started, in milliseconds."""
        return self.time(1)

    @property
    def workflow_type(self) -> tuple[str, str]:
        """The name and version of its type."""
        name, version = self.started("workflowType")
        return name, version

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags, in the order given."""
        return self.started("tagList") or ()

    @property
    def parent(self) -> tuple[str, str] | None:
        """The run id and workflow id of the execution that started it as a child, or None."""
        parent: tuple[str, str] | None = self.started("parentWorkflowExecution")
        return parent

    def started(self, member: str) -> Any:
        """Return a member of WorkflowExecutionStarted, as stored."""
        return self.member(1, member)

    def member(self, event_id: int, member: str) -> Any:
        """Return a member of an event, as stored: structures are tuples, None is absent."""
        event = self._events[event_id - 1]
        return event[event_types()[event[TYPE]].position[member]]

    def time(self, event_id: int) -> int:
        """Return when an event was written, in milliseconds."""
        return int(self._events[event_id - 1][TIME])

    def event_type(self, event_id: int) -> str:
        """Return the type of an event."""
        return str(self._events[event_id - 1][TYPE])

    def attributes(self, event_id: int) -> dict[str, Any]:
        """Return the attributes of an event, fresh, in the form of a request or reply."""
        event = self._events[event_id - 1]
        return event_types()[event[TYPE]].attributes(event)

    def events(self, first: int, last: int) -> list[dict[str, Any]]:
        """Return the events from one id to another, both included, as the service sends them."""
        types = event_types()
        return [
            types[event[TYPE]].thaw(event, event_id)
            for event_id, event in enumerate(self._events[first - 1 : last], first)
        ]

    def stored(self, after: int) -> list[Event]:
        """Return the events after an id as they are stored, see `flowy_sim._engine.events`."""
        return self._events[after:]

    def structure(self) -> dict[str, str]:
        """Return the ``workflowExecution`` of an event or reply."""
        return {"runId": self.run_id, "workflowId": self.workflow_id}

    def describe(self) -> str:
        """Return the execution as the service's messages name it, as recorded."""
        return describe(self.workflow_id, self.run_id)

    def open_counts(self) -> dict[str, int]:
        """Return the ``openCounts`` of a reply, as they were when it closed, as recorded."""
        return dict(self._open_counts or self._count_open())

    def info(self) -> dict[str, Any]:
        """Return the ``executionInfo`` of a reply."""
        # Assumption: cancel-requested: true while it is open, false afterwards as recorded.
        # Assumption: undocumented-members: reopenable and the like, seen once, are left out.
        info: dict[str, Any] = {"cancelRequested": self.cancel_requested and self.is_open}
        if self.closed_at is not None:
            info["closeStatus"] = self.close_status
            info["closeTimestamp"] = instant(self.closed_at)
        info["execution"] = self.structure()
        info["executionStatus"] = "OPEN" if self.is_open else "CLOSED"
        if self.parent is not None:
            info["parent"] = {"runId": self.parent[0], "workflowId": self.parent[1]}
        info["startTimestamp"] = instant(self.started_at)
        # Assumption: empty-tag-list: left out here, repeated in the events that were given one.
        if self.tags:
            info["tagList"] = list(self.tags)
        name, version = self.workflow_type
        info["workflowType"] = {"name": name, "version": version}
        return info

    def latest_activity_at(self) -> int | None:
        """Return when the newest activity task event of any kind was written, as recorded."""
        if self.latest_activity_event_id == 0:
            return None
        return self.time(self.latest_activity_event_id)

    # Writing

    def append(self, event: str, **attributes: Any) -> int:
        """Write an event at the engine's present instant and return its id."""
        engine = self.engine
        written = event_types()[event].freeze(engine.now, attributes)
        event_id = self.add(written)
        if event_id >= engine.limits.events:
            engine.full.add(self)
        if engine.observe is not None:
            engine.observe(self, written)
        return event_id

    def add(self, event: Event) -> int:
        """Add an event that is or was written, and return its id."""
        self._events.append(event)
        event_id = len(self._events)
        if event[TYPE].startswith("ActivityTask"):
            self.latest_activity_event_id = event_id
        return event_id

    def take(self, events: Sequence[Event], open_counts: dict[str, int]) -> None:
        """Have a history that came to its end before, with so much open."""
        # Nothing is added to it any more.
        self._events = events  # type: ignore[assignment]
        self._open_counts = open_counts

    def open(self, **attributes: Any) -> None:
        """Write WorkflowExecutionStarted."""
        self.state = step(EXECUTION, self.state, "WorkflowExecutionStarted")
        self.append("WorkflowExecutionStarted", **attributes)

    def close(self, event: str, **attributes: Any) -> None:
        """Write the event that closes it and let go of everything that was open.

        What was open leaves no event, and is counted for ever as it was, as recorded.
        """
        self.state = step(EXECUTION, self.state, event)
        self.append(event, **attributes)
        self.closed_by(event, self.domain.next_close_number())

    def closed_by(self, event: str, close_number: int) -> None:
        """Note that the newest event has closed it."""
        self._open_counts = self._open_counts or self._count_open()
        self.close_status = CLOSE_STATUS[event]
        self.closed_at = self.time(len(self))
        self.close_number = close_number

    def _count_open(self) -> dict[str, int]:
        waiting = self.decision_task is not None and self.decision_task.state == SCHEDULED
        # Assumption: counted-at-once: a child counts from its initiation, a Lambda task from its
        # scheduling.
        return {
            "openActivityTasks": len(self.activities),
            "openChildWorkflowExecutions": len(self.children),
            "openDecisionTasks": int(waiting),
            "openLambdaFunctions": len(self.lambda_functions),
            "openTimers": len(self.timers),
        }


def describe(workflow_id: str, run_id: str) -> str:
    """Return an execution as the service's messages name it, as recorded."""
    return f"WorkflowExecution=[workflowId={workflow_id}, runId={run_id}]"
