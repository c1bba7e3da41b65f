"""The AWS SDK for JavaScript: one half of a workflow is in JavaScript, the other in Python."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowy import (
    ActivityProxy,
    ActivityWorker,
    Execution,
    Outcome,
    Workflow,
    WorkflowWorker,
    activity,
    outcome,
    start,
    workflow,
)
from flowy_sim._server.endpoint import Endpoint
from tests.support.client_programs import HERE, SECONDS, Programs, needs_javascript
from tests.support.http_clients import wait_until

pytestmark = needs_javascript

HALVES = HERE / "halves.cjs"


@activity("measure", 1, "python")
def measure(text: str) -> int:
    return len(text)


@activity("shout", 1, "javascript")
def shout(text: str) -> str:
    raise NotImplementedError("This is in JavaScript.")


@workflow("Echo", 1, "python-decisions")
class Echo(Workflow):
    """Schedules the activity that the worker in JavaScript executes."""

    shout = ActivityProxy("shout", 1, error_handling=True)

    def run(self, text: str | int) -> str:
        shouted = self.shout(text)
        try:
            return f"{shouted.result()}!"
        except Exception as error:
            return f"not shouted: {error}"


@workflow("Greeting", 1, "javascript-decisions", execution_start_to_close=200_000)
class Greeting(Workflow):
    """Registered here; the decider is in JavaScript."""

    def run(self, text: str) -> tuple[str, int]:
        raise NotImplementedError("This is in JavaScript.")


class Shop:
    """A domain with all types, and the workers in Python."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.client = endpoint.client()
        self.client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
        self.worker = ActivityWorker(self.client, "shop", "python", [measure])
        self.decider = WorkflowWorker(self.client, "shop", "python-decisions", [Echo])
        for each in (
            self.worker,
            self.decider,
            ActivityWorker(self.client, "shop", "javascript", [shout]),
            WorkflowWorker(self.client, "shop", "javascript-decisions", [Greeting]),
        ):
            each.register()

    def outcome(self, execution: Execution) -> Outcome | None:
        """Return how an execution ended; None while it is open."""
        return outcome(self.client, "shop", execution)


@pytest.fixture
def shop(virtual: Endpoint) -> Shop:
    return Shop(virtual)


def test_javascript_decides_about_what_python_does(
    shop: Shop, at_virtual: Programs, virtual: Endpoint
) -> None:
    began = virtual.now
    with (
        at_virtual.running("node", HALVES, "decider", "shop", "javascript-decisions"),
        at_virtual.running("node", HALVES, "worker", "shop", "javascript"),
    ):
        execution = start(shop.client, "shop", Greeting, "hello")
        wait_until(shop.worker.run_once, SECONDS)  # Node.js may take long to start.
        wait_until(lambda: shop.outcome(execution) is not None, SECONDS)
    ended = shop.outcome(execution)
    assert ended is not None
    assert ended.result == ["HELLO", 5]
    assert virtual.now - began >= timedelta(days=1)


@pytest.mark.parametrize(
    ("argument", "result"),
    [("hello", "HELLO!"), (5, "not shouted: shout 1 (shout-1) failed: this is no text")],
)
def test_python_decides_about_what_javascript_does(
    shop: Shop, at_virtual: Programs, argument: str | int, result: str
) -> None:
    with at_virtual.running("node", HALVES, "worker", "shop", "javascript"):
        execution = start(shop.client, "shop", Echo, argument)
        while (ended := shop.outcome(execution)) is None:
            shop.decider.run_once()
    assert ended.result == result
