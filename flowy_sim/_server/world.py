"""A served simulation: Amazon SWF of one account in all regions, on a clock of its own.

Everything here happens in the thread of one event loop, one thing after the other.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from functools import partial

from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.tokens import ACTIVITY
from flowy_sim._server.clients import Clients, Key, Visitor
from flowy_sim._server.clock import ServedClock
from flowy_sim._server.connections import Connection
from flowy_sim._server.pace import Pace
from flowy_sim._server.served import Room, ServedEngines, ServedPoll, ServedPolls, is_next_page
from flowy_sim._server.settings import LATENCIES, ServerSettings, Settings
from flowy_sim._server.tasks import all_handed_out
from flowy_sim._simulation.polls import POLLS, QUESTIONS, Reply
from flowy_sim._simulation.presence import TaskList
from flowy_sim._simulation.time_skipping import Passage
from flowy_sim._storage.journal import BEGIN, CLOCK, END, Record, Recorder, SimulationKey

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
        recorder: keeps what changes it.
        room: for the polls of all simulations together.

    Attributes:
        name, account, settings: as given.
        record: what is recorded of it.
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
        recorder: Recorder,
        room: Room,
    ) -> None:
        """Start with nothing registered."""
        self.name = name
        self.account = account
        self.settings = settings
        self.record = Record(recorder, SimulationKey(name, account))
        self._server = server
        self._room = room
        self._limits = settings.make_limits()
        self._is_closed = False
        self.clock = ServedClock(settings.clock, settings.begins_at())
        self.engines = ServedEngines(self._make_engine, self.record.change)
        self.clients = Clients(self.engines.of, self._patience, server.hold_seconds, time.monotonic)
        self.polls = ServedPolls(self.engines, self.clients, self._limits.polls, self.record.check)
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
            RecordingError: what the answer would tell of cannot be recorded.
        """
        try:
            if operation.startswith(QUESTIONS):
                return self._ask(operation, request, region)
            if operation in POLLS and not is_next_page(operation, request):
                return await self._poll(operation, request, region, connection)
            return self._act(operation, request, region, connection)
        finally:
            await self.record.durable()

    def _ask(self, operation: str, request: Reply, region: str) -> Reply:
        now = self._passage.present()
        reply = self.engines.call(region, operation, request, now)
        if not self.clock.runs and now > self.record.until:
            # Time has jumped; what somebody has seen of that is not to be undone by a restart.
            self._record_clock()
        return reply

    def _act(self, operation: str, request: Reply, region: str, connection: Connection) -> Reply:
        self.record.check()
        self.clients.acts(self._visitor(connection))
        reply = self._carry_out(operation, request, region)
        if operation == HEARTBEAT:
            token = self.engines.of(region).tokens.read(request["taskToken"], ACTIVITY)
            self.clients.heartbeat(Key(token.run_id, token.started_id))
        return reply

    async def _poll(
        self, operation: str, request: Reply, region: str, connection: Connection
    ) -> Reply:
        self.record.check()
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
        self._record_clock()
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
        self._record_clock()
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
        """Record that it begins."""
        self.record.change("", BEGIN, self.settings.written(), self.clock.milliseconds)

    def catch_up(self, mode: str, now: int) -> None:
        """Let everything have happened up to an instant in milliseconds; this is not recorded."""
        self.clock.resume(mode, now)
        self.engines.run_until(now)
        self.record.until = now

    def resume(self, recorder: Recorder) -> None:
        """Go on after all that was kept is there again; from now on, record.

        Who holds the tasks that were handed out before is not known; they are waited for.
        """
        self.record.recorder = recorder
        self.clock.resume(self.clock.mode, self.record.until)
        for engine in self.engines:
            for task in all_handed_out(engine):
                self.clients.hold(task)

    def end(self) -> None:
        """Record that it ends, and close it."""
        self.record.change("", END, {}, self.clock.milliseconds)
        self.close()

    def close(self) -> None:
        """Answer the polls that wait: there is no task. Time passes no more."""
        self._is_closed = True
        self._pace.stop()
        for poll in list(self.polls):
            self.polls.answer_empty(poll)

    def _record_clock(self) -> None:
        self.record.change("", CLOCK, {"mode": self.clock.mode}, self.clock.milliseconds)

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
