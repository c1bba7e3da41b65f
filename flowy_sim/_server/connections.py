"""Connections: what is known about a client while one of its requests waits.

uvicorn runs the protocol. A subclass changes it in three ways, for which uvicorn has no options: it
reports at once, and without an asyncio task for each request, that a client has hung up, so that no
task is handed out to it; it sends each response in one piece; and it refuses request heads that do
not end, and connections beyond a limit.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

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
        "message": "The server has as many connections open as it accepts; close some, or start "
        "it with a greater --max-connections.",
    }
).encode()
_TOO_MANY_CONNECTIONS = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/x-amz-json-1.0\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_TOO_MANY), _TOO_MANY)
)


class ClientIdentity(NamedTuple):
    """The identity of a client that polls, as its requests show it: one for all its connections.

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
        return f"{self.identity or self.program.partition(' ')[0] or 'a client'} at {self.host}"


class Connection(HttpToolsProtocol):
    """A connection, as requests find it in their scope: ``scope["state"]["connection"]``.

    Attributes:
        client_identity: the client that last polled on it, or None.
        hung_up: whether the other side has closed it.
        wake: called when it is closed, to wake the waiting request; None if none waits.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)
        # uvicorn would still accept connections, and only refuse their requests.
        self._most, self.limit_concurrency = self.limit_concurrency, None
        self.client_identity: ClientIdentity | None = None
        self.hung_up = False
        self.wake: Callable[[], None] | None = None
        self._close_callbacks: set[Callable[[Connection], None]] = set()
        self._in_head = False
        self._head_size = 0

    @property
    def is_open(self) -> bool:
        """Whether it is open, as far as is known."""
        return not self.hung_up and not self.transport.is_closing()

    def is_there(self) -> bool:
        """Return whether the other side is there, judging also by what was not read yet."""
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

    def add_close_callback(self, callback: Callable[[Connection], None]) -> None:
        """Let a function be called when the connection is closed; the same one only once."""
        self._close_callbacks.add(callback)

    # Called by asyncio and by the parser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the limit of connections is reached."""
        if self._most is None or len(self.connections) < self._most:
            super().connection_made(BufferedTransport(transport, self.loop))
        else:
            self.transport = transport
            transport.write(_TOO_MANY_CONNECTIONS)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse bytes, unless the head of a request becomes too large."""
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD and not self.transport.is_closing():
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """Begin the head of a request."""
        self._in_head = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Continue with the body of a request."""
        self._in_head = False
        super().on_headers_complete()

    def eof_received(self) -> None:
        """Note that the other side has closed the connection."""
        self.hung_up = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the request that waits, and call the callbacks."""
        self.hung_up = self.hung_up or exc is not None
        super().connection_lost(exc)
        self.app_state.clear()
        if self.wake is not None:
            self.wake()
        for callback in self._close_callbacks:
            callback(self)
        self._close_callbacks.clear()


class BufferedTransport(asyncio.Transport):
    """Sends everything that is written in one iteration of the event loop in one piece.

    uvicorn writes head and body of a response one after the other. Sending them separately would
    cost server and client another system call each, a sixth of the time of a short call.

    Args:
        transport: what is written to.
        loop: its event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data soon, together with what is written meanwhile."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def _send(self) -> None:
        if self._parts:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._transport.write(whole)

    def close(self) -> None:
        """Close the connection when everything is sent."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._parts.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Return whether the connection is being closed, or is closed."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return information about the transport, such as its ``socket``."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Stop reading for a while."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Start reading again."""
        self._transport.resume_reading()
