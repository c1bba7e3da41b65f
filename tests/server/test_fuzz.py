"""Whatever comes, the server answers with what the service could, and goes on."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from flowy_sim._events.invariants import check
from flowy_sim._server.connections import Connection
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import Server, listen, serving
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import Settings
from tests.support.random_bytes import Bytes

#: The number of requests, in process and over HTTP.
IN_PROCESS, OVER_HTTP = (int(each) for each in os.environ.get("FLOWY_FUZZ", "3000,600").split(","))
#: Requests after which everything begins anew: a simulation that has had many is slow to check.
ANEW = 20_000
STATUSES = {200, 201, 204, 307, 400, 403, 404, 405, 408, 413, 415, 422, 431, 503}
SETTINGS = ServerSettings(
    simulation=Settings(clock="virtual", start="2024-01-01T00:00:00Z", patience=0),
    poll_seconds=0,
    max_simulations=50,
)
HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


class Transport(asyncio.Transport):
    """A connection to nobody, which keeps what is written."""

    def __init__(self, peer: socket.socket) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False
        self._peer = peer

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {"socket": self._peer, "peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}
        return known.get(name, default)


def responses(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the statuses and bodies of responses."""
    at = 0
    while at < len(content):
        found = HEAD.match(content, at)
        assert found is not None, content[at : at + 200]
        at = found.end()
        status, fields = int(found[1]), found[2].lower()
        length = re.search(rb"content-length: (\d+)", fields)
        if status == 100:
            yield status, b""
        elif length is not None:
            yield status, content[at : at + int(length[1])]
            at += int(length[1])
        else:
            assert b"transfer-encoding: chunked" in fields
            end = content.index(b"0\r\n\r\n", at)
            yield status, content[at:end]
            at = end + 5


async def fuzz(seed: str, number: int, counts: Counter[int]) -> None:
    """Send requests to a server in this process."""
    there, here = socket.socketpair()
    with listen("127.0.0.1", 0) as listener, there, here:
        made, server = Bytes(seed), Server(listener, SETTINGS)
        connection, transport = None, Transport(here)
        for _ in range(number):
            if connection is None:
                connection, transport = Connection(server.connections), Transport(here)
                connection.connection_made(transport)
            request, is_valid = made.request()
            cut = made.random.randrange(len(request) + 1) if made.random.random() < 0.1 else 0
            for part in (request[:cut], request[cut:]):
                if part and not transport.is_closed:
                    connection.data_received(part)
            if is_valid:
                await _settled(server)
            content = bytes(transport.written)
            transport.written.clear()
            # Whether the response to HEAD has a body depends on how much the server has read.
            found = [] if b"HEAD" in request else responses(content)
            for status, body in found:
                assert status in STATUSES | {100}, (request, content)
                counts[status] += 1
                if status == 200 and is_valid and body.startswith(b"{"):
                    made.learn(body)
            if is_valid:
                assert content, request
            if transport.is_closed or not is_valid:
                await _settled(server)
                connection.connection_lost(None)
                connection = None
        await _settled(server)
        for simulation in server.simulations:
            for engine in simulation.engines:
                check(engine)
        server.simulations.close()
    assert not server.connections.unfinished or connection is not None


async def _settled(server: Server) -> None:
    while server.connections.tasks:
        await asyncio.wait(list(server.connections.tasks))


def test_no_request_breaks_a_server_in_process(caplog: pytest.LogCaptureFixture) -> None:
    counts: Counter[int] = Counter()
    left, number = IN_PROCESS, 0
    while left > 0:
        asyncio.run(fuzz(f"in process {number}", min(left, ANEW), counts))
        left, number = left - ANEW, number + 1
        assert not [each for each in caplog.records if each.exc_info]
        caplog.clear()
    print(f"\n{IN_PROCESS:,} requests in process: {dict(counts)}")
    assert counts[200] > IN_PROCESS / 10
    assert counts[400] > IN_PROCESS / 10


def asked(endpoint: Endpoint, requests: bytes) -> bytes:
    """Send requests at once, and return everything that comes back."""
    host, port = endpoint.url.removeprefix("http://").split(":")
    parts = []
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(requests)
        connection.shutdown(socket.SHUT_WR)
        try:
            while part := connection.recv(1 << 20):
                parts.append(part)
        except ConnectionResetError:
            pass
    return b"".join(parts)


def test_no_request_breaks_a_server_over_http(caplog: pytest.LogCaptureFixture) -> None:
    counts: Counter[int] = Counter()
    sent, number = 0, 0
    while sent < OVER_HTTP:
        made = Bytes(f"over HTTP {number}")
        number += 1
        with serving(SETTINGS) as endpoint:
            for _ in range(ANEW // 20):
                batch = [made.request() for _ in range(20)]
                content = asked(endpoint, b"".join(request for request, _ in batch))
                for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", content):
                    assert int(status) in STATUSES | {100}, batch
                    counts[int(status)] += 1
                for body in re.findall(
                    rb'\r\n\r\n(\{[^\r\n]*oken":"[^\r\n]*?\})(?=HTTP|$)', content
                ):
                    made.learn(body)
                sent += 20
                if sent >= OVER_HTTP:
                    break
            assert endpoint.ask("GET", "/health") == {"status": "healthy"}
        assert not [each for each in caplog.records if each.exc_info]
        caplog.clear()
    print(f"\n{sent:,} requests over HTTP: {dict(counts)}")
    assert counts[200] + counts[400] > OVER_HTTP / 4
