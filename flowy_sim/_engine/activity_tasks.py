"""Activity tasks: scheduling, polling, answering, heartbeats, canceling, timing out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine.decision_tasks import NO_TIMEOUT, schedule
from flowy_sim._engine.execution import Execution, Open
from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._engine.life_cycles import ACTIVITY_TASK, SCHEDULED
from flowy_sim._engine.registered_types import type_key
from flowy_sim._engine.start import UndefinedSettingError, resolve
from flowy_sim._engine.tokens import ACTIVITY, TaskToken

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

#: What every activity task needs, with the default that its type may have for it, in the order
#: in which the service looks for them.
REQUIRED_SETTINGS = {
    "taskList": "defaultTaskList",
    "scheduleToStartTimeout": "defaultTaskScheduleToStartTimeout",
    "scheduleToCloseTimeout": "defaultTaskScheduleToCloseTimeout",
    "startToCloseTimeout": "defaultTaskStartToCloseTimeout",
    "heartbeatTimeout": "defaultTaskHeartbeatTimeout",
}
OPTIONAL_SETTINGS = {"taskPriority": "defaultTaskPriority"}


class ActivityTask(Open):
    """An activity task.

    Attributes:
        activity_id: unique among the open ones of its execution.
        heartbeat_at: when the worker last gave a sign of life, in milliseconds.
        heartbeat_details: what it said then, or None.
        cancel_requested_id: the newest request to cancel it, or None.
        waits_under: the key under which it waits on its list; 0 while it does not.
    """

    __slots__ = (
        "activity_id",
        "cancel_requested_id",
        "heartbeat_at",
        "heartbeat_details",
        "waits_under",
    )

    table = ACTIVITY_TASK

    def __init__(self, execution: Execution, activity_id: str) -> None:
        """Make a task that is not scheduled yet."""
        super().__init__(execution)
        self.activity_id = activity_id
        self.heartbeat_at = 0
        self.heartbeat_details: str | None = None
        self.cancel_requested_id: int | None = None
        self.waits_under = 0

    @property
    def task_list(self) -> str:
        """The name of the list it waits on."""
        return str(self.opened("taskList")[0])

    @property
    def priority(self) -> int:
        """How soon it is handed out; greater is sooner."""
        return int(self.opened("taskPriority") or 0)

    def withdraw(self) -> None:
        """Take it from its list, so that nobody gets it any more."""
        if self.waits_under:
            lists = self.execution.domain.activity_lists
            lists.withdraw(self.task_list, self.priority, self.waits_under)
            self.waits_under = 0

    def end(self, event: str, **attributes: Any) -> None:
        """Close it with an event, and let the decider know."""
        execution = self.execution
        execution.engine.deadlines.cancel(self.deadline)
        self.withdraw()
        del execution.activities[self.activity_id]
        self.append(
            event, scheduledEventId=self.opened_id, startedEventId=self.started_id, **attributes
        )
        schedule(execution)


def schedule_activity_task(
    execution: Execution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Apply ScheduleActivityTask; return the cause if it fails, tested in the service's order."""
    engine, domain = execution.engine, execution.domain
    registered = domain.activity_types.get(type_key(decision["activityType"]))
    if registered is None:
        return "ACTIVITY_TYPE_DOES_NOT_EXIST"
    if registered.deprecated_at is not None:
        return "ACTIVITY_TYPE_DEPRECATED"
    activity_id = decision["activityId"]
    if activity_id in execution.activities:
        return "ACTIVITY_ID_ALREADY_IN_USE"
    try:
        settings = resolve(decision, registered, REQUIRED_SETTINGS, OPTIONAL_SETTINGS)
    except UndefinedSettingError as undefined:
        return undefined.cause
    # Assumption: activity-limits-last: limits and rates are looked at after the defaults.
    if len(execution.activities) >= engine.limits.open_activities:
        return "OPEN_ACTIVITIES_LIMIT_EXCEEDED"
    if not engine.throttle.allows("ScheduleActivityTask", engine.now):
        return "ACTIVITY_CREATION_RATE_EXCEEDED"
    task = ActivityTask(execution, activity_id)
    task.opened_id = task.append(
        "ActivityTaskScheduled",
        activityId=activity_id,
        activityType=decision["activityType"],
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        input=decision.get("input"),
        **settings,
    )
    execution.activities[activity_id] = task
    task.waits_under = domain.activity_lists.add(task.task_list, task.priority, task)
    _watch(task)
    return None


def request_cancel_activity_task(
    execution: Execution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Apply RequestCancelActivityTask; return the cause if it fails.

    A worker learns of it by its next heartbeat. A task that no worker has yet is canceled by
    the service, in a transaction of its own, as recorded.
    """
    task = execution.activities.get(decision["activityId"])
    if task is None:
        return "ACTIVITY_ID_UNKNOWN"
    task.cancel_requested_id = task.append(
        "ActivityTaskCancelRequested",
        activityId=task.activity_id,
        decisionTaskCompletedEventId=completed_id,
    )
    if task.state == SCHEDULED:
        # Assumption: canceled-not-handed-out: nobody gets the task from here on.
        task.withdraw()
        execution.engine.later("activity cancel", execution, task.cancel_requested_id, task)
    return None


def cancel_unstarted(task: ActivityTask) -> None:
    """Cancel a task that no worker has, because the decider asked for it."""
    # Assumption: unstarted-cancel: startedEventId is 0, and the request is named.
    if task.state == SCHEDULED and task.execution.is_open:
        task.end("ActivityTaskCanceled", latestCancelRequestedEventId=task.cancel_requested_id)


def poll_for_activity_task(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out PollForActivityTask, without waiting: no task is an empty reply."""
    domain = engine.domain(request["domain"])
    task = domain.activity_lists.take(request["taskList"]["name"])
    if task is None:
        return {"startedEventId": 0}
    execution = task.execution
    task.waits_under = 0
    task.started_id = task.append(
        "ActivityTaskStarted", identity=request.get("identity"), scheduledEventId=task.opened_id
    )
    task.heartbeat_at = engine.now
    _watch(task)
    name, version = task.opened("activityType")
    reply: dict[str, Any] = {
        "activityId": task.activity_id,
        "activityType": {"name": name, "version": version},
    }
    task_input = task.opened("input")
    # Assumption: absent-input: it is left out; every recorded task had one.
    if task_input is not None:
        reply["input"] = task_input
    reply["startedEventId"] = task.started_id
    reply["taskToken"] = engine.tokens.write(
        TaskToken(
            ACTIVITY, task.opened_id, task.started_id, 0, execution.run_id, execution.workflow_id
        )
    )
    reply["workflowExecution"] = execution.structure()
    return reply


def respond_activity_task_completed(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RespondActivityTaskCompleted."""
    _started_task(engine, request).end("ActivityTaskCompleted", result=request.get("result"))
    return {}


def respond_activity_task_failed(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RespondActivityTaskFailed."""
    _started_task(engine, request).end(
        "ActivityTaskFailed", reason=request.get("reason"), details=request.get("details")
    )
    return {}


def respond_activity_task_canceled(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RespondActivityTaskCanceled; it needs no request to cancel, as recorded."""
    task = _started_task(engine, request)
    # Assumption: cancel-unasked: latestCancelRequestedEventId is absent without a request.
    task.end(
        "ActivityTaskCanceled",
        details=request.get("details"),
        latestCancelRequestedEventId=task.cancel_requested_id,
    )
    return {}


def record_activity_task_heartbeat(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RecordActivityTaskHeartbeat."""
    task = _started_task(engine, request)
    engine.throttle.check_execution("RecordActivityTaskHeartbeat", task.execution, engine.now)
    task.heartbeat_at = engine.now
    # Assumption: heartbeat-without-details: it leaves what an earlier one said.
    if "details" in request:
        task.heartbeat_details = request["details"]
    _watch(task)
    return {"cancelRequested": task.cancel_requested_id is not None}


def _started_task(engine: Engine, request: dict[str, Any]) -> ActivityTask:
    """Return the task that a token stands for, if its worker still has it."""
    token = engine.tokens.read(request["taskToken"], ACTIVITY)
    execution = engine.open_execution_of(token)
    activity_id = execution.member(token.scheduled_id, "activityId")
    task: ActivityTask | None = execution.activities.get(activity_id)
    if task is None or task.started_id != token.started_id:
        raise UnknownResourceFault(f"Unknown activity, scheduledEventId = {token.scheduled_id}")
    return task


def _watch(task: ActivityTask) -> None:
    """Set the earliest of the task's time-outs, in place of the one that was set."""
    engine = task.execution.engine
    engine.deadlines.cancel(task.deadline)
    task.deadline = 0
    # Assumption: zero-time-out: 0 seconds are over at once.
    # Assumption: equal-time-outs: of several that fall due at one instant, this order decides.
    scheduled_at = task.execution.time(task.opened_id)
    due = [("SCHEDULE_TO_CLOSE", "scheduleToCloseTimeout", scheduled_at)]
    if task.state == SCHEDULED:
        due.insert(0, ("SCHEDULE_TO_START", "scheduleToStartTimeout", scheduled_at))
    else:
        started_at = task.execution.time(task.started_id)
        due.append(("START_TO_CLOSE", "startToCloseTimeout", started_at))
        due.append(("HEARTBEAT", "heartbeatTimeout", task.heartbeat_at))
    instants = [
        (since + int(timeout) * 1000, timeout_type)
        for timeout_type, setting, since in due
        if (timeout := task.opened(setting)) != NO_TIMEOUT
    ]
    if instants:
        at, timeout_type = min(instants, key=lambda entry: entry[0])
        task.deadline = engine.at(
            at, "activity task time-out", task.execution, task.opened_id, task, timeout_type
        )


def time_out(task: ActivityTask, timeout_type: str) -> None:
    """End a task whose time is up, with what its last heartbeat said."""
    task.end("ActivityTaskTimedOut", timeoutType=timeout_type, details=task.heartbeat_details)
