"""The choices of one run: made as they are given, recorded as they are made, and written down.

What deviates from the first possibility is what makes a run what it is. A deviation is named by
what is chosen and the how manieth choice of that kind it is, so that it still means the same when
others are left out.

>>> text([Deviation("turn", 3, 1), Deviation("the network fails", 1, 1)])
'turn 3=1; the network fails 1=1'
>>> parse("turn 3=1")
(Deviation(kind='turn', number=3, taken=1),)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from flowy.errors import ConfigurationError
from flowy_sim._engine import first

_WRITTEN = re.compile(r"(?P<kind>.+?) (?P<number>\d+)=(?P<index>\d+)(?:; |$)")


Made = tuple[str, int, int]
"""A choice that was made: of what kind, among how many, and which."""


class Deviation(NamedTuple):
    """A choice of something else than the first possibility.

    Attributes:
        kind: what was chosen.
        number: the how manieth choice of that kind in the run it was, from 1.
        taken: which possibility it was.
    """

    kind: str
    number: int
    taken: int


Continue = Callable[[str, int], int]


class Given:
    """Makes the choices of a list, then those of a function; a schedule.

    Attributes:
        made: the choices so far.
    """

    def __init__(self, indices: Sequence[int] = (), then: Continue = first) -> None:
        """Start with nothing chosen."""
        self._indices = indices
        self._given = len(indices)
        self._then = then
        self.made: list[Made] = []

    @property
    def is_beyond(self) -> bool:
        """Whether all choices of the list are made."""
        return len(self.made) >= self._given

    def choose(self, kind: str, count: int) -> int:
        """Choose the next of the list, or what the function says."""
        position = len(self.made)
        if position < self._given:
            index = self._indices[position]
            if index >= count:
                index = count - 1
        else:
            index = self._then(kind, count)
        self.made.append((kind, count, index))
        return index


class Deviating:
    """Chooses the first possibility everywhere but at some deviations; a schedule.

    Attributes:
        made: the choices so far.
    """

    def __init__(self, deviations: Iterable[Deviation]) -> None:
        """Start with nothing chosen."""
        self._index = {(each.kind, each.number): each.taken for each in deviations}
        self._numbers: dict[str, int] = {}
        self.made: list[Made] = []

    def choose(self, kind: str, count: int) -> int:
        """Choose as the deviations say."""
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        index = min(self._index.get((kind, number), 0), count - 1)
        self.made.append((kind, count, index))
        return index


def deviations(made: Iterable[Made]) -> tuple[Deviation, ...]:
    """Return where choices deviate from the first possibility."""
    numbers: dict[str, int] = {}
    found = []
    for kind, _, index in made:
        number = numbers[kind] = numbers.get(kind, 0) + 1
        if index:
            found.append(Deviation(kind, number, index))
    return tuple(found)


def text(chosen: Iterable[Deviation]) -> str:
    """Write deviations down in a line."""
    return "; ".join(f"{each.kind} {each.number}={each.taken}" for each in chosen)


def parse(written: str) -> tuple[Deviation, ...]:
    """Read what `text` has written.

    Raises:
        ConfigurationError: it has another form.
    """
    __tracebackhide__ = True
    found: list[Deviation] = []
    place = 0
    while place < len(written):
        match = _WRITTEN.match(written, place)
        if match is None:
            wrong = written[place:]
            raise ConfigurationError(
                f"choices are written like 'turn 3=1; turn 7=2', not {wrong!r}"
            )
        found.append(Deviation(match["kind"], int(match["number"]), int(match["index"])))
        place = match.end()
    return tuple(found)
