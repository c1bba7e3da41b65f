"""Numbers in ascending order, many or few, that come and go."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from operator import itemgetter

_LARGEST_BLOCK = 1024
_last = itemgetter(-1)


class SortedKeys:
    """A sorted set of numbers, kept in blocks so that no change moves more than one block.

    >>> keys = SortedKeys()
    >>> for key in (3, 1, 2):
    ...     keys.add(key)
    >>> list(keys.between(1, 3)), list(keys.between(1, 4, descending=True)), keys.count(2, 9)
    ([1, 2], [3, 2, 1], 2)
    """

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        """Start empty."""
        self._blocks: list[list[int]] = []

    def __bool__(self) -> bool:
        """Whether there is any number."""
        return bool(self._blocks)

    def add(self, key: int) -> None:
        """Add a number that is not there."""
        blocks = self._blocks
        if not blocks:
            blocks.append([key])
            return
        at = len(blocks) - 1
        if key > blocks[at][-1]:
            blocks[at].append(key)
        else:
            at = bisect_left(blocks, key, key=_last)
            insort(blocks[at], key)
        block = blocks[at]
        if len(block) > _LARGEST_BLOCK:
            half = len(block) // 2
            blocks[at : at + 1] = [block[:half], block[half:]]

    def remove(self, key: int) -> None:
        """Take out a number that is there."""
        at = bisect_left(self._blocks, key, key=_last)
        block = self._blocks[at]
        del block[bisect_left(block, key)]
        if not block:
            del self._blocks[at]

    def between(self, low: int, high: int, descending: bool = False) -> Iterator[int]:
        """Yield the numbers from `low` up to but without `high`, in either direction."""
        first, start = self._find(low)
        last, stop = self._find(high)
        places = range(first, min(last + 1, len(self._blocks)))
        for at in reversed(places) if descending else places:
            block = self._blocks[at][start if at == first else 0 : stop if at == last else None]
            yield from reversed(block) if descending else block

    def count(self, low: int, high: int) -> int:
        """Return how many numbers there are from `low` up to but without `high`."""
        if low >= high:
            return 0
        first, start = self._find(low)
        last, stop = self._find(high)
        return sum(map(len, self._blocks[first:last])) - start + stop

    def _find(self, key: int) -> tuple[int, int]:
        """Return the block and the place in it where a number is or would be."""
        at = bisect_left(self._blocks, key, key=_last)
        return at, bisect_left(self._blocks[at], key) if at < len(self._blocks) else 0
