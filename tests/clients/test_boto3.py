"""boto3: starter, decider and worker are programs for Amazon SWF, unchanged."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.client_programs import HERE, Programs

PROGRAM = (sys.executable, HERE / "plain_boto3.py")


@pytest.mark.slow
def test_programs_on_boto3_complete_an_order(at_virtual: Programs, virtual: Endpoint) -> None:
    at_virtual.run(*PROGRAM, "starter")
    with at_virtual.ending(*PROGRAM, "worker"):
        at_virtual.run(*PROGRAM, "decider")
    client = virtual.client()
    (closed,) = client.list_closed_workflow_executions(
        domain="shop", startTimeFilter={"oldestDate": 0}
    )["executionInfos"]
    reply = client.get_workflow_execution_history(
        domain="shop", execution=closed["execution"], reverseOrder=True, maximumPageSize=1
    )
    (last,) = reply["events"]
    completed = last["workflowExecutionCompletedEventAttributes"]
    assert completed["result"] == "2 books in a box on its way"
    lasted = closed["closeTimestamp"] - closed["startTimestamp"]
    assert timedelta(days=1) <= lasted < timedelta(days=1, minutes=1)
