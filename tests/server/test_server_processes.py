"""A server and its clients in processes of their own, some of which die."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.http_clients import (
    ACTIVITIES,
    COMPLETE,
    DECISIONS,
    Program,
    pack,
    wait_for_polls,
)

ROOT = Path(__file__).parent.parent.parent
START = datetime(2024, 1, 1, tzinfo=UTC)
Make = Callable[..., Program]

#: Takes a task, says so, and answers it when it is told to.
WORKER = """
import sys
from tests.support.http_clients import ACTIVITIES, Program
worker = Program(sys.argv[1], agent="worker/1.0")
task = worker.call("PollForActivityTask", **ACTIVITIES)
print("taken", flush=True)
sys.stdin.readline()
worker.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
"""


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process with pipes, which is killed in the end."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *command],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def line_of(started: subprocess.Popen[str]) -> str:
    """The next line that a process prints."""
    assert started.stdout is not None
    return started.stdout.readline().strip()


def test_time_stands_still_while_another_process_holds_a_task(
    virtual: Endpoint, program: Make
) -> None:
    decider = program(virtual)
    decider.prepare()
    with process("-c", WORKER, virtual.url) as worker:
        wait_for_polls(virtual, 1)
        run_id = decider.start()
        decider.decide(pack())
        assert line_of(worker) == "taken"
        decider.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(virtual, 1)
        assert not virtual.settle(0.2)
        assert virtual.now == START
        worker.communicate("\n", timeout=60)
        assert worker.returncode == 0
    token = decider.receive().members["taskToken"]
    assert virtual.now == START
    decider.call("RespondDecisionTaskCompleted", taskToken=token, decisions=[COMPLETE])
    assert "ActivityTaskCompleted" in decider.events(run_id)


def test_the_task_of_a_process_that_is_killed_times_out(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    with process("-c", WORKER, virtual.url) as worker:
        wait_for_polls(virtual, 1)
        run_id = decider.start()
        decider.decide(pack())
        assert line_of(worker) == "taken"
        decider.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(virtual, 1)
        worker.kill()
        worker.communicate()
    task = decider.receive().members
    while not task.get("taskToken"):
        task = decider.call("PollForDecisionTask", **DECISIONS)
    assert "ActivityTaskTimedOut" in decider.events(run_id)
    assert virtual.now == START + timedelta(seconds=300)


@pytest.mark.slow
def test_a_server_that_is_terminated_answers_all_polls_and_has_logged_every_request(
    program: Make,
) -> None:
    options = ["--port", "0", "--log", "--seed", "7"]
    with process("-m", "flowy_sim", "serve", *options) as server:
        line_of(server)
        endpoint = Endpoint(line_of(server).removeprefix("export AWS_ENDPOINT_URL_SWF="))
        pollers = [program(endpoint) for _ in range(20)]
        pollers[0].prepare()
        assert pollers[0].post("Nothing", {}).status == 400
        for number, poller in enumerate(pollers):
            operation, request = (
                ("PollForDecisionTask", DECISIONS)
                if number % 2
                else ("PollForActivityTask", ACTIVITIES)
            )
            poller.send(operation, request)
        wait_for_polls(endpoint, 20)
        server.send_signal(signal.SIGTERM)
        assert [poller.receive().status for poller in pollers] == [200] * 20
        _, errors = server.communicate(timeout=60)
        assert server.returncode == 0
    everything = [json.loads(line) for line in errors.splitlines()]
    logged = [entry for entry in everything if "/_flowy" not in entry["path"]]
    assert {entry["path"] for entry in everything} == {"/", "/_flowy"}
    assert [entry["operation"] for entry in logged[:4]] == [
        "RegisterDomain",
        "RegisterWorkflowType",
        "RegisterActivityType",
        "",
    ]
    assert len(logged) == 24
    assert [entry["outcome"] for entry in logged[2:5]] == ["OK", "UnknownOperationException", "OK"]
    assert logged[0].keys() == {
        "time",
        "request_id",
        "simulation",
        "account",
        "region",
        "operation",
        "status",
        "outcome",
        "milliseconds",
        "bytes_in",
        "bytes_out",
        "client",
        "program",
        "method",
        "path",
        "target",
        "service",
    }
    assert logged[3]["target"] == "SimpleWorkflowService.Nothing"
    assert logged[3]["service"] == "swf"


def test_metrics_count_calls_and_what_is_open(real: Endpoint, program: Make) -> None:
    caller, poller = program(real), program(real)
    caller.prepare()
    caller.post("RegisterDomain", {"name": 5})
    poller.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(real, 1)
    caller.connection.request("GET", "/_flowy/metrics")
    reply = caller.receive()
    lines = reply.body.decode().splitlines()
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    refused = 'flowy_sim_requests_total{operation="RegisterDomain",outcome="'
    assert f'{refused}OK"}}' in "\n".join(lines)
    assert f'{refused}SerializationException"}}' in "\n".join(lines)
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(figures["flowy_sim_waiting_polls"]) >= 1
    assert float(figures["flowy_sim_connections"]) >= 2
    assert float(figures["flowy_sim_simulations"]) >= 1
    assert float(figures["flowy_sim_request_seconds_count"]) >= 4


def test_metrics_tell_open_executions_and_the_backlog_of_each_list(
    real: Endpoint, program: Make
) -> None:
    caller = program(real)
    caller.prepare()
    for number in range(2):
        caller.start(f"waiting-{number}")
    caller.connection.request("GET", "/_flowy/metrics")
    text = caller.receive().body.decode()
    place = r'account="\d+",domain="shop",'
    assert re.search(rf"flowy_sim_open_executions\{{{place}.*\}} [2-9]", text)
    waiting = rf'flowy_sim_waiting_tasks\{{{place}kind="decision",.*task_list="decisions"\}} [2-9]'
    assert re.search(waiting, text), text
