"""simpleflow, which runs its own deciders and workers in its own processes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.client_programs import HERE, SECONDS, SIMPLEFLOW, Programs, needs_simpleflow
from tests.support.http_clients import wait_until

pytestmark = needs_simpleflow

DOMAIN = ("--domain", "shop")
MODULE = "simpleflow_shop"
FINDS_MODULE = {"PYTHONPATH": str(HERE)}


class Simpleflow:
    """simpleflow at an endpoint."""

    def __init__(self, endpoint: Endpoint, programs: Programs) -> None:
        self.client = endpoint.client()
        self.client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
        self._programs = programs

    def standalone(self, workflow: str, *arguments: Any) -> Any:
        """Let simpleflow run a workflow with a decider and a worker; return its result."""
        given = json.dumps({"args": arguments})
        one_each = ("--nb-deciders", "1", "--nb-workers", "1")
        self._run("standalone", *DOMAIN, *one_each, "--input", given, f"{MODULE}.{workflow}")
        return self.result(workflow)

    @contextmanager
    def at_work(self, workflow: str) -> Iterator[None]:
        """Have a decider and a worker meanwhile, as they are in production."""
        tasks = (*DOMAIN, "--task-list", "shop", "--nb-processes", "1")
        with (
            self._programs.running(
                SIMPLEFLOW, "decider.start", *tasks, f"{MODULE}.{workflow}", **FINDS_MODULE
            ),
            self._programs.running(SIMPLEFLOW, "worker.start", *tasks, **FINDS_MODULE),
        ):
            yield

    def start(self, workflow: str, *arguments: Any) -> None:
        """Let simpleflow start a workflow."""
        given = json.dumps({"args": arguments})
        lasts = ("--execution-timeout", "200000")
        self._run("workflow.start", *DOMAIN, *lasts, "--input", given, f"{MODULE}.{workflow}")

    def _run(self, *command: str) -> None:
        self._programs.run(SIMPLEFLOW, *command, **FINDS_MODULE)

    def closed(self, workflow: str) -> list[dict[str, Any]]:
        """Return the closed executions of a workflow, the last one first."""
        reply = self.client.list_closed_workflow_executions(
            domain="shop", startTimeFilter={"oldestDate": 0}, typeFilter={"name": workflow}
        )
        executions: list[dict[str, Any]] = reply["executionInfos"]
        return executions

    def history(self, workflow: str) -> list[dict[str, Any]]:
        """Return the history of the execution of a workflow that was closed last."""
        execution = self.closed(workflow)[0]["execution"]
        pages = self.client.get_paginator("get_workflow_execution_history")
        return [
            event
            for page in pages.paginate(domain="shop", execution=execution)
            for event in page["events"]
        ]

    def events(self, workflow: str) -> Counter[str]:
        """Count the events of each type in that history."""
        return Counter(event["eventType"] for event in self.history(workflow))

    def result(self, workflow: str) -> Any:
        """Return the result of the execution of a workflow that was closed last."""
        last = self.history(workflow)[-1]
        assert last["eventType"] == "WorkflowExecutionCompleted", last
        return json.loads(last["workflowExecutionCompletedEventAttributes"]["result"])


@pytest.fixture
def simpleflow(real: Endpoint, at_real: Programs) -> Simpleflow:
    return Simpleflow(real, at_real)


def test_activities_run_one_after_the_other_and_at_the_same_time(simpleflow: Simpleflow) -> None:
    assert simpleflow.standalone("ChainAndGroup", 3) == [6, [2, 4], 7]


def test_child_workflows_complete(simpleflow: Simpleflow) -> None:
    assert simpleflow.standalone("Parent", 3) == [6, 8]
    assert simpleflow.events("Parent")["ChildWorkflowExecutionCompleted"] == 2


def test_a_signal_reaches_a_workflow_and_is_sent_on_to_its_child(simpleflow: Simpleflow) -> None:
    assert simpleflow.standalone("SendsSignal") == {"text": "hello"}


def test_a_timer_fires(simpleflow: Simpleflow) -> None:
    assert simpleflow.standalone("Sleeps", 1) == 2


def test_markers_are_recorded_and_read_again(simpleflow: Simpleflow) -> None:
    assert simpleflow.standalone("RecordsMarkers") == [{"number": 1}]


def test_a_failed_activity_is_tried_again_or_its_error_dealt_with(
    simpleflow: Simpleflow, tmp_path: Path
) -> None:
    result = simpleflow.standalone("FailsAndRetries", str(tmp_path))
    assert result == [3, "ValueError: never"]
    events = simpleflow.events("FailsAndRetries")
    assert (events["ActivityTaskFailed"], events["ActivityTaskCompleted"]) == (3, 1)


def test_a_workflow_that_continues_as_new_completes(simpleflow: Simpleflow) -> None:
    with simpleflow.at_work("BeginsAnew"):
        simpleflow.start("BeginsAnew", 1)
        wait_until(lambda: len(simpleflow.closed("BeginsAnew")) == 3, SECONDS)
    assert simpleflow.result("BeginsAnew") == 6
    assert [each["closeStatus"] for each in simpleflow.closed("BeginsAnew")] == [
        "COMPLETED",
        "CONTINUED_AS_NEW",
        "CONTINUED_AS_NEW",
    ]


def test_a_day_passes_at_once_where_time_is_virtual(
    virtual: Endpoint, at_virtual: Programs
) -> None:
    simpleflow = Simpleflow(virtual, at_virtual)
    began = virtual.now
    with simpleflow.at_work("Sleeps"):
        simpleflow.start("Sleeps", 86_400)
        wait_until(lambda: len(simpleflow.closed("Sleeps")) == 1, SECONDS)
        assert (virtual.now - began).total_seconds() >= 86_400
        # Where nothing will ever happen polls are held, and simpleflow stops after its polls.
        virtual.set_clock("x60")
    assert simpleflow.result("Sleeps") == 172_800
