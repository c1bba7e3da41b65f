"""Simulated time for user code, by freezegun: what `time` and `datetime` say inside a task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import ModuleType

from flowy._client import Execution
from flowy._installation import install_command
from flowy_sim._simulation.clock import Clock
from flowy_sim.testing._invariants import Invariants
from flowy_sim.testing._run import EventFeed
from flowy_sim.testing._scheduler import Scheduler
from flowy_sim.testing._stub_dispatch import StubDispatch
from flowy_sim.testing._waiting import stuck_at


@contextmanager
def frozen_to(clock: Clock) -> Iterator[Callable[[], None]]:
    """Let user code see a clock's time.

    It stands still until it is asked to follow the clock. Like everything freezegun does this
    holds for the whole process, and a freeze around it holds again afterwards. Simulations ask
    nobody for the time, and the loops of asyncio go on in real time.

    Args:
        clock: whose time is seen.

    Yields:
        A function that lets the time seen follow the clock's.

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
        seen = clock.milliseconds

        def follow() -> None:
            nonlocal seen
            if clock.milliseconds != seen:
                seen = clock.milliseconds
                frozen.move_to(clock.now)

        yield follow


def freezegun() -> ModuleType:
    """Return the library.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module("freezegun")
    except ImportError as error:
        raise ImportError(
            "user code sees simulated time by freezegun, which is not installed: "
            f"{install_command('pytest')}"
        ) from error


class TurnLoop:
    """Lets turns be taken, and time pass.

    Args:
        scheduler: who takes turns.
        stub_dispatch: give answers; what is wrong with one is raised after the turn.
        event_feed: is to be told when time has passed.
        checks: what holds after every turn.
        freeze: whether user code sees the simulated time in `time` and `datetime`, by freezegun.
        on_turn: called between two turns.

    Raises:
        ImportError: freezegun is wanted and not installed.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        stub_dispatch: StubDispatch,
        event_feed: EventFeed,
        checks: Invariants,
        freeze: bool,
        on_turn: Callable[[], None] | None,
    ) -> None:
        """Stand still."""
        self._scheduler = scheduler
        self._simulation = scheduler.simulation
        self._clock = scheduler.simulation.clock
        self._stub_dispatch = stub_dispatch
        self._event_feed = event_feed
        self._invariants = checks
        self._freeze = freeze
        if freeze:
            freezegun()
        self._on_turn = on_turn
        self.follow: Callable[[], None] = _stand_still
        """Lets user code see the present instant."""

    def run_until_closed(self, execution: Execution) -> None:
        """Let turns be taken and time pass until an execution is closed.

        Raises:
            StuckError: nothing moves any more and it is still open.
        """
        __tracebackhide__ = True
        with self._seen_time():
            while self._is_open(execution):
                self._turn_is_over()
                self._scheduler.fault_injector.turn()
                if not self._scheduler.take_turn() and self._is_open(execution):
                    self._pass_time(execution)
            self._turn_is_over()

    def take_turn(self) -> bool:
        """Let somebody take one turn, who has something to do; return whether anybody had."""
        with self._seen_time():
            self._scheduler.fault_injector.turn()
            took = self._scheduler.take_turn()
            self._turn_is_over()
        return took

    def next_instant(self) -> int | None:
        """Return when something will next happen by itself, in milliseconds since 1970.

        None if nothing will until somebody takes a turn.
        """
        instants = self._scheduler.delayed_calls.next_instant(), self._simulation.next_instant()
        return min((instant for instant in instants if instant is not None), default=None)

    def let_time_pass(self, instant: int) -> None:
        """Let time pass, and what happens by itself meanwhile happen.

        Args:
            instant: until when, in milliseconds since 1970.
        """
        if self._clock.runs:
            time.sleep(self._clock.seconds_until(instant))
        else:
            self._clock.advance(max(0, instant - self._clock.milliseconds) / 1000)
        self._event_feed.tell()
        self._scheduler.delayed_calls.catch_up()

    def _turn_is_over(self) -> None:
        __tracebackhide__ = True
        if self._stub_dispatch.problem is not None:
            raise self._stub_dispatch.problem.with_traceback(None)
        self._invariants.check()
        if self._on_turn is not None:
            self._on_turn()

    def _pass_time(self, execution: Execution) -> None:
        """Let time pass until something happens.

        Raises:
            StuckError: nothing will, other than that the execution as a whole times out.
        """
        __tracebackhide__ = True
        own, happens = self._scheduler.delayed_calls.next_instant(), self._simulation.next_instant()
        if own is None and (happens is None or happens >= self._times_out(execution)):
            if self._scheduler.fault_injector.last_resort():
                return
            scheduler, now = self._scheduler, self._clock.now
            stuck = stuck_at(
                now, scheduler.client, scheduler.domain, execution, scheduler.workers()
            )
            if stuck is not None:
                raise stuck
        self.let_time_pass(min(each for each in (own, happens) if each is not None))

    def _times_out(self, execution: Execution) -> int:
        found = self._simulation.engine().executions[execution.run_id]
        return found.started_at + 1000 * int(found.started("executionStartToCloseTimeout"))

    def _is_open(self, execution: Execution) -> bool:
        found = self._simulation.engine().executions.get(execution.run_id)
        return found is not None and found.is_open

    @contextmanager
    def _seen_time(self) -> Iterator[None]:
        with frozen_to(self._clock) if self._freeze else nullcontext(_stand_still) as follow:
            self.follow = follow
            yield


def _stand_still() -> None:
    """Follow no clock."""
