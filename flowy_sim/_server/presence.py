"""Who is busy, among those who call over HTTP.

Connections are participants as threads are (see `flowy_sim._simulation.presence`): each makes one
call after the other. But a task is not held by a connection: programs get a task on one and answer
it on another, poll on while others of their threads work, or make every call in a new process. So
a task that was handed out is *held* until

-   it is over: answered, timed out, or its execution closed;
-   or the program that got it has gone: every connection on which the same caller polls (the same
    identity, from the same address, with the same access key and program) was ended by the other
    side, more than a moment ago. Programs that make a single call and end are not expected to
    stay;
-   or there has been no sign of life for a long time: neither the task nor a heartbeat of it.

While any task is held, time on a virtual clock stands still.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine
from flowy_sim._server.connections import Caller, Connection
from flowy_sim._simulation.presence import LOOK, WARNING, Participant, Participants, TaskList
from flowy_sim._simulation.tasks import Task, handed_out

_log = logging.getLogger("flowy_sim")

#: Real seconds after which a program whose last connection has ended is gone.
GONE = 1.0
#: Programs that end with each call, by the beginnings of what they call themselves.
ONE_CALL_EACH = ("aws-cli/", "curl/", "Wget/")
#: Tasks that may be held before those that are over are looked for.
_MANY = 1_000
_NOBODY_KNOWN = Caller("", "", "", "")


def makes_one_call(caller: Caller) -> bool:
    """Return whether a caller is a program that ends with each call."""
    return caller.program.startswith(ONE_CALL_EACH)


class Key(NamedTuple):
    """What tells one task from another, as a token does."""

    run_id: str
    started_id: int


class Holding:
    """A task that is held.

    Attributes:
        task: the task.
        caller: who holds it.
        connection: where it was handed out; None if that was before a restart.
        sign: when its holder last gave a sign of life, in real seconds.
        lost: when all connections of its holder were first seen to have ended, or None.
        warning: the real seconds without a sign of life after which a warning is due.
    """

    __slots__ = ("caller", "connection", "lost", "sign", "task", "warning")

    def __init__(
        self, task: Task, caller: Caller, connection: Connection | None, now: float
    ) -> None:
        """Be handed out."""
        self.task = task
        self.caller = caller
        self.connection = connection
        self.sign = now
        self.lost: float | None = None
        self.warning = WARNING

    def holder_is_there(self, now: float) -> bool:
        """Return whether the program that got it has not gone."""
        if self._may_be_there():
            self.lost = None
            return True
        if self.lost is None:
            self.lost = now
        return now < self.lost + GONE

    def _may_be_there(self) -> bool:
        connection = self.connection
        # A connection that this side has ended tells nothing.
        if connection is None or not connection.hung_up:
            return True
        if makes_one_call(self.caller):
            return True
        return any(other.caller == self.caller and other.is_open for other in connection.all())


class Visitor(Participant):
    """A connection as a participant."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        """Be a connection that has done nothing yet."""
        super().__init__("a client", lambda: connection.is_open)
        self.connection = connection


class Clients(Participants):
    """Who is busy, and with what.

    Args:
        engine_of: returns the engine of a region.
        patience: tells for how many real seconds of quiet to wait although nobody is busy.
        hold_seconds: real seconds without a sign of life after which a task is taken to be lost.
        real_seconds: what real time is read from.
    """

    def __init__(
        self,
        engine_of: Callable[[str], Engine],
        patience: Callable[[], float],
        hold_seconds: float,
        real_seconds: Callable[[], float],
    ) -> None:
        """Start with nobody."""
        super().__init__()
        self._engine_of = engine_of
        self._patience = patience
        self._hold_seconds = hold_seconds
        self._real_seconds = real_seconds
        self._visitors: dict[Connection, Visitor] = {}
        self._holdings: dict[Key, Holding] = {}
        self._many = _MANY
        self._empties: dict[Caller, dict[TaskList, int]] = {}

    def visitor(self, connection: Connection) -> Visitor:
        """Return the participant that a connection is."""
        visitor = self._visitors.get(connection)
        if visitor is None:
            visitor = self._visitors[connection] = Visitor(connection)
        return visitor

    def left(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        visitor = self._visitors.pop(connection, None)
        if visitor is not None:
            self.waits(visitor)

    def polls(self, participant: Participant, task_list: TaskList) -> None:
        """Note that somebody polls; one who ends with each call is known from the call before."""
        super().polls(participant, task_list)
        caller = participant.connection.caller if isinstance(participant, Visitor) else None
        if caller is not None and makes_one_call(caller):
            if len(self._empties) > _MANY:
                self._empties.clear()
            participant.empties = self._empties.setdefault(caller, {})

    def answered(
        self, participant: Participant, task_list: TaskList, reply: Mapping[str, Any]
    ) -> None:
        """Note that somebody's poll was answered, with a task or without."""
        super().answered(participant, task_list, {})
        if reply.get("taskToken") and isinstance(participant, Visitor):
            participant.empties.clear()
            connection = participant.connection
            task = handed_out(self._engine_of(task_list.region), reply)
            self.hold(task, connection.caller or _NOBODY_KNOWN, connection)

    def hold(
        self, task: Task, caller: Caller = _NOBODY_KNOWN, connection: Connection | None = None
    ) -> None:
        """Note that somebody holds a task."""
        key = Key(task.run_id, task.started_id)
        self._holdings[key] = Holding(task, caller, connection, self._real_seconds())
        if len(self._holdings) > self._many:
            self._holdings = {
                key: holding for key, holding in self._holdings.items() if holding.task.is_open()
            }
            self._many = _MANY + 2 * len(self._holdings)

    def heartbeat(self, key: Key) -> None:
        """Note a sign of life of somebody who holds a task."""
        holding = self._holdings.get(key)
        if holding is not None:
            holding.sign = self._real_seconds()
            holding.warning = WARNING

    def held(self) -> list[Holding]:
        """Return the tasks that are held."""
        looked_at = [self._look_at(key) for key in list(self._holdings)]
        return [holding for holding in looked_at if holding is not None]

    def pause(self) -> float | None:
        """Return for how many real seconds to wait for somebody; None for nobody."""
        while self._holdings:
            holding = self._look_at(next(iter(self._holdings)))
            if holding is not None:
                self._warn_of(holding)
                return LOOK
        pause = super().pause()
        if pause is not None:
            return pause
        patience = self._patience() - self.quiet
        return patience if patience > 0 else None

    def _look_at(self, key: Key) -> Holding | None:
        """Return a holding, unless the task is not held any more."""
        holding = self._holdings[key]
        now = self._real_seconds()
        if not holding.task.is_open():
            del self._holdings[key]
            return None
        if not holding.holder_is_there(now):
            reason = "has ended all its connections"
        elif now >= holding.sign + self._hold_seconds:
            reason = f"has given no sign of life for {self._hold_seconds:g} real seconds"
        else:
            return holding
        del self._holdings[key]
        _log.warning(
            "%s holds the %s and %s; simulated time no longer waits for it.",
            holding.caller,
            holding.task,
            reason,
        )
        return None

    def _warn_of(self, holding: Holding) -> None:
        still = self._real_seconds() - holding.sign
        if still >= holding.warning:
            holding.warning *= 2
            _log.warning(
                "Simulated time has stood still for %.0f real seconds, because %s holds the %s.",
                still,
                holding.caller,
                holding.task,
            )
