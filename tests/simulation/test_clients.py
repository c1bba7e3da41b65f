"""What holds for every kind of client: in process, real boto3, and real boto3 with every byte."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, OperationNotPageableError, ParamValidationError

from flowy_sim import RandomChoice, Simulation
from flowy_sim._engine.model import operation_names
from tests.support.shop import (
    ACTIVITIES,
    DAY,
    DECISIONS,
    DOMAIN,
    WORKFLOW,
    activity,
    decide_once,
    event_types,
    history,
    is_open,
    poll_for_activity,
    poll_for_decision,
    register,
    start,
    work_once,
)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_an_order_runs_to_its_end_in_plain_poll_loops(any_client: Any) -> None:
    run_id = start(any_client, steps=3, pause=DAY)
    while is_open(any_client, run_id):
        decide_once(any_client)
        work_once(any_client)
    types = event_types(any_client, run_id)
    assert types["WorkflowExecutionCompleted"] == 1
    assert types["ActivityTaskCompleted"] == 3
    assert types["ActivityTaskTimedOut"] == types["DecisionTaskTimedOut"] == 0


def test_all_clients_see_the_same_history() -> None:
    def story(kind: str) -> list[Any]:
        simulation = Simulation(seed=3, schedule=RandomChoice(3))
        client = (
            simulation.client()
            if kind == "client"
            else simulation.boto3_client(wire=kind == "wire")
        )
        told: list[Any] = []
        register(client)
        run_id = start(client, steps=2, pause=3)
        while is_open(client, run_id):
            decide_once(client)
            work_once(client)
        told.append(history(client, run_id))
        told.append(client.describe_domain(name=DOMAIN))
        told.append(client.poll_for_activity_task(domain=DOMAIN, taskList=ACTIVITIES))
        told.append(simulation.clock.now)
        with pytest.raises(ClientError) as raised:
            client.describe_domain(name="none")
        told.append(raised.value.response)
        for each in told:
            if isinstance(each, dict):
                del each["ResponseMetadata"]["HTTPHeaders"]
        return told

    in_process = story("client")
    assert story("boto3") == in_process
    assert story("wire") == in_process


def test_there_is_a_method_for_every_operation(any_client: Any) -> None:
    methods = any_client.meta.method_to_api_mapping
    assert set(methods.values()) == operation_names()
    assert all(callable(getattr(any_client, name)) for name in methods)


def test_a_reply_carries_metadata(any_client: Any) -> None:
    replies = [any_client.list_domains(registrationStatus="REGISTERED") for _ in range(2)]
    ids = [reply["ResponseMetadata"]["RequestId"] for reply in replies]
    assert ids[0] != ids[1]
    assert all(UUID.fullmatch(each) for each in ids)
    metadata = replies[0]["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 200
    assert metadata["RetryAttempts"] == 0
    assert metadata["HTTPHeaders"]["x-amzn-requestid"] == ids[0]
    assert metadata["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.0"


def test_a_void_operation_replies_with_metadata_alone(any_client: Any) -> None:
    reply = any_client.deprecate_domain(name=DOMAIN)
    assert list(reply) == ["ResponseMetadata"]


def test_a_fault_is_the_exception_that_boto3_raises(any_client: Any) -> None:
    with pytest.raises(any_client.exceptions.UnknownResourceFault) as raised:
        any_client.describe_domain(name="none")
    assert isinstance(raised.value, ClientError)
    assert raised.value.operation_name == "DescribeDomain"
    assert str(raised.value) == (
        "An error occurred (UnknownResourceFault) when calling the DescribeDomain operation: "
        "Unknown domain: none"
    )
    response = raised.value.response
    assert response["Error"] == {
        "Message": "Unknown domain: none",
        "Code": "UnknownResourceFault",
    }
    assert response["message"] == "Unknown domain: none"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert UUID.fullmatch(response["ResponseMetadata"]["RequestId"])


def test_a_fault_that_the_model_does_not_know_is_a_plain_client_error(any_client: Any) -> None:
    with pytest.raises(ClientError, match="Must specify time filter") as raised:
        any_client.count_closed_workflow_executions(domain=DOMAIN)
    assert type(raised.value) is ClientError
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert "message" not in raised.value.response


def test_what_the_service_checks_is_not_refused_by_the_client(any_client: Any) -> None:
    with pytest.raises(ClientError, match="Member must have length less than or equal to 256"):
        any_client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "x" * 257})
    with pytest.raises(ClientError, match="Member must satisfy enum value set"):
        any_client.list_domains(registrationStatus="LOST")


@pytest.mark.parametrize(
    ("arguments", "report"),
    [
        ({"nam": "x"}, 'Missing required parameter in input: "name"\nUnknown parameter in input'),
        ({"name": 5}, "Invalid type for parameter name, value: 5, type: <class 'int'>"),
        ({"name": None}, "Invalid type for parameter name, value: None"),
        ({"name": ""}, "Invalid length for parameter name, value: "),
    ],
)
def test_wrong_arguments_are_refused_in_botocores_words(
    any_client: Any, arguments: dict[str, Any], report: str
) -> None:
    with pytest.raises(ParamValidationError) as raised:
        any_client.describe_domain(**arguments)
    assert str(raised.value).startswith(f"Parameter validation failed:\n{report}")


def test_arguments_without_names_are_refused(any_client: Any) -> None:
    with pytest.raises(TypeError, match=r"^describe_domain\(\) only accepts keyword arguments.$"):
        any_client.describe_domain(DOMAIN)


def test_tuples_and_datetimes_are_taken_as_boto3_takes_them(any_client: Any) -> None:
    any_client.start_workflow_execution(
        domain=DOMAIN, workflowId="x", workflowType=WORKFLOW, tagList=("red", "blue")
    )
    early = datetime(2023, 12, 31, tzinfo=UTC)
    for oldest in (early, "2023-12-31T00:00:00Z", 0, early.timestamp()):
        found = any_client.list_open_workflow_executions(
            domain=DOMAIN, startTimeFilter={"oldestDate": oldest}
        )
        (info,) = found["executionInfos"]
        assert info["tagList"] == ["red", "blue"]
        assert info["startTimestamp"] == early + timedelta(days=1)


def test_nothing_is_shared_with_the_caller(any_client: Any) -> None:
    tags = ["red"]
    any_client.start_workflow_execution(
        domain=DOMAIN, workflowId="x", workflowType=WORKFLOW, tagList=tags
    )
    tags.append("blue")

    def info() -> dict[str, Any]:
        found = any_client.list_open_workflow_executions(
            domain=DOMAIN, startTimeFilter={"oldestDate": 0}
        )
        (execution,) = found["executionInfos"]
        return dict(execution)

    assert info()["tagList"] == ["red"]
    info()["tagList"].append("green")
    info()["execution"]["runId"] = "lost"
    assert info()["tagList"] == ["red"]
    events = poll_for_decision(any_client)["events"]
    events[0]["workflowExecutionStartedEventAttributes"]["taskList"]["name"] = "lost"
    again = history(any_client, info()["execution"]["runId"], "x")
    assert again[0]["workflowExecutionStartedEventAttributes"]["taskList"] == DECISIONS


def test_pages_can_be_collected(any_client: Any) -> None:
    run_id = start(any_client, steps=5)
    while is_open(any_client, run_id):
        decide_once(any_client)
        work_once(any_client)
    execution = {"workflowId": "order-1", "runId": run_id}
    paginator = any_client.get_paginator("get_workflow_execution_history")
    pages = list(
        paginator.paginate(
            domain=DOMAIN, execution=execution, PaginationConfig={"PageSize": 7, "MaxItems": 20}
        )
    )
    assert [len(page["events"]) for page in pages] == [7, 7, 6]
    assert [event["eventId"] for page in pages for event in page["events"]] == list(range(1, 21))


def test_the_pages_of_a_decision_task_can_be_collected(any_client: Any) -> None:
    start(any_client)
    paginator = any_client.get_paginator("poll_for_decision_task")
    task = paginator.paginate(
        domain=DOMAIN, taskList=DECISIONS, PaginationConfig={"PageSize": 2}
    ).build_full_result()
    assert [event["eventId"] for event in task["events"]] == [1, 2, 3]
    assert task["workflowExecution"]["workflowId"] == "order-1"
    any_client.respond_decision_task_completed(taskToken=task["taskToken"])


def test_what_has_no_pages_cannot_be_paged(any_client: Any) -> None:
    assert any_client.can_paginate("list_domains")
    assert not any_client.can_paginate("describe_domain")
    with pytest.raises(OperationNotPageableError):
        any_client.get_paginator("describe_domain")


def test_an_empty_poll_costs_no_simulated_time(simulation: Simulation, any_client: Any) -> None:
    before = simulation.clock.now
    assert "taskToken" not in poll_for_activity(any_client)
    assert simulation.clock.now == before


@pytest.mark.parametrize("kind", ["client", "boto3", "wire"])
def test_polls_can_be_made_not_to_wait(simulation: Simulation, kind: str) -> None:
    if kind == "client":
        client = simulation.client(poll_seconds=0)
    else:
        client = simulation.boto3_client(wire=kind == "wire", poll_seconds=0)
    register(client)
    before = simulation.clock.now
    assert "taskToken" not in poll_for_activity(client)
    assert simulation.clock.now == before


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_an_invalid_wait_is_refused(simulation: Simulation, seconds: float) -> None:
    with pytest.raises(ValueError, match="give a number of at least 0"):
        simulation.client(poll_seconds=seconds)
    with pytest.raises(ValueError, match="give a number of at least 0"):
        simulation.boto3_client(poll_seconds=seconds)


def test_an_activity_poll_knows_no_pages(simulation: Simulation, client: Any) -> None:
    """On the wire members that the model does not know are ignored."""
    request = {"domain": DOMAIN, "taskList": ACTIVITIES, "nextPageToken": "x"}
    reply = simulation.threads.call("PollForActivityTask", request, "us-east-1", 60)
    assert reply == {"startedEventId": 0}


def test_a_heartbeat_is_answered(any_client: Any) -> None:
    start(any_client)
    token = poll_for_decision(any_client)["taskToken"]
    any_client.respond_decision_task_completed(taskToken=token, decisions=[activity("1")])
    token = poll_for_activity(any_client)["taskToken"]
    reply = any_client.record_activity_task_heartbeat(taskToken=token, details="half")
    assert reply["cancelRequested"] is False


def test_a_client_can_be_closed(any_client: Any) -> None:
    any_client.close()


def test_it_has_every_member_of_a_boto3_client_and_can_be_changed() -> None:
    client, boto = Simulation().client(), Simulation().boto3_client()
    names = [name for name in dir(boto) if not name.startswith("_")]
    assert [name for name in names if not hasattr(client, name)] == []
    for name in boto.meta.method_to_api_mapping:  # Some libraries wrap the methods of a client.
        setattr(client, name, getattr(client, name))


def test_there_are_no_waiters(any_client: Any) -> None:
    assert any_client.waiter_names == []
    with pytest.raises(ValueError, match="Waiter does not exist: closed"):
        any_client.get_waiter("closed")


def test_a_client_in_process_has_no_url() -> None:
    with pytest.raises(NotImplementedError, match="has no URL"):
        Simulation().client().generate_presigned_url("list_domains")
