"""What a signature covers, what is checked before a body is read, and what is logged."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.http import PREFIX
from flowy_sim._server.metrics import AccessLogEntry
from flowy_sim._server.server import Server, listen, serving, serving_in_thread, url_of
from flowy_sim._server.settings import ServerSettings
from tests.support.http_clients import Program, Reply

KEYED = ServerSettings(secrets={"mine": "secret"}, control_token="open sesame")
BODY = b'{"registrationStatus":"REGISTERED"}'
TARGET = "SimpleWorkflowService.ListDomains"


@pytest.fixture(scope="module")
def keyed() -> Iterator[Endpoint]:
    with serving(KEYED) as endpoint:
        yield endpoint


def signed(endpoint: Endpoint, body: bytes = BODY, **headers: str) -> dict[str, str]:
    """The headers of a signed request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest("POST", endpoint.url + "/", data=body, headers=named)
    SigV4Auth(Credentials("mine", "secret"), "swf", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def post(endpoint: Endpoint, headers: dict[str, str], body: bytes = BODY, path: str = "/") -> Reply:
    program = Program(endpoint.url)
    try:
        program.connection.request("POST", path, body, headers)
        return program.receive()
    finally:
        program.hang_up()


def test_a_signed_call_is_answered(keyed: Endpoint) -> None:
    assert post(keyed, signed(keyed, X_Amz_Target=TARGET)).status == 200


@pytest.mark.parametrize(
    ("changed", "path", "body"),
    [
        ({"X-Amz-Target": "SimpleWorkflowService.TerminateWorkflowExecution"}, "/", BODY),
        ({"X-Amz-Date": "20240101T000000Z"}, "/", BODY),
        ({"Host": "localhost"}, "/", BODY),
        ({}, "/other", BODY),
        ({}, "/?x=y", BODY),
        ({}, "/", BODY + b" "),
        ({"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, "/", BODY + b" "),
    ],
)
def test_nothing_that_is_signed_can_be_changed(
    keyed: Endpoint, changed: dict[str, str], path: str, body: bytes
) -> None:
    headers = signed(keyed, X_Amz_Target=TARGET) | changed
    assert post(keyed, headers, body, path).status in (400, 403)
    assert post(keyed, headers, body, path).members["__type"].endswith("Exception")


def test_the_header_that_names_the_operation_must_be_signed(keyed: Endpoint) -> None:
    reply = post(keyed, signed(keyed) | {"X-Amz-Target": TARGET})
    assert reply.status == 400
    assert "'x-amz-target' must be a 'SignedHeader'" in str(reply.members)


def test_a_body_that_is_left_out_of_the_signature_is_refused(keyed: Endpoint) -> None:
    headers = signed(keyed, X_Amz_Target=TARGET, X_Amz_Content_SHA256="UNSIGNED-PAYLOAD")
    reply = post(keyed, headers)
    assert reply.members["__type"].endswith("InvalidSignatureException")


@pytest.mark.parametrize("path", ["/", f"{PREFIX}/clock/advance"])
@pytest.mark.parametrize("wrong", ["key", "service", "date"])
def test_what_the_head_rules_out_is_refused_before_the_body_is_there(
    keyed: Endpoint, path: str, wrong: str
) -> None:
    now = datetime.now(UTC)
    date = now - timedelta(hours=1) if wrong == "date" else now
    scope = f"{date:%Y%m%d}/us-east-1/{'s3' if wrong == 'service' else 'swf'}/aws4_request"
    parts = urlsplit(keyed.url)
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"X-Amz-Date: {date:%Y%m%dT%H%M%SZ}",
        f"Authorization: AWS4-HMAC-SHA256 Credential={'yours' if wrong == 'key' else 'mine'}"
        f"/{scope}, SignedHeaders=host, Signature=0",
        "Content-Length: 1000000",
        "",
        "",
    ]
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert re.match(rb"HTTP/1.1 40[03] ", connection.recv(1000))


@pytest.mark.parametrize(
    "path",
    [
        "/%5fflowy/reset",
        "/_flowy/./reset",
        "//_flowy/reset",
        "/x/../_flowy/reset",
        "/_flowy/reset/",
        "/_flowy%2freset",
        "/x/_flowy/reset",
        "/_flowy/reset?account=111122223333&account=123456789012",
        "/_FLOWY/reset",
    ],
)
def test_no_spelling_of_a_path_avoids_the_checks(keyed: Endpoint, path: str) -> None:
    def listed() -> Any:
        found = Endpoint(keyed.url, "open sesame").ask("GET", "/simulations")["simulations"]
        return [(each["simulation"], each["account"], each["changes"]) for each in found]

    before = listed()
    assert post(keyed, {"Host": "localhost"}, b"{}", path).status in (307, 400, 403, 404)
    assert listed() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost@evil.example"},
        {"Host": "0x7f000001"},
    ],
)
@pytest.mark.parametrize("path", ["/", f"{PREFIX}/reset", f"{PREFIX}/clock/advance"])
def test_no_page_of_another_origin_can_act(
    real: Endpoint, headers: dict[str, str], path: str
) -> None:
    """A page can send a form, whatever the path; it cannot set the headers that mark it."""
    sent = {"Content-Type": "text/plain", "X-Amz-Target": TARGET, **headers}
    assert post(real, sent, BODY, path).status == 403


def test_every_request_is_logged_and_counted_with_what_was_asked() -> None:
    entries: list[AccessLogEntry] = []
    listener = listen("127.0.0.1", 0)
    server = Server(listener, ServerSettings(), observers=[entries.append])
    with serving_in_thread(server):
        endpoint = Endpoint(url_of(listener))
        endpoint.reset()
        scope = "KEY/20240101/us-east-1/dynamodb/aws4_request"
        other = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        asked: list[tuple[dict[str, str], str]] = [
            ({}, "/no/such/path"),
            ({"Host": "evil.example"}, "/"),
            ({"Origin": "http://evil.example"}, "/"),
            ({"X-Amz-Target": "DynamoDB_20120810.PutItem", "Authorization": other}, "/"),
        ]
        for headers, path in asked:
            post(endpoint, headers, b"{}", path)
        program = Program(endpoint.url)
        program.connection.request("GET", f"{PREFIX}/metrics")
        metrics = program.receive().body.decode()
        program.hang_up()

    known: list[dict[str, Any]] = [json.loads(json.dumps(entry._asdict())) for entry in entries]
    assert [(entry["method"], entry["path"], entry["status"]) for entry in known] == [
        ("POST", f"{PREFIX}/reset", 200),
        ("POST", "/no/such/path", 404),
        ("POST", "/", 403),
        ("POST", "/", 403),
        ("POST", "/", 400),
        ("GET", f"{PREFIX}/metrics", 200),
    ]
    unknown = known[4]
    assert unknown["outcome"] == "UnknownOperationException"
    assert (unknown["target"], unknown["service"]) == ("DynamoDB_20120810.PutItem", "dynamodb")
    for operation, outcome, number in (
        ("control", "OK", 1),
        ("unknown", "404", 1),
        ("unknown", "AccessDeniedException", 2),
        ("unknown", "UnknownOperationException", 1),
    ):
        line = f'_total{{operation="{operation}",outcome="{outcome}"}} {number}.0'
        assert line in metrics
