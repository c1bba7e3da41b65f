"""Exploring in several processes: each gets an equal part of what is untried."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from flowy_sim.explore.choices import Deviation
from flowy_sim.explore.search import Alternative

if TYPE_CHECKING:
    from flowy_sim.explore.exploring import Exploration, Explorer

_EACH = 16
"""So many alternatives for each process have to be known before they are dealt."""

Part = tuple[int, int, float, bool, tuple[Deviation, ...] | None]
"""Runs, states, share covered, whether all runs were made, and the choices of a failure."""


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
    from flowy_sim.explore.exploring import Exploration

    began = time.perf_counter()
    found = explorer.explore(runs, seconds, untried=_EACH * processes)
    if found.failure is not None or found.complete:
        return found
    left = seconds - found.seconds
    hands = explorer.search.deal(processes)
    parts = _gather(explorer, hands, max(1, (runs - found.runs) // processes), left)
    failing = next((part[4] for part in parts if part[4] is not None), None)
    return Exploration(
        found.runs + sum(part[0] for part in parts),
        found.states + sum(part[1] for part in parts),
        time.perf_counter() - began,
        found.share + sum(part[2] for part in parts),
        all(part[3] for part in parts),
        None if failing is None else explorer.repeat(failing).failure,
    )


def _gather(
    explorer: Explorer, hands: Sequence[Sequence[Alternative]], runs: int, seconds: float
) -> list[Part]:
    context = multiprocessing.get_context("fork")
    pipes = []
    for hand in hands:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(there, explorer, hand, runs, seconds))
        process.start()
        there.close()
        pipes.append((process, here))
    parts = []
    for process, here in pipes:
        parts.append(here.recv())
        process.join()
    return parts


def _work(
    answer: Connection,
    explorer: Explorer,
    hand: Sequence[Alternative],
    runs: int,
    seconds: float,
) -> None:
    states, made, covered = len(explorer.states), explorer.runs, explorer.search.covered
    explorer.search.take(hand)
    found = explorer.explore(runs, seconds)
    answer.send(
        (
            found.runs - made,
            found.states - states,
            found.share - covered,
            found.complete,
            None if found.failure is None else found.failure.choices,
        )
    )
    answer.close()
