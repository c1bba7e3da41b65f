"""Pollers over HTTP: connections, and the programs behind them.

A connection is a poller as a thread is (see `flowy_sim._simulation.presence`): it makes one call
after the other. But a connection does not hold a task: programs get a task on one connection and
answer it on another, continue to poll while their other threads work, or make every call in a new
process. So the holder of a task is the program that got it. It has gone when every connection on
which the same client polls (the same identity, from the same address, with the same access key and
program) was closed by the other side, more than a moment ago. Programs that make a single call and
end are not expected to stay.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from flowy_sim._engine.life_cycles import LambdaTask
from flowy_sim._server.connections import ClientIdentity, Connection
from flowy_sim._simulation.held_tasks import Holder
from flowy_sim._simulation.presence import Poller, Presence
from flowy_sim._simulation.regions import HandedOutTask, TaskList

#: Real seconds after which a program whose last connection was closed is gone.
GONE = 1.0
#: Programs that end with each call, by the beginnings of their ``User-Agent``.
ONE_CALL_EACH = ("aws-cli/", "curl/", "Wget/")
#: How many programs that end with each call are remembered, and how many closed connections.
_MANY = 1_000


def makes_one_call(client: ClientIdentity) -> bool:
    """Return whether a client is a program that ends with each call."""
    return client.program.startswith(ONE_CALL_EACH)


class ClientProgram:
    """The program that got a task; see the module's description.

    Args:
        client: its identity.
        poller: the connection over which it got the task.
    """

    def __init__(self, client: ClientIdentity, poller: ConnectionPoller) -> None:
        self._client = client
        self._poller = poller
        self._connection = poller.connection
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

    def seen(self, now: float) -> None:
        """Note that it has just finished its task, over any connection."""
        self._poller.last_call = now

    def is_asleep(self) -> bool:
        """Return False: programs sleep in real time."""
        return False

    def _may_be_there(self) -> bool:
        # A connection that the server closed says nothing about the program.
        if not self._connection.hung_up or makes_one_call(self._client):
            return True
        others = self._connection.all()
        return any(other.client_identity == self._client and other.is_open for other in others)


class UnseenHolder:
    """A holder of a task of which no connection is known.

    Args:
        name: what a message calls it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return self._name

    def gone(self, now: float) -> str:
        """Return nothing: it may still answer."""
        return ""

    def seen(self, now: float) -> None:
        """Do nothing: no connection is known to note that for."""

    def is_asleep(self) -> bool:
        """Return False: programs sleep in real time."""
        return False


class FunctionCall(HandedOutTask):
    """A call of a Lambda function that runs outside the engine."""

    __slots__ = ()

    @classmethod
    def of(cls, task: LambdaTask) -> FunctionCall:
        """Return the call that an execution makes."""
        execution = task.execution
        nowhere = TaskList(execution.engine.region, "", execution.domain.name, "")
        ids = execution.workflow_id, execution.run_id, task.started_id, task.opened("id")
        return cls(execution.engine, nowhere, *ids)

    def is_open(self) -> bool:
        """Return whether it has not ended."""
        execution = self.engine.executions.get(self.run_id)
        if execution is None or not execution.is_open:
            return False
        task = execution.lambda_functions.get(self.activity_id)
        return task is not None and task.started_id == self.started_id

    def __str__(self) -> str:
        return f"call {self.activity_id!r} of a Lambda function by {self.workflow_id!r}"

    @property
    def in_full(self) -> str:
        """What a message calls it."""
        return str(self)

    def is_asleep(self) -> bool:
        """Return False: programs sleep in real time."""
        return False


class ConnectionPoller(Poller):
    """A connection as a poller."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        super().__init__("a client", lambda: connection.is_open)
        self.connection = connection

    def __str__(self) -> str:
        return str(self.connection.client_identity or self._name)

    def can_come(self) -> bool:
        """Return True: the program behind a closed connection may open another one."""
        return True

    def as_holder(self) -> Holder:
        """Return the program behind the connection."""
        client = self.connection.client_identity
        return self if client is None else ClientProgram(client, self)


class ConnectionPresence(Presence):
    """The pollers of a served simulation; takes the arguments of `Presence`."""

    def __init__(
        self,
        patience: float,
        hold_seconds: float,
        name: str,
        real_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(patience, hold_seconds, real_seconds, name)
        self._by_connection: dict[Connection, ConnectionPoller] = {}
        self._one_call_each: dict[ClientIdentity, ConnectionPoller] = {}
        self._closed: deque[ConnectionPoller] = deque()

    def poller(self, connection: Connection) -> ConnectionPoller:
        """Return the poller that a connection is; a program that ends with each call is one."""
        client = connection.client_identity
        if client is not None and makes_one_call(client):
            poller = self._one_call_each.get(client)
            if poller is None:
                if len(self._one_call_each) >= _MANY:
                    first = next(iter(self._one_call_each))
                    self.forget(self._one_call_each.pop(first))
                poller = self._one_call_each[client] = ConnectionPoller(connection)
            return poller
        poller = self._by_connection.get(connection)
        if poller is None:
            poller = self._by_connection[connection] = ConnectionPoller(connection)
        return poller

    def left(self, connection: Connection) -> None:
        """Note that a connection was closed; forget it after the patience, or after many others."""
        poller = self._by_connection.pop(connection, None)
        if poller is not None:
            self._closed.append(poller)
        silent = self.now() - self.patience
        while self._closed and (len(self._closed) > _MANY or self._closed[0].last_call < silent):
            self.forget(self._closed.popleft())
