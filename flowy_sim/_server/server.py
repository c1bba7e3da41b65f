"""The server: it listens, serves and stops cleanly, in this thread or in another one.

Example:
    >>> with serving() as endpoint:
    ...     endpoint.client().list_domains(registrationStatus="REGISTERED")["domainInfos"]
    ...     endpoint.advance(60)
    ...     endpoint.now.isoformat()
    []
    '2024-01-01T00:01:00+00:00'
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import uvicorn

from flowy_sim._server.application import Application, Observe, Pages
from flowy_sim._server.connections import Connection, Connections
from flowy_sim._server.endpoint import Endpoint, EndpointError
from flowy_sim._server.metrics import Metrics
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.clock import DEFAULT_START
from flowy_sim._simulation.settings import Settings
from flowy_sim._storage.journal import OpenJournal, open_nothing

_fast_loop: Callable[[], asyncio.AbstractEventLoop] | None
try:
    import uvloop
except ImportError:  # On Windows, for example.
    _fast_loop = None
else:
    _fast_loop = uvloop.new_event_loop

#: The maximum number of connections that wait to be accepted.
BACKLOG = 4096


#: Makes pages for browsers, given all simulations of a server and how it is set up.
MakePages = Callable[[Simulations, ServerSettings], Pages]


class Server:
    """Amazon SWF, served over HTTP.

    Args:
        listener: where it listens; see `listen`.
        settings: how it is set up.
        open_journal: restores simulations that were kept, and opens their journal.
        observers: called for every call once it is answered.
        grace_seconds: for how long it waits for requests in progress when it stops.
        make_pages: makes the pages that it shows to browsers; None for none.

    Attributes:
        simulations: the simulations.
        connections: the connections of its clients.

    Example:
        ``asyncio.run(Server(listen("127.0.0.1", 4567), ServerSettings()).serve())``
    """

    def __init__(
        self,
        listener: socket.socket,
        settings: ServerSettings,
        open_journal: OpenJournal = open_nothing,
        observers: Iterable[Observe] = (),
        grace_seconds: int = 10,
        make_pages: MakePages | None = None,
    ) -> None:
        self.simulations = Simulations(settings)
        self._pages = None if make_pages is None else make_pages(self.simulations, settings)
        self._listener = listener
        self._open_journal = open_journal
        metrics = Metrics(self.simulations, lambda: len(self.connections.open))
        application = Application(
            self.simulations, settings, metrics, observers, self._is_ready, self._pages
        )
        self.connections = Connections(
            application, settings.max_connections, settings.request_seconds
        )
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                _no_application,
                http=_protocol(self.connections),
                ws="none",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=grace_seconds,
            ),
            self._close,
        )

    async def serve(self, started: Callable[[], object] = lambda: None) -> None:
        """Serve until `stop` is called or, in the main thread, SIGINT or SIGTERM comes.

        Args:
            started: called as soon as it accepts requests.
        """
        with _signals_call(self.stop):
            journal = await self._open_journal(self.simulations)
            try:
                self.simulations.resume(journal)
                self._uvicorn.when_started = started
                self.connections.watch()
                if not self._uvicorn.should_exit:
                    await self._uvicorn.serve([self._listener])
            finally:
                self.connections.stop_watching()
                await journal.close()

    def stop(self) -> None:
        """Stop soon: polls are answered empty, other requests in progress are waited for."""
        self._uvicorn.should_exit = True

    def _close(self) -> None:
        """End what would keep uvicorn from stopping."""
        if self._pages is not None:
            self._pages.close()
        self.simulations.close()

    def _is_ready(self) -> bool:
        return self._uvicorn.started and not self._uvicorn.should_exit


async def _no_application(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing: `Connection` doesn't call the application of uvicorn's configuration."""


def _protocol(shared: Connections) -> type[asyncio.Protocol]:
    """Return the class that uvicorn calls for each connection.

    This is all that is relied upon of uvicorn beside its public names: which arguments it gives,
    and that it calls `shutdown` of all connections in the set of its state, and waits for them and
    for the tasks.
    """

    class ServedConnection(Connection):
        def __init__(self, *, server_state: Any, **others: Any) -> None:
            shared.share(server_state.connections, server_state.tasks)
            super().__init__(shared)

    return ServedConnection


class _Uvicorn(uvicorn.Server):
    """A uvicorn server that calls a function when it has started, and another when it stops."""

    def __init__(self, config: uvicorn.Config, when_stopping: Callable[[], object]) -> None:
        super().__init__(config)
        self.when_started: Callable[[], object] = lambda: None
        self._when_stopping = when_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._when_stopping()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: a name or an address of this machine.
        port: 0 for a free one.

    Raises:
        OSError: it is impossible to listen there.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # asyncio turns off Nagle's algorithm only if the socket names its protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL at which clients on this machine reach a listening socket."""
    host, port, *_ = listener.getsockname()
    address = ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _signals_call(stop: Callable[[], object]) -> Iterator[None]:
    """Let signals stop the server, also those that uvicorn raises again after it has stopped."""
    try:
        former = {
            number: signal.signal(number, lambda *_: stop())
            for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:
        # Only the main thread receives signals.
        former = {}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


#: Real seconds within which a server in a thread has to start or stop.
_SECONDS = 30


@contextmanager
def serving(
    settings: ServerSettings | None = None, make_pages: MakePages | None = None
) -> Iterator[Endpoint]:
    """Serve simulations from a thread of this process, at a free port.

    Args:
        settings: how the server is set up; by default on a virtual clock that starts where that of
            a `Simulation` does, so that results can be repeated.
        make_pages: makes the pages that it shows to browsers; None for none.
    """
    if settings is None:
        settings = ServerSettings(simulation=Settings(clock="virtual", start=DEFAULT_START))
    listener = listen("127.0.0.1", 0)
    with serving_in_thread(Server(listener, settings, make_pages=make_pages)):
        yield Endpoint(url_of(listener), settings.control_token)


@contextmanager
def serving_in_thread(server: Server) -> Iterator[None]:
    """Run a server in a thread of this process; it has started when the block is entered.

    Raises:
        Exception: the reason why it could not start.
    """
    started = threading.Event()
    problems: list[Exception] = []

    def serve() -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(server.serve(started.set))
        except Exception as error:
            problems.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=serve, name="flowy-sim", daemon=True)
    thread.start()
    try:
        if not started.wait(_SECONDS):
            raise EndpointError("The server did not start.")
        if problems:
            raise problems[0]
        yield
    finally:
        server.stop()
        thread.join(_SECONDS)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's where that is installed, which takes less time."""
    return _Loop() if _fast_loop is None else _fast_loop()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that runs on while tests freeze the time of the process."""

    # An attribute of the class: freezegun replaces the names of modules.
    _clock = staticmethod(time.monotonic)

    def time(self) -> float:
        """Return the real time in seconds."""
        return self._clock()
