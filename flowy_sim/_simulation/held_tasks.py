"""Held tasks: those that were handed out, and that a client may still answer.

A task is *held* until it is over (answered, timed out, or its execution closed), until its holder
has gone, or until there has been no sign of life of the task for a long time: neither an answer nor
a heartbeat. A thread that polls again has dropped its task, or has passed it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from flowy._safe_text import safe_logger
from flowy_sim._simulation.regions import HandedOutTask, TaskKey

_log = safe_logger("flowy_sim")

#: Real seconds without a sign of life before the first warning that a task is held.
WARNING = 5.0
#: Real seconds in which few clients can answer a task: a shorter time-out causes a warning.
SHORT = 1.0
#: The number of held tasks beyond which those that are over are removed.
_MANY = 1_000


class Holder(Protocol):
    """What holds a task; its text is what a message calls it."""

    def gone(self, now: float) -> str:
        """Return why it will not answer any more; empty while it may.

        Args:
            now: the real time, in seconds.
        """
        ...

    def seen(self, now: float) -> None:
        """Note that it has just finished its task."""
        ...

    def is_asleep(self) -> bool:
        """Return whether it sleeps in simulated time."""
        ...


class HeldTask:
    """A task that is held.

    Attributes:
        task: the task.
        holder: what holds it.
        sign: when there was last a sign of life, in real seconds.
        warning: the real seconds without a sign of life after which the next warning is due.
    """

    __slots__ = ("holder", "sign", "task", "warning")

    def __init__(self, task: HandedOutTask, holder: Holder, now: float) -> None:
        self.task = task
        self.holder = holder
        self.sign = now
        self.warning = WARNING

    def __str__(self) -> str:
        return f"{self.holder} holds the {self.task.in_full}"


class HeldTasks:
    """The tasks of a simulation that are held.

    Args:
        hold_seconds: real seconds without a sign of life after which a task is taken to be lost.
        now: returns the real time, in seconds.
        time_of_simulation: what a message calls the time of the simulation, as the subject of a
            sentence.
    """

    def __init__(
        self, hold_seconds: float, now: Callable[[], float], time_of_simulation: str
    ) -> None:
        self._hold_seconds = hold_seconds
        self._now = now
        self._time = time_of_simulation
        self._held: dict[TaskKey, HeldTask] = {}
        self._many = _MANY

    def add(self, key: TaskKey, task: HandedOutTask, holder: Holder) -> HeldTask:
        """Note that a task is held; return it."""
        self._held[key] = added = HeldTask(task, holder, self._now())
        if len(self._held) > self._many:
            self._held = {key: held for key, held in self._held.items() if held.task.is_open()}
            self._many = _MANY + 2 * len(self._held)
        return added

    def heartbeat(self, key: TaskKey) -> None:
        """Note a sign of life of a task that is held."""
        held = self._held.get(key)
        if held is not None:
            held.sign = self._now()
            held.warning = WARNING

    def release(self, key: TaskKey) -> None:
        """Note that a task is no longer held."""
        self._held.pop(key, None)

    def drop(self, tasks: Mapping[TaskKey, HeldTask]) -> None:
        """Note that the holder of some tasks no longer works on them."""
        for key, held in tasks.items():
            if self._held.get(key) is held:
                del self._held[key]

    def all(self) -> list[HeldTask]:
        """Return the tasks that are held."""
        checked = [self._check(key) for key in list(self._held)]
        return [held for held in checked if held is not None]

    def is_any_held(self) -> bool:
        """Return whether a task is held; warn from time to time that it is.

        One whose holder sleeps in simulated time does not count: time has to pass for it.
        """
        held = None
        while self._held and held is None:
            held = self._check(next(iter(self._held)))
        if held is not None and held.holder.is_asleep():
            held = next((each for each in self.all() if not each.holder.is_asleep()), None)
        if held is None:
            return False
        self._warn_of(held)
        return True

    def open(self) -> list[HeldTask]:
        """Return the tasks that were handed out and are not over."""
        return [held for held in self._held.values() if held.task.is_open()]

    def warn_of_short_time_outs(self, tasks: Iterable[HeldTask]) -> None:
        """Warn of those tasks that are over now, if no client could have answered in time."""
        for held in tasks:
            real = self._now() - held.sign
            if real < SHORT and not held.task.is_open():
                _log.warning(
                    "%s: the %s has timed out %.2f real seconds after its last sign of "
                    "life; slow down the clock, or give it a longer time-out.",
                    self._time,
                    held.task.in_full,
                    real,
                )

    def _check(self, key: TaskKey) -> HeldTask | None:
        """Return a task, unless it is not held any more."""
        held = self._held[key]
        now = self._now()
        if not held.task.is_open():
            del self._held[key]
            held.holder.seen(now)
            return None
        reason = held.holder.gone(now)
        if not reason and now >= held.sign + self._hold_seconds:
            reason = f"has given no sign of life for {self._hold_seconds:g} real seconds"
        if not reason:
            return held
        del self._held[key]
        _log.warning(
            "%s and %s; %s no longer waits for it.",
            held,
            reason,
            self._time[0].lower() + self._time[1:],
        )
        return None

    def _warn_of(self, held: HeldTask) -> None:
        still = self._now() - held.sign
        if still >= held.warning:
            held.warning *= 2
            _log.warning(
                "%s has stood still for %.0f real seconds, because %s.",
                self._time,
                still,
                held,
            )
