"""The choices of one run: making them as given, recording them, and writing them down.

A run is determined by the choices that deviate from the first possibility. A deviation is named by
what is chosen and by its position among the choices of that kind, so that it keeps its meaning when
other deviations are left out.

>>> format_choices([Deviation("turn", 3, 1), Deviation("the network fails", 1, 1)])
'turn 3=1; the network fails 1=1'
>>> parse_choices("turn 3=1")
(Deviation(kind='turn', number=3, taken=1),)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from flowy.errors import ConfigurationError
from flowy_sim._engine import first
from flowy_sim._simulation.schedule import Schedule

_WRITTEN = re.compile(r"(?P<kind>.+?) (?P<number>\d+)=(?P<taken>\d+)(?:; |$)")

Choice = tuple[str, int, int]
"""A choice that was made: its kind, the number of possibilities, and the index of the one taken."""

Choose = Callable[[str, int], int]
"""Makes a choice: given its kind and the number of possibilities, returns an index."""


class Deviation(NamedTuple):
    """A choice other than the first possibility.

    Attributes:
        kind: what is chosen.
        number: which choice of that kind in the run it is, from 1.
        taken: the index of the possibility taken.
    """

    kind: str
    number: int
    taken: int


class RecordingSchedule(Schedule, Protocol):
    """A schedule that records its choices.

    Attributes:
        made: the choices so far.
    """

    made: list[Choice]


class PrefixSchedule:
    """Makes the choices of a list, then those of a function; a `RecordingSchedule`.

    Args:
        prefix: the indices of the possibilities that are taken first.
        then: makes the choices after them.
    """

    def __init__(self, prefix: Sequence[int] = (), then: Choose = first) -> None:
        self._prefix = prefix
        self._length = len(prefix)
        self._then = then
        self.made: list[Choice] = []

    @property
    def is_past_prefix(self) -> bool:
        """Whether all choices of the list have been made."""
        return len(self.made) >= self._length

    def choose(self, kind: str, count: int) -> int:
        """Take the next possibility of the list, or the one that the function chooses."""
        position = len(self.made)
        if position < self._length:
            index = self._prefix[position]
            if index >= count:
                index = count - 1
        else:
            index = self._then(kind, count)
        self.made.append((kind, count, index))
        return index


class DeviatingSchedule:
    """Chooses the first possibility except at given deviations; a `RecordingSchedule`."""

    def __init__(self, deviations: Iterable[Deviation]) -> None:
        self._taken = {(each.kind, each.number): each.taken for each in deviations}
        self._numbers: dict[str, int] = {}
        self.made: list[Choice] = []

    def choose(self, kind: str, count: int) -> int:
        """Choose as the deviations say, or the first possibility."""
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        index = min(self._taken.get((kind, number), 0), count - 1)
        self.made.append((kind, count, index))
        return index


def deviations(made: Iterable[Choice]) -> tuple[Deviation, ...]:
    """Return the choices that are not the first possibility."""
    numbers: dict[str, int] = {}
    found = []
    for kind, _, index in made:
        number = numbers[kind] = numbers.get(kind, 0) + 1
        if index:
            found.append(Deviation(kind, number, index))
    return tuple(found)


def format_choices(chosen: Iterable[Deviation]) -> str:
    """Return deviations as one line of text."""
    return "; ".join(f"{each.kind} {each.number}={each.taken}" for each in chosen)


def parse_choices(written: str) -> tuple[Deviation, ...]:
    """Return the deviations that `format_choices` wrote.

    Raises:
        ConfigurationError: the text has another form.
    """
    __tracebackhide__ = True
    found: list[Deviation] = []
    place = 0
    while place < len(written):
        match = _WRITTEN.match(written, place)
        if match is None:
            wrong = written[place:]
            raise ConfigurationError(
                f"choices are written like 'turn 3=1; turn 7=2', not {wrong!r}; copy them from "
                "the last line of a failure"
            )
        found.append(Deviation(match["kind"], int(match["number"]), int(match["taken"])))
        place = match.end()
    return tuple(found)
