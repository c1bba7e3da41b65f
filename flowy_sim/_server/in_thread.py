"""A server in a thread of this process, for tests.

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
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flowy_sim._server.endpoint import Endpoint, EndpointError
from flowy_sim._server.serving import Server, listen, url_of
from flowy_sim._server.settings import ServerSettings, Settings

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
