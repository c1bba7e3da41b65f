"""Exploring with the workers of an executor: processes of this machine, or of a cluster.

Any `concurrent.futures.Executor` will do. Its workers need not be children of this process, so work
is sent to them by pickle: functions and classes by their importable names.

A part is explored for a second, and what is left of it is divided again among all workers. So a
worker is never idle for long, and a worker that dies takes a second of work with it, which another
one does again. Each part comes with the states that all workers together have seen before.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from flowy.errors import ConfigurationError
from flowy_sim._simulation.time_functions import really_perf_counter
from flowy_sim.explore._attempt import Setup, Test
from flowy_sim.explore._choices import Alternative
from flowy_sim.explore._explorer import Explorer, undisturbed
from flowy_sim.explore._processes import (
    ALTERNATIVES_EACH,
    PartReport,
    combined,
    explore_part,
    usable_cores,
)
from flowy_sim.explore._report import Exploration, Observations
from flowy_sim.explore._user_output import silenced

_PART_SECONDS = 1.0
"""How long a worker explores before it reports."""

_TRIES = 3
"""How many workers may die of the same part."""


class Work(NamedTuple):
    """A part to explore, as it is sent to a worker.

    Attributes:
        subject: the test, how its runs are set up and empty observations, pickled.
        seed: of the random samples.
        part: the alternatives to begin with.
        states: fingerprints of states that need not be explored again.
        runs: the maximum number of runs.
        seconds: the maximum number of seconds.
    """

    subject: bytes
    seed: int
    part: Sequence[Alternative]
    states: set[int]
    runs: int
    seconds: float


def explore_with_executor(
    explorer: Explorer,
    subject: bytes,
    seed: int,
    executor: Executor,
    workers: int | None,
    runs: int,
    seconds: float,
) -> Exploration:
    """Explore with the workers of an executor.

    A failure is repeated in this process, so its exception need not be pickled.

    Args:
        explorer: an explorer that knows the alternatives to begin with.
        subject: what `pickled` returned.
        seed: of the random samples.
        executor: runs the work.
        workers: how many parts are explored at the same time; None for one on each core.
        runs: the maximum number of runs in all.
        seconds: the maximum number of seconds.

    Raises:
        RuntimeError: workers die of a part again and again.
    """
    began = really_perf_counter()
    workers = workers or usable_cores()
    found = explorer.explore(runs, seconds, most_untried=ALTERNATIVES_EACH * workers)
    if found.failure is not None or found.complete:
        return found
    team = _Team(explorer, subject, seed, executor, workers)
    reports = team.explore(runs - found.runs, began + seconds)
    return combined(explorer, found, reports, began)


class _Team:
    """The workers of an executor."""

    def __init__(
        self, explorer: Explorer, subject: bytes, seed: int, executor: Executor, workers: int
    ) -> None:
        self._explorer = explorer
        self._subject = subject
        self._seed = seed
        self._executor = executor
        self._workers = workers
        self._untried: list[Alternative] = explorer.search.split(1)[0]
        self._exploring: dict[Future[PartReport], tuple[Work, int]] = {}
        self._states = set(explorer.states)
        self._reports: list[PartReport] = []

    def explore(self, runs: int, until: float) -> list[PartReport]:
        """Let the workers explore what is left; return their reports.

        Args:
            runs: the maximum number of runs.
            until: when to stop, by `really_perf_counter`.
        """
        left = runs
        try:
            while self._untried or self._exploring:
                if left > 0 and really_perf_counter() < until:
                    self._hand_out(max(1, left // self._workers), until)
                if not self._exploring:
                    break
                done, _ = wait(self._exploring, return_when=FIRST_COMPLETED)
                for report in [each for future in done if (each := self._report(future))]:
                    left -= report.runs
                    self._add(report)
                    if report.choices is not None:
                        return self._reports
            if self._untried:
                self._reports[-1].untried.extend(self._untried)
        finally:
            for future in self._exploring:
                future.cancel()
        return self._reports

    def _hand_out(self, runs: int, until: float) -> None:
        """Divide what is untried among the workers that have nothing to do."""
        idle = self._workers - len(self._exploring)
        seconds = max(0.0, min(_PART_SECONDS, until - really_perf_counter()))
        for part in [self._untried[i::idle] for i in range(idle) if self._untried[i::idle]]:
            self._submit(
                Work(self._subject, self._seed, part, self._states, runs, seconds), tries=1
            )
        if idle:
            self._untried = []

    def _submit(self, work: Work, tries: int) -> None:
        self._exploring[self._executor.submit(explore_work, work)] = work, tries

    def _report(self, future: Future[PartReport]) -> PartReport | None:
        """Return the report of a worker; let another one do the work of one that has died."""
        work, tries = self._exploring.pop(future)
        try:
            return future.result()
        except Exception as error:
            if tries == _TRIES:
                raise RuntimeError(
                    f"{_TRIES} workers of the executor have failed to explore the same part; the "
                    f"last one with {type(error).__name__}: {error}"
                ) from error
            self._submit(work, tries + 1)
            return None

    def _add(self, report: PartReport) -> None:
        self._untried += report.untried
        report.untried.clear()
        self._states |= report.states
        self._reports.append(report)
        if self._explorer.on_progress is not None:
            self._explorer.on_progress(
                self._explorer.runs + sum(each.runs for each in self._reports),
                len(self._states),
                self._explorer.search.covered + sum(each.share for each in self._reports),
            )


def explore_work(work: Work) -> PartReport:
    """Explore a part, in a worker of an executor."""
    test, setup, observations = pickle.loads(work.subject)  # noqa: S301 - from our own parent
    explorer = Explorer(test, setup, work.seed, str, observations)
    explorer.states |= work.states
    with undisturbed(), explorer.code, silenced():
        return explore_part(explorer, work.part, work.runs, work.seconds)


# Sending a test to a worker


def pickled(test: Test, setup: Setup, observations: Observations | None) -> bytes:
    """Return a test, and how it is explored, as they are sent to a worker.

    Raises:
        ConfigurationError: a part of it has no name by which another process can import it.
    """
    __tracebackhide__ = True
    name = getattr(test, "__qualname__", None) or getattr(test, "__name__", str(test))
    if getattr(test, "__module__", None) == "__main__":
        raise ConfigurationError(
            f"{name} is defined in the program that was started, which a worker of an executor "
            "cannot import; move it to a module"
        )
    empty = None if observations is None else observations.empty_copy()
    buffer = io.BytesIO()
    try:
        _Pickler(buffer).dump((test, setup, empty))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"{name} cannot be explored by an executor, because a part of it cannot be sent to "
            f"another process ({error}); define the test, and what is given to it, at the top "
            "level of a module"
        ) from error
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    """Pickles modules as well, which can be given to a `Runner`: by their names."""

    def reducer_override(self, value: Any) -> Any:
        """Return how a value is pickled, if not in the usual way."""
        if isinstance(value, ModuleType):
            return import_module, (value.__name__,)
        return NotImplemented


# Shards


class Shard(NamedTuple):
    """One of several parts of a space that are explored apart, such as by the jobs of a CI matrix.

    Every shard begins in the same way, until enough alternatives are known, and then goes on with
    its own ones.

    Attributes:
        number: which part, from 1.
        of: the number of parts.
    """

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse_shard(given: object) -> Shard:
    """Return the shard that a text such as ``3/16`` names.

    Raises:
        ConfigurationError: it has another form.
    """
    __tracebackhide__ = True
    number, slash, of = str(given).partition("/")
    if slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
        return Shard(int(number), int(of))
    raise ConfigurationError(
        f"shard must be like '3/16', the third of sixteen parts, not {given!r}"
    )


def begin_shard(explorer: Explorer, shard: Shard, runs: int, seconds: float) -> Exploration:
    """Explore until the space can be divided, and leave only a shard of it to the explorer.

    Args:
        explorer: an explorer that has not tried anything.
        shard: the shard.
        runs: the maximum number of runs.
        seconds: the maximum number of seconds.

    Returns:
        What was explored, counted by the first shard only.
    """
    found = explorer.explore(runs, seconds, most_untried=ALTERNATIVES_EACH * shard.of)
    explorer.search.replace(explorer.search.split(shard.of)[shard.number - 1])
    return found
