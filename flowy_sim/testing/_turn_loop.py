"""The turn loop of a runner: it gives turns, and skips time when no worker can take one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from types import ModuleType
from typing import Protocol

from flowy._client import Execution
from flowy._installation import install_command
from flowy.activity import _AT_CHECKPOINTS
from flowy_sim._engine.start import run_seconds
from flowy_sim._events.schema import attributes_of
from flowy_sim._events.waits import explain, signals_of, waits_of
from flowy_sim._simulation.stub_answers import ACTIVITY
from flowy_sim.testing._invariants import Invariants, Restarts
from flowy_sim.testing._run import EventFeed, StuckError, fetch, history, open_executions
from flowy_sim.testing._scheduler import Scheduler
from flowy_sim.testing._stub_dispatch import TAKES_TURNS, StubDispatch

_LONGEST_RESCHEDULING = 24 * 3600 * 1000
_LEAST_RESCHEDULED = 2
_RESCHEDULING = frozenset(
    {
        "ActivityTaskScheduled",
        "ActivityTaskTimedOut",
        "DecisionTaskCompleted",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        "MarkerRecorded",
    }
)
"""The events that occur while a decider repeatedly schedules tasks that no worker takes."""

_LOOK = 0.01
"""Real seconds between two looks for calls of other threads, on a clock that runs by itself."""

_MOST_OPEN = 1000
_MOST_EXPLAINED = 5


class TurnLoop:
    """Gives turns to workers, and skips time when no worker can take one.

    Args:
        scheduler: gives the turns.
        stub_dispatch: chooses answers of stubs; its first error is raised after the turn.
        event_feed: publishes the events that are written when time passes.
        invariants: what is checked after every turn.
        freeze: whether user code sees the simulated time in `time` and `datetime`, by freezegun.
        on_turn: called between two turns.
        most_restarts: the number of times that an execution may continue as new.
        times_out: whether an execution may end by its own time-out.

    Attributes:
        scheduler, stub_dispatch, event_feed: as given.
        clock_seen: the clock that user code sees; by default that of the simulation.
        follow_clock: lets user code see the present time of that clock.

    Raises:
        ImportError: `freeze` is set and freezegun is not installed.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        stub_dispatch: StubDispatch,
        event_feed: EventFeed,
        invariants: Invariants,
        freeze: bool,
        on_turn: Callable[[], None] | None,
        most_restarts: int = 0,
        times_out: bool = False,
    ) -> None:
        self.scheduler = scheduler
        self._simulation = scheduler.simulation
        self._engine = scheduler.simulation.engine()
        self._clock = scheduler.simulation.clock
        self.stub_dispatch = stub_dispatch
        self.event_feed = event_feed
        self._invariants = invariants
        self._freeze = freeze
        if freeze:
            freezegun()
        self._on_turn = on_turn
        self._times_out_in_the_end = times_out
        self._checked_at = 0
        self._is_active = False
        self._restarts = Restarts(self._engine, most_restarts + 2)
        self.clock_seen: ReadableClock = self._clock
        self.follow_clock: Callable[[], None] = _do_nothing

    def run_until_closed(self, execution: Execution) -> None:
        """Give turns and skip time until an execution is closed.

        Raises:
            StuckError: nothing more will happen, and the execution is still open.
        """
        __tracebackhide__ = True
        with self.active():
            while self._is_open(execution):
                self._end_turn()
                self.scheduler.fault_injector.turn()
                if not self.scheduler.take_turn() and self._is_open(execution):
                    self._wait(execution)
            self._end_turn()

    def take_turn(self) -> bool:
        """Give one turn to a worker that may find a task; return whether there was one."""
        with self.active():
            self.scheduler.fault_injector.turn()
            taken = self.scheduler.take_turn()
            if taken:  # Exploring would take the same state for one that it has seen.
                self._end_turn()
        return taken

    def next_instant(self) -> int | None:
        """Return when the next effect or delayed call is due, in milliseconds since 1970.

        None if nothing will happen until a worker takes a turn.
        """
        calls, happens = self._next_instants()
        if calls is None or happens is None:
            return happens if calls is None else calls
        return min(calls, happens)

    def _next_instants(self) -> tuple[int | None, int | None]:
        """Return when the next delayed call is due, and when the next effect is."""
        return self.scheduler.delayed_calls.next_instant(), self._simulation.next_instant()

    def skip_time(self) -> bool:
        """Skip time until the next effect or delayed call is due, and let it happen.

        On a clock that runs on its own, this waits; a call from elsewhere ends the wait.

        Returns:
            Whether there was anything; if not, nothing happens until a worker takes a turn.
        """
        return self._skip_time(*self._next_instants())

    def _skip_time(self, calls: int | None, happens: int | None) -> bool:
        if self._clock.runs:
            skipped = self._wait_for_clock()
        else:
            instants = [instant for instant in (calls, happens) if instant is not None]
            skipped = bool(instants)
            if skipped and not self._arrives_just_before(min(instants), calls == happens):
                self._clock.advance(max(0, min(instants) - self._clock.milliseconds) / 1000)
        self.follow_clock()
        # Events first: a delayed call may be an action of the test that looks at them.
        self.event_feed.publish()
        self.scheduler.delayed_calls.run_due()
        return skipped

    def _arrives_just_before(self, instant: int, several: bool) -> bool:
        """Let something happen a millisecond before what is due next, while no worker is looking.

        So it is there first, and yet both can be news in the same decision task: a payment and its
        deadline, say. That can be something from outside, or a call that is due at that instant.

        Args:
            instant: when that is due.
            several: whether a delayed call and an effect are due then.

        Returns:
            Whether something did; then time has been skipped.
        """
        if instant - 1 < self._clock.milliseconds:
            return False
        delayed_calls = self.scheduler.delayed_calls
        struck = self.scheduler.fault_injector.just_before(lambda: self._advance_to(instant - 1))
        if several and self.scheduler.choose("which is first", 2):
            self._advance_to(instant - 1)
            delayed_calls.run_due(instant)
            struck = True
        while struck and self._clock.milliseconds < instant:
            self._simulation.skip_time(instant)
        return struck

    def _advance_to(self, instant: int) -> None:
        milliseconds = instant - self._clock.milliseconds
        if milliseconds > 0:
            self._clock.advance(milliseconds / 1000)

    def _wait_for_clock(self) -> bool:
        """Wait until something happens, or another thread or process has made a call.

        If nothing is due, this waits as long as another thread that may make a call is alive.

        Returns:
            Whether there was anything to wait for.
        """
        time_skipping = self._simulation.host.time_skipping
        changes, instant = time_skipping.changes, self.next_instant()
        while time_skipping.changes == changes:
            if instant is None:
                if not self._simulation.threads.another_can_call():
                    return False
                seconds = _LOOK
            else:
                seconds = min(_LOOK, self._clock.seconds_until(instant))
                if seconds <= 0:
                    break
            time.sleep(seconds)
        return True

    def _end_turn(self) -> None:
        __tracebackhide__ = True
        if self.stub_dispatch.error is not None:
            raise self.stub_dispatch.error.with_traceback(None)
        self._invariants.check()
        self._restarts.check()
        if self._on_turn is not None:
            self._on_turn()

    def _wait(self, execution: Execution) -> None:
        """Skip time until something happens.

        Raises:
            StuckError: nothing will happen except the execution's own time-out, and `times_out`
                is False.
        """
        __tracebackhide__ = True
        calls, happens = self._next_instants()
        if calls is None:
            self._check_not_rescheduling(execution)
        if calls is None and (happens is None or happens >= self._times_out(execution)):
            # A signal that is certain to arrive, for example, arrives now at the latest.
            if self.scheduler.fault_injector.last_resort():
                return
            # On a clock that runs, another thread may be about to do something.
            if self._clock.runs and self._simulation.threads.another_can_call():
                self.skip_time()
                return
            if not self._times_out_in_the_end:
                self._check_not_stuck(execution)
        self._skip_time(calls, happens)

    def _check_not_stuck(self, execution: Execution) -> None:
        """Check that an open execution waits for something that will end.

        Raises:
            StuckError: nothing that the execution waits for will ever end.
        """
        __tracebackhide__ = True
        client, domain = self.scheduler.client, self.scheduler.domain
        workers = self.scheduler.worker_pools.workers()
        run, *others = (
            fetch(client, domain, each, workers.payloads, now=self._clock.now)
            for each in dict.fromkeys([execution, *open_executions(client, domain, _MOST_OPEN)])
        )
        found = [wait for each in (run, *others) for wait in waits_of(each, workers)]
        if not any(wait.ends for wait in found):
            message = explain(run, others[:_MOST_EXPLAINED], workers, self._clock.now)
            pools, client = self.scheduler.worker_pools, self.scheduler.worker_client
            advice = [client.advice(), pools.advice(), client.processes.advice()]
            message = "\n".join(filter(None, [message, *advice]))
            raise StuckError(message, replace(run, awaited=signals_of(waits_of(run, workers))))

    def _check_not_rescheduling(self, execution: Execution) -> None:
        """Check that a decider does not repeatedly schedule tasks that no worker takes.

        Raises:
            StuckError: for a day, nothing has happened except that such tasks have timed out.
        """
        __tracebackhide__ = True
        now = self._clock.now
        found = self._engine.executions[execution.run_id]
        since_check = self._clock.milliseconds - max(found.started_at, self._checked_at)
        if since_check < _LONGEST_RESCHEDULING:
            return
        self._checked_at = self._clock.milliseconds
        # The last event is at hand, and often decides; the history is read only if it does not.
        if found.event_type(len(found)) not in _RESCHEDULING:
            return
        client, domain = self.scheduler.client, self.scheduler.domain
        events = history(client, domain, execution)
        since = now - timedelta(milliseconds=_LONGEST_RESCHEDULING)
        recent = [event for event in events if event["eventTimestamp"] > since]
        ended = [each for each in recent if each["eventType"] == "ActivityTaskTimedOut"]
        tasks = [attributes_of(events[attributes_of(e)["scheduledEventId"] - 1]) for e in ended]
        if (
            len(ended) < _LEAST_RESCHEDULED
            or any(event["eventType"] not in _RESCHEDULING for event in recent)
            # A worker has taken one of the tasks, so it is not for lack of workers that they time
            # out.
            or any(attributes_of(event).get("startedEventId") for event in ended)
            # A stub may let them time out on purpose.
            or any(self._is_stubbed(task["activityType"]) for task in tasks)
            # Another execution may yet bring a change.
            or len(open_executions(client, domain, 2)) > 1
        ):
            return
        lists = ", ".join(sorted({repr(task["taskList"]["name"]) for task in tasks}))
        names = sorted(
            {f"{t['activityType']['name']} {t['activityType']['version']}" for t in tasks}
        )
        run = fetch(
            client, domain, execution, self.scheduler.worker_pools.workers().payloads, now=now
        )
        raise StuckError(
            f"{run.describe()}: for a simulated day, its decider has only scheduled "
            f"{', '.join(names)} again after each time-out ({len(ended)} times), and no worker "
            f"has taken a task from {lists}; let a worker poll that list, or stub the activity",
            run,
        )

    def _is_stubbed(self, named: Mapping[str, str]) -> bool:
        stubs = self.stub_dispatch.stubs
        return stubs.find(ACTIVITY, named["name"], named["version"]) is not None

    def _times_out(self, execution: Execution) -> int:
        found = self._engine.executions[execution.run_id]
        return found.started_at + 1000 * run_seconds(found.started("executionStartToCloseTimeout"))

    def _is_open(self, execution: Execution) -> bool:
        found = self._engine.executions.get(execution.run_id)
        return found is not None and found.is_open

    @contextmanager
    def active(self) -> Iterator[None]:
        """Freeze the time that user code sees, and prepare for poll loops, unless it is done."""
        if self._is_active:
            yield
            return
        self._is_active = True
        threads = self._simulation.threads
        before, threads.runner = threads.runner, threading.current_thread()
        _AT_CHECKPOINTS.append(self.scheduler.worker_client.checkpoint)
        takes_turns = TAKES_TURNS.set(self.stub_dispatch)
        frozen = frozen_to(self.clock_seen) if self._freeze else nullcontext(_do_nothing)
        try:
            with self.scheduler.worker_pools.loop_environment(), frozen as follow:
                self.follow_clock = follow
                yield
        finally:
            self._is_active = False
            threads.runner = before
            _AT_CHECKPOINTS.pop()
            TAKES_TURNS.reset(takes_turns)

    @contextmanager
    def frozen_test(self) -> Iterator[None]:
        """Let the test itself see the simulated time, if asked for."""
        if not self._freeze:
            yield
            return
        with frozen_to(self._clock, steadily=True):
            yield


class ReadableClock(Protocol):
    """A clock that can be read."""

    @property
    def milliseconds(self) -> int:
        """The present instant in milliseconds since 1970."""
        ...

    @property
    def now(self) -> datetime:
        """The present instant."""
        ...


@contextmanager
def frozen_to(clock: ReadableClock, *, steadily: bool = False) -> Iterator[Callable[[], None]]:
    """Let user code see a clock's time in `time` and `datetime`.

    The time that it sees stands still between calls of the function that this yields. As with
    everything in freezegun, it applies to the whole process; an enclosing freeze applies again
    afterwards. Simulations do not ask the process for the time, and asyncio's event loops continue
    in real time.

    Args:
        clock: the clock.
        steadily: whether the time seen is always the clock's: each call of a client moves that.

    Yields:
        A function that sets the time seen to the clock's.

    Raises:
        ImportError: freezegun is not installed.

    Example:
        >>> import datetime
        >>> from flowy_sim import VirtualClock
        >>> clock = VirtualClock("2024-02-29T12:00:00Z")
        >>> with frozen_to(clock) as follow:
        ...     clock.advance(90)
        ...     follow()
        ...     datetime.datetime.now().isoformat()
        '2024-02-29T12:01:30'
    """
    # Entering costs milliseconds, moving on microseconds: one freeze serves a whole run.
    with freezegun().freeze_time(clock.now, real_asyncio=True) as frozen:
        if steadily:

            class Steady(type(frozen)):  # type: ignore[misc]
                def __call__(self) -> datetime:
                    return clock.now.replace(tzinfo=None)

            frozen.__class__ = Steady
        seen = clock.milliseconds

        def follow() -> None:
            nonlocal seen
            if clock.milliseconds != seen:
                seen = clock.milliseconds
                frozen.move_to(clock.now)

        yield follow


def freezegun() -> ModuleType:
    """Import freezegun.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module("freezegun")
    except ImportError as error:
        raise ImportError(
            "freeze=True needs freezegun, which is not installed; install it: "
            f"{install_command('pytest')}"
        ) from error


def _do_nothing() -> None:
    """Leave the time that user code sees as it is."""
