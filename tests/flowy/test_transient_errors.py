"""A worker ends only for something that waiting does not fix: a table of faults and statuses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from click.testing import CliRunner

from flowy import ActivityWorker, WorkflowWorker, executions, outcome, start
from flowy._cli import cli
from flowy._client import _ALWAYS_PRESENT, _IN_EVERY_TASK, Execution, IncompleteReply, SwfClient
from flowy._workers.loop import is_transient
from flowy.workers import Worker
from tests.support.example_workflows import Chain, Double
from tests.support.worker_loops import DOMAIN

WAIT, END = True, False

# Code of the fault, status: what a worker does. A code that consists of the status alone is what
# botocore makes of an answer without a body that it can read, such as that of a proxy.
TABLE: dict[tuple[str, int], bool] = {
    # Amazon SWF's own faults.
    ("DefaultUndefinedFault", 400): END,
    ("DomainAlreadyExistsFault", 400): END,
    ("DomainDeprecatedFault", 400): END,
    ("LimitExceededFault", 400): WAIT,
    ("OperationNotPermittedFault", 400): END,
    ("TooManyTagsFault", 400): END,
    ("TypeAlreadyExistsFault", 400): END,
    ("TypeDeprecatedFault", 400): END,
    ("TypeNotDeprecatedFault", 400): END,
    ("UnknownResourceFault", 400): END,
    ("WorkflowExecutionAlreadyStartedFault", 400): END,
    # Those that all services of AWS share.
    ("AccessDeniedException", 400): END,
    ("IncompleteSignature", 400): END,
    ("InvalidSignatureException", 403): END,
    ("InvalidClientTokenId", 403): END,
    ("MissingAuthenticationToken", 403): END,
    ("OptInRequired", 403): END,
    ("UnrecognizedClientException", 400): END,
    ("UnknownOperationException", 400): END,
    ("SerializationException", 400): END,
    ("ValidationError", 400): END,
    ("ValidationException", 400): END,
    ("ExpiredToken", 400): WAIT,
    ("ExpiredTokenException", 400): WAIT,
    ("RequestExpired", 400): WAIT,
    ("RequestTimeTooSkewed", 403): WAIT,
    ("InternalFailure", 500): WAIT,
    ("InternalServerError", 500): WAIT,
    ("InternalError", 400): WAIT,
    ("RequestAbortedException", 400): WAIT,
    ("RequestTimeout", 400): WAIT,
    ("RequestTimeoutException", 400): WAIT,
    ("ServiceUnavailable", 503): WAIT,
    ("ServiceUnavailableException", 400): WAIT,
    # Throttling, as botocore knows it.
    ("BandwidthLimitExceeded", 400): WAIT,
    ("LimitExceededException", 400): WAIT,
    ("PriorRequestNotComplete", 400): WAIT,
    ("ProvisionedThroughputExceededException", 400): WAIT,
    ("RequestLimitExceeded", 400): WAIT,
    ("RequestThrottled", 400): WAIT,
    ("RequestThrottledException", 400): WAIT,
    ("SlowDown", 400): WAIT,
    ("ThrottledException", 400): WAIT,
    ("Throttling", 400): WAIT,
    ("ThrottlingException", 400): WAIT,
    ("TooManyRequestsException", 400): WAIT,
    # Proxies and load balancers.
    ("301", 301): END,
    ("400", 400): END,
    ("401", 401): END,
    ("403", 403): END,
    ("404", 404): END,
    ("405", 405): END,
    ("407", 407): END,
    ("408", 408): WAIT,
    ("413", 413): END,
    ("425", 425): WAIT,
    ("429", 429): WAIT,
    ("500", 500): WAIT,
    ("501", 501): WAIT,
    ("502", 502): WAIT,
    ("503", 503): WAIT,
    ("504", 504): WAIT,
    ("520", 520): WAIT,
    ("Unknown", 429): WAIT,
    ("Unknown", 599): WAIT,
}

NOWHERE = "http://127.0.0.1:1"

EXCEPTIONS: list[tuple[Exception, bool]] = [
    (BrokenPipeError(), WAIT),
    (ConnectionClosedError(endpoint_url=NOWHERE), WAIT),
    (ConnectionRefusedError(), WAIT),
    (ConnectionResetError(), WAIT),
    (EndpointConnectionError(endpoint_url=NOWHERE), WAIT),
    (IncompleteReadError(actual_bytes=1, expected_bytes=2), WAIT),
    (ReadTimeoutError(endpoint_url=NOWHERE), WAIT),
    (ResponseParserError("cut off"), WAIT),
    (SSLError(endpoint_url=NOWHERE, error="EOF"), WAIT),
    (TimeoutError(), WAIT),
    (FileNotFoundError("no certificates"), END),
    (PermissionError("not allowed"), END),
    (NoCredentialsError(), END),
    (NoRegionError(), END),
    (ParamValidationError(report="no"), END),
    (TypeError("a defect of the client"), END),
]


def fault(code: str, status: int, message: str = "") -> ClientError:
    error = {"Code": code, "Message": message}
    response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PollForActivityTask")


UNKNOWN = fault("UnknownResourceFault", 400)

SKEWED = [
    "Signature expired: 20240101T000000Z is now earlier than 20240101T001500Z",
    "Signature not yet current: 20240101T003000Z is still later than 20240101T001500Z",
]

ROWS = [
    *((fault("InvalidSignatureException", 403, message), WAIT) for message in SKEWED),
    *((fault(*row), expected) for row, expected in TABLE.items()),
    *EXCEPTIONS,
]


class Once:
    """A client whose first call of one operation is answered by a function."""

    def __init__(self, client: Any, operation: str, first: Callable[[], Any]) -> None:
        self._client = client
        self._operation = operation
        self._first: Callable[[], Any] | None = first

    def __getattr__(self, name: str) -> Any:
        if name != self._operation or self._first is None:
            return getattr(self._client, name)
        first, self._first = self._first, None
        return lambda **request: first()


def raising(error: Exception) -> Callable[[], Any]:
    def first() -> Any:
        raise error

    return first


def stopped_at_first_wait(make: Callable[[Any], Worker]) -> tuple[Worker, list[float]]:
    seconds: list[float] = []

    def wait(event: Any, limit: float) -> bool:
        seconds.append(limit)
        worker.stop()
        return True

    worker = make(wait)
    return worker, seconds


def test_the_table_has_every_fault_of_the_service() -> None:
    model = botocore.session.get_session().get_service_model("swf")
    assert {shape.name for shape in model.error_shapes} <= {code for code, _ in TABLE}


def test_the_table_has_every_code_that_botocore_repeats() -> None:
    from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

    repeated = {
        *ThrottledRetryableChecker._THROTTLED_ERROR_CODES,
        *TransientRetryableChecker._TRANSIENT_ERROR_CODES,
    }
    # EC2's and DynamoDB's transactions' own.
    repeated -= {"EC2ThrottledException", "TransactionInProgressException"}
    assert {code for code in repeated if TABLE.get((code, 400)) is not WAIT} == set()


@pytest.mark.parametrize(("error", "waits"), ROWS, ids=repr)
@pytest.mark.parametrize("kind", ["activity", "workflow"])
def test_a_worker_waits_or_ends_as_the_table_says(
    simulated: Any, kind: str, error: Exception, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert is_transient(error) is waits

    def make(wait: Any) -> Worker:
        if kind == "activity":
            client: Any = Once(simulated, "poll_for_activity_task", raising(error))
            return ActivityWorker(client, DOMAIN, "numbers", [Double], wait=wait)
        client = Once(simulated, "poll_for_decision_task", raising(error))
        return WorkflowWorker(client, DOMAIN, "decisions", [Chain], wait=wait)

    worker, seconds = stopped_at_first_wait(make)
    if waits:
        worker.loop()
        assert 0.5 <= seconds[0] <= 1
        assert f"{kind} worker on " in caplog.text
    else:
        with pytest.raises(type(error)):
            worker.loop()
        assert not seconds


@pytest.mark.parametrize("reply", [{}, {"ResponseMetadata": {"HTTPStatusCode": 200}}])
@pytest.mark.parametrize("kind", ["activity", "workflow"])
def test_an_empty_reply_to_a_poll_is_a_broken_connection(
    simulated: Any, kind: str, reply: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def make(wait: Any) -> Worker:
        if kind == "activity":
            client: Any = Once(simulated, "poll_for_activity_task", lambda: reply)
            return ActivityWorker(client, DOMAIN, "numbers", [Double], wait=wait)
        client = Once(simulated, "poll_for_decision_task", lambda: reply)
        return WorkflowWorker(client, DOMAIN, "decisions", [Chain], wait=wait)

    worker, seconds = stopped_at_first_wait(make)
    worker.loop()
    assert len(seconds) == 1
    assert "is empty or cut off: it has no startedEventId; next poll in" in caplog.text


def test_botocore_reads_a_reply_that_is_cut_off_as_one_without_members() -> None:
    from botocore.parsers import create_parser

    operation = (
        botocore.session.get_session()
        .get_service_model("swf")
        .operation_model("PollForActivityTask")
    )
    for body in (b"", b'{"startedEventId":0', b"{"):
        raw = {"body": body, "headers": {}, "status_code": 200}
        assert "startedEventId" not in create_parser("json").parse(raw, operation.output_shape)


TASK = {
    "taskToken": "token",
    "startedEventId": 5,
    "activityId": "1",
    "activityType": {"name": "double", "version": "1"},
    "workflowType": {"name": "chain", "version": "1"},
    "workflowExecution": {"workflowId": "order-1", "runId": "run"},
    "events": [],
}


def without(path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield tasks that lack a member, or that have something else where it would be."""
    for depth in range(len(path)):
        for other in (None, "text", []) if depth < len(path) - 1 else ():
            reply = deepcopy(TASK)
            reply[path[0]] = other
            yield reply
        reply = deepcopy(TASK)
        place: Any = reply
        for name in path[:depth]:
            place = place[name]
        del place[path[depth]]
        yield reply


@pytest.mark.parametrize("operation", sorted(_IN_EVERY_TASK))
def test_a_task_without_one_of_its_members_is_a_broken_connection(operation: str) -> None:
    for path in _IN_EVERY_TASK[operation]:
        for reply in without(path):
            client: Any = Once(None, operation, lambda reply=reply: reply)
            worker: Worker = (
                ActivityWorker(client, DOMAIN, "numbers", [Double])
                if "activity" in operation
                else WorkflowWorker(client, DOMAIN, "decisions", [Chain])
            )
            with pytest.raises(IncompleteReply, match=rf"{operation} has no \w+$"):
                worker.run_once()


def test_what_is_expected_of_every_task_is_documented() -> None:
    model = botocore.session.get_session().get_service_model("swf")
    shapes = {
        xform_name(name): model.operation_model(name).output_shape for name in model.operation_names
    }
    for operation, paths in _IN_EVERY_TASK.items():
        for path in paths:
            shape = shapes[operation]
            for member in path:
                assert member in shape.required_members
                shape = shape.members[member]


UNREADABLE = [
    b"",
    b"{}",
    b'{"startedEventId":0,"previ',
    '{"startedEventId":3,"taskToken":"é'.encode()[:-1],
    b"\xff\xfe",
    b"null",
    b"[]",
    b"1",
    b'"text"',
    b"NaN",
    b"<html>502</html>",
    b"[" * 100_000,
    b'{"startedEventId":' + b"1" * 5_000 + b"}",
]


def answering(body: bytes, status: int = 200) -> Any:
    """Return a client of boto3 whose requests are all answered alike, without a network."""

    class Raw:
        def stream(self) -> list[bytes]:
            return [body]

    client = boto3.client(
        "swf",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register(
        "before-send", lambda request, **_: AWSResponse(request.url, status, {}, Raw())
    )
    return client


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body[:30]))
@pytest.mark.parametrize("kind", ["activity", "workflow"])
def test_a_reply_that_cannot_be_read_is_a_broken_connection(
    kind: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def make(wait: Any) -> Worker:
        if kind == "activity":
            return ActivityWorker(answering(body), DOMAIN, "numbers", [Double], wait=wait)
        return WorkflowWorker(answering(body), DOMAIN, "decisions", [Chain], wait=wait)

    worker, seconds = stopped_at_first_wait(make)
    worker.loop()
    assert len(seconds) == 1
    assert f"the reply to poll_for_{'activity' if kind == 'activity' else 'decision'}_task " in (
        caplog.text
    )


@pytest.mark.parametrize("body", [b"null", b'["a"]', b'{"__type":5}', b"\xff"])
def test_a_fault_that_cannot_be_read_is_a_broken_connection(body: bytes) -> None:
    with pytest.raises(IncompleteReply, match="the reply to poll_for_activity_task cannot be read"):
        ActivityWorker(answering(body, 400), DOMAIN, "numbers", [Double]).run_once()


def test_every_operation_with_a_reply_has_a_member_that_is_checked() -> None:
    model = botocore.session.get_session().get_service_model("swf")
    called = {name for name in vars(SwfClient) if not name.startswith("_")}
    shapes = {
        xform_name(name): model.operation_model(name).output_shape for name in model.operation_names
    }
    replied = {name: shapes[name].members for name in called if shapes[name] is not None}
    assert replied.keys() == _ALWAYS_PRESENT.keys()
    for name, member in _ALWAYS_PRESENT.items():
        assert member in replied[name]


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: start(client, DOMAIN, Chain, 1, 2),
        lambda client: outcome(client, DOMAIN, Execution("one", "run")),
        lambda client: list(executions.list_executions(client, DOMAIN)),
        lambda client: executions.latest(client, DOMAIN, "one"),
        lambda client: executions.describe(client, DOMAIN, Execution("one", "run")),
        lambda client: executions.history(client, DOMAIN, Execution("one", "run")),
    ],
)
def test_whoever_asks_about_executions_learns_that_a_reply_is_cut_off(
    ask: Callable[[Any], Any],
) -> None:
    with pytest.raises(ConnectionError, match="is empty or cut off: it has no "):
        ask(answering(b'{"ru'))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: list(executions.list_executions(client, DOMAIN)),
        lambda client: executions.history(client, DOMAIN, Execution("one", "run")),
        lambda client: executions.history(client, DOMAIN, Execution("one", "run"), after=5),
    ],
)
def test_whoever_asks_for_pages_learns_that_they_do_not_end(ask: Callable[[Any], Any]) -> None:
    with pytest.raises(ConnectionError, match="do not end: one names itself as the next"):
        ask(answering(b'{"events":[],"executionInfos":[],"nextPageToken":"again"}'))


def test_a_worker_whose_registration_gets_an_unreadable_fault_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker, seconds = stopped_at_first_wait(
        lambda wait: ActivityWorker(
            Once(answering(b"null", 400), "describe_activity_type", raising(UNKNOWN)),  # type: ignore[arg-type]
            DOMAIN,
            "numbers",
            [Double],
            wait=wait,
        )
    )
    worker.register()
    assert len(seconds) == 1
    assert "the reply to register_activity_type cannot be read" in caplog.text


@pytest.mark.parametrize(
    "words",
    [
        ("register-domain", "d"),
        ("list", "--domain", "d"),
        ("start", "--domain", "d", "w:1"),
        ("signal", "--domain", "d", "one", "s"),
    ],
)
def test_a_command_shows_an_unreadable_fault_as_a_message(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowy._cli.common.connect", lambda *_: answering(b"null", 400))
    ran = CliRunner().invoke(cli, words)
    assert ran.exit_code == 1
    assert ran.output.startswith("Error: the reply to ")
    assert "cannot be read" in ran.output


def test_a_heartbeat_with_an_empty_reply_counts_as_lost(
    simulated: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = Once(simulated, "record_activity_task_heartbeat", dict)
    worker = ActivityWorker(client, DOMAIN, "numbers", [Double])
    task = {
        "taskToken": "t",
        "activityId": "double-1",
        "activityType": {"name": "double", "version": "1"},
        "workflowExecution": {"workflowId": "one", "runId": "r"},
    }
    heard = worker._heartbeat(task, None)
    assert not heard.missed
    assert "one: double-1 (double 1): a heartbeat was lost" in caplog.text


def test_a_worker_that_starts_before_the_service_waits_for_it(
    simulated: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seconds: list[float] = []

    def wait(event: Any, limit: float) -> bool:
        seconds.append(limit)
        return False

    class Starting:
        def __getattr__(self, name: str) -> Any:
            if len(seconds) < 8:
                raise EndpointConnectionError(endpoint_url=NOWHERE)
            return getattr(simulated, name)

    worker = ActivityWorker(Starting(), DOMAIN, "numbers", [Double], wait=wait)  # type: ignore[arg-type]
    worker.register()
    assert len(seconds) == 8
    assert seconds == sorted(seconds[:6]) + seconds[6:]
    assert max(seconds) <= 60
    assert f"activity types in {DOMAIN} are not registered yet: Could not connect" in caplog.text
    assert simulated.describe_activity_type(
        domain=DOMAIN, activityType={"name": "double", "version": "1"}
    )


def test_a_worker_that_is_stopped_waits_no_longer() -> None:
    class Down:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionRefusedError

    worker, seconds = stopped_at_first_wait(
        lambda wait: ActivityWorker(Down(), DOMAIN, "numbers", [Double], wait=wait)  # type: ignore[arg-type]
    )
    worker.register()
    worker.run()
    assert len(seconds) == 1


@pytest.mark.parametrize("error", [fault("LimitExceededFault", 400), fault("AccessDenied", 400)])
def test_registering_does_not_wait_for_what_waiting_does_not_fix(
    simulated: Any, error: Exception
) -> None:
    client: Any = Once(simulated, "register_activity_type", raising(error))
    with pytest.raises(type(error)):
        ActivityWorker(client, DOMAIN, "numbers", [Double]).register()


def test_no_wait_ends_the_command_if_the_service_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    level = logging.getLogger("botocore").level
    try:
        ran = CliRunner().invoke(
            cli,
            [
                *("worker", "--no-wait", "--domain", "d", "--task-list", "t"),
                *("--endpoint-url", NOWHERE, "tests.support.example_workflows"),
            ],
        )
    finally:
        logging.getLogger("botocore").setLevel(level)
    assert ran.exit_code == 1
    assert "is a service running there?" in ran.output
