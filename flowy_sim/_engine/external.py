"""What reaches an execution from outside: signals, cancel requests, termination.

Signals and cancel requests come from clients, and from other executions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine import closing
from flowy_sim._engine.decision_tasks import trigger
from flowy_sim._engine.execution import WorkflowExecution

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

SIGNAL = "SignalExternalWorkflowExecution"
CANCEL = "RequestCancelExternalWorkflowExecution"

_CONFIRMED = {
    SIGNAL: "ExternalWorkflowExecutionSignaled",
    CANCEL: "ExternalWorkflowExecutionCancelRequested",
}
_RATE_EXCEEDED = {
    SIGNAL: "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED",
    CANCEL: "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED",
}


def signal_workflow_execution(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out SignalWorkflowExecution."""
    execution = _addressed(engine, request)
    engine.throttle.check_execution("SignalWorkflowExecution", execution, engine.now)
    _signal(execution, request["signalName"], request.get("input"), 0, None)
    return {}


def request_cancel_workflow_execution(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RequestCancelWorkflowExecution."""
    execution = _addressed(engine, request)
    engine.throttle.check_execution("RequestCancelWorkflowExecution", execution, engine.now)
    # Assumption: repeated-cancel: each request is one more event.
    _request_cancel(execution, 0, None)
    return {}


def terminate_workflow_execution(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out TerminateWorkflowExecution."""
    execution = _addressed(engine, request)
    closing.close(
        execution,
        "WorkflowExecutionTerminated",
        cause="OPERATOR_INITIATED",
        childPolicy=request.get("childPolicy") or execution.started("childPolicy"),
        details=request.get("details"),
        reason=request.get("reason"),
    )
    return {}


def signal_external_workflow_execution(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> None:
    """Carry out SignalExternalWorkflowExecution; its outcome follows later."""
    initiated_id = execution.append(
        "SignalExternalWorkflowExecutionInitiated",
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        input=decision.get("input"),
        runId=decision.get("runId"),
        signalName=decision["signalName"],
        workflowId=decision["workflowId"],
    )
    _deliver_later(execution, initiated_id, SIGNAL)


def request_cancel_external_workflow_execution(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> None:
    """Carry out RequestCancelExternalWorkflowExecution; its outcome follows later."""
    initiated_id = execution.append(
        "RequestCancelExternalWorkflowExecutionInitiated",
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        runId=decision.get("runId"),
        workflowId=decision["workflowId"],
    )
    _deliver_later(execution, initiated_id, CANCEL)


def _addressed(engine: Engine, request: dict[str, Any]) -> WorkflowExecution:
    return engine.open_execution(request["domain"], request["workflowId"], request.get("runId"))


def _signal(
    execution: WorkflowExecution,
    name: str,
    signal_input: str | None,
    initiated_id: int,
    sender: WorkflowExecution | None,
) -> None:
    trigger(
        execution,
        "WorkflowExecutionSignaled",
        externalInitiatedEventId=initiated_id,
        externalWorkflowExecution=sender and sender.structure(),
        input=signal_input,
        signalName=name,
    )


def _request_cancel(
    execution: WorkflowExecution, initiated_id: int, sender: WorkflowExecution | None
) -> None:
    trigger(
        execution,
        "WorkflowExecutionCancelRequested",
        externalInitiatedEventId=initiated_id,
        externalWorkflowExecution=sender and sender.structure(),
    )


def _deliver_later(sender: WorkflowExecution, initiated_id: int, kind: str) -> None:
    engine = sender.engine
    allowed = engine.throttle.allows(kind, engine.now)
    cause = None if allowed else _RATE_EXCEEDED[kind]
    engine.later("external request", sender, initiated_id, sender, initiated_id, kind, cause)


def deliver(sender: WorkflowExecution, initiated_id: int, kind: str, cause: str | None) -> None:
    """Deliver what was sent, then confirm it to the sender, in two transactions."""
    # Assumption: closed-sender: what an execution has sent arrives even if it has closed since.
    workflow_id = sender.member(initiated_id, "workflowId")
    run_id = sender.member(initiated_id, "runId")
    receiver = sender.domain.open_executions.get(workflow_id)
    if receiver is not None and run_id and receiver.run_id != run_id:
        receiver = None
    if cause is None and receiver is None:
        cause = "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION"
    if cause is not None:
        _fail(sender, initiated_id, kind, cause)
        return
    assert receiver is not None
    if kind == SIGNAL:
        name, signal_input = (sender.member(initiated_id, m) for m in ("signalName", "input"))
        _signal(receiver, name, signal_input, initiated_id, sender)
    else:
        _request_cancel(receiver, initiated_id, sender)
    sender.engine.later(
        "external confirmation",
        sender,
        initiated_id,
        sender,
        initiated_id,
        kind,
        receiver.structure(),
    )


def confirm(
    sender: WorkflowExecution, initiated_id: int, kind: str, receiver: dict[str, str]
) -> None:
    """Confirm to the sender that the receiver has what was sent."""
    if sender.is_open:
        trigger(
            sender,
            _CONFIRMED[kind],
            initiatedEventId=initiated_id,
            workflowExecution=receiver,
        )


def _fail(sender: WorkflowExecution, initiated_id: int, kind: str, cause: str) -> None:
    if sender.is_open:
        initiated = sender.attributes(initiated_id)
        trigger(
            sender,
            kind + "Failed",
            cause=cause,
            initiatedEventId=initiated_id,
            **{
                member: initiated.get(member)
                for member in ("control", "decisionTaskCompletedEventId", "runId", "workflowId")
            },
        )
