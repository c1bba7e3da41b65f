"""Pollers: who is waiting, who holds a task, and who is between two calls.

A poller is a client that polls or changes something: a thread, a connection. It *waits* while it is
inside a poll that has found no task. Otherwise it is *busy*: it holds a task, or it is between two
calls.

A task that was handed out is *held* until it is over (answered, timed out, or its execution
closed), until its holder has gone, or until there has been no sign of life of the task for a long
time: neither an answer nor a heartbeat. A thread that polls again has dropped its task, or has
passed it on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from typing import Protocol

from flowy_sim._simulation.tasks import Task, TaskKey, TaskList

_log = logging.getLogger("flowy_sim")

#: Real seconds after which a busy poller is checked again.
LOOK = 0.05
#: Real seconds for which a poller that holds no task, and does not compute, may yet make a call.
GRACE = 0.1
#: Real seconds for which a poller that holds no task may compute before its next call.
COMPUTING = 1.0
#: Busy pollers among which nothing looks for those that cannot make calls any more.
FEW = 64
#: Real seconds without a sign of life before the first warning that a task is held.
WARNING = 5.0
#: Tasks that may be held before those that are over are removed.
_MANY = 1_000


class Holder(Protocol):
    """What holds a task; its text is what a message calls it."""

    def gone(self, now: float) -> str:
        """Return why it will not answer any more; empty while it may.

        Args:
            now: the real time, in seconds.
        """
        ...


class Poller:
    """A client that polls.

    Args:
        name: what a message calls it.
        alive: returns whether it can still make calls.
        computes: returns whether it computes now, or would if it had a processor, rather than
            waits; None where that cannot be determined.

    Attributes:
        polled: the lists it has polled.
        empties: how often in a row polls of a list ended empty, with nothing else done in between.
        released: for which waiting task, from which poll, after how many changes it was last
            answered early (see `flowy_sim._simulation.time_skipping`).
        drops_task: whether it has dropped its task when it polls again.
    """

    __slots__ = ("_name", "alive", "computes", "empties", "polled", "released")

    drops_task = False

    def __init__(
        self, name: str, alive: Callable[[], bool], computes: Callable[[], bool] | None = None
    ) -> None:
        self._name = name
        self.alive = alive
        self.computes = computes or _unknown
        self.polled: set[TaskList] = set()
        self.empties: dict[TaskList, int] = {}
        self.released: dict[tuple[TaskList, TaskList], int] = {}

    def __str__(self) -> str:
        return self._name

    def gone(self, now: float) -> str:
        """Return why it will not answer its task any more; empty while it may."""
        return "" if self.alive() else "has ended"

    def as_holder(self) -> Holder:
        """Return the holder of a task that this poller receives now."""
        return self


class HeldTask:
    """A task that is held.

    Attributes:
        task: the task.
        holder: what holds it.
        sign: when there was last a sign of life, in real seconds.
        warning: the real seconds without a sign of life after which the next warning is due.
    """

    __slots__ = ("holder", "sign", "task", "warning")

    def __init__(self, task: Task, holder: Holder, now: float) -> None:
        self.task = task
        self.holder = holder
        self.sign = now
        self.warning = WARNING

    def __str__(self) -> str:
        return f"{self.holder} holds the {self.task} from {self.task.task_list}"


class Presence:
    """The pollers of a simulation, and the tasks they hold.

    Args:
        hold_seconds: real seconds without a sign of life after which a task is taken to be lost.
        real_seconds: where real time is read.

    Attributes:
        quiet: for how many real seconds nothing has happened while something watched.
        polled: the lists that any poller has polled, or that none is expected to poll.
    """

    def __init__(
        self, hold_seconds: float = inf, real_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self.quiet = 0.0
        self.polled: set[TaskList] = set()
        self._hold_seconds = hold_seconds
        self._real_seconds = real_seconds
        self._computing: set[Poller] = set()
        self._computed = 0.0
        self._busy: dict[Poller, None] = {}
        self._held: dict[TaskKey, HeldTask] = {}
        self._many_busy = FEW
        self._many_held = _MANY

    # Calls

    def polls(self, poller: Poller, task_list: TaskList) -> None:
        """Note that a poller polls."""
        if poller.drops_task:
            self.drop(poller)
        self.works(poller)
        poller.polled.add(task_list)
        self.polled.add(task_list)

    def waits(self, poller: Poller) -> None:
        """Note that a poll has found nothing and waits."""
        self._busy.pop(poller, None)

    def answered(self, poller: Poller, task: Task | None) -> None:
        """Note that a poll was answered, with a task or without."""
        self.works(poller)
        if task is not None:
            poller.empties.clear()
            self.hold(task, poller.as_holder())

    def acts(self, poller: Poller) -> None:
        """Note a call that is neither a poll nor a query."""
        poller.empties.clear()
        self.works(poller)

    def works(self, poller: Poller) -> None:
        """Note that a poller is busy."""
        self._busy[poller] = None
        self.quiet = self._computed = 0.0
        if len(self._busy) > self._many_busy:
            self._forget_ended()
            self._many_busy = max(FEW, 2 * len(self._busy))

    # Tasks

    def hold(self, task: Task, holder: Holder) -> None:
        """Note that a task is held."""
        self._held[task.key] = HeldTask(task, holder, self._real_seconds())
        if len(self._held) > self._many_held:
            self._held = {key: held for key, held in self._held.items() if held.task.is_open()}
            self._many_held = _MANY + 2 * len(self._held)

    def heartbeat(self, key: TaskKey) -> None:
        """Note a sign of life of a task that is held."""
        held = self._held.get(key)
        if held is not None:
            held.sign = self._real_seconds()
            held.warning = WARNING

    def drop(self, holder: Holder) -> None:
        """Note that a holder does not work on its tasks any more."""
        for key in [key for key, held in self._held.items() if held.holder is holder]:
            del self._held[key]

    def held(self) -> list[HeldTask]:
        """Return the tasks that are held."""
        checked = [self._check(key) for key in list(self._held)]
        return [held for held in checked if held is not None]

    # Waiting for pollers

    def pause(self) -> float | None:
        """Return for how many real seconds to wait for a busy poller; None if there is none.

        A poller that holds no task and makes no call for a while does not count any more: it has
        gone on to other things, or waits for something itself. But on a busy machine a while is
        soon over for a thread that gets no processor; so that does not count, up to a limit.
        """
        while self._held:
            held = self._check(next(iter(self._held)))
            if held is not None:
                self._warn_of(held)
                return LOOK
        self._forget_ended()
        if self._busy and self.quiet < COMPUTING:
            # A thread that only wakes up between two naps is hardly seen running twice in a row.
            before, self._computing = self._computing, {p for p in self._busy if p.computes()}
            if before & self._computing:
                self._computed = self.quiet
        left = self._computed + GRACE - self.quiet
        if self._busy and left > 0:
            return min(left, GRACE / 5)
        self._busy.clear()
        return None

    def _forget_ended(self) -> None:
        for poller in [poller for poller in self._busy if not poller.alive()]:
            del self._busy[poller]

    def _check(self, key: TaskKey) -> HeldTask | None:
        """Return a task, unless it is not held any more."""
        held = self._held[key]
        now = self._real_seconds()
        if not held.task.is_open():
            del self._held[key]
            return None
        reason = held.holder.gone(now)
        if not reason and now >= held.sign + self._hold_seconds:
            reason = f"has given no sign of life for {self._hold_seconds:g} real seconds"
        if not reason:
            return held
        del self._held[key]
        _log.warning("%s and %s; simulated time no longer waits for it.", held, reason)
        return None

    def _warn_of(self, held: HeldTask) -> None:
        still = self._real_seconds() - held.sign
        if still >= held.warning:
            held.warning *= 2
            _log.warning(
                "Simulated time has stood still for %.0f real seconds, because %s.", still, held
            )


def _unknown() -> bool:
    return False
