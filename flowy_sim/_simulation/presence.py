"""Presence: which clients poll, hold a task, or may be about to make a call.

A poller is a client that polls or changes something: a thread, a connection. It *waits* while it is
inside a poll that has found no task. Otherwise it is between two calls: *busy* for a moment, while
it may be about to make the next call, and *present* until it has been silent for the patience.
Queries say nothing about what a client is doing, so they do not count. `held_tasks` is about the
tasks that pollers hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from math import inf

from flowy_sim._simulation.held_tasks import HeldTask, HeldTasks, Holder
from flowy_sim._simulation.regions import HandedOutTask, TaskKey, TaskList

#: Real seconds after which a held task, or an absent poller, is checked again.
LOOK = 0.05
#: Real seconds for which a poller that holds no task, and does not compute, is busy after a call.
GRACE = 0.1
#: Real seconds for which a poller that holds no task may compute before its next call.
COMPUTING = 1.0
#: The number of busy pollers up to which those that can no longer call are not looked for.
FEW = 64
#: Real seconds for which a poller may be silent, unless a simulation has its own patience.
PATIENCE = 5.0
#: Task lists of a poller that are remembered; beyond that, the one polled first is forgotten.
MOST_LISTS = 1_000


class Poller:
    """A client that polls.

    Args:
        name: what a message calls it.
        alive: returns whether it can still make calls.
        computes: returns whether it computes now, or would if it had a processor, rather than
            waits; None where that cannot be determined.

    Attributes:
        polled: the lists it has polled, at most `MOST_LISTS`.
        last_call: when it last made a call, or received the answer to a poll, in real seconds.
        waiting: the number of its polls that wait.
        sleeping: whether it sleeps in simulated time.
        empties: how often in a row polls of a list ended empty, with nothing else done in between.
        released: for which waiting task, from which poll, after how many changes it was last
            answered early (see `flowy_sim._simulation.time_skipping`).
        tasks: the tasks that it holds itself, and some that it has held.
        drops_task: whether it has dropped its tasks when it polls again.
        idle_since: after how many changes its polls were last answered before a time-out.
        idle_answers: how often they were answered so since then, for each list.
    """

    __slots__ = (
        "_name",
        "alive",
        "computes",
        "empties",
        "idle_answers",
        "idle_since",
        "last_call",
        "polled",
        "released",
        "sleeping",
        "tasks",
        "waiting",
    )

    drops_task = False

    def __init__(
        self, name: str, alive: Callable[[], bool], computes: Callable[[], bool] | None = None
    ) -> None:
        self._name = name
        self.alive = alive
        self.computes = computes or _unknown
        self.polled: dict[TaskList, None] = {}
        self.last_call = -inf
        self.waiting = 0
        self.sleeping = False
        self.empties: dict[TaskList, int] = {}
        self.released: dict[tuple[TaskList, TaskList], int] = {}
        self.idle_since = 0
        self.idle_answers: dict[TaskList, int] = {}
        self.tasks: dict[TaskKey, HeldTask] = {}

    def __str__(self) -> str:
        return self._name

    def can_come(self) -> bool:
        """Return whether it may poll again, as far as can be determined."""
        return self.alive()

    def gone(self, now: float) -> str:
        """Return why it will not answer its task any more; empty while it may."""
        return "" if self.alive() else "has ended"

    def seen(self, now: float) -> None:
        """Note that it has just finished its task."""
        self.last_call = now

    def is_asleep(self) -> bool:
        """Return whether it sleeps in simulated time."""
        return self.sleeping

    def as_holder(self) -> Holder:
        """Return the holder of a task that this poller receives now."""
        return self


class Presence:
    """The pollers of a simulation, and the tasks they hold.

    Args:
        patience: real seconds for which a poller may be silent and still counts as present.
        hold_seconds: real seconds without a sign of life after which a task is taken to be lost.
        real_seconds: where real time is read.
        name: the name of the simulation in messages; may be empty.

    Attributes:
        patience, name: as given.
        quiet: for how many real seconds no poller has done anything, while something watched.
        last_call: when a client last made a call, in real seconds. Queries, and empty polls of a
            list that the same poller has polled before, are not counted.
        held_tasks: the tasks that they hold.
    """

    def __init__(
        self,
        patience: float = PATIENCE,
        hold_seconds: float = inf,
        real_seconds: Callable[[], float] = time.monotonic,
        name: str = "",
    ) -> None:
        self.patience = patience
        self.name = name
        self.quiet = 0.0
        self.last_call = -inf
        self.held_tasks = HeldTasks(hold_seconds, real_seconds, self.time_of_simulation)
        self._real_seconds = real_seconds
        self._watched_at = real_seconds()
        self._watched_again_after = 0.0
        self._computing: set[Poller] = set()
        self._computed = 0.0
        self._busy: dict[Poller, None] = {}
        self._pollers: dict[TaskList, dict[Poller, None]] = {}
        self._many_busy = self._many_pollers = FEW

    def now(self) -> float:
        """Return the real time, in seconds."""
        return self._real_seconds()

    @property
    def time_of_simulation(self) -> str:
        """What a message calls the time of the simulation, as the subject of a sentence."""
        return f"Simulated time of {self.name!r}" if self.name else "Simulated time"

    # Calls

    def polls(self, poller: Poller, task_list: TaskList, found: bool) -> None:
        """Note that a poller polls, and whether it found a task at once."""
        if poller.drops_task:
            self.drop(poller)
        self.works(poller)
        is_new = task_list not in poller.polled
        if found:
            poller.empties.clear()
        if found or is_new:
            self.last_call = poller.last_call
        if is_new:
            if len(poller.polled) >= MOST_LISTS:
                self._forget_list(poller, next(iter(poller.polled)))
            poller.polled[task_list] = None
        pollers = self._pollers.setdefault(task_list, {})
        pollers[poller] = None
        if len(pollers) > self._many_pollers:
            self.forget_silent(task_list)
            self._many_pollers = max(FEW, 2 * len(pollers))

    def waits(self, poller: Poller) -> None:
        """Note that a poll has found nothing and waits."""
        poller.waiting += 1
        self._busy.pop(poller, None)

    def waits_no_longer(self, poller: Poller) -> None:
        """Note that a poll no longer waits."""
        poller.waiting -= 1

    def answered(self, poller: Poller, task: HandedOutTask | None) -> None:
        """Note that a poll was answered, with a task or without."""
        self.works(poller)
        if task is not None:
            self.last_call = poller.last_call
            poller.empties.clear()
            self.hold(task, poller.as_holder())

    def acts(self, poller: Poller) -> None:
        """Note a call that is neither a poll nor a query."""
        poller.empties.clear()
        self.works(poller)
        self.last_call = poller.last_call
        poller.idle_answers.clear()

    def sleeps(self, poller: Poller, is_asleep: bool) -> None:
        """Note that a poller sleeps in simulated time, or has woken up."""
        poller.sleeping = is_asleep
        if not is_asleep:
            self.works(poller)

    def works(self, poller: Poller) -> None:
        """Note that a poller is busy."""
        self._busy[poller] = None
        self.quiet = self._computed = 0.0
        poller.last_call = self._watched_at = self._real_seconds()
        if len(self._busy) > self._many_busy:
            self._forget_ended()
            self._many_busy = max(FEW, 2 * len(self._busy))

    # Tasks

    def hold(self, task: HandedOutTask, holder: Holder) -> None:
        """Note that a task is held."""
        key = task.key
        held = self.held_tasks.add(key, task, holder)
        if isinstance(holder, Poller):
            holder.tasks[key] = held

    def drop(self, poller: Poller) -> None:
        """Note that a poller does not work on its tasks any more."""
        self.held_tasks.drop(poller.tasks)
        poller.tasks.clear()

    # What time waits for

    def busy(self) -> float | None:
        """Return for how many real seconds to wait for a busy poller; None if there is none.

        A poller that makes no call for a while no longer counts: it does something else, or waits
        for something itself. On a busy machine a thread may get no processor for that time, so such
        time does not count, up to a limit.
        """
        self._forget_ended()
        if self._busy and self.quiet < COMPUTING:
            # A thread that only wakes up between two naps is rarely seen running twice in a row.
            before, self._computing = self._computing, {p for p in self._busy if p.computes()}
            if before & self._computing:
                self._computed = self.quiet
        left = self._computed + GRACE - self.quiet
        if self._busy and left > 0:
            return min(left, GRACE / 5)
        self._busy.clear()
        return None

    def watch(self) -> None:
        """Count the real time that has passed while no poller did anything.

        At most the time announced until the next call counts: on a busy machine pollers get no
        processor either.
        """
        now = self.now()
        self.quiet += min(now - self._watched_at, self._watched_again_after)
        self._watched_at = now

    def watch_again_after(self, seconds: float | None) -> None:
        """Announce in how many real seconds `watch` is called again at the latest."""
        self._watched_again_after = LOOK if seconds is None else seconds

    def expected_until(self, task_list: TaskList) -> float:
        """Return until when a poller may come back to a list, in real seconds.

        In the past if no poller is expected: none has polled it, or all that have are silent, have
        ended, or are waiting in another poll.
        """
        until = -inf
        for poller in self._pollers_of(task_list):
            if not (poller.waiting or poller.is_asleep()):
                until = max(until, poller.last_call + self.patience)
        return until

    def why_absent(self, task_list: TaskList) -> str:
        """Return why no poller takes a task from a list, as part of a sentence."""
        reasons = []
        for poller in self._pollers.get(task_list, ()):
            if not poller.can_come():
                reason = "has ended"
            elif poller.waiting:
                reason = "is waiting in a poll of another list"
            else:
                silent = self.now() - poller.last_call
                reason = f"has made no call for {silent:.0f} real seconds"
            reasons.append(f"{poller}, which has polled it, {reason}")
        several = list(dict.fromkeys(reasons))
        if len(several) > 3:
            several[3:] = [f"and {len(several) - 3} others"]
        return "; ".join(several) or (
            "no client has polled it; start a worker that does, or stub the types that it serves"
        )

    def forget_silent(self, task_list: TaskList) -> None:
        """Forget the pollers of a list that have ended, or can only be recognized by calling."""
        silent = self.now() - self.patience
        pollers = self._pollers.get(task_list, {})
        for poller in list(pollers):
            if not poller.alive() and poller.last_call <= silent:
                del pollers[poller]
        if not pollers:
            self._pollers.pop(task_list, None)

    def forget(self, poller: Poller) -> None:
        """Forget a poller that makes no more calls."""
        for task_list in list(poller.polled):
            self._forget_list(poller, task_list)
        self._busy.pop(poller, None)

    def _forget_list(self, poller: Poller, task_list: TaskList) -> None:
        """Forget that a poller has polled a list."""
        poller.polled.pop(task_list, None)
        poller.empties.pop(task_list, None)
        poller.idle_answers.pop(task_list, None)
        poller.released = {
            turn: change for turn, change in poller.released.items() if task_list not in turn
        }
        pollers = self._pollers.get(task_list)
        if pollers is not None:
            pollers.pop(poller, None)
            if not pollers:
                del self._pollers[task_list]

    def polled_lists(self) -> dict[TaskList, list[Poller]]:
        """Return the pollers of each list that may poll it again: they poll, or have just done so.

        Those that hold a task may poll again as well: they are at work.
        """
        recently = self.now() - self.patience
        holders = {str(held.holder) for held in self.held_tasks.open()}
        found: dict[TaskList, list[Poller]] = {}
        for task_list, pollers in self._pollers.items():
            there = [
                each
                for each in pollers
                if each.last_call > recently
                or (each.alive() and (each.waiting or str(each) in holders))
            ]
            if there:
                found[task_list] = there
        return found

    def _pollers_of(self, task_list: TaskList) -> Iterator[Poller]:
        return (poller for poller in self._pollers.get(task_list, ()) if poller.can_come())

    def _forget_ended(self) -> None:
        for poller in [each for each in self._busy if each.is_asleep() or not each.alive()]:
            del self._busy[poller]


def _unknown() -> bool:
    return False
