"""Descriptions, lists, counts and histories of executions."""

from __future__ import annotations

from typing import Any

import pytest

from flowy_sim import Limits
from tests.support.engine_scenarios import (
    ACTIVITY,
    EVER,
    TASK_LIST,
    WORKFLOW,
    WORKFLOW_DEFAULTS,
    World,
    decision,
    produces,
    schedule,
    timer,
)


@produces("operation DescribeWorkflowExecution")
def test_a_description_counts_what_is_open_and_remembers_the_context(world: World) -> None:
    world.start(tagList=["a"], taskPriority="1", lambdaRole="arn:role")
    described = world.describe()
    assert described["openCounts"]["openDecisionTasks"] == 1
    assert "latestExecutionContext" not in described
    assert "latestActivityTaskTimestamp" not in described
    task = world.poll()
    assert world.describe()["openCounts"]["openDecisionTasks"] == 0
    world.wait()
    world.answer(task, schedule(), timer(), executionContext="")
    described = world.describe()
    assert described["latestExecutionContext"] == ""
    assert described["latestActivityTaskTimestamp"].isoformat() == "2024-01-01T00:00:01+00:00"
    assert described["executionConfiguration"] == {
        "childPolicy": "TERMINATE",
        "executionStartToCloseTimeout": "31536000",
        "lambdaRole": "arn:role",
        "taskList": TASK_LIST,
        "taskPriority": "1",
        "taskStartToCloseTimeout": "NONE",
    }
    assert described["openCounts"] == {
        "openActivityTasks": 1,
        "openChildWorkflowExecutions": 0,
        "openDecisionTasks": 0,
        "openLambdaFunctions": 0,
        "openTimers": 1,
    }
    world.call("RequestCancelWorkflowExecution", workflowId="order")
    assert world.describe()["executionInfo"]["cancelRequested"] is True
    world.decide()
    assert world.describe()["latestExecutionContext"] == ""


@produces(
    "operation ListOpenWorkflowExecutions",
    "operation ListClosedWorkflowExecutions",
    "operation CountOpenWorkflowExecutions",
    "operation CountClosedWorkflowExecutions",
)
def test_executions_are_listed_and_counted_as_they_open_and_close(world: World) -> None:
    for workflow_id in ("a", "b"):
        world.start(workflow_id, tagList=[workflow_id])
        world.wait()
    page = world.call("ListOpenWorkflowExecutions", startTimeFilter=EVER, maximumPageSize=1)
    assert page["executionInfos"][0]["execution"]["workflowId"] == "b"
    rest = {"startTimeFilter": EVER, "nextPageToken": page["nextPageToken"]}
    (info,) = world.call("ListOpenWorkflowExecutions", **rest)["executionInfos"]
    assert info["execution"]["workflowId"] == "a"
    world.call("TerminateWorkflowExecution", workflowId="a")
    (info,) = world.call("ListOpenWorkflowExecutions", startTimeFilter=EVER)["executionInfos"]
    assert info["execution"]["workflowId"] == "b"
    assert set(info) == {
        "cancelRequested",
        "execution",
        "executionStatus",
        "startTimestamp",
        "tagList",
        "workflowType",
    }
    status = {"closeTimeFilter": EVER, "closeStatusFilter": {"status": "TERMINATED"}}
    (info,) = world.call("ListClosedWorkflowExecutions", **status)["executionInfos"]
    assert info["closeTimestamp"].isoformat() == "2024-01-01T00:00:02+00:00"
    tagged = {"tagFilter": {"tag": "b"}}
    count = world.call("CountOpenWorkflowExecutions", startTimeFilter=EVER, **tagged)
    assert count == {"count": 1, "truncated": False}
    count = world.call("CountClosedWorkflowExecutions", startTimeFilter=EVER, **tagged)
    assert count == {"count": 0, "truncated": False}


@produces("fault DescribeWorkflowExecution UnknownResourceFault")
def test_a_closed_execution_is_forgotten_when_its_retention_ends(world: World) -> None:
    run_id = world.start()
    world.call("TerminateWorkflowExecution", workflowId="order")
    execution = {"workflowId": "order", "runId": run_id}
    world.wait(7 * 24 * 3600 - 1)
    world.call("DescribeWorkflowExecution", execution=execution)
    world.wait(1)
    gone = f"Unknown execution: WorkflowExecution=[workflowId=order, runId={run_id}]"
    for operation in ("DescribeWorkflowExecution", "GetWorkflowExecutionHistory"):
        assert world.refusal("UnknownResourceFault", operation, execution=execution) == gone
    assert world.executions() == []


@pytest.mark.parametrize("period", ["NONE", "0"])
@pytest.mark.parametrize("days", [0, 1, 90])
def test_without_retention_a_closed_execution_is_kept_as_long_as_the_limits_say(
    period: str, days: int
) -> None:
    world = World(limits=Limits(unretained_days=days))
    world.call("RegisterDomain", name="x", workflowExecutionRetentionPeriodInDays=period)
    world.call("RegisterWorkflowType", domain="x", **WORKFLOW, **WORKFLOW_DEFAULTS)
    world.start(domain="x")
    world.call("TerminateWorkflowExecution", domain="x", workflowId="order")

    def listed() -> int:
        reply = world.call("ListClosedWorkflowExecutions", domain="x", startTimeFilter=EVER)
        return len(reply["executionInfos"])

    assert listed() == (1 if days else 0)
    if days:
        world.wait(days * 86_400 - 1)
        assert listed() == 1
        world.wait(1)
        assert listed() == 0
    described = world.call("DescribeDomain", name="x")["configuration"]
    assert described == {"workflowExecutionRetentionPeriodInDays": period}


@produces("operation GetWorkflowExecutionHistory")
def test_a_history_comes_in_pages_in_either_direction(world: World) -> None:
    execution = {"workflowId": "order", "runId": world.start()}
    world.decide(*(decision("RecordMarker", markerName=str(n)) for n in range(3)))

    def pages(**request: Any) -> list[list[int]]:
        found = []
        reply: dict[str, Any] = {"nextPageToken": None}
        while "nextPageToken" in reply:
            token = {"nextPageToken": reply["nextPageToken"]}
            reply = world.call(
                "GetWorkflowExecutionHistory", execution=execution, **request, **token
            )
            found.append([event["eventId"] for event in reply["events"]])
        return found

    assert pages() == [[1, 2, 3, 4, 5, 6, 7]]
    assert pages(maximumPageSize=7) == [[1, 2, 3, 4, 5, 6, 7]]
    assert pages(maximumPageSize=3) == [[1, 2, 3], [4, 5, 6], [7]]
    assert pages(maximumPageSize=4, reverseOrder=True) == [[7, 6, 5, 4], [3, 2, 1]]


def test_changing_a_reply_changes_no_history(world: World) -> None:
    world.start(tagList=["a"])
    before = world.history()
    reply = world.history()
    reply[0]["workflowExecutionStartedEventAttributes"]["tagList"].append("b")
    reply[0]["workflowExecutionStartedEventAttributes"]["taskList"]["name"] = "x"
    del reply[1:]
    assert world.history() == before


def test_activities_named_in_a_request_are_not_shared_with_history(world: World) -> None:
    world.start()
    given = schedule(activityType=dict(ACTIVITY))
    world.decide(given)
    given["scheduleActivityTaskDecisionAttributes"]["activityType"]["name"] = "x"
    assert world.event("ActivityTaskScheduled")["activityType"] == ACTIVITY


def test_every_filter_finds_what_it_names_and_counts_it(world: World) -> None:
    for workflow_id in ("a", "b"):
        world.start(workflow_id, tagList=[workflow_id])
    for workflow_id in ("a", "b", "c"):
        if workflow_id != "c":
            world.call("TerminateWorkflowExecution", workflowId=workflow_id)
        world.start(workflow_id, tagList=[workflow_id])
    time = {"oldestDate": 0, "latestDate": 4_102_444_800}
    filters: list[tuple[dict[str, Any], int, int]] = [
        ({"executionFilter": {"workflowId": "a"}}, 1, 1),
        ({"typeFilter": {"name": "Order", "version": "1"}}, 3, 2),
        ({"typeFilter": {"name": "Order", "version": "2"}}, 0, 0),
        ({"tagFilter": {"tag": "c"}}, 1, 0),
        ({"closeStatusFilter": {"status": "TERMINATED"}}, 0, 2),
    ]
    for given, open_ones, closed_ones in filters:
        for state, when, expected in (
            ("Open", "startTimeFilter", open_ones),
            ("Closed", "startTimeFilter", closed_ones),
            ("Closed", "closeTimeFilter", closed_ones),
        ):
            if state == "Open" and "closeStatusFilter" in given:
                continue
            request = {when: time, **given}
            count = world.call(f"Count{state}WorkflowExecutions", **request)
            assert count == {"count": expected, "truncated": False}
            found = 0
            page: dict[str, Any] = {"nextPageToken": None}
            while "nextPageToken" in page:
                request |= {"maximumPageSize": 1, "nextPageToken": page["nextPageToken"]}
                page = world.call(f"List{state}WorkflowExecutions", **request)
                found += len(page["executionInfos"])
            assert found == expected
