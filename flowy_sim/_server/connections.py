"""Connections: what is known of the caller while a request of it waits.

uvicorn runs the protocol; here it is made to tell at once, and without a task of its own, that
a caller has hung up, to send each response in one piece, and to refuse heads of requests that do
not end and connections that are too many.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from flowy_sim._server.http import MAX_HEAD

_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


_TOO_MANY = json.dumps(
    {
        "__type": "com.amazon.coral.availability#ServiceUnavailableException",
        "message": "As many connections are open as may be; close some, or start the server with "
        "a greater --max-connections.",
    }
).encode()


_TOO_MANY_CONNECTIONS = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/x-amz-json-1.0\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_TOO_MANY), _TOO_MANY)
)


class Caller(NamedTuple):
    """Who polls, as far as requests tell: the same for all connections of one program.

    Attributes:
        host: the address it calls from.
        access_key: the id of its access key, or empty.
        program: its ``User-Agent``.
        identity: what it calls itself in its polls, or empty.
    """

    host: str
    access_key: str
    program: str
    identity: str

    def __str__(self) -> str:
        """Return how a message calls it."""
        return f"{self.identity or self.program.partition(' ')[0] or 'a client'} at {self.host}"


class Guest(Protocol):
    """What wants to know that a connection has ended."""

    def left(self, connection: Connection) -> None:
        """Take note that it has ended."""
        ...


class Connection(HttpToolsProtocol):
    """A connection, as requests find it in their scope: ``scope["state"]["connection"]``.

    Attributes:
        caller: who has last polled on it, or None.
        hung_up: whether the other side has ended it.
        waiter: what to wake when it ends.
        guests: who is told when it ends.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Be a connection that is about to be made."""
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)
        # uvicorn would go on accepting connections, and only refuse their requests.
        self._most, self.limit_concurrency = self.limit_concurrency, None
        self.caller: Caller | None = None
        self.hung_up = False
        self.waiter: asyncio.Future[None] | None = None
        self.guests: set[Guest] = set()
        self._in_head = False
        self._head_size = 0

    @property
    def is_open(self) -> bool:
        """Whether neither side is known to have ended it."""
        return not self.hung_up and not self.transport.is_closing()

    def is_there(self) -> bool:
        """Return whether the other side is there: also what has not been read yet is looked at."""
        if not self.is_open:
            return False
        peer: socket.socket = self.transport.get_extra_info("socket").dup()
        try:
            return peer.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            peer.close()

    def all(self) -> Iterator[Connection]:
        """Yield all connections of the server."""
        for connection in self.connections:
            if isinstance(connection, Connection):
                yield connection

    # What asyncio and the parser call

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be made, unless there are as many connections as may be."""
        assert isinstance(transport, asyncio.Transport)
        if self._most is None or len(self.connections) < self._most:
            super().connection_made(Gathering(transport, self.loop))
        else:
            self.transport = transport
            transport.write(_TOO_MANY_CONNECTIONS)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless the head of a request becomes too large."""
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD and not self.transport.is_closing():
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """Begin with the head of a request."""
        self._in_head = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Go on to the body of a request."""
        self._in_head = False
        super().on_headers_complete()

    def eof_received(self) -> None:
        """Note that the other side has ended the connection."""
        self.hung_up = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who wants to know."""
        self.hung_up = self.hung_up or exc is not None
        super().connection_lost(exc)
        self.app_state.clear()
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
        for guest in self.guests:
            guest.left(self)
        self.guests.clear()


class Gathering(asyncio.Transport):
    """Sends what is written in one turn of the event loop in one piece.

    uvicorn writes head and body of a response one after the other; to send them one by one would
    cost server and client a system call more each, a sixth of all that a short call takes.

    Args:
        transport: what is written to.
        loop: its event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Hold nothing yet."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data soon, with what else is written meanwhile."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def _send(self) -> None:
        if self._parts:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._transport.write(whole)

    def close(self) -> None:
        """End the connection when all is sent."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._parts.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Return whether the connection is ending, or has ended."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport knows, such as its ``socket``."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read nothing for a while."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._transport.resume_reading()
