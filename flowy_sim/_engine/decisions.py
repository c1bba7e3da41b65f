"""The thirteen decisions: which function applies each, and what is written if it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from flowy_sim._engine import activity_tasks, children, closing, external, lambda_functions, timers
from flowy_sim._engine.decision_tasks import schedule
from flowy_sim._engine.execution import Execution

#: Applies a decision's attributes on behalf of the DecisionTaskCompleted event with that id.
#: It writes one event and returns None, or writes nothing and returns the cause of the failure.
Handler = Callable[[Execution, dict[str, Any], int], str | None]


class Decision(NamedTuple):
    """How a decision is applied.

    Attributes:
        apply: the function that does it.
        named: the decision's members that the event of its failure repeats.
    """

    apply: Handler
    named: tuple[str, ...] = ()


def record_marker(execution: Execution, decision: dict[str, Any], completed_id: int) -> None:
    """Apply RecordMarker."""
    execution.append(
        "MarkerRecorded",
        decisionTaskCompletedEventId=completed_id,
        details=decision.get("details"),
        markerName=decision["markerName"],
    )


DECISIONS: dict[str, Decision] = {
    "ScheduleActivityTask": Decision(
        activity_tasks.schedule_activity_task, ("activityId", "activityType")
    ),
    "RequestCancelActivityTask": Decision(
        activity_tasks.request_cancel_activity_task, ("activityId",)
    ),
    "CompleteWorkflowExecution": Decision(closing.complete_workflow_execution),
    "FailWorkflowExecution": Decision(closing.fail_workflow_execution),
    "CancelWorkflowExecution": Decision(closing.cancel_workflow_execution),
    "ContinueAsNewWorkflowExecution": Decision(closing.continue_as_new_workflow_execution),
    "RecordMarker": Decision(record_marker, ("markerName",)),
    "StartTimer": Decision(timers.start_timer, ("timerId",)),
    "CancelTimer": Decision(timers.cancel_timer, ("timerId",)),
    "SignalExternalWorkflowExecution": Decision(external.signal_external_workflow_execution),
    "RequestCancelExternalWorkflowExecution": Decision(
        external.request_cancel_external_workflow_execution
    ),
    "StartChildWorkflowExecution": Decision(
        children.start_child_workflow_execution, ("control", "workflowId", "workflowType")
    ),
    "ScheduleLambdaFunction": Decision(lambda_functions.schedule_lambda_function, ("id", "name")),
}

#: What a failure's event says beside the cause, where it says more than the decision did.
_ALSO_SAID = {"StartChildWorkflowExecution": {"initiatedEventId": 0}}


def apply(execution: Execution, decisions: Iterable[dict[str, Any]], completed_id: int) -> None:
    """Apply decisions in their order, each as one event.

    A decision that fails does not keep the others from being applied; if one did, the decider
    is given one more task at the end, unless one waits already, as recorded, or the last one has
    closed the execution.
    """
    # Assumption: applied-before-refused-close: what stands before a close that fails is applied,
    # and what fails before a close does not keep it from happening.
    failed = False
    for decision in decisions:
        decision_type = decision["decisionType"]
        key = decision_type[0].lower() + decision_type[1:] + "DecisionAttributes"
        attributes = decision.get(key, {})
        apply_one, named = DECISIONS[decision_type]
        cause = apply_one(execution, attributes, completed_id)
        if cause is not None:
            failed = True
            execution.append(
                decision_type + "Failed",
                cause=cause,
                decisionTaskCompletedEventId=completed_id,
                **{member: attributes.get(member) for member in named},
                **_ALSO_SAID.get(decision_type, {}),
            )
    if failed and execution.is_open:
        schedule(execution)
