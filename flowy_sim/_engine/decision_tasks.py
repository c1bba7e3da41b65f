"""Decision tasks: scheduling, holding back, polling, timing out.

An execution has at most one decision task that waits and one that a decider holds. An event that a
decider needs to know about schedules one in the same transaction, unless one waits already. The
waiting one is held back while a decider holds the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine import queries
from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._engine.life_cycles import NO_TIMEOUT, SCHEDULED, DecisionTask
from flowy_sim._engine.tokens import DECISION, TaskToken, page_size

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine
    from flowy_sim._engine.execution import WorkflowExecution

OPERATION = "PollForDecisionTask"


def trigger(execution: WorkflowExecution, event_type: str, **attributes: Any) -> None:
    """Write an event that a decider needs to know about, and schedule a decision task."""
    execution.append(event_type, **attributes)
    schedule(execution)


def schedule(execution: WorkflowExecution) -> None:
    """Schedule a decision task, unless one waits already."""
    if execution.decision_task is not None:
        return
    engine = execution.engine
    # The tuple as stored: most events share it with the first event of their execution.
    task_list, patience = execution.started("taskList"), NO_TIMEOUT
    if execution.task_list_override is not None:
        name, patience = execution.task_list_override
        task_list = (name,)
    scheduled_id = execution.append(
        "DecisionTaskScheduled",
        scheduleToStartTimeout=patience,
        startToCloseTimeout=execution.started("taskStartToCloseTimeout"),
        taskList=task_list,
        taskPriority=execution.started("taskPriority"),
    )
    task: Any = execution.decision_task
    if patience != NO_TIMEOUT:
        # Assumption: held-back-patience: the time to start runs also while the task is held back.
        due = engine.now + int(patience) * 1000
        task.effect = engine.at(due, "decision task time-out", execution, scheduled_id, task)
    offer_waiting(execution)


def offer_waiting(execution: WorkflowExecution) -> None:
    """Put the decision task that waits on its list, unless it is there or is held back."""
    task = execution.decision_task
    if task is not None and not task.waiting_key and execution.running_decision_task is None:
        route = execution.engine.route
        if route is not None:
            task.task_list = route(task)
        execution.domain.decision_lists.add(task)


def time_out(task: DecisionTask) -> None:
    """End a task whose time is up, and schedule another one."""
    execution = task.execution
    started = task.state != SCHEDULED
    execution.domain.decision_lists.withdraw(task)
    execution.append(
        "DecisionTaskTimedOut",
        scheduledEventId=task.opened_id,
        startedEventId=task.started_id,
        timeoutType="START_TO_CLOSE" if started else "SCHEDULE_TO_START",
    )
    # Assumption: time-out-beside-queued: a task that waits already takes the place of a new one.
    schedule(execution)
    offer_waiting(execution)


def poll_for_decision_task(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out PollForDecisionTask, without waiting: no task is an empty reply."""
    domain = engine.domain(request["domain"])
    page_token = request.get("nextPageToken")
    if page_token is not None:
        return _next_page(engine, request, page_token)
    task = domain.decision_lists.take(request["taskList"]["name"])
    if task is None:
        # Assumption: empty-poll: no taskToken, as recorded; the documentation says an empty one.
        return {**engine.no_task, "previousStartedEventId": 0, "startedEventId": 0}
    execution = task.execution
    execution.append(
        "DecisionTaskStarted", identity=request.get("identity"), scheduledEventId=task.opened_id
    )
    if engine.changes is not None:
        engine.changes.task_handed_out(task)
    engine.effects.cancel(task.effect)
    task.effect = 0
    timeout = task.opened("startToCloseTimeout")
    if timeout != NO_TIMEOUT:
        due = engine.now + int(timeout) * 1000
        task.effect = engine.at(due, "decision task time-out", execution, task.started_id, task)
    previous = execution.last_completed_start
    first = previous if previous and request.get("startAtPreviousStartedEvent") else 1
    return _reply(engine, request, task, previous, (first, task.started_id), 0)


def _next_page(engine: Engine, request: dict[str, Any], page_token: str) -> dict[str, Any]:
    """Answer with the events of a task that follow those of an earlier page."""
    run_id, started_id, previous, number, first, last = engine.page_tokens.read(
        OPERATION, engine.now, page_token
    )
    execution = engine.executions.get(run_id)
    task = None if execution is None else execution.running_decision_task
    # Assumption: late-page: the pages of a task end with it; its token becomes invalid.
    if task is None or task.started_id != started_id:
        raise UnknownResourceFault("Unknown decision task")
    return _reply(engine, request, task, previous, (first, last), number)


def _reply(
    engine: Engine,
    request: dict[str, Any],
    task: DecisionTask,
    previous: int,
    span: tuple[int, int],
    number: int,
) -> dict[str, Any]:
    """Return one page of a decision task; every page has a task token of its own, as recorded."""
    execution = task.execution
    size = page_size(request, engine.limits.decision_poll_page)
    events, rest = queries.page(execution, *span, bool(request.get("reverseOrder")), size)
    reply: dict[str, Any] = {"events": events}
    if rest is not None:
        reply["nextPageToken"] = engine.page_tokens.write(
            OPERATION,
            engine.now,
            [execution.run_id, task.started_id, previous, number + 1, *rest],
        )
    name, version = execution.workflow_type
    reply["previousStartedEventId"] = previous
    reply["startedEventId"] = task.started_id
    reply["taskToken"] = engine.tokens.write(
        TaskToken(
            DECISION,
            task.opened_id,
            task.started_id,
            number,
            execution.run_id,
            execution.workflow_id,
        )
    )
    reply["workflowExecution"] = execution.structure()
    reply["workflowType"] = {"name": name, "version": version}
    return reply
