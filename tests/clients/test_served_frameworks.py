"""Published frameworks for SWF in Python, unchanged and served: flowy 0.4.1, seddy, aiobotocore."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.client_programs import (
    HERE,
    OLDER_FLOWY,
    SECONDS,
    Programs,
    needs_module,
    needs_older_flowy,
)
from tests.support.http_clients import wait_until

UNLIMITED = {
    "defaultTaskList": {"name": "work"},
    "defaultTaskHeartbeatTimeout": "NONE",
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskScheduleToStartTimeout": "NONE",
    "defaultTaskStartToCloseTimeout": "60",
}


def start_order(client: Any, text: str) -> str:
    """Start an order, and wait as little as possible until the type is registered."""
    started: dict[str, str] = client.start_workflow_execution(
        domain="shop",
        workflowId="order-1",
        workflowType={"name": "Order", "version": "1"},
        taskList={"name": "decisions"},
        childPolicy="TERMINATE",
        executionStartToCloseTimeout="200000",
        taskStartToCloseTimeout="60",
        input=text,
    )
    return started["runId"]


def result_of(client: Any, run_id: str) -> str:
    """Wait until the order is closed, and return its result."""
    order = {"workflowId": "order-1", "runId": run_id}

    def is_closed() -> bool:
        described = client.describe_workflow_execution(domain="shop", execution=order)
        return bool(described["executionInfo"]["executionStatus"] == "CLOSED")

    wait_until(is_closed, SECONDS)
    last = client.get_workflow_execution_history(domain="shop", execution=order, reverseOrder=True)[
        "events"
    ][0]
    assert last["eventType"] == "WorkflowExecutionCompleted", last
    result: str = last["workflowExecutionCompletedEventAttributes"]["result"]
    return result


def types(client: Any) -> int:
    """Count the types that are registered."""
    listed = [
        *client.list_workflow_types(domain="shop", registrationStatus="REGISTERED")["typeInfos"],
        *client.list_activity_types(domain="shop", registrationStatus="REGISTERED")["typeInfos"],
    ]
    return len(listed)


@pytest.fixture
def client(virtual: Endpoint) -> Any:
    client = virtual.client()
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="90")
    return client


@needs_older_flowy
def test_flowy_0_4_1_runs(client: Any, at_virtual: Programs) -> None:
    shop = (OLDER_FLOWY, HERE / "older_flowy_shop.py")
    with at_virtual.killed_after(*shop, "decider"), at_virtual.killed_after(*shop, "worker"):
        wait_until(lambda: types(client) == 3, SECONDS)
        run_id = start_order(client, json.dumps([[[1, 2, 3]], {}]))
        assert json.loads(result_of(client, run_id)) == 12


WORKFLOWS = {
    "version": "1.1",
    "workflows": [
        {
            "spec_type": "dag",
            "name": "Order",
            "version": "1",
            "tasks": [{"id": "pack", "type": {"name": "pack", "version": "1"}}],
        }
    ],
}


@needs_module("seddy")
def test_seddy_runs(client: Any, virtual: Endpoint, at_virtual: Programs, tmp_path: Path) -> None:
    virtual.reset(clock="virtual", empty_poll_token=True)
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="90")
    client.register_activity_type(domain="shop", name="pack", version="1", **UNLIMITED)
    file = tmp_path / "workflows.json"
    file.write_text(json.dumps(WORKFLOWS), encoding="utf-8")
    seddy = (sys.executable, "-m", "seddy")
    at_virtual.run(*seddy, "register", file, "shop")
    with at_virtual.killed_after(*seddy, "decider", file, "shop", "decisions"):
        run_id = start_order(client, "{}")
        task: dict[str, Any] = {"taskToken": ""}
        while not task["taskToken"]:
            task = client.poll_for_activity_task(domain="shop", taskList={"name": "work"})
        client.respond_activity_task_completed(taskToken=task["taskToken"], result='"packed"')
        assert json.loads(result_of(client, run_id)) == {"pack": "packed"}


@needs_module("aiobotocore")
def test_aiobotocore_runs_over_a_day(client: Any, virtual: Endpoint, at_virtual: Programs) -> None:
    began = virtual.now
    client.register_workflow_type(domain="shop", name="Order", version="1")
    client.register_activity_type(domain="shop", name="pack", version="1", **UNLIMITED)
    run_id = start_order(client, "2 books")
    at_virtual.run(sys.executable, HERE / "aiobotocore_shop.py")
    assert result_of(client, run_id) == "packed"
    assert (virtual.now - began).total_seconds() >= 86_400
