"""The explorer: makes one run after the other until one fails or no untried run is left."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable

from flowy_sim._events.schema import attributes_of
from flowy_sim.explore._attempt import Attempt, PrunedError, Setup, Test, failure_key
from flowy_sim.explore._choices import (
    DeviatingSchedule,
    Deviation,
    PrefixSchedule,
    deviations,
    format_choices,
)
from flowy_sim.explore._fingerprints import Fingerprints
from flowy_sim.explore._report import Exploration, Failure, Observations
from flowy_sim.explore._search import Search, shrink
from flowy_sim.explore._story import RunStory
from flowy_sim.testing import Runner
from flowy_sim.testing._run import Run

OnProgress = Callable[[int, int, float], None]
"""Called with the number of runs, the number of states, and the share of the space so far."""

_WIDTH = 160

_PROGRESS_EVERY = 0.1
"""Seconds between two reports of progress."""

_COLLECT_EVERY = 3
"""Runs between two collections of what the latest runs left, while it is still in the caches."""

_COLLECT_ALL_EVERY = 999
"""Runs between two full collections: an earlier one may have kept what was still in use."""


class Explorer:
    """Explores one test.

    Args:
        test: the test.
        setup: how each run is set up.
        seed: of the random samples of a large space.
        repeat: returns the command that repeats a failure, given its choices.
        observations: where all runs are recorded; None for nowhere.
        on_progress: called a few times a second; None for never.

    Attributes:
        search: what to try next.
        states: fingerprints of the states that were seen.
        runs: the number of runs.
        endings: how executions ended, and how many of them.
    """

    def __init__(
        self,
        test: Test,
        setup: Setup,
        seed: int,
        repeat: Callable[[str], str],
        observations: Observations | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.search = Search(seed, {fault.describe() for fault in setup.faults})
        self.states: set[int] = set()
        self.runs = 0
        self.endings: Counter[str] = Counter()
        self.observations = observations
        self.on_progress = on_progress
        self._test = test
        self._setup = setup
        self._repeat = repeat

    def explore(self, runs: int, seconds: float, most_untried: int = 0) -> Exploration:
        """Make runs until one fails, all have been made, or a limit is reached.

        Args:
            runs: the maximum number of runs.
            seconds: the maximum number of seconds.
            most_untried: stop when this many untried alternatives are known; 0 for no limit.
        """
        began = reported = time.perf_counter()
        failure = None
        last = self.runs + runs
        while self.search and self.runs < last and failure is None:
            now = time.perf_counter()
            if now - began >= seconds or 0 < most_untried <= len(self.search):
                break
            if self.on_progress is not None and now - reported >= _PROGRESS_EVERY:
                reported = now
                self.on_progress(self.runs, len(self.states), self.search.covered)
            if self.runs and self.runs % _COLLECT_EVERY == 0:
                _collect_garbage(everything=self.runs % _COLLECT_ALL_EVERY == 0)
            failure = self._try_next()
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
        schedule = DeviatingSchedule(given)
        attempt = Attempt(self._setup, schedule).run(self._test)
        failure = None if attempt.error is None else self.describe_failure(given, attempt.error)
        self._record(attempt)
        seconds = time.perf_counter() - began
        made = deviations(schedule.made)
        unreached = tuple(each for each in given if each not in made)
        return Exploration(1, 0, seconds, 0.0, False, self.endings, failure, unreached)

    def describe_failure(self, choices: tuple[Deviation, ...], error: BaseException) -> Failure:
        """Repeat a run that failed, to report what happens in it.

        Args:
            choices: its choices.
            error: the exception that it raised; it is reported if the run passes now.
        """
        story = RunStory()
        attempt: Attempt = Attempt(
            self._setup,
            DeviatingSchedule(choices),
            story.update,
            lambda words: story.add_accident(attempt.runner, words),
        )
        attempt.run(self._test)
        story.update(attempt.runner)
        command = self._repeat(format_choices(choices))
        return Failure(
            attempt.error or error,
            choices,
            tuple(story.lines()),
            command,
            repeatable=attempt.error is not None,
        )

    def _try_next(self) -> Failure | None:
        alternative, schedule = self.search.next()
        self.runs += 1
        attempt = Attempt(self._setup, schedule, _Pruner(self.states, schedule)).run(self._test)
        self.search.add_alternatives(alternative, schedule.made)
        self._record(attempt)
        return None if attempt.error is None else self._shrunk(attempt, attempt.error)

    def _record(self, attempt: Attempt) -> None:
        self.endings.update(map(_ending, attempt.runner.runs))
        if self.observations is not None:
            self.observations.add(attempt.runner)

    def _shrunk(self, attempt: Attempt, error: BaseException) -> Failure:
        expected = failure_key(error)

        def fails(given: tuple[Deviation, ...]) -> tuple[Deviation, ...] | None:
            schedule = DeviatingSchedule(given)
            error = Attempt(self._setup, schedule).run(self._test).error
            same = error is not None and failure_key(error) == expected
            return deviations(schedule.made) if same else None

        return self.describe_failure(shrink(fails, deviations(attempt.schedule.made)), error)


class _Pruner:
    """Prunes a run, between two turns, when it has reached a known state."""

    def __init__(self, seen: set[int], schedule: PrefixSchedule) -> None:
        self._seen = seen
        self._schedule = schedule
        self._fingerprints: Fingerprints | None = None

    def __call__(self, runner: Runner) -> None:
        if not self._schedule.is_past_prefix:
            return  # Up to there it repeats the run whose alternative it is.
        if self._fingerprints is None:
            self._fingerprints = Fingerprints(runner)
        state = self._fingerprints.current()
        if state in self._seen:
            raise PrunedError
        self._seen.add(state)


def _ending(run: Run) -> str:
    """Return how an execution ended, without its ID, so that equal endings are counted as one."""
    result = attributes_of(run.history[-1]).get("result") or run.reason
    return f"{run.type} {run.status}: {result}"[:_WIDTH].removesuffix(": ")


def _collect_garbage(everything: bool) -> None:
    """Collect what runs have left. What was there before is frozen, to be skipped each time."""
    if everything:
        gc.unfreeze()
    gc.collect()
    gc.freeze()
