"""Clients that cost little compared with what is measured: hand-written requests and responses.

A boto3 client takes half a millisecond of processor time a call, more than a fast server;
one process with these connections can keep a server busy.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

_CREDENTIAL = "bench/20240101/us-east-1/swf/aws4_request"
_HEADERS = (
    "Host: 127.0.0.1\r\n"
    "Content-Type: application/x-amz-json-1.0\r\n"
    "User-Agent: bench\r\n"
    f"Authorization: AWS4-HMAC-SHA256 Credential={_CREDENTIAL}, SignedHeaders=host, "
    f"Signature={'0' * 64}\r\n"
)


class RefusedError(Exception):
    """A call was refused; the message is the body of the response."""


class Response(NamedTuple):
    """A response.

    Attributes:
        status: its status code.
        body: its body.
        is_last: whether the connection ends after it.
    """

    status: bytes
    body: bytes
    is_last: bool


def _request(operation: str, members: dict[str, Any]) -> bytes:
    body = json.dumps(members)
    return (
        f"POST / HTTP/1.1\r\nX-Amz-Target: SimpleWorkflowService.{operation}\r\n"
        f"{_HEADERS}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _read(received: bytes) -> Response | None:
    """Return the response that was received; None if it is not complete."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.lower()
    length = lines.partition(b"content-length:")[2].partition(b"\r\n")[0]
    if len(body) < int(length):
        return None
    return Response(head[9:12], body, b"connection: close" in lines)


def _reply(response: Response) -> dict[str, Any]:
    if response.status != b"200":
        raise RefusedError(response.body.decode())
    members: dict[str, Any] = json.loads(response.body or b"{}")
    return members


class Plain:
    """A client with the methods and keywords of a boto3 client, and nothing more.

    Args:
        port: of this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the operation of that name."""
        operation = "".join(word.capitalize() for word in name.split("_"))
        return lambda **members: self._call(operation, members)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _call(self, operation: str, members: dict[str, Any]) -> dict[str, Any]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.sendall(_request(operation, members))
        received = b""
        while (response := _read(received)) is None:
            part = self._socket.recv(1 << 20)
            if not part:
                raise ConnectionResetError
            received += part
        if response.is_last:
            self.close()
        return _reply(response)


class Connection(asyncio.Protocol):
    """A connection, on which one call is made after the other.

    Args:
        port: of this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._response: asyncio.Future[Response] | None = None

    async def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Make a call, wait for the response and return its members.

        Raises:
            RefusedError: it is refused.
            ConnectionError: the connection ends before there is a response.
        """
        transport = self._transport or await self.connect()
        self._response = self._loop.create_future()
        transport.write(_request(operation, members))
        return _reply(await self._response)

    async def connect(self) -> asyncio.Transport:
        """Connect; `call` does so itself if the server closes connections after each response."""
        transport, _ = await self._loop.create_connection(lambda: self, "127.0.0.1", self._port)
        self._transport = transport
        return transport

    def hang_up(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # What asyncio calls

    def data_received(self, data: bytes) -> None:
        """Take a part of a response."""
        self._received += data
        response = _read(self._received)
        if response is None or self._response is None:
            return
        self._received = b""
        if response.is_last:
            self.hang_up()
        if not self._response.done():
            self._response.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the call that waits for a response."""
        self._transport = None
        if self._response is not None and not self._response.done():
            self._response.set_exception(exc or ConnectionResetError())


@asynccontextmanager
async def connected(port: int, number: int) -> AsyncIterator[list[Connection]]:
    """Open a number of connections to a port of this machine, and close them at the end."""
    opened = [Connection(port) for _ in range(number)]
    try:
        for connection in opened:
            await connection.connect()
        yield opened
    finally:
        for connection in opened:
            connection.hang_up()
        await asyncio.sleep(0)
