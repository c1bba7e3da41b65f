"""Runs a server: listens, serves, and stops cleanly."""

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

import uvicorn

from flowy_sim._server.application import Application, with_origins
from flowy_sim._server.calls import Observe
from flowy_sim._server.connections import Connection
from flowy_sim._server.endpoint import Endpoint, EndpointError
from flowy_sim._server.metrics import Metrics
from flowy_sim._server.settings import ServerSettings, Settings
from flowy_sim._server.simulations import Worlds
from flowy_sim._storage.journal import OpenJournal, open_nothing

#: Connections that may be about to be accepted.
BACKLOG = 4096


#: Real seconds after which a connection without requests is ended.
KEEP_ALIVE_SECONDS = 600


class Server:
    """Amazon SWF, served over HTTP.

    Args:
        listener: where it listens; see `listen`.
        settings: how it is set up.
        open_journal: restores simulations that were kept, and opens their journal.
        observers: are told of every call once it is answered.
        grace_seconds: for how long it waits, when it stops, for requests that are being answered.

    Attributes:
        worlds: the simulations.

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
    ) -> None:
        """Be ready to serve."""
        self.worlds = Worlds(settings)
        self._listener = listener
        self._open_journal = open_journal
        metrics = Metrics(self.worlds, lambda: len(self._uvicorn.server_state.connections))
        application = Application(self.worlds, settings, metrics, observers, self._is_ready)
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                with_origins(application, settings),
                http=Connection,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                limit_concurrency=settings.max_connections,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=grace_seconds,
            ),
            self.worlds.close,
        )

    async def serve(self, started: Callable[[], object] = lambda: None) -> None:
        """Serve until `stop` is called or, in the main thread, SIGINT or SIGTERM comes.

        Args:
            started: called as soon as requests are answered.
        """
        with _signals_call(self.stop):
            journal = await self._open_journal(self.worlds)
            try:
                self.worlds.resume(journal)
                self._uvicorn.when_started = started
                if not self._uvicorn.should_exit:
                    await self._uvicorn.serve([self._listener])
            finally:
                await journal.close()

    def stop(self) -> None:
        """Stop soon: polls are answered, what is being answered is waited for."""
        self._uvicorn.should_exit = True

    def _is_ready(self) -> bool:
        return self._uvicorn.started and not self._uvicorn.should_exit


class _Uvicorn(uvicorn.Server):
    """A uvicorn server that does something first when it has started and when it stops."""

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
        port: 0 for one that is free.

    Raises:
        OSError: that cannot be.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # asyncio lets responses wait for acknowledgements where the protocol is not named.
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
    """Return the address under which clients on this machine reach a listening socket."""
    host, port, *_ = listener.getsockname()
    address = ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _signals_call(stop: Callable[[], object]) -> Iterator[None]:
    """Let signals stop the server, also those that uvicorn raises again when it has stopped."""
    try:
        former = {
            number: signal.signal(number, lambda *_: stop())
            for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:
        # Signals come to the main thread only.
        former = {}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


#: Real seconds in which a server starts and stops.
_SECONDS = 30


@contextmanager
def serving(settings: ServerSettings | None = None) -> Iterator[Endpoint]:
    """Serve simulations from a thread of this process, at a free port of this machine.

    Args:
        settings: how the server is set up; on a virtual clock by default.
    """
    if settings is None:
        settings = ServerSettings(simulation=Settings(clock="virtual"))
    listener = listen("127.0.0.1", 0)
    with serving_in_thread(Server(listener, settings)):
        yield Endpoint(url_of(listener))


@contextmanager
def serving_in_thread(server: Server) -> Iterator[None]:
    """Let a server serve from a thread of this process; it has started when this is entered.

    Raises:
        Exception: why it could not start.
    """
    started = threading.Event()
    problems: list[Exception] = []

    def serve() -> None:
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
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


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that goes on while tests freeze the time of the process."""

    # Not a name of the module: those are exchanged when time is frozen.
    _clock = staticmethod(time.monotonic)

    def time(self) -> float:
        """Tell the real time."""
        return self._clock()
