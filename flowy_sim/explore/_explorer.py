"""The explorer makes one run after the other, until one fails or there are no more."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable

from flowy_sim._events.schema import attributes_of
from flowy_sim.explore._attempt import Attempt, PrunedError, Setting, Test, signature
from flowy_sim.explore._choices import Deviating, Deviation, Given, deviations, text
from flowy_sim.explore._fingerprints import States
from flowy_sim.explore._report import Exploration, Failure, Tally
from flowy_sim.explore._search import Search, shrink
from flowy_sim.explore._story import Story
from flowy_sim.testing import Runner
from flowy_sim.testing._run import Run

Tell = Callable[[int, int, float], None]
"""Is told of runs and states so far, and the share of the space."""

_WIDTH = 160

_TOLD_EVERY = 0.1
"""After so many seconds somebody who wants to know is told how far exploring has come."""

_TIDY = 3
"""After so many runs what they have left is collected: soon, so that it is still in the caches."""

_TIDY_ALL = 999
"""After so many runs all is looked through: what a run has left may have been in use till then."""


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
            if self.runs and self.runs % _TIDY == 0:
                _tidy(everything=self.runs % _TIDY_ALL == 0)
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
        schedule = Deviating(given)
        attempt = Attempt(self._setting, schedule).make(self._test)
        failure = None if attempt.error is None else self.tell_of(given, attempt.error)
        self._note(attempt)
        seconds = time.perf_counter() - began
        made = deviations(schedule.made)
        missed = tuple(each for each in given if each not in made)
        return Exploration(1, 0, seconds, 0.0, False, self.endings, failure, missed)

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

        return self.tell_of(shrink(fails, deviations(attempt.schedule.made)), attempt.error)

    def tell_of(self, given: tuple[Deviation, ...], found: BaseException) -> Failure:
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
        line = self._repeat(text(given))
        return Failure(error, given, tuple(story.lines()), line, attempt.error is not None)


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


def _ending(run: Run) -> str:
    """Say how an execution ended; without its id, so that those that end alike are one."""
    said = attributes_of(run.history[-1]).get("result") or run.reason
    return f"{run.type} {run.status}: {said}"[:_WIDTH].removesuffix(": ")


def _tidy(everything: bool) -> None:
    """Collect what runs have left; but what was there before is not looked through each time."""
    if everything:
        gc.unfreeze()
    gc.collect()
    gc.freeze()
