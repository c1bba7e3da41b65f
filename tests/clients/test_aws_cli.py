"""The AWS CLI."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from typing import Any

from botocore import xform_name

from flowy_sim._engine.model import operation_names
from flowy_sim._server.endpoint import Endpoint
from tests.support.client_programs import AWS, HERE, Programs, needs_aws

pytestmark = needs_aws


class CommandLine:
    """``aws swf``; every command must succeed.

    Args:
        process: runs the commands.

    Attributes:
        called: the operations called so far.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.called: list[str] = []

    def __call__(self, operation: str, **arguments: Any) -> Any:
        """Call an operation; return its reply."""
        self.called.append(operation)
        command = ["swf", xform_name(operation, "-"), "--output", "json"]
        for name, value in arguments.items():
            command.append(f"--{xform_name(name, '-')}")
            command.append(value if isinstance(value, str) else json.dumps(value))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        status, written, problems = json.loads(self._process.stdout.readline())
        assert status == 0, f"{command} said: {problems}"
        return json.loads(written or "{}")


def test_a_whole_workflow_can_be_done_by_hand(at_virtual: Programs, virtual: Endpoint) -> None:
    path = f"{AWS.parent}:/usr/bin:/bin"
    began = virtual.now
    written = at_virtual.run("bash", HERE / "by_hand.sh", PATH=path)
    assert json.loads(written) == [
        "WorkflowExecutionStarted",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        "DecisionTaskCompleted",
        "ActivityTaskScheduled",
        "TimerStarted",
        "ActivityTaskStarted",
        "ActivityTaskCompleted",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        "DecisionTaskCompleted",
        "TimerFired",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        "DecisionTaskCompleted",
        "WorkflowExecutionCompleted",
    ]
    assert timedelta(hours=1) <= virtual.now - began < timedelta(hours=2)


def test_every_operation_is_reached(at_virtual: Programs) -> None:
    with at_virtual.ending(AWS.with_name("python"), HERE / "many_commands.py") as process:
        aws = CommandLine(process)
        _domains_and_tags(aws)
        _types(aws)
        _executions(aws)
        aws("DeprecateDomain", name="shop")
        aws("UndeprecateDomain", name="shop")
    assert set(aws.called) == set(operation_names())


def _domains_and_tags(aws: CommandLine) -> None:
    aws("RegisterDomain", name="shop", workflowExecutionRetentionPeriodInDays="1")
    arn: str = aws("DescribeDomain", name="shop")["domainInfo"]["arn"]
    aws("TagResource", resourceArn=arn, tags=[{"key": "team", "value": "books"}])
    assert aws("ListTagsForResource", resourceArn=arn)["tags"] == [
        {"key": "team", "value": "books"}
    ]
    aws("UntagResource", resourceArn=arn, tagKeys=["team"])
    assert len(aws("ListDomains", registrationStatus="REGISTERED")["domainInfos"]) == 1


ORDER = {"name": "Order", "version": "1"}
PACK = {"name": "Pack", "version": "1"}


def _types(aws: CommandLine) -> None:
    aws("RegisterWorkflowType", domain="shop", name="Order", workflowVersion="1")
    aws("RegisterActivityType", domain="shop", name="Pack", activityVersion="1")
    for kind, named in (("Workflow", ORDER), ("Activity", PACK)):
        member = f"{kind.lower()}Type"
        aws(f"Deprecate{kind}Type", domain="shop", **{member: named})
        aws(f"Undeprecate{kind}Type", domain="shop", **{member: named})
        described = aws(f"Describe{kind}Type", domain="shop", **{member: named})
        assert described["typeInfo"]["status"] == "REGISTERED"
        listed = aws(f"List{kind}Types", domain="shop", registrationStatus="REGISTERED")
        assert [each[member] for each in listed["typeInfos"]] == [named]


def _executions(aws: CommandLine) -> None:
    started = aws(
        "StartWorkflowExecution",
        domain="shop",
        workflowId="order-1",
        workflowType=ORDER,
        taskList={"name": "decisions"},
        childPolicy="TERMINATE",
        executionStartToCloseTimeout="86400",
        taskStartToCloseTimeout="300",
    )
    decisions = {"domain": "shop", "taskList": {"name": "decisions"}}
    assert aws("CountPendingDecisionTasks", **decisions)["count"] == 1
    task = aws("PollForDecisionTask", **decisions)
    assert task["workflowExecution"] == {"workflowId": "order-1", **started}
    scheduled = [_pack(number) for number in range(3)]
    aws("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=scheduled)
    _activities(aws)
    _looked_at(aws, task["workflowExecution"])


def _pack(number: int) -> dict[str, Any]:
    attributes = {
        "activityId": f"pack-{number}",
        "activityType": PACK,
        "taskList": {"name": "work"},
        **dict.fromkeys(
            (
                "heartbeatTimeout",
                "scheduleToCloseTimeout",
                "scheduleToStartTimeout",
                "startToCloseTimeout",
            ),
            "600",
        ),
    }
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": attributes,
    }


def _activities(aws: CommandLine) -> None:
    work = {"domain": "shop", "taskList": {"name": "work"}}
    assert aws("CountPendingActivityTasks", **work)["count"] == 3
    tokens = [aws("PollForActivityTask", **work)["taskToken"] for _ in range(3)]
    aws("RequestCancelWorkflowExecution", domain="shop", workflowId="order-1")
    beat = aws("RecordActivityTaskHeartbeat", taskToken=tokens[0], details="half of it")
    assert beat == {"cancelRequested": False}
    aws("RespondActivityTaskCompleted", taskToken=tokens[0], result="packed")
    aws("RespondActivityTaskFailed", taskToken=tokens[1], reason="no box")
    task = aws("PollForDecisionTask", domain="shop", taskList={"name": "decisions"})
    cancel = {
        "decisionType": "RequestCancelActivityTask",
        "requestCancelActivityTaskDecisionAttributes": {"activityId": "pack-2"},
    }
    aws("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[cancel])
    aws("RespondActivityTaskCanceled", taskToken=tokens[2])


def _looked_at(aws: CommandLine, execution: dict[str, str]) -> None:
    aws("SignalWorkflowExecution", domain="shop", workflowId="order-1", signalName="hurry")
    began = {"domain": "shop", "startTimeFilter": {"oldestDate": 0}}
    assert len(aws("ListOpenWorkflowExecutions", **began)["executionInfos"]) == 1
    assert aws("CountOpenWorkflowExecutions", **began)["count"] == 1
    aws("TerminateWorkflowExecution", domain="shop", workflowId="order-1")
    assert len(aws("ListClosedWorkflowExecutions", **began)["executionInfos"]) == 1
    assert aws("CountClosedWorkflowExecutions", **began)["count"] == 1
    described = aws("DescribeWorkflowExecution", domain="shop", execution=execution)
    assert described["executionInfo"]["closeStatus"] == "TERMINATED"
    history = aws("GetWorkflowExecutionHistory", domain="shop", execution=execution)
    assert {"ActivityTaskCanceled", "ActivityTaskFailed"} <= {
        event["eventType"] for event in history["events"]
    }
    for kind, named in (("Workflow", ORDER), ("Activity", PACK)):
        aws(f"Deprecate{kind}Type", domain="shop", **{f"{kind.lower()}Type": named})
        aws(f"Delete{kind}Type", domain="shop", **{f"{kind.lower()}Type": named})
