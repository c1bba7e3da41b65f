"""Activity tasks: scheduling, canceling, polling, heartbeats, answers, time-outs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine.decision_tasks import schedule
from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._engine.life_cycles import NO_TIMEOUT, SCHEDULED, ActivityTask
from flowy_sim._engine.registered_types import UnstartableError, type_key
from flowy_sim._engine.tokens import ACTIVITY, TaskToken

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine
    from flowy_sim._engine.execution import WorkflowExecution


def schedule_activity_task(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out ScheduleActivityTask; return the cause if it fails.

    The causes are tested in the service's order.
    """
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
        settings = registered.resolve(decision)
    except UnstartableError as error:
        return error.cause
    # Assumption: activity-limits-last: limits and rates are checked after the defaults.
    if len(execution.activities) >= engine.limits.open_activities:
        return "OPEN_ACTIVITIES_LIMIT_EXCEEDED"
    if not engine.throttle.allows("ScheduleActivityTask", engine.now):
        return "ACTIVITY_CREATION_RATE_EXCEEDED"
    execution.append(
        "ActivityTaskScheduled",
        activityId=activity_id,
        activityType=decision["activityType"],
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        input=decision.get("input"),
        **settings,
    )
    task = execution.activities[activity_id]
    if engine.route is not None:
        task.task_list = engine.route(task)
    domain.activity_lists.add(task)
    _schedule_time_out(task)
    return None


def request_cancel_activity_task(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out RequestCancelActivityTask; return the cause if it fails.

    A worker learns of it from its next heartbeat. A task that no worker has yet is canceled by
    the service, in a transaction of its own, as recorded.
    """
    task = execution.activities.get(decision["activityId"])
    if task is None:
        return "ACTIVITY_ID_UNKNOWN"
    requested_id = execution.append(
        "ActivityTaskCancelRequested",
        activityId=task.activity_id,
        decisionTaskCompletedEventId=completed_id,
    )
    if task.state == SCHEDULED:
        # Assumption: canceled-not-handed-out: no poll takes the task from here on.
        execution.domain.activity_lists.withdraw(task)
        execution.engine.later("activity cancel", execution, requested_id, task)
    return None


def cancel_unstarted(task: ActivityTask) -> None:
    """Cancel a task that no worker has, because the decider asked for it."""
    # Assumption: unstarted-cancel: startedEventId is 0, and the request is named.
    if task.state == SCHEDULED and task.execution.is_open:
        _end(task, "ActivityTaskCanceled", latestCancelRequestedEventId=task.cancel_requested_id)


def poll_for_activity_task(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out PollForActivityTask, without waiting: no task is an empty reply."""
    domain = engine.domain(request["domain"])
    task = domain.activity_lists.take(request["taskList"]["name"])
    if task is None:
        return {**engine.no_task, "startedEventId": 0}
    execution = task.execution
    execution.append(
        "ActivityTaskStarted", identity=request.get("identity"), scheduledEventId=task.opened_id
    )
    if engine.changes is not None:
        engine.changes.task_handed_out(task)
    _schedule_time_out(task)
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
    task = _started_task(engine, request)
    _end(task, "ActivityTaskCompleted", result=request.get("result"))
    return {}


def respond_activity_task_failed(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RespondActivityTaskFailed."""
    task = _started_task(engine, request)
    _end(task, "ActivityTaskFailed", reason=request.get("reason"), details=request.get("details"))
    return {}


def respond_activity_task_canceled(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RespondActivityTaskCanceled; it needs no request to cancel, as recorded."""
    task = _started_task(engine, request)
    # Assumption: cancel-unasked: latestCancelRequestedEventId is absent without a request.
    _end(
        task,
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
    # Assumption: heartbeat-without-details: the details of an earlier one remain.
    if "details" in request:
        task.heartbeat_details = request["details"]
    if engine.changes is not None:
        engine.changes.heartbeat_recorded(task)
    _schedule_time_out(task)
    return {"cancelRequested": task.cancel_requested_id is not None}


def _started_task(engine: Engine, request: dict[str, Any]) -> ActivityTask:
    """Return the task of a token, if its worker still holds it."""
    token = engine.tokens.read(request["taskToken"], ACTIVITY)
    execution = engine.open_execution_of(token)
    activity_id = execution.member(token.scheduled_id, "activityId")
    task = execution.activities.get(activity_id)
    if task is None or task.started_id != token.started_id:
        raise UnknownResourceFault(f"Unknown activity, scheduledEventId = {token.scheduled_id}")
    return task


def _schedule_time_out(task: ActivityTask) -> None:
    """Schedule the earliest of the task's time-outs, in place of the one that was scheduled."""
    engine = task.execution.engine
    engine.effects.cancel(task.effect)
    task.effect = 0
    # Assumption: zero-time-out: 0 seconds are over at once.
    # Assumption: equal-time-outs: of several that fall due at one instant, this order decides.
    scheduled_at = task.execution.time(task.opened_id)
    since: tuple[tuple[str, str, int], ...]
    if task.state == SCHEDULED:
        since = (
            ("SCHEDULE_TO_START", "scheduleToStartTimeout", scheduled_at),
            ("SCHEDULE_TO_CLOSE", "scheduleToCloseTimeout", scheduled_at),
        )
    else:
        since = (
            ("SCHEDULE_TO_CLOSE", "scheduleToCloseTimeout", scheduled_at),
            ("START_TO_CLOSE", "startToCloseTimeout", task.execution.time(task.started_id)),
            ("HEARTBEAT", "heartbeatTimeout", task.heartbeat_at),
        )
    due: int | None = None
    first = ""
    for timeout_type, setting, begin in since:
        timeout = task.opened(setting)
        if timeout != NO_TIMEOUT:
            at = begin + int(timeout) * 1000
            if due is None or at < due:
                due, first = at, timeout_type
    if due is not None:
        task.effect = engine.at(
            due, "activity task time-out", task.execution, task.opened_id, task, first
        )


def time_out(task: ActivityTask, timeout_type: str) -> None:
    """End a task whose time is up, with the details of its last heartbeat."""
    _end(task, "ActivityTaskTimedOut", timeoutType=timeout_type, details=task.heartbeat_details)


def _end(task: ActivityTask, event_type: str, **attributes: Any) -> None:
    """Close a task with an event, and let the decider know."""
    execution = task.execution
    execution.engine.effects.cancel(task.effect)
    execution.domain.activity_lists.withdraw(task)
    execution.append(
        event_type, scheduledEventId=task.opened_id, startedEventId=task.started_id, **attributes
    )
    schedule(execution)
