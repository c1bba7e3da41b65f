"""Engines and polls that are served: every change is recorded, and who has gone gets no task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.faults import LimitExceededFault, ThrottlingException
from flowy_sim._engine.tokens import ACTIVITY
from flowy_sim._server.clock import ServedClock
from flowy_sim._server.connections import Connection
from flowy_sim._server.presence import Clients, Key, Visitor
from flowy_sim._server.settings import (
    LATENCIES,
    ServerSettings,
    Settings,
    check_account,
    check_name,
)
from flowy_sim._simulation.event_loop import Pace
from flowy_sim._simulation.polls import DECISION_POLL, POLLS, QUESTIONS, Poll, Polls, Reply
from flowy_sim._simulation.presence import TaskList
from flowy_sim._simulation.regions import Engines
from flowy_sim._simulation.tasks import all_handed_out
from flowy_sim._simulation.time_skipping import Passage
from flowy_sim._storage.journal import (
    Journal,
    JournalError,
    NullJournal,
    SimulationJournal,
    SimulationKey,
)

#: Regions of a simulation that may be in use; there are fewer than that.
MAX_REGIONS = 100


def is_next_page(operation: str, request: Reply) -> bool:
    """Return whether a call asks for more of a decision task that was handed out already."""
    return operation == DECISION_POLL and bool(request.get("nextPageToken"))


class ServedEngines(Engines):
    """The engines of a simulation; every change is committed as soon as it is made.

    Args:
        make: makes the engine of a region.
        commit: called with an engine in which a call has changed something.
    """

    def __init__(self, make: Callable[[str], Engine], commit: Callable[[Engine], None]) -> None:
        super().__init__(make)
        self._commit = commit

    def of(self, region: str) -> Engine:
        """Return the engine of a region.

        Raises:
            LimitExceededFault: so many regions are in use as may be.
        """
        if region not in self._by_region and len(self._by_region) >= MAX_REGIONS:
            raise LimitExceededFault(f"At most {MAX_REGIONS} regions of a simulation can be used")
        engine = super().of(region)
        if engine.changes is None:
            engine.track_changes()
        return engine

    def __iter__(self) -> Iterator[Engine]:
        """Yield the engines of all regions in use."""
        return iter(self._by_region.values())

    def call(self, region: str, operation: str, request: Reply, instant: int) -> Reply:
        """Carry out a call, and commit what it changes, if anything.

        Raises:
            Fault: the call is refused.
        """
        engine = self.of(region)
        # What falls due by itself happens again after a restart; it need not be committed.
        engine.run_until(instant)
        assert engine.changes is not None
        before = engine.changes.count
        reply = engine.call(operation, request, instant)
        if engine.changes.count != before:
            self._commit(engine)
        return reply

    def poll(self, task_list: TaskList, request: Reply, instant: int) -> Reply:
        """Poll once, without waiting."""
        return self.call(task_list.region, task_list.poll, request, instant)


class Room:
    """Room for polls that wait, of all simulations of a server together.

    Attributes:
        taken: how many wait.
    """

    def __init__(self, capacity: int) -> None:
        """Be empty."""
        self._capacity = capacity
        self.taken = 0

    def check(self) -> None:
        """Refuse one more poll if there is no room.

        Raises:
            ThrottlingException: as many wait as may.
        """
        if self.taken >= self._capacity:
            raise ThrottlingException("Rate exceeded")


class ServedPoll(Poll):
    """A poll that waits, and the connection that it came over."""

    __slots__ = ("connection",)

    def __init__(
        self,
        visitor: Visitor,
        task_list: TaskList,
        request: Reply,
        empty: Reply,
        *,
        began: int,
        lasts: int,
    ) -> None:
        """Describe a poll that has found nothing."""
        super().__init__(
            visitor, task_list, request, empty, began=began, lasts=lasts, wake=_wake_nobody
        )
        self.connection = visitor.connection


class ServedPolls(Polls):
    """The polls of a simulation that wait; who has gone gets no task.

    Args:
        service: where tasks are.
        clients: who is busy.
        limit: how many polls may wait on one list.
        check: raises `JournalError` while nothing can be made durable: no task is handed out then.
    """

    def __init__(
        self, service: Engines, clients: Clients, limit: int, check: Callable[[], None]
    ) -> None:
        """Start with none."""
        super().__init__(service, clients, first, limit)
        self._check = check

    def _hand_out(self, poll: Poll, instant: int) -> None:
        if isinstance(poll, ServedPoll) and not poll.connection.is_there():
            self.remove(poll)
            poll.connection.transport.abort()
            return
        try:
            self._check()
        except JournalError:
            self.answer_empty(poll)
        else:
            super()._hand_out(poll, instant)


def _wake_nobody() -> None:
    """Wake nobody: nobody waits for the answer yet."""


HEARTBEAT = "RecordActivityTaskHeartbeat"


#: Real seconds for which polls are held while nothing will ever happen by itself.
IDLE_SECONDS = 60.0


class World:
    """A simulation that is called over connections.

    Args:
        name: the simulation's name; empty for the one without a name.
        account: twelve digits.
        settings: how it is set up.
        server: how the server is set up.
        journal: makes its changes durable.
        room: for the polls of all simulations together.

    Attributes:
        name, account, settings: as given.
        journal: its own journal.
        clock: tells the time.
        engines: the service in each region.
        clients: who is busy.
        polls: the polls that wait.
    """

    def __init__(
        self,
        name: str,
        account: str,
        settings: Settings,
        server: ServerSettings,
        journal: Journal,
        room: Room,
    ) -> None:
        """Start with nothing registered."""
        self.name = name
        self.account = account
        self.settings = settings
        self.journal = SimulationJournal(journal, SimulationKey(name, account))
        self._server = server
        self._room = room
        self._limits = settings.make_limits()
        self._is_closed = False
        self.clock = ServedClock(settings.clock, settings.begins_at())
        self.engines = ServedEngines(self._make_engine, self._commit)
        self.clients = Clients(self.engines.of, self._patience, server.hold_seconds, time.monotonic)
        self.polls = ServedPolls(self.engines, self.clients, self._limits.polls, self.journal.check)
        self._passage = Passage(self.clock, self.engines, self.clients, self.polls, _never)
        self._pace = Pace(self._passage)
        self.clock.belong_to(nullcontext(), self._passage.advance_to)

    # Calls

    async def call(
        self, operation: str, request: Reply, region: str, connection: Connection
    ) -> Reply:
        """Carry out a call; a poll waits for a task.

        Args:
            operation: such as ``StartWorkflowExecution``.
            request: its members, as they came.
            region: whose service is called.
            connection: over which it came; for a poll its caller is set.

        Returns:
            The reply, when all that it tells of is durable.

        Raises:
            Fault: the call is refused; what it is refused for is durable.
            JournalError: the changes that the answer depends on cannot be made durable.
        """
        try:
            if operation.startswith(QUESTIONS):
                return self._ask(operation, request, region)
            if operation in POLLS and not is_next_page(operation, request):
                return await self._poll(operation, request, region, connection)
            return self._act(operation, request, region, connection)
        finally:
            await self.journal.durable()

    def _ask(self, operation: str, request: Reply, region: str) -> Reply:
        now = self._passage.present()
        reply = self.engines.call(region, operation, request, now)
        if not self.clock.runs and now > self.journal.until:
            # Time has jumped, and the caller has seen that: a restart must not undo it.
            self._commit_clock()
        return reply

    def _act(self, operation: str, request: Reply, region: str, connection: Connection) -> Reply:
        self.journal.check()
        self.clients.acts(self._visitor(connection))
        reply = self._carry_out(operation, request, region)
        if operation == HEARTBEAT:
            token = self.engines.of(region).tokens.read(request["taskToken"], ACTIVITY)
            self.clients.heartbeat(Key(token.run_id, token.started_id))
        return reply

    async def _poll(
        self, operation: str, request: Reply, region: str, connection: Connection
    ) -> Reply:
        self.journal.check()
        visitor = self._visitor(connection)
        reply = self._carry_out(operation, request, region)
        task_list = TaskList(region, operation, request["domain"], request["taskList"]["name"])
        lasts = round(self._server.poll_seconds * 1000)
        waits = lasts > 0 and not self._is_closed and not reply.get("taskToken")
        if waits:
            self.polls.check_limit(task_list)
            self._room.check()
        self.clients.polls(visitor, task_list)
        if not waits:
            self.clients.answered(visitor, task_list, reply)
            return reply
        began = self.clock.milliseconds
        poll = ServedPoll(visitor, task_list, request, empty=reply, began=began, lasts=lasts)
        self._passage.add(poll)
        await self._wait(poll, connection)
        if poll.fault is not None:
            raise poll.fault
        return poll.reply or poll.empty

    async def _wait(self, poll: ServedPoll, connection: Connection) -> None:
        """Wait until a poll is answered, or until its connection ends."""
        loop = asyncio.get_running_loop()
        self._room.taken += 1
        try:
            while not poll.answered and connection.is_open:
                waiter = connection.waiter = loop.create_future()
                poll.wake = partial(_wake, waiter)
                self._pace.soon()
                await waiter
        finally:
            self._room.taken -= 1
            connection.waiter = None
            self.polls.remove(poll)

    def _carry_out(self, operation: str, request: Reply, region: str) -> Reply:
        reply = self.engines.call(region, operation, request, self._passage.present())
        self._passage.called(operation, reply)
        self._pace.soon()
        return reply

    def _visitor(self, connection: Connection) -> Visitor:
        connection.guests.add(self)
        return self.clients.visitor(connection)

    def left(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        self.clients.left(connection)
        self._pace.soon()

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass; what falls due on the way happens, each at its own instant.

        Raises:
            ValueError: `seconds` is not a number of at least 0, or the clock is real.
        """
        self.clock.advance(seconds)
        self._commit_clock()
        self._pace.soon()

    def jump(self) -> bool:
        """Let time pass until the next thing happens; return whether anything will.

        Raises:
            ValueError: the clock is real.
        """
        instant = self.engines.next_instant()
        if instant is not None:
            self.advance(max(0, instant - self.clock.milliseconds) / 1000)
        return instant is not None

    def set_mode(self, mode: str) -> None:
        """Make its clock another one; see `ServedClock.set_mode`.

        Raises:
            ValueError: that cannot be.
        """
        self.clock.set_mode(mode)
        # On a clock that runs every poll ends.
        self.polls.set_ends(self.clock.milliseconds)
        self._commit_clock()
        self._pace.soon()

    def is_still(self) -> bool:
        """Return whether nobody holds a task and nothing will happen by itself.

        On a virtual clock time does not pass, and nothing happens, while nobody polls.
        """
        if self.clients.held():
            return False
        time_passes = self.clock.runs or len(self.polls) > 0
        return not time_passes or self.engines.next_instant() is None

    def _patience(self) -> float:
        """Return for how many real seconds of quiet to wait although nobody is busy."""
        polled = self.clients.polled
        if any(task_list not in polled for task_list in self.engines.lists_with_tasks()):
            return self._server.newcomer_seconds
        if self.engines.next_instant() is None and self.polls.next_end() is None:
            return IDLE_SECONDS
        return 0.0

    # Begin and end

    def begin(self) -> None:
        """Commit that it begins."""
        self.journal.begin(self.settings.written(), self.clock.mode, self.clock.milliseconds)

    def catch_up(self, mode: str, now: int) -> None:
        """Set the clock, and let happen what falls due until `now`; nothing is committed."""
        self.clock.resume(mode, now)
        self.engines.run_until(now)
        self.journal.until = now

    def resume(self, journal: Journal) -> None:
        """Go on after everything was restored; from now on, commit to a journal.

        Who holds the tasks that were handed out before is not known; they are waited for.
        """
        self.journal.journal = journal
        self.clock.resume(self.clock.mode, self.journal.until)
        for engine in self.engines:
            for task in all_handed_out(engine):
                self.clients.hold(task)

    def end(self) -> None:
        """Commit that it ends, and close it."""
        self.journal.end(self.clock.milliseconds)
        self.close()

    def close(self) -> None:
        """Answer the polls that wait: there is no task. Time passes no more."""
        self._is_closed = True
        self._pace.stop()
        for poll in list(self.polls):
            self.polls.answer_empty(poll)

    def _commit(self, engine: Engine) -> None:
        self.journal.commit([engine], self.clock.mode, engine.now)

    def _commit_clock(self) -> None:
        self.journal.commit(self.engines, self.clock.mode, self.clock.milliseconds)

    def _make_engine(self, region: str) -> Engine:
        return Engine(
            account=self.account,
            region=region,
            seed=self.settings.seed,
            choose=first,
            limits=self._limits,
            latency=LATENCIES[self.settings.latency],
        )


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _never() -> bool:
    return False


class Worlds:
    """The simulations of a server. Each is made when it is first used.

    Args:
        settings: how the server is set up.
    """

    def __init__(self, settings: ServerSettings) -> None:
        """Start with none."""
        self._settings = settings
        self._journal: Journal = NullJournal()
        self._room = Room(settings.max_polls)
        self._worlds: dict[SimulationKey, World] = {}
        self._is_closed = False

    def __iter__(self) -> Iterator[World]:
        """Yield all simulations."""
        return iter(list(self._worlds.values()))

    def find(self, name: str, account: str) -> World | None:
        """Return a simulation; None if it is not there."""
        return self._worlds.get(SimulationKey(name, account))

    def of(self, name: str, account: str) -> World:
        """Return a simulation, which begins with this if it is not there.

        Raises:
            ValueError: name or account cannot be one.
            LimitExceededFault: there are as many as may be.
        """
        world = self._worlds.get(SimulationKey(name, account))
        return self.begin(name, account, {}) if world is None else world

    def begin(self, name: str, account: str, settings: dict[str, Any]) -> World:
        """Let a simulation begin, or begin anew; all that was in it is gone.

        Args:
            name: as in the path; empty for the one without a name.
            account: twelve digits.
            settings: what is to be different from how it was before, or from how the server
                sets simulations up; see `Settings`.

        Raises:
            ValueError: name, account or a setting is wrong.
            LimitExceededFault: there are as many as may be.
            JournalError: nothing can be made durable at present.
        """
        key = SimulationKey(check_name(name), check_account(account))
        former = self._worlds.get(key)
        base = self._settings.simulation if former is None else former.settings
        chosen = Settings.read(settings, base)
        if former is None and len(self._worlds) >= self._settings.max_simulations:
            raise LimitExceededFault(
                f"There are {len(self._worlds)} simulations already; remove one"
            )
        self._journal.check()
        world = self._replace(key, chosen)
        world.begin()
        return world

    def remove(self, name: str, account: str) -> World | None:
        """Remove a simulation with all that is in it; return it, or None if it was not there."""
        self._journal.check()
        world = self._worlds.pop(SimulationKey(name, account), None)
        if world is not None:
            world.end()
        return world

    # Kept over a restart

    def restore(self, name: str, account: str, settings: dict[str, Any], begun: int) -> World:
        """Return a simulation with nothing in it, as it once began; nothing is committed.

        Args:
            name: as in the path; empty for the one without a name.
            account: twelve digits.
            settings: how it was begun, as `Settings.written` has given it.
            begun: when, in milliseconds since 1970.
        """
        world = self._replace(SimulationKey(name, account), Settings.read(settings))
        world.clock.resume(world.settings.clock, begun)
        return world

    def resume(self, journal: Journal) -> None:
        """Go on after everything was restored; from now on, commit to a journal."""
        self._journal = journal
        for world in self:
            world.resume(journal)

    def close(self) -> None:
        """Answer all polls that wait, and let none wait any more."""
        self._is_closed = True
        for world in self:
            world.close()

    def _replace(self, key: SimulationKey, settings: Settings) -> World:
        former = self._worlds.pop(key, None)
        if former is not None:
            former.close()
        world = World(*key, settings, self._settings, self._journal, self._room)
        if self._is_closed:
            world.close()
        self._worlds[key] = world
        return world
