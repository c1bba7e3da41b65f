"""Exploring in several processes, each of which explores an equal part of the frontier."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy_sim._simulation.time_functions import really_perf_counter
from flowy_sim.explore._choices import Alternative, Deviation
from flowy_sim.explore._code_coverage import Rows
from flowy_sim.explore._explorer import Explorer
from flowy_sim.explore._report import Exploration
from flowy_sim.explore._story import headline

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

ALTERNATIVES_EACH = 16
"""Alternatives for each process that must be known before the frontier is split."""


class ProgressReport(NamedTuple):
    """How much one process has explored so far."""

    runs: int
    states: int
    share: float


class PartReport(NamedTuple):
    """What has been explored of a part of the frontier.

    Attributes:
        runs, share, endings, struck, met: as in `Exploration`, of this part alone.
        states: the fingerprints of the states that were seen first in it.
        notable: as in `Explorer`.
        untried: the alternatives that are left.
        code: the rows of its `CodeCoverage`.
        observations: the rows of its `Observations`; None if nothing is observed.
        choices: the choices of a run that failed; None if none did.
        error: the error of that run, in one line.
    """

    runs: int
    states: set[int]
    share: float
    endings: Counter[str]
    struck: Counter[str]
    met: Counter[str]
    notable: dict[str, tuple[Deviation, ...]]
    untried: list[Alternative]
    code: Rows
    observations: Any
    choices: tuple[Deviation, ...] | None
    error: str


def usable_cores() -> int:
    """Return how many processes keep all cores busy; 1 where processes cannot be forked.

    A process in which other threads run is not forked: a lock that one of them holds would stay
    locked forever in the child.
    """
    forks = "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1
    return (os.cpu_count() or 1) if forks else 1


def explore_in_processes(
    explorer: Explorer, processes: int, runs: int, seconds: float
) -> Exploration:
    """Explore in several processes, forked from this one.

    A failure is repeated in this process, so its exception need not be pickled. A process does not
    know the states that the others have seen, so some are explored twice.

    Args:
        explorer: an explorer that has not tried anything.
        processes: the number of processes.
        runs: the maximum number of runs of all processes together.
        seconds: the maximum number of seconds.
    """
    began = really_perf_counter()
    found = explorer.explore(runs, seconds, most_untried=ALTERNATIVES_EACH * processes)
    if found.failure is not None or found.complete:
        return found
    parts = explorer.search.split(processes)
    each = max(1, (runs - found.runs) // processes)
    before = ProgressReport(found.runs, found.states, found.share)
    reports = list(_reports(explorer, before, parts, each, seconds - found.seconds))
    return combined(explorer, found, reports, began)


def explore_part(
    explorer: Explorer, part: Sequence[Alternative], runs: int, seconds: float
) -> PartReport:
    """Explore a part of the frontier.

    Args:
        explorer: an explorer; it reports on its own progress only.
        part: the alternatives to begin with.
        runs: the maximum number of runs.
        seconds: the maximum number of seconds.
    """
    known, made, covered = set(explorer.states), explorer.runs, explorer.search.covered
    explorer.search.replace(part)
    for counted in (explorer.endings, explorer.struck, explorer.met):
        counted.clear()
    if explorer.observations is not None:
        explorer.observations = explorer.observations.empty_copy()
    found = explorer.explore(runs, seconds)
    failure, observations = found.failure, explorer.observations
    return PartReport(
        found.runs - made,
        explorer.states - known,
        found.share - covered,
        found.endings,
        found.struck,
        found.met,
        explorer.notable,
        explorer.search.split(1)[0],
        explorer.code.rows(),
        None if observations is None else observations.rows(),
        None if failure is None else failure.choices,
        "" if failure is None else headline(failure.error),
    )


def combined(
    explorer: Explorer, found: Exploration, reports: Sequence[PartReport], began: float
) -> Exploration:
    """Return the report of an exploration whose frontier was explored in parts.

    Args:
        explorer: the explorer that found the frontier; a failure is repeated with it.
        found: its report.
        reports: those of the parts.
        began: when the exploration began.
    """
    for report in reports:
        explorer.states |= report.states
        explorer.notable = {**report.notable, **explorer.notable}
        explorer.code.merge(report.code)
        if explorer.observations is not None:
            explorer.observations.merge(report.observations)
    failures = (
        explorer.describe_failure(report.choices, AssertionError(report.error))
        for report in reports
        if report.choices is not None
    )
    failure = next(failures, None)
    explorer.search.replace([each for report in reports for each in report.untried])
    explorer.search.covered = found.share + sum(report.share for report in reports)
    return Exploration(
        found.runs + sum(report.runs for report in reports),
        len(explorer.states),
        really_perf_counter() - began,
        explorer.search.covered,
        failure is None and not explorer.search,
        _added(found.endings, (report.endings for report in reports)),
        failure,
        (),
        found.space,
        _added(found.struck, (report.struck for report in reports)),
        _added(found.met, (report.met for report in reports)),
        found.growth,
        explorer.code.files(),
    )


def _added(first: Counter[str], others: Iterable[Counter[str]]) -> Counter[str]:
    """Return the sum of counters, with the zeros that they hold."""
    total = first.copy()
    for each in others:
        total.update(each)
    return total


def _reports(
    explorer: Explorer,
    before: ProgressReport,
    parts: Sequence[Sequence[Alternative]],
    runs: int,
    seconds: float,
) -> Iterator[PartReport]:
    """Let a process explore each part; yield their reports, up to the first failure."""
    context = multiprocessing.get_context("fork")
    working: dict[Any, Any] = {}
    progress: dict[object, ProgressReport] = {None: before}
    with _fork_warnings_ignored():
        for part in parts:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(sender, explorer, part, runs, seconds))
            process.start()
            sender.close()
            working[receiver] = process
    try:
        while working:
            ready: list[Any] = wait(list(working))
            for receiver in ready:
                report = _receive(receiver, working[receiver])
                if isinstance(report, ProgressReport):
                    progress[receiver] = report
                    _report_progress(explorer, progress.values())
                    continue
                working.pop(receiver).join()
                yield report
                if report.choices is not None:
                    return
    finally:
        for process in working.values():
            process.terminate()
            process.join()


def _receive(receiver: Connection, process: BaseProcess) -> PartReport | ProgressReport:
    try:
        report: PartReport | ProgressReport = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"an exploring process ended with status {process.exitcode} before it was done; "
            "explore with processes=1 to see why"
        ) from None
    return report


def _report_progress(explorer: Explorer, reports: Iterable[ProgressReport]) -> None:
    """Report how much all processes together have explored."""
    if explorer.on_progress is not None:
        runs, states, shares = zip(*reports, strict=True)
        explorer.on_progress(sum(runs), sum(states), sum(shares))


@contextmanager
def _fork_warnings_ignored() -> Iterator[None]:
    """Ignore the warning about threads: libraries may have some, which are idle.

    `usable_cores` sees only threads that Python started.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*use of fork.*", DeprecationWarning)
        yield


def _work(
    sender: Connection,
    explorer: Explorer,
    part: Sequence[Alternative],
    runs: int,
    seconds: float,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent handles it and ends this process.
    states, made, covered = len(explorer.states), explorer.runs, explorer.search.covered
    if explorer.on_progress is not None:
        explorer.on_progress = lambda *so_far: sender.send(
            ProgressReport(so_far[0] - made, so_far[1] - states, so_far[2] - covered)
        )
    sender.send(explore_part(explorer, part, runs, seconds))
    sender.close()
