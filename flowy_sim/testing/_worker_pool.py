"""Pools of workers that take turns in one thread, and what a worker is to those that call it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Protocol

PolledList = tuple[str, str]
"""A task list: the operation that polls it, and its name."""


class PollingWorker(Protocol):
    """A worker or decider: it polls once per turn."""

    def run_once(self) -> bool:
        """Poll once and work on the task, if there is one; return whether there was."""
        ...


class WorkerPool:
    """Workers on the same task lists. Each works on one task at a time.

    Args:
        create: makes a worker, given its name.
        role: what its workers are called; their names are this and a number, from 1.
        size: the number of workers; None for as many as there are tasks.
        lists: the lists that they are known to poll.

    Attributes:
        lists: those that they are known to poll by now.
    """

    def __init__(
        self,
        create: Callable[[str], PollingWorker],
        role: str,
        size: int | None,
        lists: list[PolledList],
    ) -> None:
        self._create = create
        self._role = role
        self._size = size
        self.lists = lists
        self._created = 0
        self.restart()

    def restart(self) -> None:
        """Replace all workers by new ones."""
        self._busy: set[str] = set()
        self._idle: deque[tuple[str, PollingWorker]] = deque()
        for _ in range(self._size or 0):
            self._add_worker()

    @property
    def has_idle(self) -> bool:
        """Whether a worker can take a turn."""
        return bool(self._idle) or self._size is None

    @property
    def state(self) -> tuple[object, ...]:
        """What makes a difference to their next turns, as plain data."""
        return self.has_idle, len(self.lists)

    def is_ready(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether a worker can take a turn, and may find a task on the given lists."""
        is_idle = bool(self._idle) or self._size is None
        return is_idle and not waiting.isdisjoint(self.lists)

    def take(self) -> tuple[str, PollingWorker]:
        """Return the name of the worker that has been idle longest, and the worker."""
        if not self._idle:
            self._add_worker()
        name, worker = self._idle.popleft()
        self._busy.add(name)
        return name, worker

    def put_back(self, name: str, worker: PollingWorker) -> None:
        """Let a worker take turns again, unless it was replaced in the meantime."""
        if name in self._busy:
            self._busy.remove(name)
            self._idle.append((name, worker))

    def replace(self, name: str) -> None:
        """Replace a worker that has died, unless that was done already."""
        if name in self._busy:
            self._busy.remove(name)
            if self._size is not None:
                self._add_worker()

    def _add_worker(self) -> None:
        self._created += 1
        name = f"{self._role} {self._created}"
        self._idle.append((name, self._create(name)))
