"""Time skipping: what happens next, and whether the virtual clock may jump to it.

On a clock that runs on its own this is simple: everything happens at its instant, and a poll
ends when its time is over. The virtual clock stands still while a client has something to do, and
otherwise jumps to whatever happens next. What may hold it up depends on what that is:

======================================  =========================================================
What happens next                       It happens
======================================  =========================================================
an effect that only follows its cause   at once: child starts, signals and requests to cancel
a little later                          between executions wait for nothing but their latency
a timer, or a Lambda function           as soon as no client has anything to do: (1) no task is
                                        held, (2) no client is about to make its next call, (3)
                                        no task waits for a client that is present
a time-out of an execution, a decision  last of all: when, besides, no client that could has made
task or an activity task                a call for the patience (4)
======================================  =========================================================

1.  While a task is held (see `held_tasks`) time stands still, or passes at the real pace.
2.  A client that has just made a call is taken to be busy for a moment.
3.  A task on a list on which no poll waits is waited for while a client may come for it (see
    `waiting_tasks`).
4.  Queries, and polls that are merely sent again, do not count as calls.

A poll that finds nothing does not move time. It is answered, empty, when it has lasted for its real
time (over HTTP), or when no effect is pending (in one process: at once if there is no
other thread, else after a moment). A loop of a single thread that continues to poll would then
never end: after very many empty polls, its poll is refused.

trio's `MockClock` jumps in this way as soon as all tasks of its event loop are blocked. No event
loop knows the clients of a service, so here the table above takes the place of that condition.

A test runner that takes turns in one thread has nothing to wait for: it knows when no turn can be
taken, and then calls `TimeSkipping.skip`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, Protocol

from flowy_sim._engine.engine import OPERATIONS, first
from flowy_sim._engine.latency import FOLLOWING, TIME_OUTS
from flowy_sim._engine.queues import TimerQueue
from flowy_sim._simulation.clock import Clock, later
from flowy_sim._simulation.polls import Poll, Polls
from flowy_sim._simulation.presence import LOOK, Poller, Presence
from flowy_sim._simulation.regions import POLLS, TaskList
from flowy_sim._simulation.waiting_tasks import CHECK, WaitingTasks

#: Operations that change nothing.
QUERIES = frozenset(
    name for name in OPERATIONS if name.startswith(("Count", "Describe", "Get", "List"))
)
HEARTBEAT = "RecordActivityTaskHeartbeat"
#: Empty polls of a list in a row after which a loop is endless, if nothing will ever happen.
IN_VAIN = 10_000
#: Empty polls of a list in a row after which the only client waits for a time-out at once.
MANY_POLLS = 1_000
#: Real seconds for which the polls of threads wait while no effect is pending.
IDLE = 0.01


class EndlessLoopError(RuntimeError):
    """A loop polls, and nothing will ever happen that it could find or wait for."""

    __module__ = "flowy_sim"


class Sleep:
    """A client that sleeps in simulated time.

    Args:
        poller: the client.

    Attributes:
        poller: as given.
        is_over: whether its time is over.
        wake: called when it is; set by whatever waits for that.
    """

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self.is_over = False
        self.key = 0
        self.wake: Callable[[], object] = _nothing_waits


class TimedService(Protocol):
    """What time skipping needs of the service."""

    def next_instant(self, group: frozenset[str] | None = None) -> int | None:
        """Return when something will next happen by itself, in milliseconds."""
        ...

    def may_be_due(self, instant: float) -> bool:
        """Return False if nothing happens up to an instant; True means it may. Cheap to ask."""
        ...

    def run_until(self, instant: int) -> None:
        """Let everything happen up to an instant."""
        ...

    def duration_of_call(self, region: str) -> int:
        """Return how many milliseconds the next call of a client takes."""
        ...

    def lists_with_tasks(self) -> Iterable[TaskList]:
        """Return the lists on which a poll would find a task."""
        ...


class TimeSkipping:
    """Moves the clock of a simulation as far as it may move.

    Args:
        clock: the clock that is moved, or followed.
        service: where things happen.
        presence: the pollers.
        polls: the polls that wait.
        others_can_call: returns whether a client that is not inside a poll may make a call.
        ends_idle_polls: whether polls end when no effect is pending.
        why_empty: explains why polls of a list have found nothing.

    Attributes:
        settle_soon: called when `settle` should be called again soon; set by the waiter.
        is_real_while_held: whether time passes at the real pace while a task is held.
        idle_polls_last: whether a poll of the only client takes its time although nothing, or only
            a time-out, can happen: it may poll until the time is up, by a clock that follows this
            one.
        waiting_tasks: the tasks that wait for a client.
    """

    def __init__(
        self,
        clock: Clock,
        service: TimedService,
        presence: Presence,
        polls: Polls,
        others_can_call: Callable[[], bool],
        ends_idle_polls: bool,
        why_empty: Callable[[TaskList], str],
    ) -> None:
        self.settle_soon: Callable[[], None] = _nothing_waits
        self.is_real_while_held = False
        self.idle_polls_last = False
        self.waiting_tasks = WaitingTasks(
            service.lists_with_tasks, presence, polls, others_can_call
        )
        self._clock = clock
        self._service = service
        self._presence = presence
        self._polls = polls
        self._others_can_call = others_can_call
        self._ends_idle_polls = ends_idle_polls
        self._why_empty = why_empty
        self._changes = 1
        self._real_pace_since: float | None = None
        self._is_paused = False
        # When `settle` is called again at the latest, in the time of a clock that runs.
        self._settles_at = -inf
        self._sleeps: dict[Sleep, None] = {}
        self._ends_of_sleeps = TimerQueue(first)

    @property
    def is_paused(self) -> bool:
        """Whether the clock moves only on request."""
        return self._is_paused

    @is_paused.setter
    def is_paused(self, is_paused: bool) -> None:
        self._is_paused = is_paused
        self._real_pace_since = None  # The real time of the pause is not made up for.

    @property
    def changes(self) -> int:
        """A number that grows with each change that may concern a poller."""
        return self._changes

    # What happens next

    def next_instant(self) -> int | None:
        """Return when something will next happen by itself, in milliseconds.

        The ends of polls do not count. None if nothing will happen before the next call.
        """
        happens = self._service.next_instant()
        if not self._sleeps:
            return happens
        return _earliest(happens, self._ends_of_sleeps.next_instant())

    def skip(self, until: int | None = None) -> bool:
        """Let time pass until the next thing happens, whatever clients are doing.

        On a clock that runs on its own, this waits.

        Args:
            until: an instant in milliseconds at which time stops if nothing happens before; None
                if there is none.

        Returns:
            Whether there was anything to wait for.
        """
        instants = [each for each in (self.next_instant(), until) if each is not None]
        if not instants:
            return False
        instant = min(instants)
        if self._clock.runs:
            time.sleep(self._clock.seconds_until(instant))
        else:
            self._clock.advance(max(0, instant - self._clock.milliseconds) / 1000)
        return True

    # Around calls

    def present(self) -> int:
        """Return the present instant in milliseconds; everything due by then has happened."""
        if self._real_pace_since is not None:
            self._pass_real_time()
        now = self._clock.milliseconds
        if (self._clock.runs or self._polls.waiting) and self._may_be_due(now):
            self.pass_until(now)
        return now

    def called(self, operation: str, reply: Mapping[str, Any], region: str | None) -> None:
        """Note a call that was carried out; hand out the tasks that it has made.

        Args:
            operation: such as ``StartWorkflowExecution``.
            reply: its reply.
            region: the region that was called, if the call takes simulated time. Queries and empty
                polls take none: time would pass for a client that only looks.
        """
        if operation in QUERIES:
            return
        is_poll = operation in POLLS
        if not is_poll or reply.get("taskToken"):
            if region is not None and not self._clock.runs:
                self.take_time(region)
            if operation != HEARTBEAT:
                self._changes += 1
                if not is_poll and self._polls.waiting:
                    self._serve(self._clock.milliseconds)
        # On a clock that runs, the new event is seldom due before the one that is waited for.
        if not self._clock.runs or self._may_be_due(self._settles_at - 1):
            self.settle_soon()

    def take_time(self, region: str) -> None:
        """Let the time pass that a call takes, or the answer to a poll, on a virtual clock."""
        if self._clock.runs or self._is_paused:
            return
        instant = self._clock.milliseconds + self._service.duration_of_call(region)
        # Each call asks, and seldom is anything due within a millisecond.
        if self._may_be_due(instant):
            self.pass_until(instant)
        self._clock.reach(instant)

    def _may_be_due(self, instant: float) -> bool:
        """Return False if nothing happens up to an instant, and no poll ends on a clock that runs.

        Cheap to ask. True only means that something may happen.
        """
        return (
            self._service.may_be_due(instant)
            or self._ends_of_sleeps.none_before <= instant
            or (self._clock.runs and self._polls.may_end(instant))
        )

    def _serve(self, instant: int) -> None:
        served = self._polls.serve(instant)
        if served is not None:
            self.take_time(served.task_list.region)

    def add(self, poll: Poll) -> None:
        """Let a poll wait."""
        self._polls.add(poll, self._clock.runs)
        self.settle_soon()

    @property
    def sleeps(self) -> Iterable[Sleep]:
        """The sleeps that are not over."""
        return self._sleeps

    def begin_sleep(self, poller: Poller, seconds: float) -> Sleep:
        """Let a client sleep: for infinity if only another event is to wake it."""
        begun = Sleep(poller)
        self._sleeps[begun] = None
        if seconds < inf:
            end = later(self._clock.milliseconds, seconds)
            begun.key = self._ends_of_sleeps.set(end, "end of a sleep", begun)
        self._presence.sleeps(poller, True)
        self.settle_soon()
        return begun

    def end_sleep(self, sleep: Sleep) -> None:
        """End the sleep of a client, whether its time is over or not."""
        if sleep in self._sleeps:
            del self._sleeps[sleep]
            self._ends_of_sleeps.cancel(sleep.key)
            self._presence.sleeps(sleep.poller, False)

    def advance_to(self, instant: int) -> None:
        """Let everything happen up to an instant, because the clock was moved.

        In one process that ends the polls whose simulated time is over, as on a clock that runs.
        """
        if self._may_be_due(instant):
            self.pass_until(instant)
        if self._ends_idle_polls and not self._clock.runs and self._polls.waiting:
            for poll in [each for each in self._polls if each.began + each.lasts <= instant]:
                self._polls.end_early(poll)
        self.settle_soon()

    def pass_until(self, instant: int) -> int | None:
        """Let everything happen up to an instant in milliseconds, each at its own.

        Returns:
            When something will next happen; None if nothing will before the next call.
        """
        while (following := self._next_event()) is not None and following <= instant:
            self._reach(following)
        return following

    def follow(self) -> None:
        """Let the effects happen that wait for nothing but their latency."""
        if self._clock.runs or self._is_paused:
            return
        while (instant := self._service.next_instant(FOLLOWING)) is not None:
            self.pass_until(instant)

    # Between calls

    def settle(self) -> float | None:
        """Answer the polls that may be answered; let time pass if it may.

        Returns:
            After how many real seconds to call this again; None if there is no need to.
        """
        self._presence.watch()
        if self._clock.runs:
            instant = self.pass_until(self._clock.milliseconds)
            pause = None if instant is None else self._clock.seconds_until(instant)
            self._settles_at = inf if instant is None else instant
        else:
            pause = self._settle_virtual()
            self._settles_at = -inf
        self._presence.watch_again_after(pause)
        return pause

    def _settle_virtual(self) -> float | None:
        while True:
            self._polls.end(int(self._presence.now() * 1000))
            self.follow()
            pause = self._hold_up()
            if pause is None:
                pause = inf if self.is_paused else self._jump()
            if pause is not None:
                break
        end = self._polls.next_end()
        if end is not None:
            # A millisecond more, so that the poll is over by then.
            pause = min(pause, max(0.0, end / 1000 - self._presence.now()) + 0.001)
        return None if pause == inf else pause

    def _hold_up(self) -> float | None:
        """Return for how many real seconds clients hold up time; None if they don't (1 to 3)."""
        pause = self._presence.busy()
        if pause is None and self.waiting_tasks.release(self._changes):
            pause = self._presence.busy()
        if self.is_paused:
            return pause
        if self._presence.held_tasks.is_any_held():
            if not self.is_real_while_held:
                return LOOK
            pause = self._pass_real_time()
            # Clients may come for tasks that the passing time has brought.
            self.waiting_tasks.release(self._changes)
            return pause
        self._real_pace_since = None
        return self.waiting_tasks.hold_up() if pause is None else pause

    def _pass_real_time(self) -> float:
        """Let as much simulated time pass as real time has; return when to do so again."""
        now = self._presence.now()
        if self._real_pace_since is None:
            self._real_pace_since = now
        passed = int((now - self._real_pace_since) * 1000)
        # Not `now`: the fractions of milliseconds that are left over add up.
        self._real_pace_since += passed / 1000
        instant = self._clock.milliseconds + passed
        self.pass_until(instant)
        self._clock.reach(instant)
        following = self._service.next_instant()
        until = LOOK if following is None else (following - instant) / 1000
        return min(LOOK, max(until, 0.001))

    def _jump(self) -> float | None:
        """Let time pass until the next thing happens, or return how long to wait for that.

        The end of a sleep comes before a time-out at the same instant, and holds it up.
        """
        happens, wakes = self._service.next_instant(), self._ends_of_sleeps.next_instant()
        instant = _earliest(happens, wakes)
        is_last = instant != wakes and happens == self._service.next_instant(TIME_OUTS)
        is_last = is_last or instant is None
        if is_last and instant is not None:
            left = self._presence.last_call + self._presence.patience - self._presence.now()
            if left > 0 and self._others_can_call():
                return min(left, CHECK)
            if self._ends_idle_polls and self.waiting_tasks.release_all(self._changes):
                return None
            if self._only_poll_ends_before(instant):
                return None
        if (is_last or self._ends_idle_polls) and self.waiting_tasks.release_strangers():
            return None
        if instant is None:
            return self._end_idle_polls()
        if not self._sleeps:  # A client that wakes up may come for them.
            self.waiting_tasks.pass_by()
        self._reach(instant)
        return None

    def _only_poll_ends_before(self, time_out: int) -> bool:
        """Let the poll of the only client take its time, if that ends before a time-out.

        A client that polls for a limited time ends then, as at Amazon SWF. One that only waits for
        the time-out gets there at once after some polls.
        """
        if not self.idle_polls_last or self._sleeps or len(self._polls) != 1:
            return False
        (poll,) = self._polls
        end = poll.began + poll.lasts
        many = poll.poller.empties.get(poll.task_list, 0) >= MANY_POLLS
        if many or not self._ends_idle_polls or end >= time_out or self._others_can_call():
            return False
        self._clock.reach(end)
        self._polls.end_early(poll)
        return True

    def _end_idle_polls(self) -> float | None:
        """End the polls of threads: no effect is pending."""
        if not self._polls or not self._ends_idle_polls:
            return inf
        if not self._others_can_call() and len(self._polls) == 1:
            self._refuse_endless_loop()
            if self.idle_polls_last:
                (poll,) = self._polls
                self._clock.reach(poll.began + poll.lasts)
        elif self._presence.quiet < IDLE:
            return IDLE - self._presence.quiet
        for poll in list(self._polls):
            self._polls.end_early(poll)
        return None

    def _reach(self, instant: int) -> None:
        """Go to the next instant at which something is due, and let it happen."""
        self._clock.reach(instant)
        happening = self._service.next_instant()
        if happening is not None and happening <= instant:
            self._changes += 1
            # Before anything happens: afterwards, no client holds these tasks any more.
            times_out = self._clock.runs and happening == self._service.next_instant(TIME_OUTS)
            tasks = self._presence.held_tasks.open() if times_out else []
            self._service.run_until(instant)
            self._presence.held_tasks.warn_of_short_time_outs(tasks)
            self._serve(instant)
        while (end := self._ends_of_sleeps.next_instant()) is not None and end <= instant:
            (sleep,) = self._ends_of_sleeps.pop(end).arguments
            sleep.is_over = True
            self.end_sleep(sleep)
            sleep.wake()
        if self._clock.runs:
            self._polls.end(instant)

    def _next_event(self) -> int | None:
        """Return when something will next happen, or a poll end if the clock runs."""
        end = self._polls.next_end() if self._clock.runs else None
        return _earliest(self.next_instant(), end)

    def _refuse_endless_loop(self) -> None:
        """Raise an error if the only thread has polled many times without finding a task."""
        for poll in self._polls:
            if poll.poller.empties.get(poll.task_list, 0) >= IN_VAIN:
                raise EndlessLoopError(
                    f"{IN_VAIN:,} polls in a row of the {poll.task_list} have found nothing: "
                    f"{self._why_empty(poll.task_list)}. No execution is open, and there "
                    "is no other thread to start one, so this loop would never end. Let it end "
                    "when its work is done; in a test, give it to swf_run.loop."
                )


def _earliest(one: int | None, other: int | None) -> int | None:
    return other if one is None or (other is not None and other < one) else one


def _nothing_waits() -> None:
    """No waiter has been set: polls are answered where time is moved."""
