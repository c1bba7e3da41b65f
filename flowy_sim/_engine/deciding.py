"""What deciders do: they poll for decision tasks and answer them with decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine import decisions, queries
from flowy_sim._engine.decision_tasks import NO_TIMEOUT, DecisionTask, offer_held_back
from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._engine.paging import page_size
from flowy_sim._engine.tokens import DECISION, TaskToken

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

OPERATION = "PollForDecisionTask"


def poll_for_decision_task(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out PollForDecisionTask, without waiting: no task is an empty reply."""
    domain = engine.domain(request["domain"])
    page_token = request.get("nextPageToken")
    if page_token is not None:
        return _next_page(engine, request, page_token)
    task = domain.decision_lists.take(request["taskList"]["name"])
    if task is None:
        # Assumption: empty-poll: no taskToken, as recorded; the documentation says an empty one.
        return {"previousStartedEventId": 0, "startedEventId": 0}
    execution = task.execution
    task.waits_under = 0
    task.started_id = task.append(
        "DecisionTaskStarted", identity=request.get("identity"), scheduledEventId=task.opened_id
    )
    execution.decision_task = None
    execution.running_decision_task = task
    engine.deadlines.cancel(task.deadline)
    task.deadline = 0
    timeout = task.opened("startToCloseTimeout")
    if timeout != NO_TIMEOUT:
        due = engine.now + int(timeout) * 1000
        task.deadline = engine.at(due, "decision task time-out", execution, task.started_id, task)
    previous = execution.last_completed_start
    first = previous if previous and request.get("startAtPreviousStartedEvent") else 1
    return _reply(engine, request, task, previous, (first, task.started_id), 0)


def _next_page(engine: Engine, request: dict[str, Any], page_token: str) -> dict[str, Any]:
    """Answer the task of an earlier page again, with the events that follow."""
    run_id, started_id, previous, number, first, last = engine.page_tokens.read(
        OPERATION, engine.now, page_token
    )
    execution = engine.executions.get(run_id)
    task = None if execution is None else execution.running_decision_task
    # Assumption: late-page: the pages of a task end with it; its token is of no use any more.
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


def respond_decision_task_completed(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RespondDecisionTaskCompleted."""
    token = engine.tokens.read(request["taskToken"], DECISION)
    execution = engine.open_execution_of(token)
    task = execution.running_decision_task
    if task is None or task.started_id != token.started_id:
        raise UnknownResourceFault(
            f"Unknown decision task, scheduledEventId = {token.scheduled_id}"
        )
    engine.deadlines.cancel(task.deadline)
    task_list = request.get("taskList")
    patience = request.get("taskListScheduleToStartTimeout")
    completed_id = task.append(
        "DecisionTaskCompleted",
        executionContext=request.get("executionContext"),
        scheduledEventId=task.opened_id,
        startedEventId=task.started_id,
        taskList=task_list,
        taskListScheduleToStartTimeout=patience,
    )
    if "executionContext" in request:
        execution.context_id = completed_id
    if task_list is not None:
        # Assumption: queued-task-stays: a task that waits already stays on its list.
        execution.task_list_override = (task_list["name"], patience or NO_TIMEOUT)
    execution.last_completed_start = task.started_id
    execution.running_decision_task = None
    decisions.apply(execution, request.get("decisions", ()), completed_id)
    offer_held_back(execution)
    return {}
