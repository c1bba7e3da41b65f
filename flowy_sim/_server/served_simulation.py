"""A served simulation: a host with what serving adds.

Every change goes to the journal, a client that has hung up receives no task, open polls are limited
over all simulations, calls can be delayed, and the mode of the clock can be changed. Everything
happens in the thread of one event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import Any

from flowy_sim._engine import lambda_functions
from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.faults import ThrottlingException
from flowy_sim._engine.lambda_functions import LambdaContext, LambdaFunction
from flowy_sim._engine.life_cycles import LambdaTask
from flowy_sim._engine.model import operation_names
from flowy_sim._engine.validation import checked
from flowy_sim._server.changeable_clock import ChangeableClock
from flowy_sim._server.connections import Connection
from flowy_sim._server.engines import ServedEngines
from flowy_sim._server.http_presence import (
    ConnectionPoller,
    ConnectionPresence,
    FunctionCall,
    UnseenHolder,
)
from flowy_sim._server.settings import LONGEST_POLL, ServerSettings
from flowy_sim._server.stub_definitions import Invoked
from flowy_sim._simulation.clock import later
from flowy_sim._simulation.event_loop import ServedEventLoop
from flowy_sim._simulation.host import Host
from flowy_sim._simulation.polls import Poll, Polls, Reply
from flowy_sim._simulation.regions import POLLS, Engines, all_handed_out
from flowy_sim._simulation.settings import LATENCIES, PAUSED, Settings
from flowy_sim._simulation.stub_answers import Answer
from flowy_sim._simulation.time_skipping import QUERIES
from flowy_sim._storage.journal import (
    Journal,
    JournalError,
    SimulationJournal,
    SimulationKey,
)


class OpenPolls:
    """The number of polls that wait, of all simulations of a server together.

    Args:
        limit: the maximum number.

    Attributes:
        count: the current number.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0

    def check(self) -> None:
        """Refuse another poll if the limit is reached.

        Raises:
            ThrottlingException: it is reached.
        """
        if self.count >= self._limit:
            raise ThrottlingException("Rate exceeded")


class ServedPolls(Polls):
    """The polls of a simulation that wait; a client that has hung up receives no task.

    Args:
        engines: where tasks are.
        presence: the pollers.
        limit: how many polls may wait on one list.
        open_polls: counts the polls of all simulations.
        check: raises `JournalError` while nothing can be made durable: no task is handed out then.
    """

    def __init__(
        self,
        engines: Engines,
        presence: ConnectionPresence,
        limit: int,
        open_polls: OpenPolls,
        check: Callable[[], None],
    ) -> None:
        super().__init__(engines, presence, first, limit)
        self._open_polls = open_polls
        self._check = check

    def check_limit(self, task_list: Any) -> None:
        """Refuse another poll of a list if it, or the server, has too many.

        Raises:
            LimitExceededFault: too many wait on the list.
            ThrottlingException: too many wait on the server.
        """
        super().check_limit(task_list)
        self._open_polls.check()

    def _hand_out(self, poll: Poll, instant: int) -> None:
        poller = poll.poller
        if isinstance(poller, ConnectionPoller) and not poller.connection.is_there():
            self.remove(poll)
            poller.connection.transport.abort()
            return
        try:
            self._check()
        except JournalError:
            self.answer_empty(poll)
        else:
            super()._hand_out(poll, instant)


class ServedSimulation:
    """A simulation that is called over connections.

    Args:
        name: the simulation's name; empty for the one without a name.
        account: twelve digits.
        settings: how it is set up.
        server: how the server is set up.
        journal: makes its changes durable.
        open_polls: counts the polls of all simulations together.

    Attributes:
        name, account, settings: as given.
        region: the default region.
        journal: its own journal.
        clock: the clock that it follows.
        engines: the service in each region.
        presence: the pollers.
        polls: the polls that wait.
    """

    def __init__(
        self,
        name: str,
        account: str,
        settings: Settings,
        server: ServerSettings,
        journal: Journal,
        open_polls: OpenPolls,
    ) -> None:
        self.name = name
        self.account = account
        self.settings = settings
        self.region = server.region
        self.journal = SimulationJournal(journal, SimulationKey(name, account))
        self._server = server
        self._open_polls = open_polls
        self._limits = settings.make_limits()
        self._is_closed = False
        self.clock = ChangeableClock(settings.clock, settings.begins_at())
        self.engines = ServedEngines(
            self._make_engine, self._commit, server.stubs, self._call_function
        )
        self.presence = ConnectionPresence(settings.patience, server.hold_seconds, name)
        self.polls = ServedPolls(
            self.engines, self.presence, self._limits.polls, open_polls, self.journal.check
        )
        self._host = Host(
            self.clock, self.engines, self.presence, self.polls, _always, LONGEST_POLL
        )
        self._time_skipping = self._host.time_skipping
        self._time_skipping.is_real_while_held = server.while_held == "real"
        self._time_skipping.is_paused = self.clock.mode == PAUSED
        self._loop = ServedEventLoop(self._host)
        self.clock.belong_to(nullcontext(), self._time_skipping.advance_to)

    # Calls

    def call(
        self, operation: str, request: Reply, region: str, connection: Connection
    ) -> Reply | Poll:
        """Carry out a call.

        Args:
            operation: such as ``StartWorkflowExecution``.
            request: its members, as they came.
            region: the region whose service is called.
            connection: where it came from; for a poll its `client_identity` is set.

        Returns:
            The reply, or the poll that waits for a task, to give to `wait`. The caller waits until
            everything that it shows, or that a refusal shows, is durable.

        Raises:
            Fault: the call is refused.
            JournalError: nothing can be made durable at present.
        """
        if operation in QUERIES:
            answer = self._host.carry_out(operation, request, region)
            self._commit_time_seen()
            return answer
        self.journal.check()
        if operation in POLLS and not connection.is_there():
            # A task that waits would be lost with the connection.
            return self.engines.empty_reply(region, operation)
        connection.add_close_callback(self.left)
        seconds = 0.0 if self._is_closed else self._server.poll_seconds
        return self._host.call(
            self.presence.poller(connection), operation, request, region, seconds
        )

    async def carry_out(self, operation: str, request: Reply, region: str) -> Reply:
        """Carry out a call of a person, for whom time does not wait as for a client.

        Args:
            operation: such as ``TerminateWorkflowExecution``; not a poll.
            request: its members, as they came.
            region: the region whose service is called.

        Returns:
            The reply, when everything that it shows is durable.

        Raises:
            Fault: the call is refused.
            JournalError: the changes cannot be made durable.
        """
        try:
            self.journal.check()
            reply = self._host.carry_out(operation, request, region)
            self._time_skipping.follow()
            return reply
        finally:
            await self.journal.durable()

    async def wait(self, poll: Poll, connection: Connection) -> Reply:
        """Wait until a poll is answered, or until its connection is closed."""
        self._open_polls.count += 1
        try:
            waiter = self._loop.wait(poll)
            connection.wake = poll.wake
            if connection.is_open:
                await waiter
        finally:
            self._open_polls.count -= 1
            connection.wake = None
            self._host.leave(poll)
        return poll.result()

    def _commit_time_seen(self) -> None:
        """Commit that time has jumped, if a client has seen it: a restart must not undo that."""
        if not self.clock.runs and self.clock.milliseconds > self.journal.until:
            self._commit_clock()

    def left(self, connection: Connection) -> None:
        """Note that a connection was closed."""
        self.presence.left(connection)
        self._loop.settle_soon()

    # Time

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass; what falls due on the way happens, each at its own instant.

        Raises:
            ValueError: `seconds` is not a number of at least 0, or the clock is real.
        """
        self.clock.advance(seconds)
        self._commit_clock()
        self._loop.settle_soon()

    def jump(self) -> bool:
        """Let time pass until the next thing happens; return whether anything will.

        Raises:
            ValueError: the clock is real.
        """
        instant = self._time_skipping.next_instant()
        if instant is not None:
            self.advance(max(0, instant - self.clock.milliseconds) / 1000)
        return instant is not None

    def set_mode(self, mode: str) -> None:
        """Change the mode of its clock; see `ChangeableClock.set_mode`.

        Raises:
            ValueError: that is impossible.
        """
        self.clock.set_mode(mode)
        self._time_skipping.is_paused = mode == PAUSED
        self.polls.reset_ends(self.clock.runs, self.clock.milliseconds)
        self._commit_clock()
        self._loop.settle_soon()

    def after(self, seconds: float, operation: str, request: dict[str, Any], region: str) -> int:
        """Make a call when some simulated time has passed; return the instant in milliseconds.

        A restart forgets it.

        Args:
            seconds: how much.
            operation: such as ``SignalWorkflowExecution``.
            request: its members.
            region: the region whose service is called.

        Raises:
            ValueError: `seconds` is not a number of at least 0, or there is nothing that the
                operation would change.
            Fault: the request is malformed.
        """
        instant = later(self.clock.milliseconds, seconds)
        if operation not in operation_names() or operation in QUERIES or operation in POLLS:
            raise ValueError(
                f"operation={operation!r}: give an operation of Amazon SWF that changes something, "
                "such as SignalWorkflowExecution."
            )
        self.engines.delay(instant, region, operation, checked(operation, request))
        self._loop.settle_soon()
        return instant

    # Lambda functions

    def _call_function(self, task: LambdaTask, answer: Answer, context: LambdaContext) -> None:
        """Call a Lambda function in a thread; time stands still meanwhile, as for a task."""
        call, function = FunctionCall.of(task), answer.function
        loop, payload = asyncio.get_running_loop(), task.opened("input")
        self.presence.hold(call, UnseenHolder(getattr(function, "url", "a Python function")))
        known = LambdaFunction(function, text=isinstance(function, Invoked))

        def run() -> None:
            outcome = lambda_functions.outcome(known, payload, context)
            with suppress(RuntimeError):  # The server has stopped.
                loop.call_soon_threadsafe(returned, *outcome)

        def returned(event_type: str, attributes: dict[str, Any]) -> None:
            if not self._is_closed:
                self.presence.held_tasks.release(call.key)
                now = self._time_skipping.present()
                self.engines.answer_function(task, now, answer.takes, event_type, attributes)
                self._loop.settle_soon()

        # A thread of its own, so that a function that hangs holds up neither others nor the end.
        threading.Thread(target=run, name=f"{call}", daemon=True).start()

    def is_still(self) -> bool:
        """Return whether no client holds a task and nothing will happen by itself.

        On a paused clock nothing does.
        """
        if self.presence.held_tasks.all():
            return False
        return self.clock.mode == PAUSED or self._time_skipping.next_instant() is None

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
        """Continue after everything was restored; from now on, commit to a journal.

        Which clients hold the tasks that were handed out before is unknown; they are waited for.
        """
        self.journal.journal = journal
        self.clock.resume(self.clock.mode, self.journal.until)
        self._time_skipping.is_paused = self.clock.mode == PAUSED
        of_stubs = self.engines.stubs.resume(self.engines, self.clock.milliseconds)
        for engine in self.engines:
            for task in all_handed_out(engine):
                if task.key not in of_stubs:
                    self.presence.hold(task, UnseenHolder("a client from before the restart"))
        self._loop.settle_soon()

    def end(self) -> None:
        """Commit that it ends, and close it."""
        self.journal.end(self.clock.milliseconds)
        self.close()

    def close(self) -> None:
        """Answer the waiting polls empty, and stop time."""
        self._is_closed = True
        self._loop.stop()
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
            empty_poll_token=self.settings.empty_poll_token,
        )


def _always() -> bool:
    return True
