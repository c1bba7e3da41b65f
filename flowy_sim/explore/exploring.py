"""Exploring: a test is run under many orders and faults, until it fails or there are no more."""

from __future__ import annotations

import gc
import inspect
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flowy.errors import ConfigurationError
from flowy_sim.explore import choices as chosen
from flowy_sim.explore.attempt import Attempt, PrunedError, Setting, Test, signature
from flowy_sim.explore.choices import Deviating, Deviation, Given, deviations
from flowy_sim.explore.processes import cores, explore_in_processes
from flowy_sim.explore.search import Search
from flowy_sim.explore.shrinking import shrink
from flowy_sim.explore.states import States
from flowy_sim.explore.story import Story, blame
from flowy_sim.explore.tally import Tally
from flowy_sim.faults.fault import Fault
from flowy_sim.run import Run
from flowy_sim.runner import MOST_FAULTS, Runner
from flowy_sim.timeline.vocabulary import attributes_of

Tell = Callable[[int, int, float], None]
"""Is told of runs and states so far, and the share of the space."""

RUNS = 10_000
SECONDS = 10.0

_WIDTH = 160

_TOLD_EVERY = 0.1
"""After so many seconds somebody who wants to know is told how far exploring has come."""

_TIDY = 3
"""After so many runs what they have left is collected: soon, so that it is still in the caches."""


@dataclass(frozen=True)
class Failure:
    """How a test fails, with as few choices as lead to it.

    Attributes:
        error: what it failed with.
        choices: the choices of that run that are not the first of their possibilities.
        story: what happened, in a few lines.
        repeat: the line that repeats it.
    """

    error: BaseException
    choices: tuple[Deviation, ...]
    story: tuple[str, ...]
    repeat: str

    def __str__(self) -> str:
        """The story, what it failed with, and the line that repeats it."""
        return "\n".join((blame(self.error), *self.story, f"repeat: {self.repeat}"))


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
    """

    runs: int
    states: int
    seconds: float
    share: float
    complete: bool
    endings: Counter[str] = field(default_factory=Counter, compare=False)
    failure: Failure | None = None

    @property
    def runs_per_second(self) -> float:
        """How fast it was."""
        return self.runs / self.seconds if self.seconds else 0.0

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

    def __init__(self, exploration: Exploration) -> None:
        """Tell it."""
        super().__init__(f"{exploration.failure}\nfound in {exploration}")
        self.exploration = exploration


def explore(test: Test, **options: Any) -> Exploration:
    """Run a test under many orders and faults.

    Args:
        test: runs workflows with the `Runner` that it is given, and asserts what has to hold. It
            has to do the same each time it is called, and to leave nothing behind.
        **options: those of `find`.

    Returns:
        How much was explored.

    Raises:
        FoundError: it fails.

    Example:
        ::

            def no_order_is_lost(runner):
                runner.stubs("ship", 1, result="shipped")
                assert runner(Order, 7).result == "shipped"

            explore(no_order_is_lost, faults=[WorkerDies(), AnswerLost()])
    """
    __tracebackhide__ = True
    found = find(test, **options)
    if found.failure is not None:
        raise FoundError(found) from found.failure.error
    return found


def find(
    test: Test,
    *,
    faults: Iterable[Fault] = (),
    most_faults: int = MOST_FAULTS,
    invariants: Iterable[Callable[..., object]] = (),
    runs: int = RUNS,
    seconds: float = SECONDS,
    processes: int | None = 1,
    seed: int = 0,
    choices: str | None = None,
    repeat: Callable[[str], str] | None = None,
    tally: Tally | None = None,
    tell: Tell | None = None,
    **others: Any,
) -> Exploration:
    """Run a test under many orders and faults; return what was found.

    Args:
        test: as for `explore`.
        faults: what may go wrong.
        most_faults: how many faults strike in a run at most.
        invariants: what holds after every turn; see `flowy_sim.checks.invariant`.
        runs: after how many runs to stop.
        seconds: after how long to stop.
        processes: in how many processes to explore; None for one on each core. It is one where
            processes cannot be forked, or other threads run.
        seed: of each simulation; and which samples of a large space are taken follows from it.
        choices: make only the run with these choices, as a failure has named them.
        repeat: makes the line that repeats a failure, given its choices.
        tally: notes what all runs have met.
        tell: called with the numbers of runs and states so far, and the share of the space, a few
            times a second.
        **others: ``most_turns``, after which a run is taken to be endless; and what `Simulation`
            (start, latency, limits) and `Runner` (activities, workflows, workers, freeze) take.

    Returns:
        How much was explored, and how the test fails, if it does.
    """
    __tracebackhide__ = True
    setting = setting_for(
        faults=faults, most_faults=most_faults, invariants=invariants, seed=seed, **others
    )
    explorer = Explorer(test, setting, seed, repeat or partial(_call, test), tally, tell)
    with _quiet():
        if choices is not None:
            return explorer.repeat(chosen.parse(choices))
        if processes != 1 and (most := cores()) > 1:
            return explore_in_processes(explorer, processes or most, runs, seconds)
        return explorer.explore(runs, seconds)


def setting_for(
    *,
    faults: Iterable[Fault] = (),
    most_faults: int = MOST_FAULTS,
    invariants: Iterable[Callable[..., object]] = (),
    **others: Any,
) -> Setting:
    """Put together how each run is set up, from options of `find`.

    Raises:
        ConfigurationError: there is no such option.
    """
    __tracebackhide__ = True
    names = ("seed", "start", "latency", "limits", "region", "account")
    made = {name: others.pop(name) for name in names if name in others}
    turns = {"most_turns": others.pop("most_turns")} if "most_turns" in others else {}
    unknown = others.keys() - inspect.signature(Runner).parameters.keys()
    if unknown:
        raise ConfigurationError(
            f"exploring has no option {', '.join(sorted(unknown))}; it has faults, most_faults, "
            "invariants, runs, seconds, processes, choices, most_turns, "
            "and those of Simulation and Runner"
        )
    return Setting(tuple(faults), most_faults, made, others, tuple(invariants), **turns)


class Explorer:
    """Explores one test.

    Attributes:
        search: what to try next.
        states: the states that were seen.
        tally: notes what all runs have met; or None.
        tell: is told how far it has come; or None.
    """

    def __init__(
        self,
        test: Test,
        setting: Setting,
        seed: int,
        repeat: Callable[[str], str],
        tally: Tally | None = None,
        tell: Tell | None = None,
    ) -> None:
        """Start with nothing tried."""
        self.search = Search(seed, {fault.describe() for fault in setting.faults})
        self.states: set[int] = set()
        self.tally = tally
        self.tell = tell
        self._test = test
        self._setting = setting
        self._repeat = repeat
        self.runs = 0
        self.endings: Counter[str] = Counter()

    def explore(self, runs: int, seconds: float, untried: int = 0) -> Exploration:
        """Make runs until one fails, or all are made, or the time is over.

        Args:
            runs: how many at most.
            seconds: for how long.
            untried: stop when there are so many alternatives; 0 for never.
        """
        began = told = time.perf_counter()
        failure = None
        last = self.runs + runs
        while self.search and self.runs < last and failure is None:
            now = time.perf_counter()
            if now - began >= seconds or 0 < untried <= len(self.search):
                break
            if self.tell is not None and now - told >= _TOLD_EVERY:
                told = now
                self.tell(self.runs, len(self.states), self.search.covered)
            if self.runs % _TIDY == 0:
                _tidy()
            failure = self._next()
        return Exploration(
            self.runs,
            len(self.states),
            time.perf_counter() - began,
            self.search.covered,
            not self.search and failure is None,
            self.endings,
            failure,
        )

    def repeat(self, given: tuple[Deviation, ...]) -> Exploration:
        """Make one run, with given choices."""
        began = time.perf_counter()
        attempt = Attempt(self._setting, Deviating(given)).make(self._test)
        failure = None if attempt.error is None else self._tell(given, attempt.error)
        self._note(attempt)
        seconds = time.perf_counter() - began
        return Exploration(1, 0, seconds, 0.0, False, self.endings, failure)

    def _next(self) -> Failure | None:
        alternative, schedule = self.search.next()
        self.runs += 1
        look = _Look(self.states, schedule)
        attempt = Attempt(self._setting, schedule, look).make(self._test)
        self.search.learn(alternative, schedule.made)
        self._note(attempt)
        return None if attempt.error is None else self._failure(attempt)

    def _note(self, attempt: Attempt) -> None:
        self.endings.update(map(_ending, attempt.runner.runs))
        if self.tally is not None:
            self.tally.note(attempt.runner)

    def _failure(self, attempt: Attempt) -> Failure:
        assert attempt.error is not None
        expected = signature(attempt.error)

        def fails(given: tuple[Deviation, ...]) -> tuple[Deviation, ...] | None:
            schedule = Deviating(given)
            error = Attempt(self._setting, schedule).make(self._test).error
            same = error is not None and signature(error) == expected
            return deviations(schedule.made) if same else None

        return self._tell(shrink(fails, deviations(attempt.schedule.made)), attempt.error)

    def _tell(self, given: tuple[Deviation, ...], found: BaseException) -> Failure:
        """Make a run once more to tell its story; `found` is what it has failed with before."""
        story = Story()
        attempt: Attempt = Attempt(
            self._setting,
            Deviating(given),
            story.listen,
            lambda words: story.accident(attempt.runner, words),
        )
        attempt.make(self._test)
        story.listen(attempt.runner)
        error = attempt.error or found
        line = self._repeat(chosen.text(given))
        return Failure(error, given, tuple(story.lines()), line)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let workers not log the accidents that they meet, and collect garbage only now and then.

    Then only what the runs have left is looked through, not all that was there before.
    """
    logger = logging.getLogger("flowy")
    level, collects = logger.level, gc.isenabled()
    logger.setLevel(logging.CRITICAL + 1)
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        logger.setLevel(level)
        if collects:
            gc.enable()


def _tidy() -> None:
    """Collect what runs have left, and never look again at what there is besides."""
    gc.collect()
    gc.freeze()


class _Look:
    """Looks, between two turns, whether a state is new."""

    def __init__(self, seen: set[int], schedule: Given) -> None:
        self._seen = seen
        self._schedule = schedule
        self._states: States | None = None

    def __call__(self, runner: Runner) -> None:
        if not self._schedule.is_beyond:
            return
        if self._states is None:
            self._states = States(runner)
        state = self._states.print()
        if state in self._seen:
            raise PrunedError
        self._seen.add(state)


def _call(test: Test, written: str) -> str:
    name = getattr(test, "__name__", "test")
    return f"explore({name}, …, choices={written!r})"


def _ending(run: Run) -> str:
    """Say how an execution ended; without its id, so that those that end alike are one."""
    said = attributes_of(run.history[-1]).get("result") or run.reason
    return f"{run.type} {run.status}: {said}"[:_WIDTH].removesuffix(": ")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
