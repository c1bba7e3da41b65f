"""What a page about an exploration shows besides its report; it takes more runs, on request only.

A run that fails is continued with random choices, several times, from points on its way: between
two turns, and after each fault. Where most of these continuations begin to fail, it was lost. The
points are the same for the same seed, unless the time is up.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

from flowy._client import Execution as ExecutionIds
from flowy_sim._report.exploration import (
    ReportedAttempt,
    ReportedExploration,
    ReportedFile,
    ReportedPoint,
    listing,
)
from flowy_sim._report.run_view import ReportedRun
from flowy_sim._simulation.time_functions import really_perf_counter
from flowy_sim.explore._attempt import Attempt, Setup, Test
from flowy_sim.explore._choices import (
    FAULT_WEIGHT,
    DeviatingSchedule,
    Deviation,
    PrefixSchedule,
    RecordingSchedule,
    deviations,
)
from flowy_sim.explore._code_coverage import CoveredFile
from flowy_sim.explore._report import Exploration, Observations
from flowy_sim.explore._story import RunStory, headline
from flowy_sim.explore._user_output import OutputRecorder
from flowy_sim.testing import Runner
from flowy_sim.testing._run import fetch

_CONTINUATIONS = 16
"""How many times a run is continued from each point."""

_EVENLY, _MOST_POINTS = 12, 32
"""The number of points that are tried first, and at most."""

_SECONDS = 20.0
"""The most seconds that are spent on continuing a run."""

_MOST_EXECUTIONS = 6
"""The number of executions of a run that are shown at most."""


class _Moment:
    """A point on the way of a run.

    Attributes:
        made: the number of choices up to there.
        at: when, in milliseconds since 1970.
        is_fault: whether a fault has just struck.
        words: what has happened since the point before.
    """

    def __init__(self, made: int, at: int, is_fault: bool, words: list[str]) -> None:
        self.made = made
        self.at = at
        self.is_fault = is_fault
        self.words = words


class _WatchedRun:
    """A run that is made once more, to see what happens in it and when it makes its choices.

    Args:
        test: the test.
        setup: how the run is set up.
        schedule: makes its choices.

    Attributes:
        attempt: the run.
        moments: the points on its way.
    """

    def __init__(self, test: Test, setup: Setup, schedule: RecordingSchedule) -> None:
        self._story = RunStory()
        self.moments: list[_Moment] = []
        self.attempt: Attempt = Attempt(setup, schedule, self._turn, self._accident)
        self._began = self.attempt.runner.simulation.clock.milliseconds
        self._output = OutputRecorder(self.attempt.runner)
        self._add(is_fault=False)
        with self._output.recording():
            self.attempt.run(test)
        self._turn(self.attempt.runner)

    def _turn(self, runner: Runner) -> None:
        self._story.update(runner)
        self._add(is_fault=False)

    def _accident(self, words: str) -> None:
        self._story.add_accident(self.attempt.runner, words)
        self._add(is_fault=True)

    def _add(self, is_fault: bool) -> None:
        words = self._story.news()
        made = len(self.attempt.schedule.made)
        if self.moments and self.moments[-1].made == made:
            # No choice was made since, so the run can't be continued from a point in between.
            self.moments[-1].words += words
            self.moments[-1].is_fault |= is_fault
        else:
            now = self.attempt.runner.simulation.clock.milliseconds
            self.moments.append(_Moment(made, now, is_fault, words))

    def point(self, begin: int, end: int, failed: int) -> ReportedPoint:
        """Return a point as it is reported, with what has happened since the one before it."""
        words = [each for moment in self.moments[begin + 1 : end + 1] for each in moment.words]
        if end == 0:
            words = ["the test begins"]
        return ReportedPoint(self.moments[end].at - self._began, words, failed, _CONTINUATIONS)

    def reported(self) -> ReportedAttempt:
        """Return the run as it is reported."""
        runner = self.attempt.runner
        error = self.attempt.error or AssertionError()
        awaited = {run.run_id: run.awaited for run in runner.runs}
        runs = []
        for execution in list(runner.simulation.engine().executions.values())[:_MOST_EXECUTIONS]:
            ids = ExecutionIds(execution.workflow_id, execution.run_id)
            client = runner.simulation.client(poll_seconds=0)
            run = fetch(client, execution.domain.name, ids, runner.payloads)
            begin, end = execution.time(1), execution.time(len(execution))
            struck = [
                (each.instant, each.words)
                for each in self._story.accidents
                if begin <= each.instant <= end and each.run_id in ("", execution.run_id)
            ]
            runs.append(
                ReportedRun(
                    run.history,
                    run.workflow_id,
                    run.run_id,
                    title=f"{run.type} {run.workflow_id}",
                    awaited=awaited.get(run.run_id, ()),
                    faults=struck,
                )
            )
        return ReportedAttempt(
            runs,
            self._story.lines(error, full=True),
            self._story.output(self._output.lines, full=True),
        )


class Evidence:
    """Shows why a run fails: where it was lost, and the simplest run that passes.

    Args:
        test: the test.
        setup: how its runs are set up.
        seed: of the continuations.
        choices: those of the run that fails.

    Attributes:
        failing: the run that fails; None if it passes now.
        points: points on its way, and how many continuations fail from there.
        passing: the simplest run that passes; None if none was found.
    """

    def __init__(self, test: Test, setup: Setup, seed: int, choices: Sequence[Deviation]) -> None:
        self._test = test
        self._setup = setup
        self._seed = seed
        self._faults = {fault.describe() for fault in setup.faults}
        self._passing: list[tuple[Deviation, ...]] = []
        self.failing: ReportedAttempt | None = None
        self.passing: ReportedAttempt | None = None
        self.points: list[ReportedPoint] = []
        failing = _WatchedRun(test, setup, DeviatingSchedule(choices))
        if failing.attempt.error is None:
            return
        self.failing = failing.reported()
        self._made = [index for _, _, index in failing.attempt.schedule.made]
        self._note_passed(Attempt(setup, DeviatingSchedule(())).run(test))
        failed = self._failed(failing.moments)
        places = sorted(failed)
        self.points = [
            failing.point(before, place, failed[place])
            for before, place in zip([-1, *places], places, strict=False)
        ]
        if self._passing:
            # The fewest deviations from the first choices, then the earliest: easiest to compare
            # with.
            simplest = min(self._passing, key=lambda given: (len(given), given))
            self.passing = _WatchedRun(test, setup, DeviatingSchedule(simplest)).reported()

    def _failed(self, moments: Sequence[_Moment]) -> dict[int, int]:
        """Return how many continuations fail, by the numbers of the points that were tried."""
        until = really_perf_counter() + _SECONDS
        last = len(moments) - 1
        faults = [place for place, moment in enumerate(moments) if moment.is_fault]
        # Around each fault, and evenly in between: often a fault is what loses a run.
        first = [0, last, *(each for place in faults for each in (max(place - 1, 0), place))]
        first += [round(last * place / _EVENLY) for place in range(1, _EVENLY)]
        failed: dict[int, int] = {}
        for place in list(dict.fromkeys(first))[:_MOST_POINTS]:
            if really_perf_counter() < until:
                failed[place] = self._failures(moments[place].made)
        # Then look where the number changes most.
        while len(failed) < _MOST_POINTS and really_perf_counter() < until:
            places = sorted(failed)
            gaps = [
                (abs(failed[after] - failed[before]), before, after)
                for before, after in pairwise(places)
                if after - before > 1
            ]
            change, before, after = max(gaps, default=(0, 0, 0))
            if not change:
                break
            failed[(before + after) // 2] = self._failures(moments[(before + after) // 2].made)
        return failed

    def _failures(self, made: int) -> int:
        """Return how many continuations of the first choices fail."""
        failed = 0
        for number in range(_CONTINUATIONS):
            # A seed of its own for each, so that the number of points does not change the others.
            random = Random(f"{self._seed} {made} {number}")
            schedule = PrefixSchedule(self._made[:made], self._at_random(random))
            attempt = Attempt(self._setup, schedule).run(self._test)
            failed += attempt.error is not None
            self._note_passed(attempt)
        return failed

    def _at_random(self, random: Random) -> Callable[[str, int], int]:
        def choose(kind: str, count: int) -> int:
            if kind in self._faults:
                return int(random.random() < FAULT_WEIGHT)
            return random.randrange(count)

        return choose

    def _note_passed(self, attempt: Attempt) -> None:
        if attempt.error is None:
            self._passing.append(deviations(attempt.schedule.made))


def reported_exploration(
    name: str, found: Exploration, evidence: Evidence | None, observations: Observations | None
) -> ReportedExploration:
    """Return an exploration as a page shows it.

    Args:
        name: the name of the test.
        found: its report.
        evidence: why it fails; None if it does not.
        observations: what its runs have met; None if that is not known.
    """
    failure = found.failure
    reported = ReportedExploration(
        name,
        str(found),
        found.notes(),
        found.endings.most_common(),
        list(map(_reported_file, found.code or ())),
        [] if observations is None else observations.outcomes(),
    )
    if failure is None or evidence is None:
        return reported
    return reported._replace(
        error=headline(failure.error),
        repeat=failure.lines()[-1],
        failing=evidence.failing,
        passing=evidence.passing,
        points=evidence.points,
    )


def _reported_file(file: CoveredFile) -> ReportedFile:
    notes: dict[int, list[str]] = {}
    for line, way in file.branches_never_taken:
        notes.setdefault(line, []).append(f"never: {way}")
    return ReportedFile(
        file.name,
        listing(
            linecache.getlines(file.path),
            file.lines,
            file.lines_never_run,
            {line: "; ".join(ways) for line, ways in notes.items()},
        ),
    )
