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
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import NamedTuple, Protocol

from flowy.errors import ConfigurationError
from flowy_sim._clients.simulation import Schedule
from flowy_sim._simulation.time_functions import really_perf_counter

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
        then: makes the choices after them; None to take the first possibility.
    """

    def __init__(self, prefix: Sequence[int] = (), then: Choose | None = None) -> None:
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
        made = self.made
        position = len(made)
        if position < self._length:
            index = self._prefix[position]
            if index >= count:
                index = count - 1
        else:
            index = 0 if self._then is None else self._then(kind, count)
        made.append((kind, count, index))
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


def quoted_for_shell(word: str) -> str:
    """Return a word as a shell reads it: one with apostrophes, as choices have, in double quotes.

    >>> print(quoted_for_shell("the signal 'plan' arrives 35=1"), quoted_for_shell("two words"))
    "the signal 'plan' arrives 35=1" 'two words'
    """
    in_double_quotes = "'" in word and not set(word) & set('"$`\\!')
    return f'"{word}"' if in_double_quotes else shlex.quote(word)


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


# Which runs to make: systematically, without repeats, and the fewest deviations first.
#
# A run is determined by its choices. For every possibility that it did not take there is an
# alternative: a run that makes the same choices up to there and then takes that possibility. The
# frontier holds the alternatives that have not been tried. When it is empty, the whole space has
# been explored. Trying the fewest deviations first is known as delay-bounded scheduling (Emmi,
# Qadeer and Rakamarić, 2011). `shrink` then looks for the fewest deviations that make a failed run
# fail.

LARGE_FRONTIER = 500
"""Untried alternatives from which on every other run is a random sample of the space."""


_SAMPLES = 16
"""The number of untried alternatives of which a random one is chosen by its kind."""


FAULT_WEIGHT = 0.01
"""The probability, in a random run, that a fault strikes where it can."""


_FAULT_WEIGHTS = (1 - FAULT_WEIGHT, FAULT_WEIGHT)


SHRINKING_RUNS = 400
"""The most runs that are made to shrink one failure."""


SHRINKING_SECONDS = 10.0
"""The most seconds that are spent on shrinking one failure."""


class Alternative(NamedTuple):
    """A run that has not been made.

    Attributes:
        chosen: the choices of the run whose alternative it is.
        position: the position of the choice that is made differently.
        taken: the possibility that is taken there.
        weight: the probability that a random run begins like this.
        kind: the kind of that choice; empty if it is not known.
    """

    chosen: tuple[int, ...]
    position: int
    taken: int
    weight: float
    kind: str = ""

    @property
    def prefix(self) -> list[int]:
        """The choices up to and including the one that is made differently."""
        return [*self.chosen[: self.position], self.taken]


class Search:
    """Chooses what to try next.

    Args:
        seed: of the random samples.
        faults: the kinds of choices that are about whether a fault strikes.

    Attributes:
        covered: the share of the space, by probability, that has been covered.
    """

    def __init__(self, seed: int, faults: AbstractSet[str]) -> None:
        self.covered = 0.0
        self._random = Random(seed)
        self._faults = faults
        # The frontier, by the number of deviations.
        self._levels: list[list[Alternative]] = [[Alternative((), 0, 0, 1.0)]]
        self._size = 1
        self._systematic = True

    def __len__(self) -> int:
        return self._size

    def next(self) -> tuple[Alternative, PrefixSchedule]:
        """Remove the next alternative from the frontier; return it and the schedule to run it."""
        self._systematic = self._size < LARGE_FRONTIER or not self._systematic
        filled = [level for level in self._levels if level]
        if self._systematic:
            level, index = filled[0], -1
        else:
            level = self._random.choice(filled)
            index = self._sampled(level)
        level[index], level[-1] = level[-1], level[index]
        alternative = level.pop()
        self._size -= 1
        prefix = alternative.prefix if alternative.chosen else []
        return alternative, PrefixSchedule(prefix, None if self._systematic else self._at_random)

    def _sampled(self, level: list[Alternative]) -> int:
        """Return the index of a random alternative.

        Each kind of choice is about as likely. Otherwise, faults that can strike any call would
        crowd out those that can strike in few places.
        """
        by_kind: dict[str, int] = {}
        for _ in range(_SAMPLES):
            index = int(self._random.random() * len(level))
            by_kind[level[index].kind] = index
        return self._random.choice(list(by_kind.values()))

    def add_alternatives(self, alternative: Alternative, made: Sequence[Choice]) -> None:
        """Add the alternatives of a run to the frontier.

        Args:
            alternative: the alternative that was run.
            made: the choices that the run made.
        """
        begins = alternative.position + 1 if alternative.chosen else 0
        indices = tuple([taken for _, _, taken in made])
        weight = alternative.weight
        level = sum(map(bool, indices[:begins]))
        for position in range(begins, len(made)):
            kind, count, chosen = made[position]
            weights = self._weights(kind, count)
            for index, share in enumerate(weights):
                if index != chosen:
                    there = Alternative(indices, position, index, weight * share, kind)
                    self._add(level + 1, there)
            weight *= weights[chosen]
            level += chosen > 0
        self.covered += weight

    def put_back(self, alternative: Alternative) -> None:
        """Return an alternative to the frontier, because its run was cut short."""
        self._add(sum(map(bool, alternative.prefix)), alternative)

    def split(self, parts: int) -> list[list[Alternative]]:
        """Empty the frontier and return it in equal parts."""
        everything = [each for level in self._levels for each in level]
        self._levels, self._size = [[]], 0
        return [everything[part::parts] for part in range(parts)]

    def replace(self, alternatives: Sequence[Alternative]) -> None:
        """Replace the frontier."""
        self._levels, self._size = [[]], 0
        for each in alternatives:
            self._add(sum(map(bool, each.prefix)), each)

    def _add(self, level: int, alternative: Alternative) -> None:
        while len(self._levels) <= level:
            self._levels.append([])
        self._levels[level].append(alternative)
        self._size += 1

    def _weights(self, kind: str, count: int) -> Sequence[float]:
        """Return the probability of each possibility of a choice in a random run."""
        if kind in self._faults:
            return _FAULT_WEIGHTS
        return (1 / count,) * count

    def _at_random(self, kind: str, count: int) -> int:
        if kind in self._faults:
            return int(self._random.random() < FAULT_WEIGHT)
        return int(self._random.random() * count)


# Shrinking

Deviations = tuple[Deviation, ...]


Fails = Callable[[Deviations, float], Deviations | None]
"""Makes a run; returns the deviations that it really made if it fails in the same way.

The number is when to cut the run short, by `really_perf_counter`.
"""


def shrink(fails: Fails, found: Deviations) -> Deviations:
    """Drop deviations, and make the others smaller and earlier, as long as the test still fails.

    To add a pass, let `_simpler` yield more candidates: any tuple whose `_size` is smaller.

    Args:
        fails: tries some deviations.
        found: the deviations of a run that failed.

    Returns:
        As few deviations as were found within `SHRINKING_RUNS` and `SHRINKING_SECONDS`. Unless a
        limit was reached, the test passes without any one of them.
    """
    left, until = SHRINKING_RUNS, really_perf_counter() + SHRINKING_SECONDS
    simpler = True
    while simpler:
        simpler = False
        for candidate in _simpler(found):
            if left == 0 or really_perf_counter() > until:
                return found
            left -= 1
            shrunk = fails(candidate, until)
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
