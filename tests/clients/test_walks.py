"""Every operation, called with the AWS SDKs for Java and Go, old and new."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowy_sim._engine.model import operation_names
from flowy_sim._server.endpoint import Endpoint
from tests.support.client_programs import GO, JAVA, Programs, needs_go, needs_java

Command = tuple[str | Path, ...]

JAVA_V1: Command = ("java", "-cp", f"{JAVA}/classes:{JAVA}/dependency/*", "walk.V1")
JAVA_V2: Command = (*JAVA_V1[:-1], "walk.V2")
GO_V1: Command = (GO / "sdkv1",)
GO_V2: Command = (GO / "sdkv2",)

#: What each program prints: the operations that it calls, with some of what they reply.
WALK = """\
RegisterDomain
DescribeDomain REGISTERED 90
TagResource
ListTagsForResource team books
UntagResource
ListDomains shop
DescribeDomain UnknownResourceFault Unknown domain: market
RegisterWorkflowType
DeprecateWorkflowType
UndeprecateWorkflowType
DescribeWorkflowType REGISTERED
ListWorkflowTypes Order
RegisterActivityType
DeprecateActivityType
UndeprecateActivityType
DescribeActivityType REGISTERED
ListActivityTypes Pack
StartWorkflowExecution
CountPendingDecisionTasks 1
PollForDecisionTask order-1 0
RespondDecisionTaskCompleted
CountPendingActivityTasks 3
PollForActivityTask pack-1
PollForActivityTask pack-2
PollForActivityTask pack-3
RequestCancelWorkflowExecution
RecordActivityTaskHeartbeat false
RespondActivityTaskCompleted
RespondActivityTaskFailed
PollForDecisionTask order-1 3
RespondDecisionTaskCompleted
RecordActivityTaskHeartbeat true
RespondActivityTaskCanceled
SignalWorkflowExecution
ListOpenWorkflowExecutions order-1
CountOpenWorkflowExecutions 1
TerminateWorkflowExecution
ListClosedWorkflowExecutions TERMINATED
CountClosedWorkflowExecutions 1
DescribeWorkflowExecution CLOSED
GetWorkflowExecutionHistory WorkflowExecutionTerminated
DeleteWorkflowType
DeleteActivityType
DeprecateDomain
UndeprecateDomain
"""


def test_the_walk_calls_every_operation() -> None:
    assert {line.split()[0] for line in WALK.splitlines()} == set(operation_names())


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(JAVA_V1, marks=needs_java, id="Java 1"),
        pytest.param(JAVA_V2, marks=needs_java, id="Java 2"),
        pytest.param(GO_V1, marks=needs_go, id="Go 1"),
        pytest.param(GO_V2, marks=needs_go, id="Go 2"),
    ],
)
def test_every_operation_answers(at_real: Programs, at_virtual: Programs, program: Command) -> None:
    assert at_real.run(*program) == WALK
    assert at_virtual.run(*program) == WALK


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(JAVA_V2, marks=needs_java, id="Java 2"),
        pytest.param(GO_V2, marks=needs_go, id="Go 2"),
    ],
)
def test_newer_sdks_read_the_address(at_real: Programs, real: Endpoint, program: Command) -> None:
    assert at_real.run(*program, "endpoint").startswith(real.url)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(JAVA_V1, marks=needs_java, id="Java 1"),
        pytest.param(GO_V1, marks=needs_go, id="Go 1"),
    ],
)
def test_older_sdks_ignore_the_address(at_real: Programs, program: Command) -> None:
    assert at_real.run(*program, "endpoint") == "https://swf.us-east-1.amazonaws.com\n"
