"""How time passes for those who poll.

On a clock that runs by itself there is little to say: everything happens at its instant. On the
virtual clock time passes only when nobody has anything to do:

1.  While a participant is busy (see `participants`) time stands still. Who has died is dropped, and
    who neither holds a task nor computes is soon taken to wait for something itself.
2.  When all wait, a task may yet lie on a list that no poll waits on. Somebody who polls several
    lists in turn will take it if the poll it is in is answered, empty, at once. So polls are
    answered early, one after the other, until the task is taken: first those of participants who
    have polled that list before, once after every change in the simulation, because any change may
    make them come round; then, once and for all, those of the others, who may be about to poll
    that list for the first time.
3.  A list that nobody has ever polled may belong to a thread that is still starting. It has a
    moment of real time, unless there is no other thread.
4.  Then nobody will take the task, and time jumps to the next instant at which something happens:
    in the service, or the end of a poll.
5.  A participant whose polls of a list have come back empty again and again, while it did nothing
    else, only waits. Its next poll of that list does not end before something happens; else a
    workflow that sleeps for a year would cost half a million empty polls. If nothing will ever
    happen, the poll does end.
6.  A loop that goes on polling when nothing will ever happen, and nobody else is there, would never
    end: after a long while its poll is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from flowy_sim._simulation.clock import Clock
from flowy_sim._simulation.polls import POLLS, QUESTIONS, Poll, Polls
from flowy_sim._simulation.presence import GRACE, Participants, TaskList

#: Operations that cannot make a task, by the beginnings of their names.
CHANGING_NOTHING = (*QUESTIONS, "RecordActivityTaskHeartbeat")
#: Empty polls of a list in a row after which a participant is taken to be only waiting.
PATIENCE = 10
#: Empty polls of a list in a row after which a loop is endless, if nothing will ever happen.
IN_VAIN = 10_000
#: Real seconds between the ends of polls while nothing will ever happen by itself.
IDLE = 0.01


class EndlessLoopError(RuntimeError):
    """A loop polls, and nothing will ever happen that it could find or wait for."""

    __module__ = "flowy_sim"


class Service(Protocol):
    """What the passage of time needs of the service."""

    def next_instant(self) -> int | None:
        """Return when something will next happen by itself, in milliseconds."""
        ...

    def run_until(self, instant: int) -> None:
        """Let everything happen up to an instant."""
        ...

    def lists_with_tasks(self) -> Iterable[TaskList]:
        """Return the lists on which a poll would find a task."""
        ...


class Passage:
    """Lets time pass in a simulation, as far as it may.

    Args:
        clock: the clock that is moved, or followed.
        service: where things happen.
        participants: who is busy.
        polls: the polls that wait.
        alone: tells whether nobody else can come: there is no other thread.
    """

    def __init__(
        self,
        clock: Clock,
        service: Service,
        participants: Participants,
        polls: Polls,
        alone: Callable[[], bool],
    ) -> None:
        """Start with nothing happening."""
        self._clock = clock
        self._service = service
        self._participants = participants
        self._polls = polls
        self._alone = alone
        self._changes = 1

    def present(self) -> int:
        """Return the present instant in milliseconds; all that falls due by then has happened."""
        now = self._clock.milliseconds
        if self._polls:
            self.pass_until(now)
        return now

    def called(self, operation: str, reply: Mapping[str, Any]) -> None:
        """Take note of a call that was carried out; hand out the tasks that it has made."""
        if operation in POLLS:
            self._changes += bool(reply.get("taskToken"))
        elif not operation.startswith(CHANGING_NOTHING):
            self._changes += 1
            if self._polls:
                self._polls.serve(self._clock.milliseconds)
                self._look_again()

    def advance_to(self, instant: int) -> None:
        """Let everything happen up to an instant, because the clock was moved."""
        self.pass_until(instant)
        self._look_again()

    def add(self, poll: Poll) -> None:
        """Let a poll wait."""
        patient = poll.participant.empties.get(poll.task_list, 0) >= PATIENCE
        self._polls.add(poll, endless=patient and not self._clock.runs)

    def settle(self, waited: float = 0.0) -> float | None:
        """Answer the polls that may be answered; let time pass if it may.

        Args:
            waited: for how many real seconds the caller has waited since the last time, with
                nothing happening.

        Returns:
            After how many real seconds to call this again; None if there is no need to.
        """
        self._participants.quiet += waited
        if self._clock.runs:
            self.pass_until(self._clock.milliseconds)
            instant = self._next_instant()
            return None if instant is None else self._clock.seconds_until(instant)
        while self._polls:
            pause = self._participants.pause()
            if pause is None:
                pause = self._find_takers()
            if pause is None:
                pause = self._jump()
            if pause is not None:
                return pause
        return None

    def pass_until(self, instant: int) -> None:
        """Let everything happen up to an instant in milliseconds, each at its own."""
        while (following := self._next_instant()) is not None and following <= instant:
            self._reach(following)

    def _reach(self, instant: int) -> None:
        """Let happen what happens at the next instant at which something does."""
        self._clock.reach(instant)
        happening = self._service.next_instant()
        if happening is not None and happening <= instant:
            self._changes += 1
            self._service.run_until(instant)
            self._polls.serve(instant)
        self._polls.end(instant)

    def _look_again(self) -> None:
        """Wake whoever waits for the next instant: it may have changed."""
        watcher = self._polls.first()
        if watcher is not None and self._clock.runs:
            watcher.wake()

    def _next_instant(self) -> int | None:
        happening, end = self._service.next_instant(), self._polls.next_end()
        if happening is None or end is None:
            return end if happening is None else happening
        return min(happening, end)

    def _find_takers(self) -> float | None:
        """Let somebody come round to a task that no poll waits for (rules 2 and 3)."""
        untaken = [
            each for each in self._service.lists_with_tasks() if not self._polls.waits_on(each)
        ]
        for task_list in untaken:
            poll = self._who_comes_round(task_list)
            if poll is not None:
                self._polls.answer_empty(poll)
                return self._participants.pause()
        strangers = [each for each in untaken if each not in self._participants.polled]
        if strangers and not self._alone():
            if self._participants.quiet < GRACE:
                return GRACE - self._participants.quiet
            self._participants.polled.update(strangers)
        return None

    def _who_comes_round(self, task_list: TaskList) -> Poll | None:
        for known in (True, False):
            mark = self._changes if known else 0
            for poll in self._polls:
                released = poll.participant.released
                turn = (task_list, poll.task_list)
                if (task_list in poll.participant.polled) is known and released.get(turn) != mark:
                    released[turn] = mark
                    return poll
        return None

    def _jump(self) -> float | None:
        """Let time pass until the next thing happens (rules 4 and 5)."""
        instant = self._next_instant()
        if instant is None:
            if self._alone():
                self._refuse_endless_loop()
            elif self._participants.quiet < IDLE:
                return IDLE - self._participants.quiet
            self._polls.set_ends(self._clock.milliseconds)
            instant = self._next_instant()
        if instant is not None:
            self._reach(instant)
        return None

    def _refuse_endless_loop(self) -> None:
        """Raise an error if the only thread there is has polled for long, and in vain."""
        for poll in self._polls:
            if poll.participant.empties.get(poll.task_list, 0) >= IN_VAIN:
                raise EndlessLoopError(
                    f"{IN_VAIN:,} polls in a row of the {poll.task_list} have found nothing, no "
                    "execution is open, and there is no other thread to start one: this loop "
                    "would never end. Let it end when its work is done; in a test, give the body "
                    "of the loop to swf_run.loop."
                )
