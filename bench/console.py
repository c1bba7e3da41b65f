"""The console beside calls: how long calls take while pages of long histories are open."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench import servers
from bench.measure import table

EVENTS = 10_000
PAGE = "/_console/execution?workflow=long"
#: Opens a page again and again, as a browser does with all that it loads.
_OPEN = """
import http.client, sys
port, paths = int(sys.argv[1]), sys.argv[2:]
connection = http.client.HTTPConnection("127.0.0.1", port)
while True:
    for path in paths:
        connection.request("GET", path, headers={"Accept": "text/html"})
        connection.getresponse().read()
"""
#: Keeps a page open: follows the stream, and fetches what is new after each message, but no more
#: often than the script of the page does.
_FOLLOW = """
import http.client, sys, time
port, paths = int(sys.argv[1]), sys.argv[2:]
stream = http.client.HTTPConnection("127.0.0.1", port)
stream.request("GET", "/_console/stream")
response = stream.getresponse()
connection = http.client.HTTPConnection("127.0.0.1", port)
while line := response.readline():
    if line.startswith(b"data: {\\"simulation"):
        begun = time.monotonic()
        for path in paths:
            connection.request("GET", path, headers={"Accept": "text/html"})
            connection.getresponse().read()
        time.sleep(max(0.15, 2 * (time.monotonic() - begun)))
"""


def delays(calls: int) -> str:
    """Return the table of how long calls take without pages, and while pages are open.

    Args:
        calls: the number of calls that are measured in each case.
    """
    with servers.flowy_sim("--clock", "paused") as served:
        swf = _client(served)
        _fill(swf)
        data = PAGE.replace("execution?", "data?")
        cases: dict[str, list[tuple[str, tuple[str, ...]]]] = {
            "no page": [],
            "a page of 10,000 events is opened again and again": [(_OPEN, (PAGE, data))],
            "five such pages are kept open": [
                (_FOLLOW, (f"{PAGE}&after={EVENTS}", data)) for _ in range(5)
            ],
            "the list of executions is opened again and again": [(_OPEN, ("/",))],
        }
        rows = []
        for name, pages in cases.items():
            with ExitStack() as stack:
                for script, paths in pages:
                    stack.enter_context(_beside(script, str(served.port), *paths))
                time.sleep(2)
                times = sorted(_times(swf, calls))
            rows.append([name, *(_milliseconds(times, share) for share in (0.5, 0.99, 1))])
    return table(["while …", "median", "p99", "longest"], rows)


def _times(swf: Any, calls: int) -> Iterator[float]:
    for number in range(calls):
        begun = time.perf_counter()
        swf.signal_workflow_execution(
            domain="bench", workflowId=f"order-{number % 50}", signalName="hurry"
        )
        yield time.perf_counter() - begun
        time.sleep(0.002)


def _milliseconds(times: list[float], share: float) -> str:
    return f"{times[min(int(len(times) * share), len(times) - 1)] * 1000:.1f} ms"


def _fill(swf: Any) -> None:
    """Make an execution with a long history, and others to be signaled."""
    swf.register_domain(name="bench", workflowExecutionRetentionPeriodInDays="7")
    swf.register_workflow_type(
        domain="bench",
        name="order",
        version="1",
        defaultTaskList={"name": "orders"},
        defaultExecutionStartToCloseTimeout="86400",
        defaultTaskStartToCloseTimeout="NONE",
        defaultChildPolicy="TERMINATE",
    )
    order = {"name": "order", "version": "1"}
    for number in range(50):
        swf.start_workflow_execution(
            domain="bench", workflowId=f"order-{number}", workflowType=order
        )
    swf.start_workflow_execution(
        domain="bench", workflowId="long", workflowType=order, taskList={"name": "long"}
    )
    timers = [
        {
            "decisionType": "RecordMarker",
            "recordMarkerDecisionAttributes": {"markerName": f"m-{number}", "details": "x" * 80},
        }
        for number in range(EVENTS // 10 - 3)
    ]
    for _ in range(10):
        swf.signal_workflow_execution(domain="bench", workflowId="long", signalName="more")
        task = swf.poll_for_decision_task(domain="bench", taskList={"name": "long"})
        swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=timers)


def _client(served: servers.Served) -> Any:
    from flowy_sim._server.endpoint import Endpoint

    return Endpoint(served.url).client()


@contextmanager
def _beside(script: str, *arguments: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", script, *arguments])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    print(delays(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))  # noqa: T201 -- A script.
