"""A served simulation from the side of those who use it: where it is, and its time.

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
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from flowy_sim.server.serving import Server
    from flowy_sim.server.settings import ServerSettings

#: Real seconds in which a server starts, stops and answers.
_SECONDS = 30
#: Real seconds in which it writes everything down.
_EXPORT_SECONDS = 600


class EndpointError(Exception):
    """The server refuses what it was asked for; the message is its own."""


class Endpoint:
    """A served simulation.

    Args:
        url: where it is, such as ``http://127.0.0.1:4567/suite-a``.

    Attributes:
        url: as given.
    """

    def __init__(self, url: str) -> None:
        """Know where it is; nothing is asked yet."""
        self.url = url.rstrip("/")

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that let any AWS SDK call it, in other processes say."""
        return {
            "AWS_ENDPOINT_URL_SWF": self.url,
            "AWS_ACCESS_KEY_ID": "simulated",
            "AWS_SECRET_ACCESS_KEY": "simulated",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }

    def client(self, **arguments: Any) -> Any:
        """Return a boto3 client of it.

        Args:
            arguments: passed on to ``boto3.client``. Region and credentials need not be given;
                those of the user are not read.
        """
        import boto3
        from botocore.config import Config

        usual = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "simulated",
            "aws_secret_access_key": "simulated",
            "config": Config(read_timeout=70),
        }
        return boto3.client("swf", **{**usual, **arguments})

    def named(self, name: str) -> Endpoint:
        """Return another simulation of the same server, by its name."""
        parts = urlsplit(self.url)
        return Endpoint(f"{parts.scheme}://{parts.netloc}/{name}")

    @property
    def now(self) -> datetime:
        """The present instant of its clock, in UTC."""
        return datetime.fromisoformat(self.ask("GET", "/clock")["now"])

    def advance(self, seconds: float) -> None:
        """Let time pass; what falls due on the way happens, each at its own instant.

        Raises:
            EndpointError: `seconds` is not a number of at least 0, or the clock is real.
        """
        self.ask("POST", "/clock/advance", {"seconds": seconds})

    def jump(self) -> bool:
        """Let time pass until the next thing happens; return whether anything has.

        Raises:
            EndpointError: the clock is real.
        """
        return bool(self.ask("POST", "/clock/jump")["jumped"])

    def set_clock(self, mode: str) -> None:
        """Make its clock ``real``, ``virtual``, or ``x60`` and the like.

        Raises:
            EndpointError: the mode is none, or the clock is ahead of real time.
        """
        self.ask("PUT", "/clock", {"mode": mode})

    def settle(self, seconds: float = 30) -> bool:
        """Wait until nobody works and nothing will happen by itself; return whether it is so.

        Args:
            seconds: for how many real seconds to wait at most.
        """
        asked = {"seconds": seconds}
        return bool(self.ask("POST", "/settle", asked, seconds=_SECONDS + seconds)["still"])

    def reset(self, **settings: Any) -> None:
        """Let it begin anew, with nothing registered.

        Args:
            settings: what is to be different from before; see `flowy_sim.server.settings.Settings`.

        Raises:
            EndpointError: a setting is wrong.
        """
        self.ask("POST", "/reset", settings)

    def remove(self) -> None:
        """Remove it from its server."""
        self.ask("DELETE", "")

    def describe(self) -> dict[str, Any]:
        """Return its settings and what goes on in it: time, polls that wait, tasks held."""
        return self.ask("GET", "")

    def export(self) -> dict[str, Any]:
        """Return all that is in it, as ``flowy-sim import`` reads it.

        Raises:
            EndpointError: it has never been called.
        """
        return self.ask("GET", "/export", seconds=_EXPORT_SECONDS)

    def ask(
        self,
        method: str,
        path: str,
        members: dict[str, Any] | None = None,
        seconds: float = _SECONDS,
    ) -> dict[str, Any]:
        """Ask for something about it that is no call of Amazon SWF.

        Args:
            method: such as ``GET``.
            path: after ``/_flowy``, such as ``/clock``.
            members: of the request.
            seconds: for how many real seconds to wait for the answer.

        Raises:
            EndpointError: it is refused.
        """
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
        with closing(connection):
            connection.request(method, f"{parts.path}/_flowy{path}", json.dumps(members or {}))
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        if response.status != 200:
            raise EndpointError(answer.get("error") or answer.get("message") or str(answer))
        return answer


@contextmanager
def serving(settings: ServerSettings | None = None) -> Iterator[Endpoint]:
    """Serve simulations from a thread of this process, at a free port of this machine.

    Args:
        settings: how the server is set up; on a virtual clock by default.
    """
    from flowy_sim.server.serving import Server, listen, url_of
    from flowy_sim.server.settings import ServerSettings, Settings

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
