"""Connections: pipelines, clients that hang up or never finish, and what is left of them."""

from __future__ import annotations

import gc
import json
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from flowy_sim._server import request_reader
from flowy_sim._server.connections import ClientIdentity, Connection
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.http import MAX_BODY, HttpRequest
from flowy_sim._server.http_presence import ConnectionPresence
from flowy_sim._server.served_simulation import ServedSimulation
from flowy_sim._server.server import new_event_loop, serving
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.regions import DECISION_POLL, TaskList
from flowy_sim._simulation.settings import Settings
from tests.support.http_clients import (
    DECISIONS,
    DOMAIN,
    ORDER,
    Program,
    wait_for_polls,
    wait_until,
)

Make = Callable[..., Program]


def opened(endpoint: Endpoint) -> socket.socket:
    parts = urlsplit(endpoint.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


def request(endpoint: Endpoint, operation: str, members: object, *lines: str) -> bytes:
    body = json.dumps(members).encode()
    head = [
        f"POST {urlsplit(endpoint.url).path or '/'} HTTP/1.1",
        "Host: 127.0.0.1",
        f"X-Amz-Target: SimpleWorkflowService.{operation}",
        f"Content-Length: {len(body)}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def everything(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def starts(endpoint: Endpoint, numbers: Iterator[int] | range) -> bytes:
    return b"".join(
        request(
            endpoint,
            "StartWorkflowExecution",
            {"domain": DOMAIN, "workflowId": f"order-{number}", "workflowType": ORDER},
        )
        for number in numbers
    )


@pytest.mark.parametrize("closing", [True, False], ids=["and closes its side", "and waits"])
def test_a_batch_of_requests_is_answered_completely_and_in_order(
    real: Endpoint, program: Make, closing: bool
) -> None:
    program(real).prepare()
    last = request(real, "DescribeDomain", {"name": "none"}, "Connection: close")
    with opened(real) as connection:
        connection.sendall(starts(real, range(500)) + last)
        if closing:
            connection.shutdown(socket.SHUT_WR)
        answer = everything(connection)

    assert answer.count(b"HTTP/1.1 200 OK") == 500
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert answer.endswith(b'"Unknown domain: none"}')


def test_a_batch_with_control_requests_between_calls_is_answered_in_order(real: Endpoint) -> None:
    path = urlsplit(real.url).path
    asked = [
        request(real, "ListDomains", {"registrationStatus": "REGISTERED"}),
        f"GET {path}/_flowy/clock HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(),
        request(real, "DescribeDomain", {"name": "none"}),
        b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    ]
    with opened(real) as connection:
        connection.sendall(b"".join(asked))
        answer = everything(connection)

    found = [
        answer.index(part)
        for part in (b'"domainInfos"', b'"mode"', b"Unknown domain", b"HTTP/1.1 404")
    ]
    assert found == sorted(found)


def test_a_batch_that_comes_byte_by_byte_is_answered(real: Endpoint) -> None:
    asked = request(real, "ListDomains", {"registrationStatus": "REGISTERED"})
    with opened(real) as connection:
        for byte in asked + asked[:-1]:
            connection.sendall(bytes([byte]))
        connection.sendall(asked[-1:])
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection).count(b'{"domainInfos":[]}') == 2


def test_a_poll_whose_client_has_gone_takes_no_waiting_task_with_it(
    real: Endpoint, program: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_busy, has_hung_up = threading.Event(), threading.Event()
    really_call = ServedSimulation.call

    def call(simulation: ServedSimulation, operation: str, *arguments: Any) -> Any:
        if operation == "DescribeDomain":
            is_busy.set()
            assert has_hung_up.wait(60)
        return really_call(simulation, operation, *arguments)

    monkeypatch.setattr(ServedSimulation, "call", call)
    starter = program(real)
    starter.prepare()
    for number in range(40):
        starter.start(f"order-{number}")
        with opened(real) as busy, opened(real) as gone:
            busy.sendall(request(real, "DescribeDomain", {"name": DOMAIN}))
            assert is_busy.wait(60)
            gone.sendall(request(real, "PollForDecisionTask", DECISIONS))
            gone.close()
            has_hung_up.set()
            task = starter.call("PollForDecisionTask", **DECISIONS)
            assert task["workflowExecution"]["workflowId"] == f"order-{number}"
        is_busy.clear()
        has_hung_up.clear()


def test_an_unfinished_request_is_given_up(program: Make) -> None:
    with serving(ServerSettings(request_seconds=0.2)) as endpoint:
        whole = request(endpoint, "ListDomains", {"registrationStatus": "REGISTERED"})
        for part in (whole[:-1], whole[:30], b"P"):
            with opened(endpoint) as slow:
                slow.sendall(part)
                assert everything(slow).startswith(b"HTTP/1.1 408 ")
        # An idle connection, and one whose poll waits, are not unfinished.
        waiting, idle = program(endpoint), program(endpoint)
        idle.prepare()
        waiting.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(endpoint, 1)
        with opened(endpoint) as slow:
            slow.sendall(b"POST")
            everything(slow)
        idle.start()
        assert waiting.receive().members["startedEventId"] == 3


def test_all_bodies_count_against_one_total(
    real: Endpoint, program: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_reader, "MAX_BODIES", 3 * MAX_BODY)
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {MAX_BODY}\r\n\r\n".encode()
    held = [opened(real) for _ in range(4)]
    for each in held:
        each.sendall(head + bytes(MAX_BODY - 1))
    refused, _, _ = select.select(held, [], [], 60)
    assert refused[0].recv(100).startswith(b"HTTP/1.1 503 ")
    for each in held:
        each.close()

    def has_room() -> bool:
        return program(real).post("ListDomains", b" " * MAX_BODY).status == 400

    wait_until(has_room)


def test_requests_that_wait_behind_a_poll_are_not_all_read_into_memory_and_all_answered(
    program: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    bodies: list[request_reader.Bodies] = []

    class Watched(request_reader.Bodies):
        def __init__(self) -> None:
            super().__init__()
            bodies.append(self)

        def __setattr__(self, name: str, value: int) -> None:
            super().__setattr__(name, value)
            seen.append(value)

    monkeypatch.setattr("flowy_sim._server.connections.Bodies", Watched)
    with serving(ServerSettings(simulation=Settings(clock="real"))) as endpoint:
        starter = program(endpoint)
        starter.prepare()
        large = {"registrationStatus": "REGISTERED", "padding": "x" * (MAX_BODY - 100)}
        with opened(endpoint) as client:
            client.sendall(request(endpoint, "PollForDecisionTask", DECISIONS))
            wait_for_polls(endpoint, 1)
            batch = request(endpoint, "ListDomains", large) * 20
            sending = threading.Thread(target=client.sendall, args=(batch,))
            sending.start()
            wait_until(lambda: bodies[0].size > 2 * MAX_BODY)
            starter.start()
            sending.join()
            client.shutdown(socket.SHUT_WR)
            assert everything(client).count(b"HTTP/1.1 200 ") == 21
        wait_until(lambda: bodies[0].size == 0)
    assert max(seen) < 4 * MAX_BODY


def test_a_client_that_reads_nothing_is_not_read_from_any_more(
    real: Endpoint, program: Make
) -> None:
    program(real).prepare()
    asked = request(real, "DescribeDomain", {"name": DOMAIN})
    with opened(real) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(0.5)
        with pytest.raises(TimeoutError):
            deaf.sendall(asked * 200_000)
        assert program(real).call("ListDomains", registrationStatus="REGISTERED")["domainInfos"]


def test_other_protocols_are_declined_by_going_on_in_this_one(real: Endpoint) -> None:
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    asked = request(real, "ListDomains", {"registrationStatus": "REGISTERED"}, *upgrade)
    with opened(real) as connection:
        connection.sendall(asked + asked)
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection).count(b'{"domainInfos":[]}') == 2


def test_a_client_that_waits_for_leave_to_send_a_body_gets_it(real: Endpoint) -> None:
    asked = request(
        real, "ListDomains", {"registrationStatus": "REGISTERED"}, "Expect: 100-continue"
    )
    head, end, body = asked.partition(b"\r\n\r\n")
    with opened(real) as connection:
        connection.sendall(head + end)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_refused_client_may_send_its_body_and_still_sees_the_refusal(real: Endpoint) -> None:
    with opened(real) as connection:
        head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000000\r\n\r\n"
        connection.sendall(head.encode() + bytes(2_000_000))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\0" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nA b: c\r\n\r\n",
        b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_not_http_is_refused_and_harms_nothing(
    real: Endpoint, program: Make, rubbish: bytes
) -> None:
    with opened(real) as connection:
        connection.sendall(rubbish)
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection)[:12] in (
            b"",
            b"HTTP/1.1 400",
            b"HTTP/1.1 403",
            b"HTTP/1.1 404",
        )
    assert program(real).call("ListDomains", registrationStatus="REGISTERED") == {"domainInfos": []}


def test_headers_after_the_body_change_nothing(real: Endpoint) -> None:
    body = b'{"registrationStatus":"REGISTERED"}'
    head = [
        f"POST {urlsplit(real.url).path or '/'} HTTP/1.1",
        "Host: 127.0.0.1",
        "X-Amz-Target: SimpleWorkflowService.ListDomains",
        "Transfer-Encoding: chunked",
    ]
    trailer = "X-Amz-Target: SimpleWorkflowService.RegisterDomain\r\nOrigin: http://evil\r\n"
    asked = "\r\n".join([*head, "", ""]).encode() + b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    with opened(real) as connection:
        connection.sendall((asked + trailer.encode() + b"\r\n") * 2)
        connection.shutdown(socket.SHUT_WR)
        answer = everything(connection)
    assert answer.count(b'{"domainInfos":[]}') == 2
    assert b"evil" not in answer


@pytest.mark.parametrize("together", [True, False], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Authorization",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Expect",
        "Origin",
        "Sec-Fetch-Site",
        "Transfer-Encoding",
        "User-Agent",
        "X-Amz-Content-Sha256",
        "X-Amz-Date",
        "X-Amz-Target",
    ],
)
def test_a_request_that_repeats_a_header_with_one_value_is_refused(
    real: Endpoint, name: str, together: bool
) -> None:
    usual = request(real, "ListDomains", {"registrationStatus": "REGISTERED"})
    head, _, body = usual.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    given = dict(line.decode().lower().split(": ", 1) for line in lines[1:])
    # The same value twice is refused like different ones, whatever the spelling of the name.
    value = given.get(name.lower(), "identity" if name == "Content-Encoding" else "a")
    if name == "Transfer-Encoding":
        value, lines = "chunked", [each for each in lines if b"length" not in each.lower()]
    others = [each for each in lines if not each.lower().startswith(f"{name.lower()}:".encode())]
    for spelled in (name, name.lower(), name.upper()):
        again = [f"{name}: {value}".encode(), f"{spelled}: {value}".encode()]
        asked = b"\r\n".join([*others, *again]) + b"\r\n\r\n" + body
        with opened(real) as connection:
            with suppress(OSError):  # It may be refused before all of it is sent.
                for part in [asked] if together else [bytes([each]) for each in asked]:
                    connection.sendall(part)
                connection.shutdown(socket.SHUT_WR)
            assert everything(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("blanks", [b" ", b"\t", b" \t  "])
def test_blanks_after_the_value_of_a_header_are_no_part_of_it(
    real: Endpoint, blanks: bytes
) -> None:
    usual = request(real, "ListDomains", {"registrationStatus": "REGISTERED"})
    head, _, body = usual.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    # That one is read by the parser, whose older versions refuse tabs there.
    lines = [line if line.startswith(b"Content-Length") else line + blanks for line in lines]
    with opened(real) as connection:
        connection.sendall(b"\r\n".join([first, *lines, b"", body]))
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://127.0.0.1/", 200),
        ("HTTP://127.0.0.1/", 200),
        ("http://127.0.0.1", 200),
        ("http://evil.example/", 400),
        ("http://evil.example", 400),
        ("http://127.0.0.1@evil.example/", 400),
        ("http://evil.example@127.0.0.1/", 400),
        ("https://127.0.0.1:1/", 400),
        ("http:///", 400),
    ],
)
def test_a_target_that_names_a_host_names_that_of_the_header(
    real: Endpoint, target: str, status: int
) -> None:
    asked = request(real, "ListDomains", {"registrationStatus": "REGISTERED"})
    _, rest = asked.split(b" HTTP/1.1", 1)
    with opened(real) as connection:
        connection.sendall(f"POST {target} HTTP/1.1".encode() + rest)
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_header_with_a_list_of_values_may_be_repeated(real: Endpoint) -> None:
    asked = request(
        real,
        "ListDomains",
        {"registrationStatus": "REGISTERED"},
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-For: 10.0.0.2",
        "Accept: text/plain",
        "accept: application/json",
    )
    with opened(real) as connection:
        connection.sendall(asked)
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def size(presence: ConnectionPresence) -> int:
    """Return how many things a presence refers to, directly and indirectly."""
    seen: dict[int, Any] = {}
    found: list[Any] = [presence]
    while found:
        each = found.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | FunctionType):
            continue
        seen[id(each)] = each
        found += gc.get_referents(each)
    return len(seen)


class FakeConnection:
    """A connection as a presence sees it."""

    def __init__(self, client_identity: ClientIdentity | None) -> None:
        self.client_identity = client_identity
        self.is_open = True


@pytest.mark.parametrize("agent", ["aws-cli/2", "program/1"])
@pytest.mark.parametrize("leaves", [True, False])
def test_what_is_kept_of_lists_and_clients_is_bounded(agent: str, leaves: bool) -> None:
    presence = ConnectionPresence(5.0, 60.0, "", real_seconds=lambda: 0.0)
    stays = FakeConnection(None)
    sizes = []
    for number in range(6_001):
        polled = TaskList("us-east-1", DECISION_POLL, DOMAIN, f"list-{number}")
        identity = ClientIdentity("127.0.0.1", "key", agent, f"worker-{number}")
        connection: Any = FakeConnection(identity) if leaves else stays
        poller = presence.poller(connection)
        presence.polls(poller, polled, found=False)
        presence.waits(poller)
        presence.waits_no_longer(poller)
        presence.answered(poller, None)
        if leaves:
            connection.is_open = False
            presence.left(connection)
        if number in (3_000, 6_000):
            sizes.append(size(presence))
    assert sizes[1] < 1.05 * sizes[0]


def left() -> int:
    """How many connections and requests there are in this process."""
    return sum(isinstance(each, Connection | HttpRequest) for each in gc.get_objects())


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize(
    "sent", ["nothing", "half a head", "half a body", "a call", "a refused call", "a poll"]
)
def test_nothing_is_left_of_a_connection_that_was_closed(
    program: Make, ending: str, sent: str
) -> None:
    # Those that were closed within the patience are remembered.
    simulation = Settings(clock="virtual", patience=0.001)
    with serving(ServerSettings(simulation=simulation)) as endpoint:
        program(endpoint).prepare()
        call = request(endpoint, "ListDomains", {"registrationStatus": "REGISTERED"})
        poll = request(endpoint, "PollForDecisionTask", DECISIONS)
        parts = {
            "nothing": b"",
            "half a head": call[:40],
            "half a body": call[:-3],
            "a call": call,
            "a refused call": request(endpoint, "RegisterDomain", {}),
            "a poll": poll,
        }
        gc.collect()
        gc.disable()
        gc.freeze()
        try:
            before = left()
            for _ in range(20):
                client = opened(endpoint)
                client.sendall(parts[sent])
                if ending == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
            deadline = time.monotonic() + 60
            while left() > before + 9 and time.monotonic() < deadline:
                # Pollers are forgotten when others leave.
                with opened(endpoint) as other:
                    other.sendall(request(endpoint, "RegisterDomain", {}))
                    other.recv(1000)
            # Without the garbage collector: there are no cycles. What was last used may be there.
            assert left() <= before + 9
        finally:
            gc.unfreeze()
            gc.enable()


@pytest.mark.parametrize("ending", ["close", "reset", "half close"])
def test_clients_that_leave_leave_no_line_in_the_log(
    real: Endpoint, program: Make, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    program(real).prepare()
    path = urlsplit(real.url).path
    asked = [
        request(real, "PollForDecisionTask", DECISIONS),
        request(real, "PollForDecisionTask", DECISIONS) * 3 + b"POST /",
        f"GET {path}/_flowy/clock HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * 3,
        request(real, "CountPendingDecisionTasks", DECISIONS) * 200,
    ]
    for sent in asked * 5:
        client = opened(real)
        client.sendall(sent)
        if ending == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif ending == "half close":
            client.shutdown(socket.SHUT_WR)
        client.close()
    wait_for_polls(real, 0)
    assert not [record.getMessage() for record in caplog.records]


def test_uvicorn_has_what_the_protocol_relies_on() -> None:
    # Beside the public names, this is all: see `_protocol` in flowy_sim/_server/server.py.
    state = uvicorn.server.ServerState()
    assert isinstance(state.connections, set)
    assert isinstance(state.tasks, set)
    with serving() as endpoint:  # It gives each connection its state, and calls `shutdown`.
        client = opened(endpoint)
        endpoint.describe()
    assert client.recv(10) == b""
    client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run there")
def test_a_server_runs_on_uvloop() -> None:
    loop = new_event_loop()
    loop.close()
    assert type(loop).__module__ == "uvloop"
