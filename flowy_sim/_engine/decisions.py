"""Decisions: RespondDecisionTaskCompleted, and which function carries out each decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy_sim._engine import activity_tasks, children, closing, external, lambda_functions
from flowy_sim._engine.decision_tasks import offer_waiting, schedule
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._engine.life_cycles import Timer
from flowy_sim._engine.model import decision_attributes_key
from flowy_sim._engine.tokens import DECISION

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

#: Carries out a decision on behalf of the DecisionTaskCompleted event with that id.
#: It writes one event and returns None, or writes nothing and returns the cause of the failure.
Handler = Callable[[WorkflowExecution, dict[str, Any], int], str | None]


class DecisionHandler(NamedTuple):
    """How a decision is carried out.

    Attributes:
        handler: the function that does it.
        named: the decision's members that the event of its failure repeats.
    """

    handler: Handler
    named: tuple[str, ...] = ()


def respond_decision_task_completed(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RespondDecisionTaskCompleted."""
    token = engine.tokens.read(request["taskToken"], DECISION)
    execution = engine.open_execution_of(token)
    task = execution.running_decision_task
    if task is None or task.started_id != token.started_id:
        raise UnknownResourceFault(
            f"Unknown decision task, scheduledEventId = {token.scheduled_id}"
        )
    engine.effects.cancel(task.effect)
    completed_id = execution.append(
        "DecisionTaskCompleted",
        executionContext=request.get("executionContext"),
        scheduledEventId=task.opened_id,
        startedEventId=task.started_id,
        taskList=request.get("taskList"),
        taskListScheduleToStartTimeout=request.get("taskListScheduleToStartTimeout"),
    )
    carry_out(execution, request.get("decisions", ()), completed_id)
    offer_waiting(execution)
    return {}


def carry_out(
    execution: WorkflowExecution, decisions: Iterable[dict[str, Any]], completed_id: int
) -> None:
    """Carry out decisions in their order, each as one event.

    A decision that fails does not stop the others. If one did, the decider gets one more task at
    the end, as recorded, unless one waits already or the last decision has closed the execution.
    """
    # Assumption: applied-before-refused-close: decisions before a close that fails are carried
    # out, and a failure before a close does not prevent it.
    failed = False
    for decision in decisions:
        decision_type = decision["decisionType"]
        attributes = decision.get(decision_attributes_key(decision_type), {})
        handler, named = DECISIONS[decision_type]
        cause = handler(execution, attributes, completed_id)
        if cause is not None:
            failed = True
            execution.append(
                decision_type + "Failed",
                cause=cause,
                decisionTaskCompletedEventId=completed_id,
                **{member: attributes.get(member) for member in named},
                **_ADDED.get(decision_type, {}),
            )
    if failed and execution.is_open:
        schedule(execution)


def record_marker(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> None:
    """Carry out RecordMarker."""
    execution.append(
        "MarkerRecorded",
        decisionTaskCompletedEventId=completed_id,
        details=decision.get("details"),
        markerName=decision["markerName"],
    )


def start_timer(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out StartTimer; return the cause if it fails."""
    engine = execution.engine
    timer_id = decision["timerId"]
    if timer_id in execution.timers:
        return "TIMER_ID_ALREADY_IN_USE"
    if len(execution.timers) >= engine.limits.open_timers:
        return "OPEN_TIMERS_LIMIT_EXCEEDED"
    if not engine.throttle.allows("StartTimer", engine.now):
        return "TIMER_CREATION_RATE_EXCEEDED"
    execution.append(
        "TimerStarted",
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        startToFireTimeout=decision["startToFireTimeout"],
        timerId=timer_id,
    )
    timer = execution.timers[timer_id]
    seconds = int(decision["startToFireTimeout"])
    due = engine.now + seconds * 1000
    kind = "timer" if seconds else "zero timer"
    timer.effect = engine.at(due, kind, execution, timer.opened_id, timer)
    return None


def cancel_timer(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out CancelTimer; return the cause if it fails."""
    timer = execution.timers.get(decision["timerId"])
    if timer is None:
        return "TIMER_ID_UNKNOWN"
    execution.engine.effects.cancel(timer.effect)
    execution.append(
        "TimerCanceled",
        decisionTaskCompletedEventId=completed_id,
        startedEventId=timer.opened_id,
        timerId=decision["timerId"],
    )
    return None


def fire_timer(timer: Timer) -> None:
    """Fire a timer whose time has come."""
    execution = timer.execution
    execution.append("TimerFired", startedEventId=timer.opened_id, timerId=timer.opened("timerId"))
    schedule(execution)


DECISIONS: dict[str, DecisionHandler] = {
    "ScheduleActivityTask": DecisionHandler(
        activity_tasks.schedule_activity_task, ("activityId", "activityType")
    ),
    "RequestCancelActivityTask": DecisionHandler(
        activity_tasks.request_cancel_activity_task, ("activityId",)
    ),
    "CompleteWorkflowExecution": DecisionHandler(closing.complete_workflow_execution),
    "FailWorkflowExecution": DecisionHandler(closing.fail_workflow_execution),
    "CancelWorkflowExecution": DecisionHandler(closing.cancel_workflow_execution),
    "ContinueAsNewWorkflowExecution": DecisionHandler(closing.continue_as_new_workflow_execution),
    "RecordMarker": DecisionHandler(record_marker, ("markerName",)),
    "StartTimer": DecisionHandler(start_timer, ("timerId",)),
    "CancelTimer": DecisionHandler(cancel_timer, ("timerId",)),
    "SignalExternalWorkflowExecution": DecisionHandler(external.signal_external_workflow_execution),
    "RequestCancelExternalWorkflowExecution": DecisionHandler(
        external.request_cancel_external_workflow_execution
    ),
    "StartChildWorkflowExecution": DecisionHandler(
        children.start_child_workflow_execution, ("control", "workflowId", "workflowType")
    ),
    "ScheduleLambdaFunction": DecisionHandler(
        lambda_functions.schedule_lambda_function, ("id", "name")
    ),
}

#: Further members of the event of a failure.
_ADDED = {"StartChildWorkflowExecution": {"initiatedEventId": 0}}
