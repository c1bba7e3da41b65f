"""Task lists: the tasks that wait to be handed out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

Task = TypeVar("Task")

DECISION = "decision task"
ACTIVITY = "activity task"


class ListName(NamedTuple):
    """Which task list: of which kind, in which domain, under which name."""

    kind: str
    domain: str
    name: str


#: Lists to which tasks have come, in that order.
Arrivals = dict[ListName, None]


class TaskLists(Generic[Task]):
    """All task lists of one kind in a domain; a list exists while tasks wait on it.

    A greater priority is handed out first. Among equals the service's order is open (recorded:
    four tasks of one batch started in the order 3, 4, 1, 2), so the schedule chooses; by default
    the task that has waited longest.
    """

    # Assumption: hand-out-order: the longest waiting first, by default.

    def __init__(
        self, kind: str, domain: str, choose: Callable[[str, int], int], arrivals: Arrivals
    ) -> None:
        """Start empty; what comes to a list is noted in `arrivals`."""
        self._kind = kind
        self._domain = domain
        self._choose = choose
        self._arrivals = arrivals
        self._lists: dict[str, dict[int, OrderedDict[int, Task]]] = {}
        self._next_key = 1

    def add(self, name: str, priority: int, task: Task) -> int:
        """Let a task wait on the list of that name; return the key that withdraws it."""
        key = self._next_key
        self._next_key = key + 1
        self._arrivals[ListName(self._kind, self._domain, name)] = None
        self._lists.setdefault(name, {}).setdefault(priority, OrderedDict())[key] = task
        return key

    def withdraw(self, name: str, priority: int, key: int) -> None:
        """Take a task from its list, if it still waits there."""
        waiting = self._lists.get(name, {}).get(priority)
        if waiting is not None and waiting.pop(key, None) is not None:
            self._tidy(name, priority)

    def take(self, name: str) -> Task | None:
        """Hand out a task of the list; None if no task waits there."""
        by_priority = self._lists.get(name)
        if by_priority is None:
            return None
        priority = max(by_priority)
        waiting = by_priority[priority]
        index = self._choose(self._kind, len(waiting)) if len(waiting) > 1 else 0
        if index == 0:
            _, task = waiting.popitem(last=False)
        else:
            task = waiting.pop(next(islice(waiting, index, None)))
        self._tidy(name, priority)
        return task

    def waiting(self, name: str) -> Iterator[Task]:
        """Yield the tasks of a list: the greatest priority first, among equals by arrival.

        Those of the greatest priority are the ones that `take` lets the schedule choose from.
        """
        by_priority = self._lists.get(name, {})
        for priority in sorted(by_priority, reverse=True):
            yield from by_priority[priority].values()

    def count(self, name: str) -> int:
        """Return how many tasks wait on the list."""
        return sum(map(len, self._lists.get(name, {}).values()))

    def names(self) -> list[str]:
        """Return the names of the lists on which a task waits."""
        return list(self._lists)

    def _tidy(self, name: str, priority: int) -> None:
        by_priority = self._lists[name]
        if not by_priority[priority]:
            del by_priority[priority]
            if not by_priority:
                del self._lists[name]
