"""What happens by itself: a queue of instants and what is done at each."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple


class Deadline(NamedTuple):
    """Something that will happen by itself.

    Attributes:
        kind: what it is, such as ``timer`` or ``execution time-out``.
        arguments: what it is about.
    """

    kind: str
    arguments: tuple[Any, ...]


class Deadlines:
    """A queue of deadlines, with setting and canceling in logarithmic time.

    What was canceled leaves the queue when it has come to outnumber what is left, so memory is
    bounded by twice what is alive.
    """

    def __init__(self, choose: Callable[[str, int], int]) -> None:
        """Start empty; `choose` picks among deadlines that fall due at one instant."""
        self._choose = choose
        self._queue: list[tuple[int, int]] = []
        self._alive: dict[int, Deadline] = {}
        self._next_key = 1
        # Those of the instant that is being worked on, in the order in which they were set.
        self._ready: OrderedDict[int, Deadline] = OrderedDict()
        self._ready_at = 0

    def __len__(self) -> int:
        """Return how many deadlines are set."""
        return len(self._alive) + len(self._ready)

    def set(self, at: int, kind: str, *arguments: Any) -> int:
        """Set a deadline at an instant in milliseconds; return the key that cancels it."""
        key = self._next_key
        self._next_key = key + 1
        self._alive[key] = Deadline(kind, arguments)
        heapq.heappush(self._queue, (at, key))
        return key

    def cancel(self, key: int) -> None:
        """Cancel a deadline; one that has fired, or key 0, is ignored."""
        if self._alive.pop(key, None) is None:
            self._ready.pop(key, None)
        elif len(self._queue) > 64 + 2 * len(self._alive):
            self._queue = [entry for entry in self._queue if entry[1] in self._alive]
            heapq.heapify(self._queue)

    def next_instant(self) -> int | None:
        """Return the instant in milliseconds of the earliest deadline; None if there is none."""
        if self._ready:
            return self._ready_at
        queue = self._queue
        while queue and queue[0][1] not in self._alive:
            heapq.heappop(queue)
        return queue[0][0] if queue else None

    def pop(self, instant: int) -> Deadline:
        """Take one of the deadlines of an instant that `next_instant` has just returned.

        Where several fall due at one instant the schedule chooses which is first; by default
        that is the one set first.
        """
        return self._take(instant)[1]

    def _take(self, instant: int) -> tuple[int, Deadline]:
        while self._queue and self._queue[0][0] == instant:
            _, key = heapq.heappop(self._queue)
            if key in self._alive:
                self._ready[key] = self._alive.pop(key)
        self._ready_at = instant
        count = len(self._ready)
        index = self._choose("effect", count) if count > 1 else 0
        if index == 0:
            return self._ready.popitem(last=False)
        key = next(islice(self._ready, index, None))
        return key, self._ready.pop(key)

    def __iter__(self) -> Iterator[tuple[int, Deadline]]:
        """Yield the instant and the deadline of everything that is set, in no order."""
        return ((at, deadline) for at, _, deadline in self.entries())

    def entries(self) -> Iterator[tuple[int, int, Deadline]]:
        """Yield the instant, the key and the deadline of everything that is set, in no order."""
        for key, deadline in self._ready.items():
            yield self._ready_at, key, deadline
        for at, key in self._queue:
            if key in self._alive:
                yield at, key, self._alive[key]
