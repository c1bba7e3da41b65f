"""How many runs of the image workflow are explored in a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from bench.measure import table
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim.explore import Exploration, find
from flowy_sim.faults import EVERYDAY
from flowy_sim.testing import Runner


def with_stubs(runner: Runner) -> None:
    """Run the image workflow, with stubs for its activities."""
    runner.stubs(Resize, result="small.jpg", takes=40)
    runner.stubs(PredominantColor, result="blue", takes=15)
    runner.stubs(RenameImage, result="blue/small.jpg")
    runner(ImageCategorization, "photo.jpg")


def rates(quick: bool) -> str:
    """Return the table: by the number of faults, on one core and on all."""
    rounds = 1 if quick else 3
    rows = []
    for most, processes, clock in (
        (1, 1, time.process_time),
        (2, 1, time.process_time),
        (2, None, time.perf_counter),
    ):
        rate, found = _rate(most, processes, clock, 300 if quick else 100_000, rounds)
        rows.append(
            [
                f"at most {most} of the everyday faults, "
                f"{'one core' if processes == 1 else 'all cores'}",
                f"{found.runs:,}{' (all)' if found.complete else ''}",
                f"{found.states:,}",
                f"{rate:,.0f}/s",
            ]
        )
    return table(["the image workflow, with stubs", "runs", "states", "explored"], rows)


def _rate(
    most: int, processes: int | None, clock: Callable[[], float], runs: int, rounds: int
) -> tuple[float, Exploration]:
    rates = []
    for _ in range(rounds):
        began = clock()
        found = find(
            with_stubs,
            faults=EVERYDAY,
            most_faults=most,
            processes=processes,
            runs=runs,
            seconds=60,
        )
        rates.append(found.runs / (clock() - began))
    return median(rates), found
