"""The explorer: makes one run after the other until one fails or no untried run is left."""

from __future__ import annotations

import gc
import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from flowy._client import Execution
from flowy_sim._events.schema import attributes_of
from flowy_sim._simulation.time_functions import really_perf_counter
from flowy_sim.explore._attempt import Attempt, CutShortError, PrunedError, Setup, Test, failure_key
from flowy_sim.explore._choices import (
    DeviatingSchedule,
    Deviation,
    PrefixSchedule,
    Search,
    deviations,
    format_choices,
    shrink,
)
from flowy_sim.explore._code_coverage import CodeCoverage
from flowy_sim.explore._fingerprints import Fingerprints
from flowy_sim.explore._other_process import OtherProcess, OtherProcessError
from flowy_sim.explore._report import (
    FAILS_OTHERWISE,
    SURVIVES,
    SURVIVES_IN_WORKFLOW,
    Exploration,
    Failure,
    Observations,
    growth,
)
from flowy_sim.explore._story import RunStory, headline
from flowy_sim.explore._user_output import OutputRecorder, silenced
from flowy_sim.testing import Runner
from flowy_sim.testing._history_files import LoadedHistory
from flowy_sim.testing._run import Run

OnProgress = Callable[[int, int, float], None]
"""Called with the number of runs, the number of states, and the share of the space so far."""

_WIDTH = 160

_NUMBERS = re.compile(r"[\d,]+")
_MOST_WATCHED = 20
"""The number of runs in which it is watched whether executions grow."""

_PROGRESS_EVERY = 0.1
"""Seconds between two reports of progress."""

_REPLAY_AFTER = 0.5
"""Seconds after which histories begin to be replayed in another process: there are some by then."""

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
        full_story: whether the story of a failure has all its lines.

    Attributes:
        search: what to try next.
        states: fingerprints of the states that were seen.
        runs: the number of runs.
        endings: how executions ended, and how many of them.
        other_process: replays some histories in another process.
        replays_meanwhile: whether it begins to do so while runs are made.
        code: measures which lines run.
        struck, met: as in `Exploration`.
        notable: the choices of the first run that ended in each way, or met each condition.
    """

    def __init__(
        self,
        test: Test,
        setup: Setup,
        seed: int,
        repeat: Callable[[str], str],
        observations: Observations | None = None,
        on_progress: OnProgress | None = None,
        full_story: bool = False,
    ) -> None:
        self._faults = {fault.describe() for fault in setup.faults}
        self.search = Search(seed, self._faults)
        self.states: set[int] = set()
        self.runs = 0
        self.endings: Counter[str] = Counter()
        self.other_process = OtherProcess()
        self.replays_meanwhile = False
        self.code = CodeCoverage()
        self._growth: dict[str, str] = {}
        self.struck: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.notable: dict[str, tuple[Deviation, ...]] = {}
        self.observations = observations
        self.on_progress = on_progress
        self._test = test
        self._setup = setup
        self._repeat = repeat
        self._full_story = full_story
        self._simplest: list[Run] | None = None  # the executions of the first run, if it passed

    def explore(self, runs: int, seconds: float, most_untried: int = 0) -> Exploration:
        """Make runs until one fails, all have been made, or a limit is reached.

        Args:
            runs: the maximum number of runs.
            seconds: the maximum number of seconds.
            most_untried: stop when this many untried alternatives are known; 0 for no limit.
        """
        began = reported = really_perf_counter()
        failure = None
        last = self.runs + runs
        while self.search and self.runs < last and failure is None:
            now = really_perf_counter()
            if now - began >= seconds or 0 < most_untried <= len(self.search):
                break
            if self.on_progress is not None and now - reported >= _PROGRESS_EVERY:
                reported = now
                self.on_progress(self.runs, len(self.states), self.search.covered)
            if self.runs and self.runs % _COLLECT_EVERY == 0:
                _collect_garbage(everything=self.runs % _COLLECT_ALL_EVERY == 0)
            failure = self._try_next(began + seconds)
            if self.replays_meanwhile and failure is None and now - began >= _REPLAY_AFTER:
                failure = self._look_elsewhere()
        return self.report(began, failure)

    def report(self, began: float, failure: Failure | None) -> Exploration:
        """Return the report of what was explored so far.

        Args:
            began: when it began, by `really_perf_counter`.
            failure: how the test fails; None if it did not fail.
        """
        return Exploration(
            self.runs,
            len(self.states),
            really_perf_counter() - began,
            self.search.covered,
            not self.search and failure is None,
            self.endings.copy(),
            failure,
            (),
            self._setup.space,
            self.struck.copy(),
            self.met.copy(),
            tuple(self._growth.values()),
            self.code.files(),
        )

    def try_choices(self, given: tuple[Deviation, ...]) -> Failure | None:
        """Make one run, with given choices; return how the test fails in it, if it does."""
        self.runs += 1
        schedule = DeviatingSchedule(given)
        attempt = Attempt(self._setup, schedule, on_code=self.code.add).run(self._test)
        self._record(attempt)
        return None if attempt.error is None else self._shrunk(attempt, attempt.error)

    def repeat(self, given: tuple[Deviation, ...]) -> Exploration:
        """Make one run, with given choices."""
        began = really_perf_counter()
        schedule = DeviatingSchedule(given)
        attempt = Attempt(self._setup, schedule, on_code=self.code.add).run(self._test)
        code = self.code.files()
        failure = None
        if attempt.error is not None:
            with silenced():
                failure = self.describe_failure(given, attempt.error, attempt)
            # What it has logged and printed could be seen already.
            failure = replace(failure, output=())
        self._record(attempt)
        seconds = really_perf_counter() - began
        made = deviations(schedule.made)
        unreached = tuple(each for each in given if each not in made)
        return Exploration(1, 0, seconds, 0.0, False, self.endings, failure, unreached, code=code)

    def describe_failure(
        self,
        choices: tuple[Deviation, ...],
        error: BaseException,
        failed: Attempt | None = None,
    ) -> Failure:
        """Repeat a run that failed, to report what happens in it.

        Args:
            choices: its choices.
            error: the exception that it raised; it is reported if the run passes now.
            failed: the run, or a longer one that failed in the same way; it is reported if the
                run fails in another way now.
        """
        story = RunStory()
        attempt: Attempt = Attempt(
            self._setup,
            DeviatingSchedule(choices),
            story.update,
            lambda words: story.add_accident(attempt.runner, words),
        )
        output = OutputRecorder(attempt.runner)
        with output.recording():
            attempt.run(self._test)
        why = ""
        again = attempt.error
        if failed is not None and again and failure_key(again) != failure_key(error):
            why = FAILS_OTHERWISE.format(headline=headline(again))
            attempt, story = failed, RunStory()
        story.update(attempt.runner)
        command = self._repeat(format_choices(choices))
        if not why and not choices and self._simplest is not None:
            why = _what_survives(self._simplest, attempt.runner.runs)
        return Failure(
            attempt.error or error,
            choices,
            tuple(story.lines(attempt.error or error, self._full_story)),
            command,
            repeatable=attempt.error is not None and not why,
            histories=tuple(
                LoadedHistory(run.history, Execution(run.workflow_id, run.run_id))
                for run in attempt.runner.runs
            ),
            output=tuple(story.output(output.lines, self._full_story)),
            why=why,
        )

    def _try_next(self, until: float) -> Failure | None:
        alternative, schedule = self.search.next()
        # The first run is made in full: without one, nothing can be said.
        pruner = _Pruner(self.states, schedule, until if self.runs else math.inf)
        self.runs += 1
        attempt = Attempt(self._setup, schedule, pruner, on_code=self.code.add).run(self._test)
        if attempt.cut_short:
            # What it has not shown yet must not count as explored.
            self.search.put_back(alternative)
            self.states -= pruner.own
            self.runs -= 1
            return None
        if not alternative.chosen and attempt.error is None:
            self._simplest = attempt.runner.runs
        self.search.add_alternatives(alternative, schedule.made)
        self._record(attempt)
        return None if attempt.error is None else self._shrunk(attempt, attempt.error)

    def _look_elsewhere(self) -> Failure | None:
        self.other_process.begin()
        error = self.other_process.look()
        return None if error is None else differs_elsewhere(error)

    def _record(self, attempt: Attempt) -> None:
        if not attempt.pruned and attempt.error is None:
            self.other_process.add(attempt.runner)
            if self.runs <= _MOST_WATCHED:
                for each in growth(attempt.runner.runs):
                    self._growth.setdefault(_NUMBERS.sub("", each), each)
        made = attempt.schedule.made
        endings = list(map(_ending, attempt.runner.runs))
        true = [name for name, is_true in attempt.runner.conditions.items() if is_true]
        for label in (*endings, *true):
            if label not in self.notable:
                self.notable[label] = deviations(made)
        for each in endings:
            self.endings[each] += 1
        for each in {kind for kind, _, index in made if index and kind in self._faults}:
            self.struck[each] += 1
        for each, is_true in attempt.runner.conditions.items():
            self.met[each] += is_true
        if self.observations is not None:
            self.observations.add(attempt.runner)

    def _shrunk(self, attempt: Attempt, error: BaseException) -> Failure:
        expected = failure_key(error)

        def fails(given: tuple[Deviation, ...], until: float) -> tuple[Deviation, ...] | None:
            schedule = DeviatingSchedule(given)
            error = Attempt(self._setup, schedule, partial(_cut_short, until)).run(self._test).error
            # Choices that lead to another failure would lead the shrinking away from this one.
            same = error is not None and failure_key(error) == expected
            return deviations(schedule.made) if same else None

        choices = shrink(fails, deviations(attempt.schedule.made))
        return self.describe_failure(choices, error, attempt)


def _what_survives(before: list[Run], now: list[Run]) -> str:
    """Say what keeps its value between two runs with the same choices, of which one has failed."""
    for one, other in zip(before, now, strict=False):
        for was, event in zip(one.history, other.history, strict=False):
            if was != event:
                decided = "decisionTaskCompletedEventId" in attributes_of(event)
                where = f"event {event['eventId']} of {other.workflow_id}"
                return SURVIVES_IN_WORKFLOW.format(where=where) if decided else SURVIVES
    return SURVIVES


def differs_elsewhere(error: OtherProcessError) -> Failure:
    """Return the failure that a workflow decides differently in another process."""
    return Failure(error, (), (), "replay the history in another process", repeatable=True)


class _Pruner:
    """Prunes a run, between two turns, when it has reached a state that another run has reached.

    A run that reaches a state again which is its own makes no progress. It goes on until it has
    taken too many turns, so that it is reported.

    Args:
        seen: the states that runs have reached.
        schedule: the choices of the run.
        until: when to cut it short, by `really_perf_counter`.

    Attributes:
        own: the states that the run was the first to reach.
    """

    def __init__(self, seen: set[int], schedule: PrefixSchedule, until: float) -> None:
        self._seen = seen
        self._schedule = schedule
        self._fingerprints: Fingerprints | None = None
        self.own: set[int] = set()
        self._until = until

    def __call__(self, runner: Runner) -> None:
        _cut_short(self._until, runner)
        if not self._schedule.is_past_prefix:
            return  # Up to there it repeats the run whose alternative it is.
        if self._fingerprints is None:
            self._fingerprints = Fingerprints(runner)
        state = self._fingerprints.current()
        if state in self.own:
            return
        if state in self._seen:
            raise PrunedError
        self._seen.add(state)
        self.own.add(state)


def _cut_short(until: float, _: Runner) -> None:
    if really_perf_counter() > until:
        raise CutShortError


def _ending(run: Run) -> str:
    """Return how an execution ended, without its ID, so that equal endings are counted as one."""
    result = attributes_of(run.history[-1]).get("result") or run.reason
    return f"{run.type} {run.status}: {result}"[:_WIDTH].removesuffix(": ")


@contextmanager
def undisturbed() -> Iterator[None]:
    """Silence the log of workers that meet faults; the explorer collects the garbage itself."""
    logger = logging.getLogger("flowy")
    level, collects = logger.level, gc.isenabled()
    logger.setLevel(logging.CRITICAL + 1)
    gc.disable()
    gc.freeze()  # Objects that exist now are not garbage of runs, and scanning them takes long.
    try:
        yield
    finally:
        gc.unfreeze()
        logger.setLevel(level)
        if collects:
            gc.enable()


def _collect_garbage(everything: bool) -> None:
    """Collect what runs have left. What was there before is frozen, to be skipped each time."""
    if everything:
        gc.unfreeze()
    gc.collect()
    gc.freeze()
