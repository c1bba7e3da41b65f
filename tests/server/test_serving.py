"""Amazon SWF over HTTP, as clients meet it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner

from flowy_sim._cli import cli
from flowy_sim._server.server import Server, listen, url_of
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import Settings
from flowy_sim._storage.journal import NullJournal

VIRTUAL = ServerSettings(
    simulation=Settings(clock="virtual", start="2024-01-01T00:00:00Z", patience=0.2),
)
MODERN = {"Content-Type": "application/x-amz-json-1.0"}
DECISIONS = {"domain": "shop", "taskList": {"name": "decisions"}}
ACTIVITIES = {"domain": "shop", "taskList": {"name": "work"}}
ORDER = {"name": "Order", "version": "1"}


@contextmanager
def served(
    settings: ServerSettings = VIRTUAL, grace_seconds: int = 2
) -> Iterator[tuple[str, Server]]:
    """Serve from a thread; give the URL and the server."""
    listener = listen("127.0.0.1", 0)
    server = Server(listener, settings, grace_seconds=grace_seconds)
    started = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(started.set)))
    thread.start()
    try:
        assert started.wait(60)
        yield url_of(listener), server
    finally:
        server.stop()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def url() -> Iterator[str]:
    with served() as (address, _):
        yield address


def client(url: str, region: str = "us-east-1") -> Any:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
    return boto3.client("swf", region_name=region, endpoint_url=url, config=config)


def register(swf: Any) -> None:
    swf.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
    swf.register_workflow_type(
        domain="shop",
        **ORDER,
        defaultChildPolicy="TERMINATE",
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskList={"name": "decisions"},
        defaultTaskStartToCloseTimeout="60",
    )


def start(swf: Any, workflow_id: str = "order-1") -> str:
    started = swf.start_workflow_execution(
        domain="shop", workflowId=workflow_id, workflowType=ORDER
    )
    return str(started["runId"])


class Wire:
    """One connection, on which requests are made by hand."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)

    def post(
        self, body: bytes, operation: str = "ListDomains", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        self.send(body, operation, **headers)
        return self.read()

    def send(self, body: bytes, operation: str, **headers: str) -> None:
        target = {"X-Amz-Target": f"SimpleWorkflowService.{operation}"}
        self.connection.request("POST", "/", body, {**MODERN, **target, **headers})

    def ask(self, method: str, path: str, **members: Any) -> Any:
        self.connection.request(method, path, json.dumps(members))
        status, _, body = self.read()
        assert status == 200, body
        return json.loads(body)

    def read(self) -> tuple[int, dict[str, str], bytes]:
        response = self.connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.headers.items()}, response.read()


@pytest.fixture
def wire(url: str) -> Iterator[Wire]:
    opened = Wire(url)
    yield opened
    opened.connection.close()


def test_deciders_and_workers_on_boto3_complete_an_execution(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SWF", url)
    swf = boto3.client("swf")
    register(swf)
    run_id = start(swf)

    task = swf.poll_for_decision_task(**DECISIONS)
    timer = {"timerId": "year", "startToFireTimeout": "3000"}
    wait = {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer}
    swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[wait])
    task = swf.poll_for_decision_task(**DECISIONS)
    while not task.get("taskToken"):
        task = swf.poll_for_decision_task(**DECISIONS)
    end = {"decisionType": "CompleteWorkflowExecution"}
    swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[end])

    execution = {"workflowId": "order-1", "runId": run_id}
    history = swf.get_workflow_execution_history(domain="shop", execution=execution)["events"]
    assert [event["eventType"] for event in history[-5:]] == [
        "TimerFired",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        "DecisionTaskCompleted",
        "WorkflowExecutionCompleted",
    ]
    elapsed = history[-1]["eventTimestamp"] - history[0]["eventTimestamp"]
    assert round(elapsed.total_seconds()) == 3000
    moments = [event["eventTimestamp"] for event in history[-3:-1]]
    assert moments[0] < moments[1]  # Calls take time.


def test_a_void_operation_has_an_empty_body_and_a_content_type(wire: Wire) -> None:
    body = b'{"name":"shop","workflowExecutionRetentionPeriodInDays":"7"}'
    status, headers, answer = wire.post(body, "RegisterDomain")
    assert (status, answer) == (200, b"")
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["content-length"] == "0"
    assert "x-amzn-requestid" in headers
    assert "date" in headers


def test_a_legacy_request_gets_a_legacy_response(wire: Wire) -> None:
    headers = {
        "X-Amz-Target": "com.amazonaws.swf.service.model.SimpleWorkflowService.ListDomains",
        "Content-Type": "application/json; charset=UTF-8",
        "Content-Encoding": "amz-1.0",
    }
    status, answered, body = wire.post(b'{"registrationStatus":"REGISTERED"}', **headers)
    assert (status, body) == (200, b'{"domainInfos":[]}')
    assert answered["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("operation", "body", "answer"),
    [
        (
            "DescribeDomain",
            b'{"name":"none"}',
            b'{"__type":"com.amazonaws.swf.base.model#UnknownResourceFault",'
            b'"message":"Unknown domain: none"}',
        ),
        (
            "DescribeDomain",
            b"{}",
            b'{"__type":"com.amazon.coral.validate#ValidationException","message":"1 validation '
            b"error detected: Value null at 'name' failed to satisfy constraint: Member must not "
            b'be null"}',
        ),
        (
            "DescribeDomain",
            b'{"name":5}',
            b'{"__type":"com.amazon.coral.service#SerializationException",'
            b'"Message":"class java.lang.Short can not be converted to an String"}',
        ),
        (
            "DescribeDomain",
            b'{"name":',
            b'{"__type":"com.amazon.coral.service#SerializationException"}',
        ),
        ("Nothing", b"{}", b'{"__type":"com.amazon.coral.service#UnknownOperationException"}'),
    ],
)
def test_a_refusal_has_the_message_of_the_service(
    wire: Wire, operation: str, body: bytes, answer: bytes
) -> None:
    status, _, got = wire.post(body, operation)
    assert (status, got) == (400, answer)


def test_a_body_of_more_than_a_megabyte_is_refused(wire: Wire) -> None:
    status, _, _ = wire.post(b" " * 1_100_000)
    assert status == 413


def test_a_poll_is_answered_when_a_task_comes(url: str) -> None:
    with served(ServerSettings()) as (real, _):
        swf = client(real)
        register(swf)
        polled: list[Any] = []
        poller = threading.Thread(
            target=lambda: polled.append(client(real).poll_for_decision_task(**DECISIONS))
        )
        poller.start()
        start(swf)
        poller.join(60)
        assert polled[0]["startedEventId"] == 3


def test_a_client_that_hangs_up_while_it_polls_takes_no_task_with_it() -> None:
    with served(ServerSettings()) as (url, server):
        swf = client(url)
        register(swf)
        gone = Wire(url)
        gone.connection.request(
            "POST",
            "/",
            json.dumps(DECISIONS),
            {**MODERN, "X-Amz-Target": "SimpleWorkflowService.PollForDecisionTask"},
        )
        wait_for(lambda: waiting(server) == 1)
        gone.connection.close()
        wait_for(lambda: waiting(server) == 0)
        start(swf)
        assert swf.poll_for_decision_task(**DECISIONS)["startedEventId"] == 3


def test_polls_that_wait_are_answered_when_the_server_stops() -> None:
    answers: list[Any] = []
    with served(ServerSettings()) as (url, server):
        swf = client(url)
        register(swf)
        poller = threading.Thread(
            target=lambda: answers.append(swf.poll_for_decision_task(**DECISIONS))
        )
        poller.start()
        wait_for(lambda: waiting(server) == 1)
    poller.join(60)
    assert answers[0]["startedEventId"] == 0
    assert "taskToken" not in answers[0]


def test_a_request_that_does_not_end_is_answered_when_the_server_stops() -> None:
    with served(grace_seconds=0) as (url, _):
        unfinished, other = Wire(url), Wire(url)
        unfinished.connection.putrequest("POST", "/")
        unfinished.connection.putheader("Content-Length", "100")
        unfinished.connection.endheaders(b"{")
        other.ask("GET", "/_flowy/health")
        other.connection.close()
    status, _, body = unfinished.read()
    unfinished.connection.close()
    assert status == 503
    assert b"The server stops; the request was not carried out." in body


def waiting(server: Server) -> int:
    """How many polls wait."""
    return sum(len(list(world.polls)) for world in server.simulations)


def wait_for(condition: Callable[[], bool]) -> None:
    """Look again until a condition holds; the time limit of the connection bounds it."""
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.005)
    pytest.fail("the condition never held")


def test_time_is_read_moved_and_set_over_http(wire: Wire) -> None:
    assert wire.ask("GET", "/_flowy/clock")["now"] == "2024-01-01T00:00:00.000Z"
    assert wire.ask("POST", "/_flowy/clock/advance", seconds=90)["now"].endswith("00:01:30.000Z")
    assert wire.ask("PUT", "/_flowy/clock", mode="x60")["mode"] == "x60"


def test_simulations_with_different_names_regions_and_accounts_know_nothing_of_each_other(
    url: str,
) -> None:
    register(client(url))
    with pytest.raises(ClientError, match="Unknown domain: shop"):
        client(f"{url}/other").describe_domain(name="shop")
    with pytest.raises(ClientError, match="Unknown domain: shop"):
        client(url, "eu-central-1").describe_domain(name="shop")


@pytest.mark.parametrize("scope", ["localhost", "0", "us-east-1"])
def test_a_scope_that_names_no_region_selects_that_of_the_server(
    url: str, wire: Wire, scope: str
) -> None:
    """As that of boto 2, which takes the region from the host name."""
    register(client(url))
    credential = f"AKIDEXAMPLE/20240101/{scope}/swf/aws4_request"
    status, _, body = wire.post(
        b'{"name": "shop"}',
        **{
            "X-Amz-Target": "SimpleWorkflowService.DescribeDomain",
            "Authorization": (
                f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"
            ),
        },
    )
    assert (status, b'"shop"' in body) == (200, True)


def test_a_reset_leaves_nothing(url: str, wire: Wire) -> None:
    register(client(url))
    wire.ask("POST", "/_flowy/reset")
    found = client(url).list_domains(registrationStatus="REGISTERED")
    assert found["domainInfos"] == []


def test_health_readiness_and_metrics_are_served(url: str, wire: Wire) -> None:
    assert wire.ask("GET", "/_flowy/health") == {"status": "healthy"}
    assert wire.ask("GET", "/_flowy/ready") == {"status": "ready"}
    client(url).list_domains(registrationStatus="REGISTERED")
    wire.connection.request("GET", "/_flowy/metrics")
    assert b'operation="ListDomains"' in wire.read()[2]


def test_requests_with_another_host_name_or_origin_are_refused(wire: Wire) -> None:
    status, _, body = wire.post(b"{}", Host="evil.example")
    assert status == 403
    assert b"--allow-host evil.example" in body
    status, _, body = wire.post(b"{}", Origin="http://evil.example")
    assert status == 403
    assert b"--allow-origin" in body


def test_a_request_without_a_host_name_is_refused(wire: Wire) -> None:
    status, _, body = wire.post(b"{}", Host="")
    assert status == 403
    assert b"send a Host header" in body


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/x"), ("GET", "/_flowy/none")])
def test_an_unknown_path_is_answered_with_the_known_ones(
    wire: Wire, method: str, path: str
) -> None:
    wire.connection.request(method, path)
    status, _, body = wire.read()
    assert status == 404
    assert f"There is no {method} {path}." in json.loads(body)["error"]


def test_signatures_are_checked_where_keys_are_configured() -> None:
    with served(ServerSettings(secrets={"testing": "testing", "other": "secret"})) as (url, _):
        assert client(url).list_domains(registrationStatus="REGISTERED")["domainInfos"] == []
        forged = boto3.client(
            "swf",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="other",
            aws_secret_access_key="guess",
        )
        with pytest.raises(ClientError) as refused:
            forged.list_domains(registrationStatus="REGISTERED")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


def test_the_command_says_where_it_serves_and_answers_all_polls_when_it_is_terminated() -> None:
    command = [sys.executable, "-m", "flowy_sim", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        greeting, export = process.stdout.readline(), process.stdout.readline()
        url = export.removeprefix("export AWS_ENDPOINT_URL_SWF=").strip()
        assert url in greeting
        register(client(url))
        pollers = [Wire(url) for _ in range(100)]
        for poller in pollers:
            poller.send(json.dumps(DECISIONS).encode(), "PollForDecisionTask")
        state = Wire(url)
        wait_for(lambda: state.ask("GET", "/_flowy")["waitingPolls"] == 100)
        state.connection.close()
        process.send_signal(signal.SIGTERM)
        for poller in pollers:
            status, _, body = poller.read()
            assert (status, body) == (200, b'{"previousStartedEventId":0,"startedEventId":0}')
            poller.connection.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_before_anything_is_answered_stops_the_server(number: int) -> None:
    closed: list[str] = []

    class ClosingJournal(NullJournal):
        async def close(self) -> None:
            closed.append("cleanly")

    async def open_journal(host: object) -> NullJournal:
        signal.raise_signal(number)
        return ClosingJournal()

    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        server = Server(listener, VIRTUAL, open_journal)
        asyncio.run(server.serve(lambda: closed.append("after it had started")))
    assert closed == ["cleanly"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--clock", "fast"], "'fast'"),
        (["--limit", "pols=5"], "'pols'"),
        (["--limit", "polls"], "NAME=NUMBER"),
        (["--limit", "throttling=maybe"], "write throttling=true or throttling=false"),
        (["--start", "yesterday"], "'yesterday' is not a time; write a date such as 2024-01-31"),
        (["--poll-seconds", "-1"], "--poll-seconds"),
        (["--region", "eu west"], "'eu west' is not a region; give one such as 'eu-west-1'."),
        (["--grace", "long"], "'long' is not a valid integer."),
        (["--control-token", ""], "--control-token is empty"),
        (["--allow-origin", "localhost:3000"], "'localhost:3000' is not an origin; write one such"),
        (["--allow-host", ""], "--allow-host is empty"),
        (["--accept-loss"], "--accept-loss is for the file of --db"),
    ],
)
def test_a_wrong_option_is_reported_in_one_sentence(arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(cli, ["serve", "--port", "0", *arguments])
    assert result.exit_code == 2
    [said] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert sentence in said


def test_a_port_in_use_is_reported_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(cli, ["serve", "--port", port])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr


def test_a_file_of_keys_that_holds_none_is_refused(tmp_path: Any) -> None:
    (tmp_path / "keys.json").write_text("{}")
    result = CliRunner().invoke(cli, ["serve", "--keys", str(tmp_path / "keys.json")])
    assert result.exit_code == 2
    assert "holds no key" in result.stderr
