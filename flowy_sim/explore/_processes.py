"""Exploring in several processes: each gets an equal part of what is untried."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy_sim.explore._choices import Deviation
from flowy_sim.explore._explorer import Explorer
from flowy_sim.explore._report import Exploration
from flowy_sim.explore._search import Alternative
from flowy_sim.explore._story import blame

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_EACH = 16
"""So many alternatives for each process have to be known before they are dealt."""


class SoFar(NamedTuple):
    """How far one process has come."""

    runs: int
    states: int
    share: float


class Part(NamedTuple):
    """What one process has come to.

    `noted` is what its tally has noted; `choices` and `error` are those of a failure.
    """

    runs: int
    states: int
    share: float
    complete: bool
    endings: Counter[str]
    noted: Any
    choices: tuple[Deviation, ...] | None
    error: str


def cores() -> int:
    """Return how many processes make use of all cores; 1 where processes cannot be forked.

    Nobody forks a process in which other threads run: a lock that one of them holds would stay
    locked for ever in the other process.
    """
    forks = "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1
    return (os.cpu_count() or 1) if forks else 1


def explore_in_processes(
    explorer: Explorer, processes: int, runs: int, seconds: float
) -> Exploration:
    """Explore in several processes, forked from this one.

    A failure is repeated here, so what it failed with need not travel. States that one process has
    seen another does not know of; so some are explored twice.

    Args:
        explorer: what to explore, with nothing tried.
        processes: how many.
        runs: how many runs are made at most, in all.
        seconds: for how long.
    """
    began = time.perf_counter()
    found = explorer.explore(runs, seconds, untried=_EACH * processes)
    if found.failure is not None or found.complete:
        return found
    hands = explorer.search.deal(processes)
    each = max(1, (runs - found.runs) // processes)
    before = SoFar(found.runs, found.states, found.share)
    parts = list(_parts(explorer, before, hands, each, seconds - found.seconds))
    for part in parts:
        if explorer.tally is not None:
            explorer.tally.merge(part.noted)
    failures = (
        explorer.tell_of(part.choices, AssertionError(part.error))
        for part in parts
        if part.choices is not None
    )
    failure = next(failures, None)
    return Exploration(
        found.runs + sum(part.runs for part in parts),
        found.states + sum(part.states for part in parts),
        time.perf_counter() - began,
        found.share + sum(part.share for part in parts),
        failure is None and all(part.complete for part in parts),
        sum((part.endings for part in parts), found.endings),
        failure,
    )


def _parts(
    explorer: Explorer,
    before: SoFar,
    hands: Sequence[Sequence[Alternative]],
    runs: int,
    seconds: float,
) -> Iterator[Part]:
    """Let each process explore its hand; yield what they come to, up to the first failure."""
    context = multiprocessing.get_context("fork")
    working: dict[Any, Any] = {}
    come: dict[object, SoFar] = {None: before}
    with _forking():
        for hand in hands:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(there, explorer, hand, runs, seconds))
            process.start()
            there.close()
            working[here] = process
    try:
        while working:
            answers: list[Any] = wait(list(working))
            for answer in answers:
                said = _heard(answer, working[answer])
                if isinstance(said, SoFar):
                    come[answer] = said
                    _tell(explorer, come.values())
                    continue
                working.pop(answer).join()
                yield said
                if said.choices is not None:
                    return
    finally:
        for process in working.values():
            process.terminate()
            process.join()


def _heard(answer: Connection, process: BaseProcess) -> Part | SoFar:
    try:
        said: Part | SoFar = answer.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"a process that explored ended with status {process.exitcode} before it was done"
        ) from None
    return said


def _tell(explorer: Explorer, come: Iterable[SoFar]) -> None:
    """Tell how far all processes together have come."""
    if explorer.tell is not None:
        runs, states, shares = zip(*come, strict=True)
        explorer.tell(sum(runs), sum(states), sum(shares))


@contextmanager
def _forking() -> Iterator[None]:
    """Fork without being warned of threads: those of libraries, which `cores` cannot see, rest."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*use of fork.*", DeprecationWarning)
        yield


def _work(
    answer: Connection,
    explorer: Explorer,
    hand: Sequence[Alternative],
    runs: int,
    seconds: float,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one hears it
    states, made, covered = len(explorer.states), explorer.runs, explorer.search.covered
    explorer.search.take(hand)
    explorer.endings.clear()
    tally = explorer.tally = None if explorer.tally is None else explorer.tally.empty()
    if explorer.tell is not None:
        explorer.tell = lambda *come: answer.send(
            SoFar(come[0] - made, come[1] - states, come[2] - covered)
        )
    found = explorer.explore(runs, seconds)
    failure = found.failure
    answer.send(
        Part(
            found.runs - made,
            found.states - states,
            found.share - covered,
            found.complete,
            found.endings,
            None if tally is None else tally.rows(),
            None if failure is None else failure.choices,
            "" if failure is None else blame(failure.error),
        )
    )
    answer.close()
