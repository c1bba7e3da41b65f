"""Time skipping: what happens next, and whether the virtual clock may jump to it.

On a clock that runs by itself there is little to say: everything happens at its instant. On the
virtual clock time passes only when no client has anything to do:

1.  While a poller is busy (see `presence`) time stands still. Pollers that have ended are dropped,
    and one that neither holds a task nor computes is soon taken to wait for something itself.
2.  When all pollers wait, there may still be a task on a list that no poll waits on. A client that
    polls several lists in turn will take it if the poll it is in is answered, empty, at once. So
    polls are answered early, one after the other, until the task is taken: first those of pollers
    that have polled that list before, once after every change in the simulation, because any change
    may make them come round; then, only once, those of the others, which may be about to poll that
    list for the first time.
3.  A list that has never been polled may belong to a thread that is still starting. It gets a
    moment of real time, unless there is no other thread.
4.  Then no client will take the task, and time jumps to the next instant at which something
    happens: in the service, or the end of a poll.
5.  A poller whose polls of a list have come back empty again and again, while it did nothing else,
    only waits. Its next poll of that list does not end before something happens; otherwise a
    workflow that sleeps for a year would cost half a million empty polls. If nothing will ever
    happen, the poll does end.
6.  A loop that goes on polling when nothing will ever happen, with no other thread that could
    change that, would never end: after very many empty polls, its poll is refused.

A test runner that takes turns in one thread has nothing to wait for: it knows when no turn can be
taken, and then calls `TimeSkipping.skip`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from flowy_sim._simulation.clock import Clock
from flowy_sim._simulation.polls import Poll, Polls
from flowy_sim._simulation.presence import GRACE, Presence
from flowy_sim._simulation.tasks import POLLS, TaskList

#: Operations that change nothing, by the beginnings of their names.
QUERIES = ("Count", "Describe", "Get", "List")
HEARTBEAT = "RecordActivityTaskHeartbeat"
#: Operations that cannot make a task, by the beginnings of their names.
CHANGING_NOTHING = (*QUERIES, HEARTBEAT)
#: Empty polls of a list in a row after which a poller is taken to be only waiting.
PATIENCE = 10
#: Empty polls of a list in a row after which a loop is endless, if nothing will ever happen.
IN_VAIN = 10_000
#: Real seconds between the ends of polls while nothing will ever happen by itself.
IDLE = 0.01


class EndlessLoopError(RuntimeError):
    """A loop polls, and nothing will ever happen that it could find or wait for."""

    __module__ = "flowy_sim"


class Service(Protocol):
    """What time skipping needs of the service."""

    def next_instant(self) -> int | None:
        """Return when something will next happen by itself, in milliseconds."""
        ...

    def run_until(self, instant: int) -> None:
        """Let everything happen up to an instant."""
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
        alone: returns whether no other client can come: there is no other thread.

    Attributes:
        settle_soon: called when `settle` should be called again soon; set by the waiter.
    """

    def __init__(
        self,
        clock: Clock,
        service: Service,
        presence: Presence,
        polls: Polls,
        alone: Callable[[], bool],
    ) -> None:
        self.settle_soon: Callable[[], None] = _nothing_waits
        self._clock = clock
        self._service = service
        self._presence = presence
        self._polls = polls
        self._alone = alone
        self._changes = 1

    # What happens next

    def next_instant(self) -> int | None:
        """Return when something will next happen by itself, in milliseconds.

        The ends of polls do not count. None if nothing will happen before the next call.
        """
        return self._service.next_instant()

    def skip(self, until: int | None = None) -> bool:
        """Let time pass until the next thing happens, whatever pollers are doing.

        A clock that runs by itself is waited for.

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
        now = self._clock.milliseconds
        if self._polls:
            self.pass_until(now)
        return now

    def called(self, operation: str, reply: Mapping[str, Any]) -> None:
        """Note a call that was carried out; hand out the tasks that it has made."""
        if operation in POLLS:
            self._changes += bool(reply.get("taskToken"))
        elif not operation.startswith(CHANGING_NOTHING):
            self._changes += 1
            if self._polls:
                self._polls.serve(self._clock.milliseconds)
        self.settle_soon()

    def advance_to(self, instant: int) -> None:
        """Let everything happen up to an instant, because the clock was moved."""
        self.pass_until(instant)
        self.settle_soon()

    def add(self, poll: Poll) -> None:
        """Let a poll wait."""
        patient = poll.poller.empties.get(poll.task_list, 0) >= PATIENCE
        self._polls.add(poll, endless=patient and not self._clock.runs)

    def settle(self, waited: float = 0.0) -> float | None:
        """Answer the polls that may be answered; let time pass if it may.

        Args:
            waited: for how many real seconds the caller has waited since the last time, with
                nothing happening.

        Returns:
            After how many real seconds to call this again; None if there is no need to.
        """
        self._presence.quiet += waited
        if self._clock.runs:
            self.pass_until(self._clock.milliseconds)
            instant = self._next_event()
            return None if instant is None else self._clock.seconds_until(instant)
        while self._polls:
            pause = self._presence.pause()
            if pause is None:
                pause = self._find_takers()
            if pause is None:
                pause = self._jump()
            if pause is not None:
                return pause
        return None

    def pass_until(self, instant: int) -> None:
        """Let everything happen up to an instant in milliseconds, each at its own."""
        while (following := self._next_event()) is not None and following <= instant:
            self._reach(following)

    def _reach(self, instant: int) -> None:
        """Let happen what is due at the next instant at which something is."""
        self._clock.reach(instant)
        happening = self._service.next_instant()
        if happening is not None and happening <= instant:
            self._changes += 1
            self._service.run_until(instant)
            self._polls.serve(instant)
        self._polls.end(instant)

    def _next_event(self) -> int | None:
        """Return when something will happen in the service or a poll ends, in milliseconds."""
        happening, end = self._service.next_instant(), self._polls.next_end()
        if happening is None or end is None:
            return end if happening is None else happening
        return min(happening, end)

    def _find_takers(self) -> float | None:
        """Let a client come round to a task that no poll waits for (rules 2 and 3)."""
        untaken = [
            each for each in self._service.lists_with_tasks() if not self._polls.waits_on(each)
        ]
        for task_list in untaken:
            poll = self._poll_to_release(task_list)
            if poll is not None:
                self._polls.answer_empty(poll)
                return self._presence.pause()
        never_polled = [each for each in untaken if each not in self._presence.polled]
        if never_polled and not self._alone():
            if self._presence.quiet < GRACE:
                return GRACE - self._presence.quiet
            self._presence.polled.update(never_polled)
        return None

    def _poll_to_release(self, task_list: TaskList) -> Poll | None:
        for known in (True, False):
            mark = self._changes if known else 0
            for poll in self._polls:
                released = poll.poller.released
                turn = (task_list, poll.task_list)
                if (task_list in poll.poller.polled) is known and released.get(turn) != mark:
                    released[turn] = mark
                    return poll
        return None

    def _jump(self) -> float | None:
        """Let time pass until the next thing happens (rules 4 and 5)."""
        instant = self._next_event()
        if instant is None:
            if self._alone():
                self._refuse_endless_loop()
            elif self._presence.quiet < IDLE:
                return IDLE - self._presence.quiet
            self._polls.set_ends(self._clock.milliseconds)
            instant = self._next_event()
        if instant is not None:
            self._reach(instant)
        return None

    def _refuse_endless_loop(self) -> None:
        """Raise an error if the only thread there is has polled many times in vain."""
        for poll in self._polls:
            if poll.poller.empties.get(poll.task_list, 0) >= IN_VAIN:
                raise EndlessLoopError(
                    f"{IN_VAIN:,} polls in a row of the {poll.task_list} have found nothing, no "
                    "execution is open, and there is no other thread to start one: this loop "
                    "would never end. Let it end when its work is done; in a test, give the body "
                    "of the loop to swf_run.loop."
                )


def _nothing_waits() -> None:
    """No waiter has been set: polls are answered where time is moved."""
