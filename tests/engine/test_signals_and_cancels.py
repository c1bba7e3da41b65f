"""Signals and cancel requests, from outside and between executions."""

from __future__ import annotations

import pytest

from tests.support.engine_scenarios import World, decision, produces

SIGNAL = "SignalExternalWorkflowExecution"
CANCEL = "RequestCancelExternalWorkflowExecution"


@produces("operation SignalWorkflowExecution", "EventType WorkflowExecutionSignaled")
def test_every_signal_is_an_event_of_its_own(world: World) -> None:
    run_id = world.start()
    world.call("SignalWorkflowExecution", workflowId="order", signalName="a", input="")
    world.call("SignalWorkflowExecution", workflowId="order", runId=run_id, signalName="a")
    assert world.types()[2:] == ["WorkflowExecutionSignaled"] * 2
    assert world.history()[2]["workflowExecutionSignaledEventAttributes"] == {
        "externalInitiatedEventId": 0,
        "input": "",
        "signalName": "a",
    }


@produces("operation RequestCancelWorkflowExecution", "EventType WorkflowExecutionCancelRequested")
def test_a_cancel_request_is_only_a_request(world: World) -> None:
    world.start()
    world.decide()
    world.call("RequestCancelWorkflowExecution", workflowId="order", runId="")
    assert world.event("WorkflowExecutionCancelRequested") == {"externalInitiatedEventId": 0}
    assert world.types()[-1] == "DecisionTaskScheduled"
    assert world.describe()["executionInfo"]["cancelRequested"] is True
    world.decide(decision("CancelWorkflowExecution"))
    assert world.describe()["executionInfo"]["cancelRequested"] is False


@pytest.mark.parametrize(
    "operation",
    ["SignalWorkflowExecution", "RequestCancelWorkflowExecution", "TerminateWorkflowExecution"],
)
def test_only_an_open_execution_receives_anything(world: World, operation: str) -> None:
    request = {"workflowId": "order"}
    if operation.startswith("Signal"):
        request["signalName"] = "s"

    def refused(**members: str) -> str | None:
        return world.refusal("UnknownResourceFault", operation, **request, **members)

    assert refused() == "Unknown execution, workflowId = order"
    run_id = world.start()
    told = "Unknown execution: WorkflowExecution=[workflowId=order, runId={}]"
    assert refused(runId="other") == told.format("other")
    world.call("TerminateWorkflowExecution", workflowId="order")
    assert refused(runId=run_id) == told.format(run_id)
    assert refused() == "Unknown execution, workflowId = order"
    assert refused(domain="x") == "Unknown domain: x"


@produces(
    "decision SignalExternalWorkflowExecution",
    "EventType SignalExternalWorkflowExecutionInitiated",
    "EventType ExternalWorkflowExecutionSignaled",
    "EventType WorkflowExecutionSignaled",
)
def test_one_execution_signals_another_and_learns_of_the_delivery(world: World) -> None:
    sender = {"workflowId": "order", "runId": world.start()}
    world.decide()
    receiver = {"workflowId": "other", "runId": world.start("other")}
    world.poll()
    world.call("SignalWorkflowExecution", workflowId="order", signalName="go")
    told = {"signalName": "s", "input": "i"}
    world.decide(decision(SIGNAL, workflowId="other", control="c", **told))
    assert world.event("SignalExternalWorkflowExecutionInitiated") == {
        "control": "c",
        "decisionTaskCompletedEventId": 8,
        "workflowId": "other",
        **told,
    }
    world.wait()
    assert world.event("WorkflowExecutionSignaled", "other") == {
        "externalInitiatedEventId": 9,
        "externalWorkflowExecution": sender,
        **told,
    }
    assert world.types("other")[-1] == "DecisionTaskScheduled"
    assert world.event("ExternalWorkflowExecutionSignaled") == {
        "initiatedEventId": 9,
        "workflowExecution": receiver,
    }
    assert world.types()[-1] == "DecisionTaskScheduled"


def test_an_execution_signals_itself(world: World) -> None:
    world.start()
    world.decide(*(decision(SIGNAL, workflowId="order", signalName=name) for name in "ab"))
    world.wait()
    assert world.types()[4:] == [
        "SignalExternalWorkflowExecutionInitiated",
        "SignalExternalWorkflowExecutionInitiated",
        "WorkflowExecutionSignaled",
        "DecisionTaskScheduled",
        "WorkflowExecutionSignaled",
        "ExternalWorkflowExecutionSignaled",
        "ExternalWorkflowExecutionSignaled",
    ]


@produces(
    "decision RequestCancelExternalWorkflowExecution",
    "EventType RequestCancelExternalWorkflowExecutionInitiated",
    "EventType ExternalWorkflowExecutionCancelRequested",
    "EventType WorkflowExecutionCancelRequested",
)
def test_one_execution_asks_another_to_cancel(world: World) -> None:
    sender = {"workflowId": "order", "runId": world.start()}
    receiver = {"workflowId": "other", "runId": world.start("other")}
    world.decide(decision(CANCEL, control="c", **receiver))
    assert world.event("RequestCancelExternalWorkflowExecutionInitiated") == {
        "control": "c",
        "decisionTaskCompletedEventId": 4,
        **receiver,
    }
    world.wait()
    assert world.event("WorkflowExecutionCancelRequested", "other") == {
        "externalInitiatedEventId": 5,
        "externalWorkflowExecution": sender,
    }
    assert world.event("ExternalWorkflowExecutionCancelRequested") == {
        "initiatedEventId": 5,
        "workflowExecution": receiver,
    }


@produces(
    "EventType SignalExternalWorkflowExecutionFailed",
    "EventType RequestCancelExternalWorkflowExecutionFailed",
    "SignalExternalWorkflowExecutionFailedCause UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
    "RequestCancelExternalWorkflowExecutionFailedCause UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
)
def test_a_request_to_a_closed_execution_fails(world: World) -> None:
    world.start()
    gone = {"workflowId": "other", "runId": world.start("other")}
    world.call("TerminateWorkflowExecution", workflowId="other")
    world.decide(
        decision(SIGNAL, signalName="s", control="c", **gone),
        decision(CANCEL, workflowId="never", runId="none", control="x"),
    )
    assert world.types()[-1] == "RequestCancelExternalWorkflowExecutionInitiated"
    world.wait()
    assert world.event("SignalExternalWorkflowExecutionFailed") == {
        "cause": "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
        "control": "c",
        "decisionTaskCompletedEventId": 4,
        "initiatedEventId": 5,
        **gone,
    }
    assert world.event("RequestCancelExternalWorkflowExecutionFailed") == {
        "cause": "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
        "control": "x",
        "decisionTaskCompletedEventId": 4,
        "initiatedEventId": 6,
        "runId": "none",
        "workflowId": "never",
    }
    assert "DecisionTaskScheduled" in world.types()[6:]
