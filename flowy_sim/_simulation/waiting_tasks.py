"""Waiting tasks: whether time waits for a client that may take them.

A task that waits on a list on which no poll waits holds up time while a client may come for it:

-   A client that has polled the list before, and is now inside a poll of another list, would come
    if that poll were answered. So the poll is answered, empty, at once; but only once after every
    change in the simulation, because that client may not poll the list any more.
-   A client that has polled the list before counts as present until it has been silent for the
    patience. It may sleep between its polls.
-   A list without such a client may belong to one that is still starting. The task waits for the
    patience; but only once, whatever polls come and go meanwhile, until the list is polled.

Then the task is passed by, and a warning says why. No client is waited for that cannot come: a
thread that has ended, or that is inside another poll; and in one process only threads that have
called the simulation, or that were started since it was made, can come at all. So a test with one
thread never waits.

A client that polls several lists in turn may be about to poll a list for the first time. So before
a task is passed by, polls are answered, empty, for lists that their clients have never polled; but
only once, and over HTTP only before a time-out.

In one process, polls are answered, empty, before a time-out as well, twice for each list after
every change and every call of their thread. So a loop that polls several lists in turn has a round
in which it finds nothing, and may do something else: send a heartbeat or a signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from flowy._safe_text import safe_logger
from flowy_sim._simulation.polls import Poll, Polls
from flowy_sim._simulation.presence import LOOK, Presence
from flowy_sim._simulation.regions import TaskList

_log = safe_logger("flowy_sim")

#: Real seconds after which a client that may come is checked again: it may have ended meanwhile.
CHECK = 5 * LOOK
#: Empty answers to polls of a list before a time-out, in one process.
IDLE_ANSWERS = 2


class WaitingTasks:
    """The tasks of a simulation that wait for a client.

    Args:
        lists_with_tasks: returns the lists on which a poll would find a task.
        presence: the pollers.
        polls: the polls that wait.
        others_can_call: returns whether a client that is not inside a poll may make a call.
    """

    def __init__(
        self,
        lists_with_tasks: Callable[[], Iterable[TaskList]],
        presence: Presence,
        polls: Polls,
        others_can_call: Callable[[], bool],
    ) -> None:
        self._lists_with_tasks = lists_with_tasks
        self._presence = presence
        self._polls = polls
        self._others_can_call = others_can_call
        self._waiting_since: dict[TaskList, float] = {}
        self._passed_by: set[TaskList] = set()

    def polled(self, task_list: TaskList) -> None:
        """Note that a list was polled: from now on its tasks are not passed by."""
        self._waiting_since.pop(task_list, None)
        self._passed_by.discard(task_list)

    def hold_up(self) -> float | None:
        """Return for how many real seconds to wait for clients to take tasks; None for none."""
        now, waits_until = self._presence.now(), -inf
        # A list whose tasks have ended meanwhile starts over with its next one.
        self._waiting_since = {
            task_list: self._waiting_since.get(task_list, now) for task_list in self._untaken()
        }
        for task_list, since in self._waiting_since.items():
            until = self._presence.expected_until(task_list)
            if task_list not in self._passed_by and self._others_can_call():
                until = max(until, since + self._presence.patience)
            waits_until = max(waits_until, until)
        return min(waits_until - now, CHECK) if waits_until > now else None

    def release(self, changes: int) -> bool:
        """Answer the poll of a client that may then take a task; return whether there is one.

        Args:
            changes: the number of changes in the simulation so far.
        """
        return any(self._release(task_list, changes) for task_list in self._untaken())

    def _release(self, task_list: TaskList, changes: int) -> bool:
        for poll in self._polls:
            released, turn = poll.poller.released, (task_list, poll.task_list)
            if task_list in poll.poller.polled and released.get(turn) != changes:
                released[turn] = changes
                self._polls.answer_empty(poll)
                return True
        return False

    def release_strangers(self) -> bool:
        """Do what `release` does for lists that the clients have never polled, but only once."""
        for task_list in self._untaken():
            for poll in self._polls:
                released, turn = poll.poller.released, (task_list, poll.task_list)
                if task_list not in poll.poller.polled and turn not in released:
                    released[turn] = 0
                    self._polls.answer_empty(poll)
                    return True
        return False

    def release_all(self, changes: int) -> bool:
        """Answer the polls of clients that may have something else to do; return whether any.

        Args:
            changes: the number of changes in the simulation so far.
        """
        released = [poll for poll in self._polls if self._may_be_released(poll, changes)]
        for poll in released:
            self._polls.answer_empty(poll)
        return bool(released)

    def _may_be_released(self, poll: Poll, changes: int) -> bool:
        poller = poll.poller
        if poller.idle_since != changes:
            poller.idle_since = changes
            poller.idle_answers.clear()
        count = poller.idle_answers.get(poll.task_list, 0)
        poller.idle_answers[poll.task_list] = count + 1
        return count < IDLE_ANSWERS

    def pass_by(self) -> None:
        """Warn of the tasks that time passes by."""
        now = self._presence.now()
        for task_list in self._untaken():
            if task_list in self._passed_by:
                continue
            self._passed_by.add(task_list)
            waited = now - self._waiting_since.pop(task_list, now)
            _log.warning(
                "%s moves on, although a task waits on the %s, after %.0f real seconds: %s.",
                self._presence.time_of_simulation,
                task_list,
                waited,
                self._presence.why_absent(task_list),
            )
            self._presence.forget_silent(task_list)

    def _untaken(self) -> list[TaskList]:
        return [each for each in self._lists_with_tasks() if not self._polls.waits_on(each)]
