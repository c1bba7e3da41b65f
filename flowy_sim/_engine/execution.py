"""Workflow executions: a history, and indexes into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from flowy_sim._engine.apply import APPLY
from flowy_sim._engine.life_cycles import CLOSE_STATUS, CLOSED, NEW, NOTHING
from flowy_sim._engine.model import TIME, TYPE, Event, event_types, instant

if TYPE_CHECKING:
    from flowy_sim._engine.domains import Domain
    from flowy_sim._engine.engine import Engine
    from flowy_sim._engine.life_cycles import ActivityTask, Child, DecisionTask, LambdaTask, Timer

#: What a closed execution keeps besides its events, if they are not read again.
_SUMMARY = (
    "applied_child_policy",
    "cancel_requested",
    "context_id",
    "counts_at_close",
    "last_completed_start",
    "latest_activity_event_id",
    "task_list_override",
)


@cache
def _started_members() -> dict[str, int]:
    """Return where each member of WorkflowExecutionStarted is stored."""
    return event_types()["WorkflowExecutionStarted"].position


class WorkflowExecution:
    """One run of a workflow.

    What the history contains is read from the history. The attributes are indexes into it, so that
    no call has to search; `flowy_sim._engine.apply` maintains them.

    Args:
        engine: the service.
        domain: the domain that it runs in.
        workflow_id: its workflow ID.
        run_id: its run ID.
        number: counts the executions of the domain in the order of their start.

    Attributes:
        close_number: counts them in the order of their close; None while open.
        close_status: None while open.
        closed_at: when it closed, in milliseconds; None while open.
        counts_at_close: what was open when it closed; None while open.
        applied_child_policy: what its close does to its children; None while open.
        cancel_requested: whether it was asked to cancel itself.
        context_id: the event with the newest execution context; 0 for none.
        latest_activity_event_id: the newest event of an activity task; 0 for none.
        effect: the key of its time-out.
        decision_task: the decision task that waits to be started, or None.
        running_decision_task: the decision task that a decider has, or None.
        last_completed_start: the start of the last completed decision task, or 0.
        activities, timers, children, lambda_functions: what is open.
        task_list_override: the list that a decider moved decision tasks to, with the seconds
            that one may wait there ("NONE" for no limit); None without an override.
    """

    __slots__ = (
        "_events",
        "activities",
        "applied_child_policy",
        "cancel_requested",
        "children",
        "close_number",
        "close_status",
        "closed_at",
        "context_id",
        "counts_at_close",
        "decision_task",
        "domain",
        "effect",
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

    def __init__(
        self, engine: Engine, domain: Domain, workflow_id: str, run_id: str, number: int
    ) -> None:
        self.engine = engine
        self.domain = domain
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.number = number
        self.state = NEW
        self.close_number: int | None = None
        self.close_status: str | None = None
        self.closed_at: int | None = None
        self.counts_at_close: dict[str, int] | None = None
        self.applied_child_policy: str | None = None
        self.cancel_requested = False
        self.context_id = 0
        self.latest_activity_event_id = 0
        self.effect = 0
        self.decision_task: DecisionTask | None = None
        self.running_decision_task: DecisionTask | None = None
        self.last_completed_start = 0
        self.activities: dict[str, ActivityTask] = NOTHING
        self.timers: dict[str, Timer] = NOTHING
        self.children: dict[int, Child] = NOTHING
        self.lambda_functions: dict[str, LambdaTask] = NOTHING
        self.task_list_override: tuple[str, str] | None = None
        self._events: list[Event] = []

    # Reading

    def __len__(self) -> int:
        """Return the number of events, which is also the newest event's id."""
        return len(self._events)

    def __bool__(self) -> bool:
        """Return True, even while the history is empty."""
        return True

    @property
    def is_open(self) -> bool:
        """Whether no event has closed it."""
        return self.state != CLOSED

    @property
    def started_at(self) -> int:
        """When it started, in milliseconds."""
        # Without a call of `time`, and of `started` below: lists read these for every execution.
        started_at: int = self._events[0][TIME]
        return started_at

    @property
    def workflow_type(self) -> tuple[str, str]:
        """The name and version of its type."""
        workflow_type: tuple[str, str] = self._events[0][_started_members()["workflowType"]]
        return workflow_type

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags, in the order given."""
        return self._events[0][_started_members()["tagList"]] or ()

    @property
    def parent(self) -> tuple[str, str] | None:
        """The run ID and workflow ID of the execution that started it as a child, or None."""
        parent: tuple[str, str] | None = self.started("parentWorkflowExecution")
        return parent

    def started(self, name: str) -> Any:
        """Return a member of WorkflowExecutionStarted, as stored."""
        return self._events[0][_started_members()[name]]

    def member(self, event_id: int, name: str) -> Any:
        """Return a member of an event, as stored: structures are tuples, None is absent."""
        # The body of `flowy_sim._engine.model.member`, without the call: this is the hottest path.
        event = self._events[event_id - 1]
        return event[event_types()[event[TYPE]].position[name]]

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
        """Return the events after an ID as they are stored, see `flowy_sim._engine.model`."""
        return self._events[after:]

    def structure(self) -> dict[str, str]:
        """Return the ``workflowExecution`` of an event or reply."""
        return {"runId": self.run_id, "workflowId": self.workflow_id}

    def describe(self) -> str:
        """Return the execution as the service's messages name it, as recorded."""
        return describe(self.workflow_id, self.run_id)

    def open_counts(self) -> dict[str, int]:
        """Return the ``openCounts`` of a reply, as they were when it closed, as recorded."""
        if self.counts_at_close is not None:
            return dict(self.counts_at_close)
        # Assumption: counted-at-once: a child counts from its initiation, a Lambda task from its
        # scheduling.
        return {
            "openActivityTasks": len(self.activities),
            "openChildWorkflowExecutions": len(self.children),
            "openDecisionTasks": int(self.decision_task is not None),
            "openLambdaFunctions": len(self.lambda_functions),
            "openTimers": len(self.timers),
        }

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

    def append(self, event_type: str, **attributes: Any) -> int:
        """Write an event at the engine's present instant and return its id.

        Raises:
            LifeCycleError: this event cannot happen now.
        """
        engine = self.engine
        event = event_types()[event_type].freeze(engine.now, attributes)
        event_id = self.apply(event)
        if event_id >= engine.limits.events:
            engine.full.add(self)
        if engine.changes is not None:
            engine.changes.event_written(self, event)
        if engine.written is not None:
            engine.written.append(self.run_id)
        return event_id

    def apply(self, event: Event) -> int:
        """Add an event to the history, with all that follows from it; return its id.

        Raises:
            LifeCycleError, LookupError, AttributeError: the event cannot follow those before it.
        """
        self._events.append(event)
        event_id = len(self._events)
        handler = APPLY.get(event[TYPE])
        if handler is not None:
            handler(self, event, event_id)
        return event_id

    def summary(self) -> dict[str, Any]:
        """Return what the history of a closed execution has led to, as data for JSON."""
        return {"length": len(self), **{name: getattr(self, name) for name in _SUMMARY}}

    def restore_closed(self, events: Sequence[Event], summary: Mapping[str, Any]) -> None:
        """Take the history of a closed execution without going through it.

        Args:
            events: all of them; only the first and the last are read now.
            summary: what `summary` returned.
        """
        # Nothing is appended to it any more, so it may be any sequence.
        self._events = events  # type: ignore[assignment]
        for name in _SUMMARY:
            setattr(self, name, summary[name])
        if self.task_list_override is not None:
            task_list, patience = self.task_list_override
            self.task_list_override = (task_list, patience)
        last = events[len(events) - 1]
        self.state = CLOSED
        self.close_status = CLOSE_STATUS[last[TYPE]]
        self.closed_at = last[TIME]
        self.close_number = self.domain.next_close_number()
        self.engine.executions[self.run_id] = self
        self.domain.visibility.closed_before(self)


def describe(workflow_id: str, run_id: str) -> str:
    """Return an execution as the service's messages name it, as recorded."""
    return f"WorkflowExecution=[workflowId={workflow_id}, runId={run_id}]"
