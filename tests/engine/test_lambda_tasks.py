"""Lambda functions that executions call."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine.lambda_functions import LambdaFunction
from flowy_sim._engine.latency import Latency
from flowy_sim._engine.limits import Limits
from tests.support.engine_scenarios import (
    DOMAIN,
    EVER,
    TASK_LIST,
    WORKFLOW,
    World,
    call_function,
    produces,
    timer,
)

ROLE = {"lambdaRole": "arn:aws:iam::123456789012:role/swf"}


@produces(
    "decision ScheduleLambdaFunction",
    "EventType LambdaFunctionScheduled",
    "EventType LambdaFunctionStarted",
    "EventType LambdaFunctionCompleted",
)
def test_a_function_is_called_with_its_payload_and_answers_json(world: World) -> None:
    world.simulation.lambdas["f"] = lambda payload: {"got": payload}
    world.start(**ROLE)
    world.decide(call_function(control="c", input='{"a": 1}', startToCloseTimeout="60"))
    assert world.event("LambdaFunctionScheduled") == {
        "control": "c",
        "decisionTaskCompletedEventId": 4,
        "id": "f",
        "input": '{"a": 1}',
        "name": "f",
        "startToCloseTimeout": "60",
    }
    world.wait()
    assert world.types()[5:] == [
        "LambdaFunctionStarted",
        "LambdaFunctionCompleted",
        "DecisionTaskScheduled",
    ]
    assert world.event("LambdaFunctionStarted") == {"scheduledEventId": 5}
    assert world.event("LambdaFunctionCompleted") == {
        "result": '{"got": {"a": 1}}',
        "scheduledEventId": 5,
        "startedEventId": 6,
    }
    assert world.same_time(7, 8)


def test_a_function_without_input_gets_an_empty_object(world: World) -> None:
    world.simulation.lambdas["f"] = lambda payload: payload
    world.start(**ROLE)
    world.decide(call_function())
    assert set(world.event("LambdaFunctionScheduled")) == {
        "decisionTaskCompletedEventId",
        "id",
        "name",
    }
    world.wait()
    assert world.event("LambdaFunctionCompleted")["result"] == "{}"


@produces("EventType LambdaFunctionFailed")
def test_an_error_of_the_function_fails_its_task(world: World) -> None:
    def fail(payload: Any) -> None:
        raise ValueError("no")

    world.simulation.lambdas["f"] = fail
    world.start(**ROLE)
    world.decide(call_function("a"), call_function("b", "unknown"))
    world.wait()
    failures = [
        event["lambdaFunctionFailedEventAttributes"]
        for event in world.history()
        if event["eventType"] == "LambdaFunctionFailed"
    ]
    assert [failure["reason"] for failure in failures] == [
        "UnhandledError",
        "ResourceNotFoundException",
    ]
    assert '"errorMessage": "no"' in failures[0]["details"]
    assert {"scheduledEventId", "startedEventId"} < set(failures[0])


@produces("EventType LambdaFunctionTimedOut", "LambdaFunctionTimeoutType START_TO_CLOSE")
def test_a_function_that_takes_too_long_times_out(world: World) -> None:
    world.simulation.lambdas["f"] = LambdaFunction(lambda payload: 1, takes=100)
    world.start(**ROLE)
    world.decide(call_function("a", startToCloseTimeout="60"), call_function("b"))
    world.wait(70)
    assert world.event("LambdaFunctionTimedOut") == {
        "scheduledEventId": 5,
        "startedEventId": 7,
        "timeoutType": "START_TO_CLOSE",
    }
    world.wait(40)
    assert world.event("LambdaFunctionCompleted")["scheduledEventId"] == 6


@produces(
    "EventType StartLambdaFunctionFailed", "StartLambdaFunctionFailedCause ASSUME_ROLE_FAILED"
)
def test_without_a_role_no_function_is_called(world: World) -> None:
    world.start()
    world.decide(call_function())
    world.wait()
    assert world.types()[5:] == ["StartLambdaFunctionFailed", "DecisionTaskScheduled"]
    assert world.event("StartLambdaFunctionFailed") == {
        "cause": "ASSUME_ROLE_FAILED",
        "message": "No IAM role is attached to the current workflow execution.",
        "scheduledEventId": 5,
    }


@produces(
    "EventType ScheduleLambdaFunctionFailed",
    "ScheduleLambdaFunctionFailedCause ID_ALREADY_IN_USE",
    "ScheduleLambdaFunctionFailedCause OPEN_LAMBDA_FUNCTIONS_LIMIT_EXCEEDED",
)
def test_ids_are_unique_while_open_and_open_functions_are_limited(make_world: Any) -> None:
    world = make_world(limits=Limits(open_lambda_functions=2))
    world.start(**ROLE)
    world.decide(*(call_function(task_id) for task_id in "aabc"))
    failures = [
        event["scheduleLambdaFunctionFailedEventAttributes"]
        for event in world.history()
        if event["eventType"] == "ScheduleLambdaFunctionFailed"
    ]
    common = {"decisionTaskCompletedEventId": 4, "name": "f"}
    assert failures == [
        {"cause": "ID_ALREADY_IN_USE", "id": "a", **common},
        {"cause": "OPEN_LAMBDA_FUNCTIONS_LIMIT_EXCEEDED", "id": "c", **common},
    ]
    assert world.types()[-1] == "DecisionTaskScheduled"
    world.wait()
    world.decide(call_function("a"))
    assert world.types()[-1] == "LambdaFunctionScheduled"


def test_functions_may_call_the_service_at_the_instant_at_which_they_are_called(
    make_world: Any,
) -> None:
    world = make_world(latency=Latency.ZERO)
    client = world.simulation.client()

    def tell(payload: Any) -> Any:
        client.signal_workflow_execution(domain=DOMAIN, workflowId="order", signalName="told")
        reply = client.count_open_workflow_executions(domain=DOMAIN, startTimeFilter=EVER)
        return reply["count"]

    world.simulation.lambdas["f"] = tell
    world.start(**ROLE)
    names = [f"{number}" for number in range(200)]
    world.decide(*map(call_function, names))
    world.wait()
    types = world.types()
    assert types.count("LambdaFunctionCompleted") == 200
    assert types.count("WorkflowExecutionSignaled") == 200
    assert world.event("LambdaFunctionCompleted")["result"] == "1"


def test_a_function_may_end_its_own_execution(world: World) -> None:
    client = world.simulation.client()
    world.simulation.lambdas["f"] = lambda payload: client.terminate_workflow_execution(
        domain=DOMAIN, workflowId="order"
    )
    world.start(**ROLE)
    world.decide(call_function())
    world.wait()
    assert world.types()[-2:] == ["LambdaFunctionStarted", "WorkflowExecutionTerminated"]


def test_the_effects_of_a_function_reach_waiting_polls(world: World) -> None:
    client = world.simulation.client()
    world.simulation.lambdas["f"] = lambda payload: client.start_workflow_execution(
        domain=DOMAIN,
        workflowId="other",
        workflowType=WORKFLOW,
        taskList={"name": "others"},
    )["runId"]
    world.start(**ROLE)
    world.decide(call_function())
    task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "others"})
    assert task["workflowExecution"]["workflowId"] == "other"


def test_a_function_that_moves_the_clock_holds_up_what_falls_due_meanwhile(world: World) -> None:
    world.simulation.lambdas["f"] = lambda payload: world.simulation.clock.advance(100)
    world.start(**ROLE)
    world.decide(call_function("a"), call_function("b"), timer())
    world.wait()
    world.wait(0)
    assert world.types().count("LambdaFunctionCompleted") == 2
    assert world.types()[-1] == "TimerFired"


def test_a_function_cannot_poll(world: World) -> None:
    client = world.simulation.client()
    world.simulation.lambdas["f"] = lambda payload: client.poll_for_activity_task(
        domain=DOMAIN, taskList=TASK_LIST
    )
    world.start(**ROLE)
    world.decide(call_function())
    world.wait()
    assert "A Lambda function cannot poll" in world.event("LambdaFunctionFailed")["details"]
