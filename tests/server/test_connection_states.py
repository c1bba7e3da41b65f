"""A connection in any order of events: requests, answers, clients that leave, a server that stops.

The transport is a fake that is stricter than those of asyncio and uvloop: once it closes, whatever
would write to it or read from it raises.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from flowy_sim._clients.wire import Response
from flowy_sim._server import connections
from flowy_sim._server.connections import (
    KEEP_ALIVE_SECONDS,
    Connection,
    Connections,
    Later,
)
from flowy_sim._server.http import MAX_BODY, HttpRequest, text_response
from tests.support.properties import examples

REQUEST_SECONDS = 60.0
LARGE = 150
#: What a path says about the answer.
AT_ONCE, LATER, IN_PARTS, UNTIL_LOST, REFUSED = "now", "later", "parts", "lost", "refused"
#: More requests than a connection has.
MANY = 10_000
PARTS = st.sampled_from([1.0, 1.0, 0.5, 0.01])
RUBBISH = [
    b"\0",
    b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
]
_RESPONSE = re.compile(rb"HTTP/1\.1 (\d+) .*?content-length: (\d+).*?\r\n\r\n", re.S | re.I)


class Transport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.loop = loop
        self.protocol = protocol
        self.written = b""
        self.is_reading = True
        self.is_full = False
        self.next_write = ""
        self.wrote_eof = False
        self.closes = False
        self.is_lost = False

    def _use(self) -> None:
        if self.closes:
            raise RuntimeError("the handler is closed")

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        self._use()
        return super().get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self.closes

    def close(self) -> None:
        if not self.closes:
            self.closes = True
            if not self.is_full:  # Otherwise it first sends what is left.
                self.loop.call_soon(self.lose, None)

    def abort(self) -> None:
        self.closes = True
        self.loop.call_soon(self.lose, None)

    def lose(self, error: Exception | None) -> None:
        self.closes = True
        if not self.is_lost:
            self.is_lost = True
            self.protocol.connection_lost(error)

    def write(self, data: Any) -> None:
        self._use()
        if self.wrote_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        then, self.next_write = self.next_write, ""
        if then == "fails":
            self.closes = True
            self.loop.call_soon(self.lose, ConnectionResetError())
            return
        self.written += data
        if then == "fills" and not self.is_full:
            self.is_full = True
            self.protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._use()
        self.wrote_eof = True

    def pause_reading(self) -> None:
        self._use()
        assert self.is_reading
        self.is_reading = False

    def resume_reading(self) -> None:
        self._use()
        assert not self.is_reading
        self.is_reading = True


class Client:
    """The other side of a connection, and what is known about it.

    Args:
        first: the number of its first request.
        connection: the connection.
        transport: its transport.
        has_room: whether the server accepts another connection.
    """

    def __init__(
        self, first: int, connection: Connection, transport: Transport, *, has_room: bool
    ) -> None:
        self.first = first
        self.connection = connection
        self.transport = transport
        self.unsent = b""
        self.kinds: list[str] = []
        self.ends_of: list[int] = []
        self.prepared = self.received = 0
        self.last_wanted: int | None = None if has_room else first - 1
        self.spoiled_at: int | None = None
        self.had_eof = False
        #: Whether something happened after which not everything has to be answered.
        self.is_excused = False
        self.asked: list[int] = []

    @property
    def can_send(self) -> bool:
        return not self.transport.closes and self.transport.is_reading and not self.had_eof

    def prepare(self, kind: str, size: int, header: str) -> None:
        """Add a request to what it is going to send."""
        number = self.first + len(self.kinds)
        head = f"POST /{kind}/{number} HTTP/1.1\r\nContent-Length: {size}\r\n{header}\r\n"
        self.kinds.append(kind)
        self.add(head.encode() + b"x" * size)
        self.ends_of.append(self.prepared)
        if "close" in header and self.last_wanted is None:
            self.last_wanted = number

    def add(self, content: bytes) -> None:
        """Add bytes to what it is going to send."""
        self.unsent += content
        self.prepared += len(content)

    def spoil(self, rubbish: bytes) -> None:
        """Add something that is not a request."""
        if self.spoiled_at is None:
            self.spoiled_at = self.prepared
        self.add(rubbish)

    def take(self, part: float) -> bytes:
        """Return the next bytes that it sends."""
        size = max(1, round(len(self.unsent) * part))
        data, self.unsent = self.unsent[:size], self.unsent[size:]
        self.received += size
        return data

    def to_be_answered(self) -> list[int]:
        """Return the requests that are complete and have to be answered."""
        until = self.received if self.spoiled_at is None else min(self.received, self.spoiled_at)
        numbers = [self.first + at for at, end in enumerate(self.ends_of) if end <= until]
        if REFUSED in self.kinds:  # Perhaps before its body has come; nothing is read after that.
            numbers = [each for each in numbers if each < self.first + self.kinds.index(REFUSED)]
        return [each for each in numbers if self.last_wanted is None or each <= self.last_wanted]

    def give_up_the_rest(self) -> None:
        """Note that only what is complete now has to be answered."""
        self.last_wanted = max(self.to_be_answered(), default=self.first - 1)

    def answered(self) -> list[int]:
        """Return which requests have a complete response; there is nothing between them."""
        written, at, numbers = self.transport.written, 0, []
        written = written.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        while at < len(written):
            found = _RESPONSE.match(written, at)
            assert found is not None, written[at:]
            at = found.end() + int(found[2])
            body = written[found.end() : at]
            if len(written) < at:
                break
            if body.startswith(b"<"):
                numbers.append(int(body[1:-1]))
        return numbers


class Answering:
    """Answers requests as their paths say."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.waiting: list[tuple[Client, asyncio.Future[Any]]] = []
        self.bytes_waiting = 0

    def judge(self, request: HttpRequest) -> Response | None:
        return answer_to(request) if REFUSED in request.path else None

    def too_large(self, request: HttpRequest) -> Response:
        return text_response(413, "")

    def refused(self, request: HttpRequest, response: Response) -> None:
        if REFUSED in request.path:
            self._note(request)

    def answer(self, request: HttpRequest, connection: Connection) -> Response | Later:
        client = self._note(request)
        assert not client.transport.closes
        return answer_to(request) if AT_ONCE in request.path else self._later(request, client)

    def _note(self, request: HttpRequest) -> Client:
        number = number_of(request)
        client = self.clients[number // MANY]
        client.asked.append(number)
        return client

    async def _later(self, request: HttpRequest, client: Client) -> Response | None:
        connection, response = client.connection, answer_to(request)
        future = asyncio.get_running_loop().create_future()
        waits = client, future
        self.waiting.append(waits)
        self.bytes_waiting += len(request.body)
        if UNTIL_LOST in request.path:
            connection.wake = lambda: future.done() or future.set_result(None)
        try:
            if IN_PARTS not in request.path:
                await future
                return response
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(response.body)}\r\n\r\n"
            await connection.send(head.encode())
            lost = asyncio.ensure_future(connection.until_lost())
            await asyncio.wait([lost, future], return_when=asyncio.FIRST_COMPLETED)
            lost.cancel()
            if future.done():
                await future
            await connection.send(response.body)
            return None
        finally:
            connection.wake = None
            self.waiting.remove(waits)
            self.bytes_waiting -= len(request.body)


def number_of(request: HttpRequest) -> int:
    return int(request.path.rpartition("/")[2])


def answer_to(request: HttpRequest) -> Response:
    return text_response(200, f"<{number_of(request)}>")


class ConnectionMachine(RuleBasedStateMachine):
    """A server, and one connection after the other with everything that can happen to it."""

    @initialize(has_room=st.sampled_from([True] * 9 + [False]))
    def start(self, has_room: bool) -> None:
        self.now = 1000.0
        self.most_bytes, connections._LARGE = connections._LARGE, LARGE
        self.errors: list[Any] = []
        self.handler = _Handler()
        self.log = logging.getLogger("flowy_sim")
        self.log.addHandler(self.handler)
        self.was_propagating, self.log.propagate = self.log.propagate, False
        self.loop = asyncio.new_event_loop()
        self.loop.time = lambda: self.now  # type: ignore[method-assign]
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.answering = Answering()
        self.shared = Connections(self.answering, int(has_room), REQUEST_SECONDS)
        self._connect()

    def _connect(self) -> None:
        connection = Connection(self.shared)
        self.transport = Transport(self.loop, connection)
        first = MANY * len(self.answering.clients)
        has_room = self.shared.most > 0
        self.client = Client(first, connection, self.transport, has_room=has_room)
        self.answering.clients.append(self.client)
        self.connection = connection
        self.run(connection.connection_made, self.transport)

    def run(self, function: Any, *arguments: Any) -> None:
        """Call a function in the event loop, and let everything happen that it leads to."""

        async def call() -> None:
            function(*arguments)
            for _ in range(30):
                await asyncio.sleep(0)

        self.loop.run_until_complete(call())

    # The client

    @precondition(lambda self: self.client.can_send)
    @rule(
        kinds=st.lists(
            st.sampled_from([AT_ONCE, LATER, LATER, IN_PARTS, UNTIL_LOST, REFUSED]),
            min_size=1,
            max_size=4,
        ),
        size=st.sampled_from([0, 1, 100]),
        header=st.sampled_from(["", "", "Connection: close\r\n", "Expect: 100-continue\r\n"]),
        part=PARTS,
    )
    def send(self, kinds: list[str], size: int, header: str, part: float) -> None:
        for kind in kinds:
            self.client.prepare(kind, size, header if kind is kinds[-1] else "")
        self.send_more(part)

    @precondition(lambda self: self.client.can_send)
    @rule(rubbish=st.sampled_from(RUBBISH), part=PARTS)
    def send_rubbish(self, rubbish: bytes, part: float) -> None:
        self.client.spoil(rubbish)
        self.send_more(part)

    @precondition(lambda self: self.client.can_send and self.client.unsent)
    @rule(part=PARTS)
    def send_more(self, part: float) -> None:
        self.run(self.connection.data_received, self.client.take(part))

    @precondition(lambda self: self.client.can_send)
    @rule()
    def close_its_side(self) -> None:
        self.client.had_eof = True

        def end() -> None:
            if not self.connection.eof_received():
                self.transport.close()

        self.run(end)

    @precondition(lambda self: not self.transport.is_lost)
    @rule(error=st.sampled_from([None, ConnectionResetError(), TimeoutError()]))
    def lose(self, error: Exception | None) -> None:
        self.run(self.transport.lose, error)

    @precondition(lambda self: self.transport.is_lost)
    @rule()
    def connect_again(self) -> None:
        self._connect()

    @precondition(lambda self: not self.transport.closes)
    @rule(then=st.sampled_from(["fails", "fills"]))
    def let_the_next_write_fail(self, then: str) -> None:
        self.transport.next_write = then

    @precondition(lambda self: self.transport.is_full and not self.transport.is_lost)
    @rule()
    def read(self) -> None:
        def read() -> None:
            self.transport.is_full = False
            self.connection.resume_writing()
            if self.transport.closes:
                self.transport.lose(None)

        self.run(read)

    # The answers

    @precondition(lambda self: self.answering.waiting)
    @rule(
        oldest=st.booleans(),
        outcome=st.sampled_from(["result", "result", "error", "cancelled"]),
    )
    def answer(self, oldest: bool, outcome: str) -> None:
        client, future = self.answering.waiting[0 if oldest else -1]
        if outcome != "result":
            client.is_excused = True
        if outcome == "error" and not future.done():
            self.run(future.set_exception, ValueError("planned"))
        elif outcome == "cancelled":
            task = client.connection._task
            assert task is not None
            self.run(task.cancel)
        elif not future.done():
            self.run(future.set_result, None)

    # The server

    @precondition(lambda self: self.shared.open)
    @rule()
    def stop(self) -> None:
        self.client.give_up_the_rest()
        self.run(lambda: [each.shutdown() for each in self.shared])

    @rule(seconds=st.sampled_from([1.0, REQUEST_SECONDS + 1, KEEP_ALIVE_SECONDS + 1]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.now - self.shared.unfinished.get(self.connection, self.now) >= REQUEST_SECONDS:
            self.client.give_up_the_rest()
        self.run(self.shared.watch)
        self.shared.stop_watching()

    # What holds at any time

    @invariant()
    def nothing_is_raised(self) -> None:
        assert not self.errors
        for record in self.handler.records:
            assert record.exc_info is not None
            assert "planned" in str(record.exc_info[1])

    @invariant()
    def requests_are_answered_once_and_in_order(self) -> None:
        for client in self.answering.clients:
            asked = client.asked
            assert asked == list(range(client.first, client.first + len(asked)))
            answered = client.answered()
            assert answered == asked[: len(answered)]

    @invariant()
    def a_live_connection_is_answered_completely(self) -> None:
        client = self.client
        if self.transport.closes or self.transport.is_full or client.is_excused:
            return
        left = client.to_be_answered()[len(client.asked) :]
        waiting = any(each is client for each, _ in self.answering.waiting)
        assert waiting or not left
        assert len(client.answered()) == len(client.asked) - waiting

    @invariant()
    def what_is_lost_is_forgotten(self) -> None:
        there = set() if self.transport.is_lost else {self.connection}
        assert self.shared.open <= there
        assert self.shared.unfinished.keys() <= there
        assert len(self.shared.tasks) == len(self.answering.waiting)
        request = self.connection._reader.request
        bodies = [each.body for each in self.connection._waiting]
        if request is not None:
            bodies.append(request.body)
        assert self.shared.bodies.size == sum(map(len, bodies)) + self.answering.bytes_waiting
        if not there:
            assert not bodies

    @invariant()
    def no_more_is_read_while_much_waits(self) -> None:
        waiting = sum(len(each.body) for each in self.connection._waiting)
        if not self.transport.closes:
            assert self.transport.is_reading is not (self.transport.is_full or waiting > LARGE)
        if not self.transport.is_reading and self.connection._reader.request is not None:
            assert self.connection not in self.shared.unfinished

    def teardown(self) -> None:
        """Let everything end."""
        if not hasattr(self, "loop"):
            return
        try:
            self.run(self.transport.lose, None)
            while self.answering.waiting:
                self.answer(oldest=True, outcome="result")
            self.nothing_is_raised()
            self.what_is_lost_is_forgotten()
        finally:
            self.log.removeHandler(self.handler)
            self.log.propagate = self.was_propagating
            connections._LARGE = self.most_bytes
            self.loop.close()


class _Handler(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


TestConnection = ConnectionMachine.TestCase
TestConnection.settings = settings(max_examples=examples(100), stateful_step_count=40)
