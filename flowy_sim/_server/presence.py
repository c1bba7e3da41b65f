"""Pollers over HTTP: connections, and the programs behind them.

A connection is a poller as a thread is (see `flowy_sim._simulation.presence`): it makes one call
after the other. But a connection does not hold a task: programs get a task on one connection and
answer it on another, go on polling while other threads of theirs work, or make every call in a new
process. So the holder of a task is the program that got it. It has gone when every connection on
which the same client polls (the same identity, from the same address, with the same access key and
program) was closed by the other side, more than a moment ago. Programs that make a single call and
end are not expected to stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flowy_sim._server.connections import ClientIdentity, Connection
from flowy_sim._simulation.presence import Holder, Poller, Presence
from flowy_sim._simulation.tasks import TaskList

#: Real seconds after which a program whose last connection was closed is gone.
GONE = 1.0
#: Programs that end with each call, by the beginnings of their ``User-Agent``.
ONE_CALL_EACH = ("aws-cli/", "curl/", "Wget/")
#: Programs that end with each call whose empty polls are counted.
_MANY = 1_000


def makes_one_call(client: ClientIdentity) -> bool:
    """Return whether a client is a program that ends with each call."""
    return client.program.startswith(ONE_CALL_EACH)


class Program:
    """The program that got a task; see the module's description.

    Args:
        client: who it is.
        connection: where it got the task.
    """

    def __init__(self, client: ClientIdentity, connection: Connection) -> None:
        self._client = client
        self._connection = connection
        self._lost: float | None = None

    def __str__(self) -> str:
        return str(self._client)

    def gone(self, now: float) -> str:
        """Return why it will not answer its task any more; empty while it may."""
        if self._may_be_there():
            self._lost = None
            return ""
        if self._lost is None:
            self._lost = now
        return "" if now < self._lost + GONE else "has closed all its connections"

    def _may_be_there(self) -> bool:
        # A connection that this side has closed proves nothing.
        if not self._connection.hung_up or makes_one_call(self._client):
            return True
        others = self._connection.all()
        return any(other.client_identity == self._client and other.is_open for other in others)


class UnknownProgram:
    """The holder of a task that was handed out before a restart."""

    def __str__(self) -> str:
        return "a client of before the restart"

    def gone(self, now: float) -> str:
        """Return nothing: it may still answer."""
        return ""


class ConnectionPoller(Poller):
    """A connection as a poller."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        super().__init__("a client", lambda: connection.is_open)
        self.connection = connection

    def as_holder(self) -> Holder:
        """Return the program behind the connection."""
        client = self.connection.client_identity
        return self if client is None else Program(client, self.connection)


class ConnectionPresence(Presence):
    """The pollers of a served simulation.

    Args:
        patience: returns for how many real seconds of quiet to wait although no poller is busy.
        hold_seconds: real seconds without a sign of life after which a task is taken to be lost.
        real_seconds: where real time is read.
    """

    def __init__(
        self,
        patience: Callable[[], float],
        hold_seconds: float,
        real_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(hold_seconds, real_seconds)
        self._patience = patience
        self._pollers: dict[Connection, ConnectionPoller] = {}
        self._empties: dict[ClientIdentity, dict[TaskList, int]] = {}

    def poller(self, connection: Connection) -> ConnectionPoller:
        """Return the poller that a connection is."""
        poller = self._pollers.get(connection)
        if poller is None:
            poller = self._pollers[connection] = ConnectionPoller(connection)
        return poller

    def left(self, connection: Connection) -> None:
        """Note that a connection was closed."""
        poller = self._pollers.pop(connection, None)
        if poller is not None:
            self.waits(poller)

    def polls(self, poller: Poller, task_list: TaskList) -> None:
        """Note that a poller polls; a program that ends with each call is known from before."""
        super().polls(poller, task_list)
        client = poller.connection.client_identity if isinstance(poller, ConnectionPoller) else None
        if client is not None and makes_one_call(client):
            if len(self._empties) > _MANY:
                self._empties.clear()
            poller.empties = self._empties.setdefault(client, {})

    def pause(self) -> float | None:
        """Return for how many real seconds to wait for a client; None if there is none."""
        pause = super().pause()
        if pause is not None:
            return pause
        patience = self._patience() - self.quiet
        return patience if patience > 0 else None
