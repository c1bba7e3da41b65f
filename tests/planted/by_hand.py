"""Deciders and workers that call a boto3 client directly, as many real ones do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from flowy._client import Execution
from flowy_sim._events.history import Event
from flowy_sim._events.schema import attributes_of
from flowy_sim.testing import Run, Runner

DOMAIN = "simulated"
DECISIONS, STEPS = {"name": "decisions"}, {"name": "steps"}
STEP = {"name": "step", "version": "1"}

Decision = dict[str, Any]
Attributes = Mapping[str, Any]


class History:
    """The history in a decision task, as a decider reads it.

    Attributes:
        events: all events.
        new: the events since the last decision task that was answered.
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.workflow_id = task["workflowExecution"]["workflowId"]
        self.started_id = task["startedEventId"]
        self.events: list[Event] = task["events"]
        self.new = self.since(task["previousStartedEventId"])

    def since(self, event_id: int) -> list[Event]:
        return [event for event in self.events if event["eventId"] > event_id]

    def of(self, event_type: str, events: list[Event] | None = None) -> list[Attributes]:
        """The attributes of the events of a type."""
        there = self.events if events is None else events
        return [attributes_of(event) for event in there if event["eventType"] == event_type]

    def ids(self, event_type: str, events: list[Event] | None = None) -> list[str]:
        """The IDs of the activities that events of a type are about."""
        return [self._scheduled(each) for each in self.of(event_type, events)]

    @property
    def is_first(self) -> bool:
        return len(self.new) == len(self.events)

    @property
    def scheduled(self) -> list[str]:
        return self.ids("ActivityTaskScheduled")

    @property
    def done(self) -> list[str]:
        return self.ids("ActivityTaskCompleted")

    @property
    def newly_done(self) -> list[str]:
        return self.ids("ActivityTaskCompleted", self.new)

    @property
    def timed_out(self) -> list[str]:
        return self.ids("ActivityTaskTimedOut")

    @property
    def signals(self) -> list[str]:
        return [each["signalName"] for each in self.of("WorkflowExecutionSignaled")]

    @property
    def new_signals(self) -> list[str]:
        return [each["signalName"] for each in self.of("WorkflowExecutionSignaled", self.new)]

    @property
    def cancel_requested(self) -> bool:
        return bool(self.of("WorkflowExecutionCancelRequested"))

    def _scheduled(self, attributes: Attributes) -> str:
        if "activityId" in attributes:
            return str(attributes["activityId"])
        return str(attributes_of(self.events[attributes["scheduledEventId"] - 1])["activityId"])


Decide = Callable[[History], list[Decision]]
Work = Callable[[str], str | None]


def decision(decision_type: str, **attributes: Any) -> Decision:
    member = f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"
    return {"decisionType": decision_type, member: attributes}


def schedule(activity_id: str) -> Decision:
    return decision("ScheduleActivityTask", activityId=activity_id, activityType=STEP)


def cancel_task(activity_id: str) -> Decision:
    return decision("RequestCancelActivityTask", activityId=activity_id)


def timer(timer_id: str, seconds: int) -> Decision:
    return decision("StartTimer", timerId=timer_id, startToFireTimeout=str(seconds))


def cancel_timer(timer_id: str) -> Decision:
    return decision("CancelTimer", timerId=timer_id)


def complete(result: str = "") -> Decision:
    return decision("CompleteWorkflowExecution", result=result)


def cancel() -> Decision:
    return decision("CancelWorkflowExecution")


def start_child(workflow_id: str, name: str) -> Decision:
    named = {"name": name, "version": "1"}
    return decision("StartChildWorkflowExecution", workflowId=workflow_id, workflowType=named)


def signal_other(workflow_id: str, name: str) -> Decision:
    return decision("SignalExternalWorkflowExecution", workflowId=workflow_id, signalName=name)


def do_nothing(activity_id: str) -> None:
    """Do the work of a task, without any effect."""


def by_hand(
    runner: Runner,
    decide: Decide | Mapping[str, Decide | type[Any]] | type[Any],
    work: Work | type[Any] = do_nothing,
    starts: tuple[str, ...] = ("order",),
) -> list[Run]:
    """Run workflows whose deciders and workers are written by hand.

    Args:
        runner: runs them.
        decide: returns decisions, given the history; or a class, of which each decider has an
            instance; or several of these, by the names of the workflow types.
        work: does the work of a task, given its activity ID; or a class, of which each worker has
            an instance.
        starts: the types of the executions that are started, in order.
    """
    deciders = decide if isinstance(decide, Mapping) else {"order": decide}

    class Decider:
        def __init__(self) -> None:
            self.decide = {name: _one(each) for name, each in deciders.items()}

        def __call__(self, client: Any) -> None:
            task = client.poll_for_decision_task(domain=DOMAIN, taskList=DECISIONS)
            if task.get("taskToken"):
                decisions = self.decide[task["workflowType"]["name"]](History(task))
                client.respond_decision_task_completed(
                    taskToken=task["taskToken"], decisions=decisions
                )

    class Worker:
        def __init__(self) -> None:
            self.work = _one(work)

        def __call__(self, client: Any) -> None:
            task = client.poll_for_activity_task(domain=DOMAIN, taskList=STEPS)
            if task.get("taskToken"):
                result = self.work(task["activityId"])
                client.respond_activity_task_completed(
                    taskToken=task["taskToken"], result=result or ""
                )

    return by_loops(runner, Decider, Worker, deciders, starts)


def by_loops(
    runner: Runner,
    decider: Callable[..., object],
    worker: Callable[..., object],
    types: Iterable[str] = ("order",),
    starts: tuple[str, ...] = ("order",),
    heartbeat: str = "NONE",
) -> list[Run]:
    """Run workflows whose deciders and workers have poll loops of their own.

    Args:
        runner: runs them.
        decider: polls for decision tasks.
        worker: polls for activity tasks.
        types: the names of the workflow types.
        starts: the types of the executions that are started, in order.
        heartbeat: the heartbeat time-out of tasks.
    """
    client = runner.simulation.client()
    register(client, types, heartbeat)
    runner.loop(decider, "decider")
    runner.loop(worker, "worker")
    started = [_start(client, name, number) for number, name in enumerate(starts, 1)]
    return [runner.finish(each) for each in started]


def known_to(run: Run, decided: Attributes) -> list[str]:
    """The types of the events that were known when something was decided."""
    completed = attributes_of(run.history[decided["decisionTaskCompletedEventId"] - 1])
    return [event["eventType"] for event in run.history[: completed["startedEventId"]]]


def _one(each: Any) -> Any:
    return each() if isinstance(each, type) else each


def register(
    client: Any,
    workflow_types: Iterable[str] = ("order",),
    heartbeat: str = "NONE",
    start_to_close: str = "60",
) -> None:
    """Register the domain, workflow types and the activity type.

    Args:
        client: calls the service.
        workflow_types: the names of the workflow types.
        heartbeat: the heartbeat time-out of tasks.
        start_to_close: the start-to-close time-out of tasks, in seconds.
    """
    with suppress(client.exceptions.DomainAlreadyExistsFault):
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    for name in workflow_types:
        client.register_workflow_type(
            domain=DOMAIN,
            name=name,
            version="1",
            defaultTaskList=DECISIONS,
            defaultExecutionStartToCloseTimeout="86400",
            defaultTaskStartToCloseTimeout="10",
            defaultChildPolicy="TERMINATE",
        )
    client.register_activity_type(
        domain=DOMAIN,
        **STEP,
        defaultTaskList=STEPS,
        defaultTaskScheduleToStartTimeout="NONE",
        defaultTaskScheduleToCloseTimeout="NONE",
        defaultTaskStartToCloseTimeout=start_to_close,
        defaultTaskHeartbeatTimeout=heartbeat,
    )


def _start(client: Any, name: str, number: int) -> Execution:
    workflow_id = f"{name}-{number}"
    reply = client.start_workflow_execution(
        domain=DOMAIN, workflowId=workflow_id, workflowType={"name": name, "version": "1"}
    )
    return Execution(workflow_id, reply["runId"])
