"""A client that costs little beside what is measured: requests and responses by hand, in asyncio.

A boto3 client takes half a millisecond of processor time a call, more than a fast server; against
that, one process with these connections keeps a server busy by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

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


class Connection(asyncio.Protocol):
    """A connection, on which one call is made after the other.

    Args:
        port: of this machine.
    """

    def __init__(self, port: int) -> None:
        """Be not connected yet."""
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._response: asyncio.Future[bytes] | None = None

    async def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Make a call, wait for the response and return its members.

        Raises:
            RefusedError: it is refused.
            ConnectionError: the connection ends before there is a response.
        """
        transport = self._transport or await self.connect()
        body = json.dumps(members)
        self._response = self._loop.create_future()
        head = (
            f"POST / HTTP/1.1\r\nX-Amz-Target: SimpleWorkflowService.{operation}\r\n"
            f"{_HEADERS}Content-Length: {len(body)}\r\n\r\n"
        )
        transport.write((head + body).encode())
        response = await self._response
        return json.loads(response) if response else {}

    async def connect(self) -> asyncio.Transport:
        """Connect; `call` does, where the other side ends its connections after each response."""
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
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._response is None:
            return
        lines = head.lower()
        if len(body) < int(lines.partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self._received = b""
        if b"connection: close" in lines:
            self.hang_up()
        if self._response.done():
            return
        if head[9:12] == b"200":
            self._response.set_result(body)
        else:
            self._response.set_exception(RefusedError(body.decode()))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for a response that there will be none."""
        self._transport = None
        if self._response is not None and not self._response.done():
            self._response.set_exception(exc or ConnectionResetError())


@asynccontextmanager
async def connected(port: int, number: int) -> AsyncIterator[list[Connection]]:
    """Open so many connections to a port of this machine, and close them in the end."""
    opened = [Connection(port) for _ in range(number)]
    try:
        for connection in opened:
            await connection.connect()
        yield opened
    finally:
        for connection in opened:
            connection.hang_up()
        await asyncio.sleep(0)
