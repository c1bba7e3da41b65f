"""What exploring has come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from flowy_sim.explore._choices import Deviation, text
from flowy_sim.explore._story import blame
from flowy_sim.testing import Runner
from flowy_sim.testing._coverage import Coverage, observe
from flowy_sim.testing._stubs import StubUsage

_BUT = (
    "It did not fail when it was run again with the same choices: the test does not do the same "
    "each time. It may draw random numbers, look at real time, or keep something from run to run."
)


@dataclass(frozen=True)
class Failure:
    """How a test fails, with as few choices as lead to it.

    Attributes:
        error: what it failed with.
        choices: the choices of that run that are not the first of their possibilities.
        story: what happened, in a few lines.
        repeat: the line that repeats it.
        repeats: whether it has failed again with these choices.
    """

    error: BaseException
    choices: tuple[Deviation, ...]
    story: tuple[str, ...]
    repeat: str
    repeats: bool = True

    def lines(self) -> list[str]:
        """Return the story, and the line that repeats it."""
        last = f"repeat: {self.repeat}" if self.repeats else _BUT
        return [*self.story, last]

    def __str__(self) -> str:
        """What it failed with, the story, and the line that repeats it."""
        return "\n".join((blame(self.error), *self.lines()))


@dataclass(frozen=True)
class Exploration:
    """What exploring has come to.

    Attributes:
        runs: how many runs were made.
        states: how many different states were seen between two turns.
        seconds: how long it took.
        share: the share of the space that was covered: how probable it is that a run at random,
            in which faults strike one time in a hundred, is one of those made or equal to one.
        complete: whether all runs were made.
        endings: how executions ended, and how often.
        failure: how the test fails; None if it did not.
        missed: given choices that the run never came to.
    """

    runs: int
    states: int
    seconds: float
    share: float
    complete: bool
    endings: Counter[str] = field(default_factory=Counter, compare=False)
    failure: Failure | None = None
    missed: tuple[Deviation, ...] = ()

    @property
    def runs_per_second(self) -> float:
        """How fast it was."""
        return self.runs / self.seconds if self.seconds else 0.0

    def about_missed(self) -> str:
        """Say which of the given choices the run never came to."""
        return (
            f"the run never came to these of the given choices: {text(self.missed)}; they repeat "
            "a failure of the same test, faults and code"
        )

    def __str__(self) -> str:
        """How much was explored, in a line."""
        part = "all of the space" if self.complete else f"{self.share:.1%} of the space"
        made = f"{_count(self.runs, 'run')} and {_count(self.states, 'state')}"
        return f"{made} in {self.seconds:.1f} s ({self.runs_per_second:,.0f} runs a second), {part}"


class FoundError(AssertionError):
    """A test fails under some order or fault; the message tells the story.

    Attributes:
        exploration: what exploring has come to.
    """

    __module__ = "flowy_sim.explore"

    def __init__(self, exploration: Exploration) -> None:
        """Tell it."""
        super().__init__(f"{exploration.failure}\nfound in {exploration}")
        self.exploration = exploration


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


class Tally:
    """Notes of each run which stubs it has used and, if wanted, what its workflows have met.

    Args:
        coverage: where that is noted; None for nowhere.

    Attributes:
        uses: the stubs that were used.
        first: who made the first run, the plainest one; None before it.
    """

    def __init__(self, coverage: Coverage | None = None) -> None:
        """Start with nothing."""
        self.uses = StubUsage()
        self.first: Runner | None = None
        self._coverage = coverage

    def note(self, runner: Runner) -> None:
        """Note a run that was made, up to its end or to where it became like another."""
        if self.first is None:
            self.first = runner
        self.uses.note(runner.stubs, runner.stub_dispatch.called)
        if self._coverage is not None:
            observe(self._coverage, runner.simulation, runner)

    def empty(self) -> Tally:
        """Return one that notes the same, with nothing noted, for another process."""
        return Tally(None if self._coverage is None else Coverage())

    def rows(self) -> tuple[Any, Any]:
        """Return all that was noted as plain data, to be carried to another process."""
        return self.uses.rows(), self._coverage.rows() if self._coverage is not None else []

    def merge(self, rows: tuple[Any, Any]) -> None:
        """Add what `rows` of another process has given."""
        uses, met = rows
        self.uses.merge(uses)
        if self._coverage is not None:
            self._coverage.merge(met)
