"""What many operations refuse in the same way: unknown names, exceeded limits, exceeded rates."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

import pytest

from flowy_sim._engine import limits
from flowy_sim._engine.limits import DECISION_RATES, OPERATION_RATES, Limits, Rate
from flowy_sim._engine.model import input_shape, operation_names
from tests.support.bad_requests import good_requests
from tests.support.engine_scenarios import (
    DOMAIN,
    World,
    call_function,
    child,
    decision,
    produces,
    schedule,
    timer,
)

IN_A_DOMAIN = [name for name in sorted(operation_names()) if "domain" in input_shape(name).members]
ABOUT_A_DOMAIN = ["DeprecateDomain", "DescribeDomain", "UndeprecateDomain"]
ABOUT_A_RESOURCE = ["ListTagsForResource", "TagResource", "UntagResource"]
ABOUT_A_TYPE = [
    f"{verb}{kind}Type"
    for verb in ("Delete", "Deprecate", "Describe", "Undeprecate")
    for kind in ("Activity", "Workflow")
]
ABOUT_A_TASK = [name for name in sorted(operation_names()) if "Task" in name and "Respond" in name]
UNKNOWN = "UnknownResourceFault"


@produces(*(f"fault {operation} {UNKNOWN}" for operation in IN_A_DOMAIN + ABOUT_A_DOMAIN))
def test_requests_to_an_unknown_domain_are_refused(world: World) -> None:
    for operation in IN_A_DOMAIN + ABOUT_A_DOMAIN:
        request = next(good_requests(operation))
        assert world.refusal(UNKNOWN, operation, **request) == "Unknown domain: 5"


@produces(*(f"fault {operation} {UNKNOWN}" for operation in ABOUT_A_TYPE))
def test_an_unknown_type_is_named(world: World) -> None:
    for operation in ABOUT_A_TYPE:
        kind = "WorkflowType" if "Workflow" in operation else "ActivityType"
        request = next(good_requests(operation)) | {"domain": DOMAIN}
        told = world.refusal(UNKNOWN, operation, **request)
        assert told == f"Unknown type: {kind}=[name=5, version=5]"


@produces(*(f"fault {operation} {UNKNOWN}" for operation in ABOUT_A_RESOURCE))
def test_only_existing_domains_can_be_tagged(world: World) -> None:
    here = f"arn:aws:swf:us-east-1:123456789012:/domain/{DOMAIN}"
    elsewhere = (here + "s", here.replace("east", "west"), here.replace("12", "21"), DOMAIN)
    for operation in ABOUT_A_RESOURCE:
        request = next(good_requests(operation))
        for arn in elsewhere:
            assert world.refusal(UNKNOWN, operation, **request | {"resourceArn": arn})


@produces(
    *(f"fault {operation} {UNKNOWN}" for operation in ABOUT_A_TASK),
    f"fault RecordActivityTaskHeartbeat {UNKNOWN}",
)
def test_a_task_cannot_be_answered_after_it_or_its_execution_has_ended(world: World) -> None:
    run_id = world.start()
    decision_task = world.poll()
    world.answer(decision_task, schedule("a"), schedule("b"))
    done, abandoned = world.take(), world.take()
    world.call("RespondActivityTaskCompleted", taskToken=done["taskToken"])
    world.poll()
    for operation in (*ABOUT_A_TASK, "RecordActivityTaskHeartbeat"):
        task, told = (done, "Unknown activity, scheduledEventId = 5")
        if "Decision" in operation:
            task, told = decision_task, "Unknown decision task, scheduledEventId = 2"
        assert world.refusal(UNKNOWN, operation, taskToken=task["taskToken"]) == told
    world.call("TerminateWorkflowExecution", workflowId="order")
    for operation in (*ABOUT_A_TASK, "RecordActivityTaskHeartbeat"):
        task = decision_task if "Decision" in operation else abandoned
        told = f"Unknown execution: WorkflowExecution=[workflowId=order, runId={run_id}]"
        assert world.refusal(UNKNOWN, operation, taskToken=task["taskToken"]) == told


def test_a_token_of_another_region_is_refused(world: World) -> None:
    world.start()
    request = {"taskToken": world.poll()["taskToken"]}
    with pytest.raises(Exception, match="Invalid token"):
        world.simulation.call("RespondDecisionTaskCompleted", request, region="eu-west-1")


@produces(
    "fault ListDomains ValidationException",
    "fault ListDomains SerializationException",
    "fault MakeCoffee UnknownOperationException",
)
def test_a_request_is_validated_before_anything_else(world: World) -> None:
    world.refusal("ValidationException", "ListDomains")
    world.refusal("SerializationException", "ListDomains", registrationStatus=5)
    assert world.refusal("UnknownOperationException", "MakeCoffee") is None


@produces("fault DescribeDomain ThrottlingException")
def test_calls_come_too_fast_only_where_rates_are_kept(make_world: Any) -> None:
    burst = OPERATION_RATES["DescribeDomain"].burst
    for throttling in (False, True):
        world = make_world(limits=Limits(throttling=throttling))
        for _ in range(burst):
            world.call("DescribeDomain", name=DOMAIN)
        if throttling:
            told = world.refusal("ThrottlingException", "DescribeDomain", name=DOMAIN)
            assert told == "Rate exceeded"
            world.wait(1)
        world.call("DescribeDomain", name=DOMAIN)


RATES: dict[str, tuple[Callable[..., Any], str, str]] = {
    "ActivityTask": (schedule, "ACTIVITY_CREATION_RATE_EXCEEDED", "ScheduleActivityTask"),
    "Timer": (timer, "TIMER_CREATION_RATE_EXCEEDED", "StartTimer"),
    "Child": (child, "CHILD_CREATION_RATE_EXCEEDED", "StartChildWorkflowExecution"),
    "Lambda": (call_function, "LAMBDA_FUNCTION_CREATION_RATE_EXCEEDED", "ScheduleLambdaFunction"),
}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow every kind of decision once, and then not for a long time."""
    rates = {kind: Rate(1, 0) for kind in DECISION_RATES}
    monkeypatch.setattr(limits, "DECISION_RATES", rates)


@pytest.mark.usefixtures("slow")
@produces(*(f"{kind}FailedCause {cause}" for _, cause, kind in RATES.values()))
def test_too_many_decisions_of_a_kind_fail(make_world: Any) -> None:
    world = make_world(limits=Limits(throttling=True))
    for make, cause, kind in RATES.values():
        world.start(kind)
        world.decide(make(f"{kind}1"), make(f"{kind}2"))
        assert world.event(f"{kind}Failed", kind)["cause"] == cause
        assert world.types(kind)[-1] == "DecisionTaskScheduled"
        world.call("TerminateWorkflowExecution", workflowId=kind)
        world.wait()


@pytest.mark.usefixtures("slow")
@produces(
    "SignalExternalWorkflowExecutionFailedCause SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED",
    "RequestCancelExternalWorkflowExecutionFailedCause "
    "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED",
    "ContinueAsNewWorkflowExecutionFailedCause CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED",
)
def test_too_many_calls_between_executions_fail(make_world: Any) -> None:
    world = make_world(limits=Limits(throttling=True))
    world.start("other", taskList={"name": "other"})
    world.start()
    signal = decision("SignalExternalWorkflowExecution", workflowId="other", signalName="s")
    cancel = decision("RequestCancelExternalWorkflowExecution", workflowId="other")
    world.decide(signal, signal, cancel, cancel)
    world.wait()
    for kind in ("Signal", "RequestCancel"):
        failure = world.event(f"{kind}ExternalWorkflowExecutionFailed")
        assert failure["cause"].endswith("_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED")
    for _ in range(2):
        world.decide({"decisionType": "ContinueAsNewWorkflowExecution"})
    failure = world.event("ContinueAsNewWorkflowExecutionFailed")
    assert failure["cause"] == "CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED"


@pytest.mark.parametrize("operation", ["SignalWorkflowExecution", "RequestCancelWorkflowExecution"])
def test_calls_to_one_execution_are_limited(make_world: Any, operation: str) -> None:
    world = make_world(limits=Limits(throttling=True, events=5000))
    world.start()
    burst = limits.EXECUTION_RATES[operation].burst
    request = {"workflowId": "order"}
    if operation.startswith("Signal"):
        request["signalName"] = "s"
    for _ in range(burst):
        world.call(operation, **request)
    assert world.refusal("ThrottlingException", operation, **request) == "Rate exceeded"


def test_reads_of_one_history_are_limited(make_world: Any) -> None:
    world = make_world(limits=Limits(throttling=True))
    execution = {"workflowId": "order", "runId": world.start()}
    operation = "GetWorkflowExecutionHistory"
    for _ in range(limits.EXECUTION_RATES[operation].burst):
        world.call(operation, execution=execution)
    assert world.refusal("ThrottlingException", operation, execution=execution) == "Rate exceeded"
    world.wait()
    world.call(operation, execution=execution)


@produces(
    "fault PollForActivityTask LimitExceededFault", "fault PollForDecisionTask LimitExceededFault"
)
def test_polls_that_wait_on_one_list_are_limited(make_world: Any) -> None:
    world = make_world(limits=Limits(polls=1))
    client = world.simulation.client()
    world.start()
    busy = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "list"})
    for kind in ("activity", "decision"):
        poll = getattr(client, f"poll_for_{kind}_task")
        with ThreadPoolExecutor(2) as threads:
            polls = [threads.submit(poll, domain=DOMAIN, taskList={"name": "x"}) for _ in range(2)]
            (refused,), (waiting,) = wait(polls, timeout=60, return_when=FIRST_COMPLETED)
            if kind == "activity":
                world.answer(busy, schedule(taskList={"name": "x"}))
            else:
                world.start("other", taskList={"name": "x"})
            assert waiting.result(timeout=60)["taskToken"]
        error = refused.exception()
        assert isinstance(error, client.exceptions.LimitExceededFault)
        assert error.response["Error"]["Message"] == (
            "Limit on maximum concurrent poll requests per task list reached"
        )
        world.seen.add(f"fault {error.operation_name} LimitExceededFault")
