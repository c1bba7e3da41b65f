"""Connections: HTTP/1.1 over TCP, and what is known about a client while its request waits.

uvicorn runs the server, and `request_reader` reads requests. The protocol between them is our own:
a simulation needs more of a connection than ASGI offers.

- A client that has hung up is noticed at once, so that no task is handed out to it.
- A request that is not finished in time is given up.
- Calls that need not wait are answered at once, without an asyncio task for each, and everything
  that is answered together is sent in one piece.
- Nothing of a connection stays when it is closed: it has no timer of its own, and leaves no cycles
  of references. `Connections` looks at all of them from time to time.
- From the moment that a connection begins to close, its transport is no longer used, except to ask
  whether it is closing and to close or abort it: uvloop refuses everything else.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple, Protocol

from flowy._safe_text import safe_logger
from flowy_sim._clients.wire import Response
from flowy_sim._server.http import MAX_BODY, HttpRequest, head_of, text_response, unavailable
from flowy_sim._server.request_reader import Bodies, Judging, RequestReader

_log = safe_logger("flowy_sim")

#: Real seconds after which an idle connection is closed.
KEEP_ALIVE_SECONDS = 600.0
#: Bytes that a client may still send after its request was refused.
MAX_DISCARDED = 8 * MAX_BODY
#: Number of requests of a connection that may wait for their answers before reading stops.
_MANY = 100
#: Number of bytes of their bodies that may wait in the same way.
_LARGE = 2 * MAX_BODY
_TOO_MANY_CONNECTIONS = unavailable(
    "The server has as many connections open as it accepts; close some, or start it with a "
    "greater --max-connections."
)
_TOO_LATE = text_response(408, "The request was not complete in time; see --request-seconds.")
_STOPS = unavailable("The server stops; the request was not carried out.")


class ClientIdentity(NamedTuple):
    """The identity of a client that polls, as its requests show it: one for all its connections.

    Attributes:
        host: the address it calls from.
        access_key: the ID of its access key, or empty.
        program: its ``User-Agent``.
        identity: what it calls itself in its polls, or empty.
    """

    host: str
    access_key: str
    program: str
    identity: str

    def __str__(self) -> str:
        return f"{self.identity or self.program.partition(' ')[0] or 'a client'} at {self.host}"


#: A response that is not there at once: None if it has been sent already. A coroutine is run as a
#: task.
Later = Coroutine[Any, Any, Response | None] | asyncio.Future[Response | None]


class Answering(Judging, Protocol):
    """What answers the requests of connections."""

    def answer(self, request: HttpRequest, connection: Connection) -> Response | Later:
        """Return the response to a complete request, or what returns it later."""
        ...

    def refused(self, request: HttpRequest, response: Response) -> None:
        """Note that a request gets a response that `answer` did not return."""
        ...


class Connections:
    """All connections of a server.

    Args:
        answering: answers their requests.
        most: how many may be open.
        request_seconds: real seconds after which a request that is not finished is given up.

    Attributes:
        answering, most: as given.
        open: those that are open.
        unfinished: those with an unfinished request, and when it began, in the order of that.
        bodies: all bodies that are being read.
        tasks: the requests that wait.
    """

    def __init__(self, answering: Answering, most: int, request_seconds: float) -> None:
        self.answering = answering
        self.most = most
        self.open: set[Any] = set()
        self.unfinished: dict[Connection, float] = {}
        self.bodies = Bodies()
        self.tasks: set[asyncio.Future[Any]] = set()
        self._request_seconds = request_seconds
        self._timer: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self.open))

    def watch(self) -> None:
        """Give up unfinished requests and close idle connections, now and from time to time."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self.unfinished:
            connection, began = next(iter(self.unfinished.items()))
            if now < began + self._request_seconds:
                break
            connection.give_up()
        for connection in self:
            connection.close_if_idle(now - KEEP_ALIVE_SECONDS)
        pause = min(max(self._request_seconds / 4, 0.05), 10)
        self._timer = loop.call_later(pause, self.watch)

    def stop_watching(self) -> None:
        """Stop looking at the connections."""
        if self._timer is not None:
            self._timer.cancel()

    def share(self, open_connections: set[Any], tasks: set[asyncio.Future[Any]]) -> None:
        """Use the sets of uvicorn, which waits for what is in them when it stops."""
        self.open, self.tasks = open_connections, tasks


class Connection(asyncio.Protocol):
    """A connection.

    Args:
        shared: all connections of the server.

    Attributes:
        shared: as given.
        transport: what is written to.
        client_identity: the client that last polled on it, or None.
        hung_up: whether the other side has closed it.
        wake: called when it is closed, to wake the waiting request; None if none waits.
    """

    def __init__(self, shared: Connections) -> None:
        self.shared = shared
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.client_identity: ClientIdentity | None = None
        self.hung_up = False
        self.wake: Callable[[], None] | None = None
        self._close_callbacks: set[Callable[[Connection], None]] = set()
        self._last = 0.0
        self._discarded = 0
        self._reader: RequestReader = None  # type: ignore[assignment]
        self._waiting: deque[HttpRequest] = deque()
        self._task: asyncio.Future[Any] | None = None
        self._parts: list[bytes] = []
        self._closes = False
        self._is_paused = False
        self._writable: asyncio.Event | None = None
        self._lost: asyncio.Event | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is open, as far as is known."""
        return not self.hung_up and not self.transport.is_closing()

    def is_there(self) -> bool:
        """Return whether the other side is there, judging also by what was not read yet."""
        return self.is_open and not _has_hung_up(self.transport.get_extra_info("socket"))

    def all(self) -> Iterator[Connection]:
        """Yield all connections of the server."""
        return iter(self.shared)

    def add_close_callback(self, callback: Callable[[Connection], None]) -> None:
        """Let a function be called when the connection is closed; the same one only once."""
        self._close_callbacks.add(callback)

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the limit of connections is reached."""
        self.transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if isinstance(peer, tuple) else ""
        shared = self.shared
        self._reader = RequestReader(host, shared.answering, shared.bodies, self._waiting)
        if len(shared.open) >= shared.most:
            self._end()
            self._reader.stop()
            self._write(_TOO_MANY_CONNECTIONS, HttpRequest(host))
            self._flush()
            transport.close()
            return
        shared.open.add(self)
        self._last = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        """Parse bytes, and answer the requests that are complete."""
        self._last = asyncio.get_running_loop().time()
        reader = self._reader
        if not reader.is_reading or self._closes:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED:
                self.transport.abort()
            return
        before = reader.request
        refusal = reader.feed(data, is_idle=self._task is None)
        if reader.request is not before:
            self.shared.unfinished.pop(self, None)
            if reader.request is not None and not self._is_paused:
                self.shared.unfinished[self] = self._last
        if reader.invites_body:
            self._parts.append(b"HTTP/1.1 100 Continue\r\n\r\n")
        if refusal is not None:
            self._refuse(refusal)
        self._answer_waiting()

    def eof_received(self) -> bool:
        """Note that the other side has closed the connection; answer what it has asked before."""
        self.hung_up = True
        self._drop_request()
        if self._lost is not None:
            self._lost.set()
        self._wake()
        self._answer_waiting()
        # True keeps this side open, for the answers.
        return bool(self._task or self._waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the request that waits, and forget everything."""
        self.hung_up = self.hung_up or exc is not None
        self._closes = True
        self.shared.open.discard(self)
        self._drop_request()
        self._reader.stop()
        self._drop_waiting()
        self._parts.clear()
        for event in (self._writable, self._lost):
            if event is not None:
                event.set()
        self._wake()
        callbacks, self._close_callbacks = self._close_callbacks, set()
        for callback in callbacks:
            callback(self)

    def pause_writing(self) -> None:
        """Stop writing for a while: the other side does not read."""
        self._writable = asyncio.Event()
        self._pace()

    def resume_writing(self) -> None:
        """Write again."""
        self._last = asyncio.get_running_loop().time()
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        self._answer_waiting()

    def shutdown(self) -> None:
        """Close the connection as soon as everything is answered; called by uvicorn."""
        if self.transport.is_closing():
            return
        if self._reader.request is not None:
            self._refuse(_STOPS)
            self._answer_waiting()
        self._closes = True
        if not (self._task or self._waiting):
            self.transport.close()

    # Called by `Connections`

    def give_up(self) -> None:
        """Give up the request that is not finished, or whose rest is discarded."""
        if not self._reader.is_reading or self.transport.is_closing():
            self.shared.unfinished.pop(self, None)
            self.transport.abort()
            return
        self._refuse(_TOO_LATE)
        self._answer_waiting()

    def close_if_idle(self, since: float) -> None:
        """Close the connection if nothing has happened on it since an instant of the loop."""
        if self._last >= since:
            return
        if self._writable is not None or self.transport.is_closing():
            # The rest cannot be sent: the other side does not read.
            self.transport.abort()
        elif not (self._task or self._waiting or self._reader.request):
            self.transport.close()

    # Answers

    def _refuse(self, response: Response) -> None:
        """Answer a request that is not complete, and stop reading."""
        request = self._drop_request() or HttpRequest(self._reader.host)
        request.refusal, request.keeps_alive = response, False
        request.body = b""
        self._waiting.append(request)
        self._reader.stop()

    def _drop_request(self) -> HttpRequest | None:
        """Return the request that is not finished, if there is one; it isn't read any further."""
        self.shared.unfinished.pop(self, None)
        return self._reader.drop_request()

    def _answer_waiting(self) -> None:
        """Answer the requests that wait, one after the other, until one has to wait longer."""
        if self.transport.is_closing():
            return
        waiting, shared = self._waiting, self.shared
        while waiting and self._task is None and self._writable is None:
            request = waiting.popleft()
            shared.bodies.size -= len(request.body)
            if request.refusal is not None:
                shared.answering.refused(request, request.refusal)
                self._write(request.refusal, request)
                continue
            answer = shared.answering.answer(request, self)
            if isinstance(answer, Response):
                self._write(answer, request)
            else:
                # The responses that are ready do not wait for this one.
                self._flush()
                self._answer_later(answer, request)
        self._flush()
        if waiting or self._writable is not None or self._is_paused:
            self._pace()
        if self._closes or self.hung_up:
            self._close_if_done()

    def _answer_later(self, answer: Later, request: HttpRequest) -> None:
        loop = asyncio.get_running_loop()
        self._task = task = (
            answer if isinstance(answer, asyncio.Future) else loop.create_task(answer)
        )
        self.shared.tasks.add(task)
        size = len(request.body)  # Of a poll, nothing is kept.
        self.shared.bodies.size += size

        def answered(task: asyncio.Future[Response | None]) -> None:
            self.shared.tasks.discard(task)
            self.shared.bodies.size -= size
            self._task = None
            self._last = task.get_loop().time()
            if task.cancelled():
                self.transport.abort()
            elif (error := task.exception()) is not None:
                _log.error("A request failed", exc_info=error)
                self.transport.abort()
            elif not self.transport.is_closing():
                response = task.result()
                if response is not None:
                    self._write(response, request)
                elif not request.keeps_alive:
                    self._end()
                self._answer_waiting()

        task.add_done_callback(answered)

    def _end(self) -> None:
        """Stop answering requests."""
        self._closes = True
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        if self._waiting:
            self.shared.bodies.size -= self._waiting_bytes()
            self._waiting.clear()

    def _waiting_bytes(self) -> int:
        return sum(len(request.body) for request in self._waiting)

    def _write(self, response: Response, request: HttpRequest) -> None:
        if not request.keeps_alive:
            self._end()
        closes = self._closes and not self._waiting
        self._parts.append(head_of(response.status, response.headers.items(), closes=closes))
        if request.method != "HEAD":
            self._parts.append(response.body)

    def _flush(self) -> None:
        """Send everything that was written, in one piece."""
        if self._parts and not self.transport.is_closing():
            self.transport.write(b"".join(self._parts))
        self._parts.clear()

    def _pace(self) -> None:
        """Stop reading while too many requests wait, or the other side does not read."""
        is_paused = self._writable is not None or (
            bool(self._waiting) and (len(self._waiting) > _MANY or self._waiting_bytes() > _LARGE)
        )
        if is_paused != self._is_paused and not self.transport.is_closing():
            self._is_paused = is_paused
            if is_paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()
            if self._reader.request is not None:
                # While nothing is read, it is not the client that takes the time.
                self.shared.unfinished.pop(self, None)
                if not is_paused:
                    self.shared.unfinished[self] = asyncio.get_running_loop().time()

    def _close_if_done(self) -> None:
        """Close the connection, on which nothing more is to be answered, if nothing waits."""
        if self._task or self._waiting or self.transport.is_closing():
            return
        if not self._reader.is_reading and not self.hung_up and self.transport.can_write_eof():
            # Something was left unread. To close now would reset the connection, and the client
            # might never see the response; what it still sends is discarded.
            if self not in self.shared.unfinished:
                self.shared.unfinished[self] = asyncio.get_running_loop().time()
                self.transport.write_eof()
        else:
            self.transport.close()

    def _wake(self) -> None:
        if self.wake is not None:
            self.wake()

    # For responses in parts

    async def send(self, part: bytes) -> None:
        """Send a part of a response; wait while the other side does not read."""
        if not self.transport.is_closing():
            self.transport.write(part)
        while self._writable is not None and not self.transport.is_closing():
            await self._writable.wait()

    async def until_lost(self) -> None:
        """Wait until the other side has closed the connection, or it is lost."""
        if self._lost is None:
            self._lost = asyncio.Event()
            if not self.is_open:
                self._lost.set()
        await self._lost.wait()


def _has_hung_up(connected: socket.socket) -> bool:
    """Return whether the other side has closed a connection, also if that was not read yet."""
    if hasattr(select, "POLLRDHUP"):
        poll = select.poll()
        poll.register(connected.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))
    # Elsewhere, peek: through a copy, because the socket of a transport cannot be read.
    peer = socket.fromfd(connected.fileno(), connected.family, connected.type)
    try:
        peer.setblocking(False)
        return peer.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        peer.close()
