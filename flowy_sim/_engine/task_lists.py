"""Task lists: the tasks that wait for a poll."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

DECISION = "decision task"
ACTIVITY = "activity task"


class Waiting(Protocol):
    """What a task list needs to know of a task; see `flowy_sim._engine.open_items.Task`."""

    task_list: str
    priority: int
    waiting_key: int


Task = TypeVar("Task", bound=Waiting)


class ListName(NamedTuple):
    """Which task list: of which kind, in which domain, under which name."""

    kind: str
    domain: str
    name: str


#: Lists to which tasks have come, in that order.
Arrivals = dict[ListName, None]


class TaskLists(Generic[Task]):
    """All task lists of one kind in a domain; a list exists while tasks wait on it.

    A poll takes a task of the greatest priority. Among equals the service promises no order
    (recorded: four tasks of one batch started in the order 3, 4, 1, 2), so the schedule chooses;
    by default the task that has waited longest.

    Args:
        kind: `DECISION` or `ACTIVITY`.
        domain: the domain's name.
        choose: chooses among tasks of the same priority.
        arrivals: where lists are noted to which a task has come.
    """

    # Assumption: hand-out-order: the longest waiting first, by default.

    def __init__(
        self, kind: str, domain: str, choose: Callable[[str, int], int], arrivals: Arrivals
    ) -> None:
        self._kind = kind
        self._domain = domain
        self._choose = choose
        self._arrivals = arrivals
        self._lists: dict[str, dict[int, OrderedDict[int, Task]]] = {}
        self._next_key = 1

    def add(self, task: Task) -> None:
        """Let a task wait on its list, behind those that wait there already."""
        task.waiting_key = key = self._next_key
        self._next_key = key + 1
        name = task.task_list
        self._arrivals[ListName(self._kind, self._domain, name)] = None
        self._lists.setdefault(name, {}).setdefault(task.priority, OrderedDict())[key] = task

    def withdraw(self, task: Task) -> None:
        """Take a task from its list, if it waits there."""
        if task.waiting_key:
            del self._lists[task.task_list][task.priority][task.waiting_key]
            task.waiting_key = 0
            self._tidy(task.task_list, task.priority)

    def take(self, name: str) -> Task | None:
        """Take a task from a list to hand it out; None if no task waits there."""
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
        task.waiting_key = 0
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
        """Return the number of tasks that wait on a list."""
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
