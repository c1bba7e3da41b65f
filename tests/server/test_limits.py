"""Limits of requests, connections and simulations, and which clients are accepted."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from flowy_sim._server.endpoint import Endpoint, EndpointError
from flowy_sim._server.http import MAX_BODY, MAX_HEAD
from flowy_sim._server.request_guard import ForbiddenError, Guard
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from tests.support.http_clients import DECISIONS, Program, wait_until

Make = Callable[..., Program]

REGISTERED = {"registrationStatus": "REGISTERED"}
HERE = {"host": "127.0.0.1:4567"}


def opened(endpoint: Endpoint) -> socket.socket:
    """A connection on which bytes are sent by hand."""
    parts = urlsplit(endpoint.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


def everything(connection: socket.socket) -> bytes:
    """Everything that arrives before the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass  # It closes connections on which it does not read everything that was sent.
    return b"".join(parts)


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


# One request


@pytest.mark.parametrize(
    "announced", [str(MAX_BODY + 1), "9" * 30, "1e3"], ids=["one byte", "many digits", "no number"]
)
def test_a_body_declared_as_too_large_is_refused_unread(real: Endpoint, announced: str) -> None:
    with opened(real) as connection:
        connection.sendall(head(f"Content-Length: {announced}"))
        status = connection.recv(65_536).partition(b"\r\n")[0]
    assert status.split()[1] in (b"400", b"413")


def test_a_body_in_chunks_without_end_is_refused(real: Endpoint) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with opened(real) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        for _ in range(MAX_BODY // 0x10000 + 1):
            connection.sendall(chunk)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_is_too_large_is_refused_with_a_fault_that_says_so(
    real: Endpoint, program: Make
) -> None:
    reply = program(real).post("ListDomains", b" " * (MAX_BODY + 1))
    assert reply.status == 413
    assert reply.members == {
        "__type": "com.amazon.coral.service#RequestEntityTooLargeException",
        "message": f"HTTP content length exceeded {MAX_BODY} bytes.",
    }


@pytest.mark.parametrize(
    ("path", "headers", "sentence"),
    [
        ("", {"Content-Encoding": "gzip"}, "The body is compressed with gzip, which Amazon SWF"),
        ("", {"Content-Type": "application/x-amz-cbor-1.1"}, "The body is CBOR, which Amazon SWF"),
        (
            "/service/SimpleWorkflowService/operation/ListDomains",
            {"Smithy-Protocol": "rpc-v2-cbor"},
            "The body is CBOR, which Amazon SWF",
        ),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_a_fault_that_says_what_it_is(
    real: Endpoint, program: Make, path: str, headers: dict[str, str], sentence: str
) -> None:
    caller = program(real)
    caller.path += path
    reply = caller.post("ListDomains", b"\xbf\xff", **headers)
    assert reply.status == 400
    assert reply.members["__type"] == "com.amazon.coral.service#SerializationException"
    assert reply.members["Message"].startswith(sentence)


UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ")


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("cut", range(0, 300, 7))
def test_a_request_that_asks_for_http_2_is_answered_in_http_1_1(
    real: Endpoint, framing: str, cut: int
) -> None:
    body = json.dumps(REGISTERED).encode()
    lines = [*UPGRADE, "X-Amz-Target: SimpleWorkflowService.ListDomains"]
    if framing == "length":
        request = head(*lines, f"Content-Length: {len(body)}") + body
    else:
        request = head(*lines, "Transfer-Encoding: chunked")
        request += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with opened(real) as connection:
        for part in (request[:cut], request[cut:], request):  # The connection stays open.
            connection.sendall(part)
        answers = b""
        while answers.count(b'{"domainInfos":[]}') < 2:
            received = connection.recv(65_536)
            assert received, answers
            answers += received
    assert answers.count(b"HTTP/1.1 200 OK") == 2


def test_a_request_to_a_proxy_is_refused(real: Endpoint) -> None:
    with opened(real) as connection:
        connection.sendall(b"CONNECT example.org:80 HTTP/1.1\r\nHost: example.org\r\n\r\n")
        assert b"This server is not a proxy" in everything(connection)


def test_a_body_of_the_maximum_size_is_accepted(real: Endpoint, program: Make) -> None:
    request = json.dumps(REGISTERED).encode()
    reply = program(real).post("ListDomains", request + b" " * (MAX_BODY - len(request)))
    assert reply.members == {"domainInfos": []}


def test_a_head_that_arrives_at_once_has_the_same_limit(real: Endpoint, program: Make) -> None:
    assert program(real).post("ListDomains", REGISTERED, Long="x" * 64_000).status == 200
    assert program(real).post("ListDomains", REGISTERED, Long="x" * 65_536).status == 431


def test_a_head_without_end_is_refused(real: Endpoint) -> None:
    with opened(real) as connection:
        connection.sendall(head("X-Long: " + "x" * 2 * MAX_HEAD)[:-4])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 431 ")


def test_an_unfinished_request_does_not_block_others(real: Endpoint, program: Make) -> None:
    with opened(real) as slow:
        slow.sendall(head("Content-Length: 100") + b"{")
        assert program(real).call("ListDomains", **REGISTERED) == {"domainInfos": []}


def test_the_content_of_a_request_is_neither_run_nor_used_as_a_path(
    real: Endpoint, program: Make
) -> None:
    code = "__import__('os').abort()"
    caller = program(real)
    for text in (code, "../../etc/passwd", "cos\nsystem\n(S'true'\ntR.", "${jndi:ldap://x}"):
        assert caller.post("RegisterDomain", {"name": text}).status == 400
        assert caller.post(text.partition("\n")[0], {}).status == 400
    caller.path = "/../../etc/passwd"
    assert caller.post("ListDomains", REGISTERED).status == 404


# Connections


def test_connections_are_limited(program: Make) -> None:
    with serving(ServerSettings(max_connections=2)) as endpoint:
        first, second, third = (program(endpoint) for _ in range(3))
        for caller in (first, second):
            assert caller.call("ListDomains", **REGISTERED) == {"domainInfos": []}
        with opened(endpoint) as refused:
            answer = everything(refused)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"--max-connections" in answer
        assert second.call("ListDomains", **REGISTERED) == {"domainInfos": []}
        first.hang_up()

        def has_room() -> bool:
            try:
                return third.post("ListDomains", REGISTERED).status == 200
            except OSError:
                third.hang_up()
                return False

        wait_until(has_room)


# Simulations


def test_simulations_are_limited(program: Make) -> None:
    with serving(ServerSettings(max_simulations=2)) as endpoint:
        for name in ("suite-a", "suite-b"):
            program(endpoint.named(name)).prepare()
        reply = program(endpoint.named("suite-c")).post("ListDomains", REGISTERED)
        assert reply.members["__type"] == "com.amazonaws.swf.base.model#LimitExceededFault"
        with pytest.raises(EndpointError, match="There are 2 simulations already; remove one"):
            endpoint.named("suite-c").reset()
        endpoint.named("suite-a").remove()
        program(endpoint.named("suite-c")).prepare()


def test_the_log_says_where_a_domain_is_that_a_call_does_not_find(
    real: Endpoint, program: Make, caplog: pytest.LogCaptureFixture
) -> None:
    program(real).prepare()
    other = real.named("elsewhere")
    for _ in range(2):
        assert program(other).post("PollForDecisionTask", DECISIONS).status == 400
    name = real.url.rpartition("/")[2]
    assert caplog.messages == [
        "A call names the domain 'shop', which us-east-1 of the simulation 'elsewhere' of account "
        f"123456789012 does not have, but us-east-1 of the simulation '{name}' of account "
        "123456789012 does. Check the region, the path of the endpoint, and the account that the "
        "client uses."
    ]
    other.remove()


def test_the_log_says_how_to_have_more_domains(
    real: Endpoint, program: Make, caplog: pytest.LogCaptureFixture
) -> None:
    real.reset(limits={"domains": 1})
    caller = program(real)
    days = {"workflowExecutionRetentionPeriodInDays": "1"}
    assert [caller.post("RegisterDomain", {"name": each, **days}).status for each in "abc"] == [
        200,
        400,
        400,
    ]
    [message] = caplog.messages
    assert message.endswith(
        "has 1 domains, the limit. Raise it, for example with --limit domains=10000, or reset the "
        "simulation between tests."
    )


def test_each_account_among_the_access_keys_has_a_simulation_of_its_own(
    real: Endpoint, program: Make
) -> None:
    accounts = ("111122223333", "444455556666")
    program(real, access_key=accounts[0]).prepare()
    replies = [
        program(real, access_key=access_key).call("ListDomains", **REGISTERED)
        for access_key in (*accounts, "AKIDEXAMPLE")
    ]
    assert [len(reply["domainInfos"]) for reply in replies] == [1, 0, 0]
    for account in accounts:
        real.ask("DELETE", f"?account={account}")


def test_a_reset_affects_one_simulation_only(real: Endpoint, program: Make) -> None:
    other = real.named("beside")
    for endpoint in (real, other):
        program(endpoint).prepare()
    real.reset()
    assert program(real).call("ListDomains", **REGISTERED)["domainInfos"] == []
    assert len(program(other).call("ListDomains", **REGISTERED)["domainInfos"]) == 1
    other.remove()


# From whom


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        (ServerSettings(), True),
        (ServerSettings(allow_remote=True), False),
        (ServerSettings(secrets={"key": "secret"}), False),
    ],
)
def test_other_machines_are_accepted_if_they_sign_or_all_are_allowed(
    settings: ServerSettings, refused: bool
) -> None:
    guard = Guard(settings)
    guard.check("127.0.0.1", HERE)
    if refused:
        with pytest.raises(ForbiddenError, match=r"--allow-remote .* --keys"):
            guard.check("192.0.2.1", HERE)
    else:
        guard.check("192.0.2.1", HERE)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:4567", True),
        ("swf.localhost", True),
        ("[::1]:4567", True),
        ("10.1.2.3", True),
        ("SWF.example:80", True),
        ("rebound.example", False),
        ("127.0.0.1.rebound.example", False),
        ("localhost.rebound.example", False),
        ("[", False),
    ],
)
def test_the_server_accepts_its_addresses_and_the_names_it_was_given(
    host: str, known: bool
) -> None:
    guard = Guard(ServerSettings(hosts=("swf.example",)))
    if known:
        guard.check("127.0.0.1", {"host": host})
    else:
        with pytest.raises(ForbiddenError):
            guard.check("127.0.0.1", {"host": host})


def test_web_pages_of_allowed_origins_may_call(program: Make) -> None:
    with serving(ServerSettings(origins=("http://localhost:3000",))) as endpoint:
        caller = program(endpoint)
        welcome = caller.post("ListDomains", REGISTERED, Origin="http://localhost:3000")
        assert welcome.status == 200
        assert welcome.headers["access-control-allow-origin"] == "http://localhost:3000"
        stranger = caller.post("ListDomains", REGISTERED, Origin="http://evil.example")
        assert stranger.status == 403
        assert "access-control-allow-origin" not in stranger.headers


def test_no_web_page_gets_an_answer_unless_its_origin_is_allowed(
    real: Endpoint, program: Make
) -> None:
    caller = program(real)
    caller.connection.request("OPTIONS", "/", headers={"Origin": "http://localhost:3000"})
    reply = caller.receive()
    assert reply.status == 403
    assert not [name for name in reply.headers if name.startswith("access-control")]
