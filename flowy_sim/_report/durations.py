"""Lengths of time as people write them."""

from __future__ import annotations

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))

STEPS = (
    *(digit * power for power in (1, 10, 100, 1000) for digit in (1, 2, 5)),
    *(seconds * 1000 for seconds in (10, 20, 30)),
    *(minutes * 60_000 for minutes in (1, 2, 5, 10, 20, 30)),
    *(hours * 3_600_000 for hours in (1, 2, 3, 6, 12)),
    *(days * 86_400_000 for days in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
"""Good distances between the marks of an axis, in milliseconds."""


def duration(milliseconds: float) -> str:
    """Write a length of time, with its two greatest units.

    >>> [duration(ms) for ms in (0, 12, 1500, 12_346, 125_000, 12_000_000, 31_536_000_000)]
    ['0 s', '12 ms', '1.5 s', '12.35 s', '2 min 5 s', '3 h 20 min', '365 d']
    """
    if 0 < round(milliseconds) < 1000:
        return f"{round(milliseconds)} ms"
    if milliseconds < 59_995:
        return f"{round(milliseconds / 1000, 2):g} s"
    rest = round(milliseconds / 1000) * 1000
    counts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        counts.append(f"{count} {unit}" if count else "")
    first = next(index for index, count in enumerate(counts) if count)
    return " ".join(filter(None, counts[first : first + 2]))
