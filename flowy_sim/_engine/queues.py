"""Two queues: effects that wait for their instant, and tasks that wait for a poll."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import inf
from typing import Any, Generic, NamedTuple, Protocol, TypeVar


class Effect(NamedTuple):
    """Something that will happen without a call, such as a timer that fires.

    Attributes:
        kind: such as ``timer`` or ``execution time-out``.
        arguments: what it is about.
    """

    kind: str
    arguments: tuple[Any, ...]


class Listener(Protocol):
    """Receives what is scheduled in a `TimerQueue`, and what is no longer pending."""

    def effect_scheduled(self, key: int, at: int, effect: Effect) -> None:
        """Receive an effect that was scheduled."""
        ...

    def effect_over(self, key: int, effect: Effect) -> None:
        """Receive an effect that was canceled, or that is about to happen."""
        ...


class TimerQueue:
    """A queue of effects; scheduling and canceling take logarithmic time.

    Each group has a heap of its own, and all other effects share one, so the next instant of a
    group is found as fast as that of all. A canceled effect leaves its heap only when the
    canceled ones there outnumber all that are alive, so memory is bounded by what is alive.

    Args:
        choose: chooses among effects that are due at the same instant.
        groups: sets of kinds whose next instant can be asked for separately; none in two of them.

    Attributes:
        listener: receives what is scheduled, canceled and taken; None for none.
        none_before: an instant before which nothing is due: a lower bound that is free to read.
    """

    def __init__(
        self, choose: Callable[[str, int], int], groups: Iterable[frozenset[str]] = ()
    ) -> None:
        self.listener: Listener | None = None
        self.none_before: float = inf
        self._choose = choose
        self._others: list[tuple[int, int]] = []
        self._heaps: dict[frozenset[str], list[tuple[int, int]]] = {group: [] for group in groups}
        self._all_heaps = (self._others, *self._heaps.values())
        self._heap_of = {kind: heap for group, heap in self._heaps.items() for kind in group}
        self._alive: dict[int, Effect] = {}
        self._next_key = 1
        # The effects of the instant that is being worked on, in the order in which they were set.
        self._ready: OrderedDict[int, Effect] = OrderedDict()
        self._ready_at = 0

    def __len__(self) -> int:
        """Return the number of pending effects."""
        return len(self._alive) + len(self._ready)

    def set(self, at: int, kind: str, *arguments: Any) -> int:
        """Schedule an effect at an instant in milliseconds; return the key that cancels it."""
        key = self._next_key
        self._next_key = key + 1
        # Like `Effect(kind, arguments)`, in half the time.
        self._alive[key] = effect = tuple.__new__(Effect, (kind, arguments))
        heapq.heappush(self._heap_of.get(kind, self._others), (at, key))
        if at < self.none_before:  # noqa: PLR1730 - `min` takes three times as long.
            self.none_before = at
        if self.listener is not None:
            self.listener.effect_scheduled(key, at, effect)
        return key

    def cancel(self, key: int) -> None:
        """Cancel an effect; one that has happened, or key 0, is ignored."""
        effect = self._alive.pop(key, None)
        if effect is None:
            effect = self._ready.pop(key, None)
        else:
            heap = self._heap_of.get(effect.kind, self._others)
            if len(heap) > 64 + 2 * len(self._alive):
                heap[:] = [entry for entry in heap if entry[1] in self._alive]
                heapq.heapify(heap)
            elif heap[0][1] == key:
                # Canceled ones at the top go at once, so that the next instant is found fast.
                self._next_of(heap)
        if self.listener is not None and effect is not None:
            self.listener.effect_over(key, effect)

    def restore(self, entries: Iterable[tuple[int, int, Effect]]) -> None:
        """Schedule effects under the keys that they had, each with its instant and its key."""
        for at, key, effect in entries:
            self._alive[key] = effect
            self._heap_of.get(effect.kind, self._others).append((at, key))
            self._next_key = max(self._next_key, key + 1)
            self.none_before = min(self.none_before, at)
        for heap in self._all_heaps:
            heapq.heapify(heap)

    def next_instant(self, group: frozenset[str] | None = None) -> int | None:
        """Return the instant in milliseconds of the earliest effect; None if there is none.

        Args:
            group: one of the groups, to consider the effects of its kinds only.
        """
        if group is not None:
            if self._ready and any(effect.kind in group for effect in self._ready.values()):
                return self._ready_at
            heap = self._heaps[group]
            return self._next_of(heap) if heap else None
        if self._ready:
            return self._ready_at
        earliest = None
        for heap in self._all_heaps:
            # The body of `_next_of`, without the call: each call to the service asks several times.
            while heap and heap[0][1] not in self._alive:
                heapq.heappop(heap)
            if heap and (earliest is None or heap[0][0] < earliest):
                earliest = heap[0][0]
        self.none_before = inf if earliest is None else earliest
        return earliest

    def peek(self) -> tuple[int, Effect] | None:
        """Return the instant of the earliest effect, and the effect scheduled first of those.

        None if nothing is pending.
        """
        if self._ready:
            return self._ready_at, next(iter(self._ready.values()))
        firsts = [heap[0] for heap in self._all_heaps if self._next_of(heap) is not None]
        if not firsts:
            return None
        at, key = min(firsts)
        return at, self._alive[key]

    def pop(self, instant: int) -> Effect:
        """Take one of the effects of an instant that `next_instant` has just returned.

        Where several are due at one instant the schedule chooses which is first; by default that
        is the one scheduled first.
        """
        keys = []
        for heap in self._all_heaps:
            while heap and heap[0][0] == instant:
                keys.append(heapq.heappop(heap)[1])
        for key in sorted(keys):
            if key in self._alive:
                self._ready[key] = self._alive.pop(key)
        self._ready_at = instant
        count = len(self._ready)
        index = self._choose("effect", count) if count > 1 else 0
        key = next(islice(self._ready, index, None))
        effect = self._ready.pop(key)
        if self.listener is not None:
            self.listener.effect_over(key, effect)
        return effect

    def _next_of(self, heap: list[tuple[int, int]]) -> int | None:
        """Return the instant of the earliest effect of a heap, without the canceled ones."""
        while heap:
            at, key = heap[0]
            if key in self._alive:
                return at
            heapq.heappop(heap)
        return None

    def __iter__(self) -> Iterator[tuple[int, Effect]]:
        """Yield the instant and the effect of everything pending, unordered."""
        return ((at, effect) for at, _, effect in self.entries())

    def entries(self) -> Iterator[tuple[int, int, Effect]]:
        """Yield the instant, the key and the effect of everything pending, unordered."""
        for key, effect in self._ready.items():
            yield self._ready_at, key, effect
        for heap in self._all_heaps:
            for at, key in heap:
                if key in self._alive:
                    yield at, key, self._alive[key]


DECISION = "decision task"
ACTIVITY = "activity task"


class Waiting(Protocol):
    """What a task list needs to know about a task; see `flowy_sim._engine.life_cycles.Task`."""

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
        name, priority = task.task_list, task.priority
        # Like `ListName(…)`, in half the time.
        arrived: ListName = tuple.__new__(ListName, (self._kind, self._domain, name))
        self._arrivals[arrived] = None
        by_priority = self._lists.get(name)
        if by_priority is None:
            by_priority = self._lists[name] = {}
        if priority not in by_priority:
            by_priority[priority] = OrderedDict()
        by_priority[priority][key] = task

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

    def longest_waiting(self, name: str) -> Task | None:
        """Return the task that has waited longest on a list; None if no task waits there."""
        by_priority = self._lists.get(name, {}).values()
        firsts = [next(iter(waiting.values())) for waiting in by_priority]
        return min(firsts, key=lambda task: task.waiting_key, default=None)

    def names(self) -> list[str]:
        """Return the names of the lists on which a task waits."""
        return list(self._lists)

    def _tidy(self, name: str, priority: int) -> None:
        by_priority = self._lists[name]
        if not by_priority[priority]:
            del by_priority[priority]
            if not by_priority:
                del self._lists[name]
