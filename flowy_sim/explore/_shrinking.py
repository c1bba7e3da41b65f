"""Fewer and simpler choices that lead to the same failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from flowy_sim.explore._choices import Deviation

Deviations = tuple[Deviation, ...]
Fails = Callable[[Deviations], Deviations | None]
"""Makes a run; returns the deviations it really made, if it fails in the same way."""

PATIENCE = 400
"""How many runs are made at most to shrink one."""

SECONDS = 20.0
"""For how long it is tried at most."""


def shrink(fails: Fails, found: Deviations) -> Deviations:
    """Leave out deviations, and make others smaller and earlier, as long as it still fails.

    Args:
        fails: tries some.
        found: those of a run that failed.

    Returns:
        No more than there were; leaving out any one of them would let the run succeed, if there
        was time to try.
    """
    left, until = PATIENCE, time.perf_counter() + SECONDS
    simpler = True
    while simpler:
        simpler = False
        for candidate in _simpler(found):
            if left == 0 or time.perf_counter() > until:
                return found
            left -= 1
            shrunk = fails(candidate)
            if shrunk is not None and _size(shrunk) < _size(found):
                found, simpler = shrunk, True
                break
    return found


def _size(deviations: Deviations) -> tuple[int, int, int]:
    return (
        len(deviations),
        sum(each.taken for each in deviations),
        sum(each.number for each in deviations),
    )


def _simpler(found: Deviations) -> Iterator[Deviations]:
    """Yield simpler deviations, the simplest first."""
    size = len(found)
    while size:
        for begin in range(0, len(found), size):
            yield found[:begin] + found[begin + size :]
        size //= 2
    for place, each in enumerate(found):
        before, after = found[:place], found[place + 1 :]
        for taken in range(1, each.taken):
            yield (*before, each._replace(taken=taken), *after)
        for number in range(max(1, each.number - 8), each.number):
            yield (*before, each._replace(number=number), *after)
