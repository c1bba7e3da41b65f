"""Connections: HTTP/1.1 over TCP, and what is known about a client while its request waits.

uvicorn runs the server, and httptools parses requests. The protocol between them is our own: a
simulation needs more of a connection than ASGI offers.

- A client that has hung up is noticed at once, so that no task is handed out to it.
- A request is judged by its head, before its body is read; a request that is not finished in time
  is given up; and all bodies that are being read count against one total.
- Calls that need not wait are answered at once, without an asyncio task for each, and everything
  that is answered together is sent in one piece.
- Nothing of a connection stays when it is closed: it has no timer of its own, and leaves no cycles
  of references. `Connections` looks at all of them from time to time.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

import httptools

from flowy._safe_text import safe_logger
from flowy_sim._clients.wire import Response
from flowy_sim._server.http import MAX_BODY, MAX_HEAD, HttpRequest, head_of, text_response

_log = safe_logger("flowy_sim")

#: Real seconds after which an idle connection is closed.
KEEP_ALIVE_SECONDS = 600.0
#: Bytes of all bodies together that may be in memory while they are read.
MAX_BODIES = 256 * 1024 * 1024
#: Bytes that a client may still send after its request was refused.
MAX_DISCARDED = 8 * MAX_BODY
#: Number of requests of a connection that may wait for their answers before no more are read.
_MANY = 100
#: More bytes than ever come at once.
_MUCH = 1 << 30
_JSON = "application/x-amz-json-1.0"


def _unavailable(message: str) -> Response:
    name = "com.amazon.coral.availability#ServiceUnavailableException"
    return text_response(503, json.dumps({"__type": name, "message": message}), _JSON)


_TOO_MANY_CONNECTIONS = _unavailable(
    "The server has as many connections open as it accepts; close some, or start it with a "
    "greater --max-connections."
)
_TOO_MANY_BODIES = _unavailable(
    f"The requests that are being sent to the server exceed {MAX_BODIES} bytes together; try again."
)
_TOO_LATE = text_response(408, "The request was not complete in time; see --request-seconds.")
_STOPS = _unavailable("The server stops; the request was not carried out.")
_NO_PROXY = text_response(400, "This server is not a proxy; it does not support CONNECT.")
_MALFORMED = text_response(400, "The request is not valid HTTP.")
_HEAD_TOO_LARGE = Response(431, {"Content-Length": "0"}, b"")


#: How clients spell the names of headers, and how they are looked up.
_NAMES = {
    spelled.encode(): name
    for name in (
        "accept",
        "accept-encoding",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-target",
        "x-amz-user-agent",
    )
    for spelled in (name, name.title())
}


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


#: The rest of a response that is not there at once: None if it has been sent already.
Later = Coroutine[Any, Any, Response | None]


class Answering(Protocol):
    """What answers the requests of connections."""

    def judge(self, request: HttpRequest) -> Response | None:
        """Return why a request is refused, judging by its head; None if it is not."""
        ...

    def too_large(self, request: HttpRequest) -> Response:
        """Return the response to a request whose body is too large."""
        ...

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
        body_bytes: the size of all bodies that are being read.
        tasks: the requests that wait.
    """

    def __init__(self, answering: Answering, most: int, request_seconds: float) -> None:
        self.answering = answering
        self.most = most
        self.open: set[Any] = set()
        self.unfinished: dict[Connection, float] = {}
        self.body_bytes = 0
        self.tasks: set[asyncio.Task[Any]] = set()
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
        """Look at the connections no more."""
        if self._timer is not None:
            self._timer.cancel()

    def share(self, open_connections: set[Any], tasks: set[asyncio.Task[Any]]) -> None:
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
        self._parser: Any = None
        self._host = ""
        self._last = 0.0
        self._head_size = 0
        self._unfinished_head = 0
        self._discarded = 0
        self._declined = b""
        self._in_head = False
        self._url = b""
        self._request: HttpRequest | None = None
        self._waiting: deque[HttpRequest] = deque()
        self._task: asyncio.Task[Any] | None = None
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
        if len(self.shared.open) >= self.shared.most:
            self._closes = True
            self._write(_TOO_MANY_CONNECTIONS, None)
            self._flush()
            transport.close()
            return
        self.shared.open.add(self)
        peer = transport.get_extra_info("peername")
        self._host = str(peer[0]) if isinstance(peer, tuple) else ""
        self._parser = httptools.HttpRequestParser(self)
        self._last = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        """Parse bytes, and answer the requests that are complete."""
        self._last = asyncio.get_running_loop().time()
        if self._parser is None or self._closes:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED:
                self.transport.abort()
            return
        self._unfinished_head += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(_MALFORMED)
        else:
            if self._in_head and self._unfinished_head > MAX_HEAD:
                self._refuse(_HEAD_TOO_LARGE)
            elif self._request is not None and self._request.refusal is not None:
                # Its body is not there yet, and is not waited for.
                self._refuse(self._request.refusal)
        self._unfinished_head = max(0, self._unfinished_head) if self._in_head else 0
        self._answer_waiting()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Another protocol is offered, such as HTTP/2. To decline it, the request is parsed
            # again without that offer: the parser has taken its body for the other protocol.
            head, self._declined = self._declined, b""
            if not head:
                self._parser = None
                return
            self._parser = httptools.HttpRequestParser(self)
            self._feed(head + data[upgrade.args[0] :])

    def eof_received(self) -> bool:
        """Note that the other side has closed the connection; answer what it has asked before."""
        self.hung_up = True
        self._finish_request()
        if self._lost is not None:
            self._lost.set()
        self._wake()
        self._answer_waiting()
        return bool(self._task or self._waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the request that waits, and forget everything."""
        self.hung_up = self.hung_up or exc is not None
        self._closes = True
        self.shared.open.discard(self)
        self._finish_request()
        self._parser = None
        self._waiting.clear()
        self._parts.clear()
        for event in (self._writable, self._lost):
            if event is not None:
                event.set()
        self._wake()
        callbacks, self._close_callbacks = self._close_callbacks, set()
        for callback in callbacks:
            callback(self)

    def pause_writing(self) -> None:
        """Write no more for a while: the other side does not read."""
        self._writable = asyncio.Event()
        self._pace()

    def resume_writing(self) -> None:
        """Write again."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        self._answer_waiting()

    def shutdown(self) -> None:
        """Close the connection as soon as everything is answered; called by uvicorn."""
        if self._request is not None:
            self._refuse(_STOPS)
            self._answer_waiting()
        self._closes = True
        if not (self._task or self._waiting):
            self.transport.close()

    # Called by `Connections`

    def give_up(self) -> None:
        """Give up the request that is not finished, or whose rest is discarded."""
        if self._parser is None:
            self.shared.unfinished.pop(self, None)
            self.transport.abort()
            return
        self._refuse(_TOO_LATE)
        self._answer_waiting()

    def close_if_idle(self, since: float) -> None:
        """Close the connection if nothing has happened on it since an instant of the loop."""
        if self._last < since and not (self._task or self._waiting or self._request):
            self.transport.close()

    # Called by the parser

    def on_message_begin(self) -> None:
        """Begin the head of a request."""
        self._in_head = True
        self._head_size = 0
        self._url = b""
        self._request = HttpRequest(self._host)
        self.shared.unfinished[self] = self._last

    def on_url(self, url: bytes) -> None:
        """Add to the target of a request."""
        self._url += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        assert self._request is not None
        self._head_size += len(name) + len(value)
        known = _NAMES.get(name) or name.decode("latin-1").lower()
        self._request.headers[known] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Judge a request by its head."""
        self._in_head = False
        request, parser = self._request, self._parser
        assert request is not None
        request.method = parser.get_method().decode("latin-1")
        if parser.should_upgrade():
            self._decline(request)
            return
        request.version = parser.get_http_version()
        request.keeps_alive = parser.should_keep_alive()
        request.target = self._url.decode("latin-1")
        request.path = _path_of(self._url)
        headers = request.headers
        length = headers.get("content-length", "0")
        if self._head_size > MAX_HEAD:
            request.refusal = _HEAD_TOO_LARGE
        elif not length.isdecimal() or len(length) > 9 or int(length) > MAX_BODY:
            request.refusal = self.shared.answering.too_large(request)
        else:
            request.refusal = self.shared.answering.judge(request)
        if (
            request.refusal is None
            and headers.get("expect", "").lower() == "100-continue"
            and not (self._task or self._waiting)
        ):
            self._parts.append(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _decline(self, request: HttpRequest) -> None:
        """Prepare to parse a request again, without the offer of another protocol."""
        if request.method == "CONNECT":
            request.refusal, request.keeps_alive = _NO_PROXY, False
            return
        lines = [f"{request.method} {self._url.decode('latin-1')} HTTP/1.1"]
        for name, value in request.headers.items():
            if name not in ("connection", "http2-settings", "upgrade"):
                lines.append(f"{name}: {value}")
        self._declined = "\r\n".join([*lines, "", ""]).encode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Add to the body of a request."""
        request, shared = self._request, self.shared
        assert request is not None
        if request.refusal is not None:
            return
        request.body += body
        shared.body_bytes += len(body)
        if len(request.body) > MAX_BODY:
            request.refusal = shared.answering.too_large(request)
        elif shared.body_bytes > MAX_BODIES:
            request.refusal = _TOO_MANY_BODIES

    def on_message_complete(self) -> None:
        """Let a request wait for its answer."""
        request = self._request
        assert request is not None
        if self._declined and request.refusal is None:
            return
        request.is_complete = True
        # What follows in the same data is not counted.
        self._unfinished_head = -_MUCH
        self._finish_request()
        self._waiting.append(request)

    def _finish_request(self) -> None:
        """Note that the request is not being read any more."""
        request, self._request = self._request, None
        self.shared.unfinished.pop(self, None)
        if request is not None:
            self.shared.body_bytes -= len(request.body)

    # Answers

    def _refuse(self, response: Response) -> None:
        """Answer a request that is not complete, and read no more."""
        request = self._request or HttpRequest(self._host)
        self._finish_request()
        request.refusal, request.keeps_alive = response, False
        request.body = b""
        self._waiting.append(request)
        self._parser = None

    def _answer_waiting(self) -> None:
        """Answer the requests that wait, one after the other, until one has to wait longer."""
        while self._waiting and self._task is None and self._writable is None:
            request = self._waiting.popleft()
            if request.refusal is not None:
                self.shared.answering.refused(request, request.refusal)
                self._write(request.refusal, request)
                continue
            answer = self.shared.answering.answer(request, self)
            if isinstance(answer, Response):
                self._write(answer, request)
            else:
                self._flush()
                self._answer_later(answer, request)
        self._flush()
        self._pace()
        self._close_if_done()

    def _answer_later(self, answer: Later, request: HttpRequest) -> None:
        task = self._task = asyncio.get_running_loop().create_task(answer)
        self.shared.tasks.add(task)

        def answered(task: asyncio.Task[Response | None]) -> None:
            self.shared.tasks.discard(task)
            self._task = None
            self._last = task.get_loop().time()
            if task.cancelled():
                self.transport.abort()
            elif (error := task.exception()) is not None:
                _log.error("A request failed", exc_info=error)
                self.transport.abort()
            else:
                response = task.result()
                if response is not None:
                    request.keeps_alive = request.keeps_alive and not self._closes
                    self._write(response, request)
                elif not request.keeps_alive:
                    self._closes = True
                self._answer_waiting()

        task.add_done_callback(answered)

    def _write(self, response: Response, request: HttpRequest | None) -> None:
        if self.transport.is_closing():
            return
        if request is not None and not request.keeps_alive:
            self._closes = True
            self._waiting.clear()
        self._parts.append(head_of(response.status, response.headers.items(), closes=self._closes))
        if request is None or request.method != "HEAD":
            self._parts.append(response.body)

    def _flush(self) -> None:
        """Send everything that was written, in one piece."""
        if self._parts and not self.transport.is_closing():
            self.transport.write(b"".join(self._parts))
        self._parts.clear()

    def _pace(self) -> None:
        """Stop reading while too many requests wait, or the other side does not read."""
        is_paused = len(self._waiting) > _MANY or self._writable is not None
        if is_paused != self._is_paused and not self.transport.is_closing():
            self._is_paused = is_paused
            if is_paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _close_if_done(self) -> None:
        if not (self._closes or self.hung_up) or self._task or self._waiting:
            return
        self._flush()
        if self._parser is None and not self.hung_up and self.transport.can_write_eof():
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


def _path_of(url: bytes) -> str:
    """Return the path of a request's target, with escapes decoded."""
    if url == b"/":
        return "/"
    try:
        path: bytes = httptools.parse_url(url).path or b""
    except httptools.HttpParserError:
        path = url.partition(b"?")[0]
    text = path.decode("latin-1")
    return unquote(text) if "%" in text else text


def _has_hung_up(connected: socket.socket) -> bool:
    """Return whether the other side has closed a connection, also if that was not read yet."""
    if hasattr(select, "POLLRDHUP"):
        poll = select.poll()
        poll.register(connected.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))
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
