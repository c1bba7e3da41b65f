"""Run the measurements and print their tables, or write them into docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click

from bench import (
    console,
    engine,
    exploration,
    framework,
    hang_ups,
    images,
    load,
    long_polls,
    overhead,
    pages,
    storage,
    toolkit,
)
from bench.backends import BACKENDS, CLIENT_OBJECT, MOTO
from bench.measure import Case, machine, medians, table

FRAMEWORK = "flowy_sim, client object, flowy's workers"


def in_process(quick: bool) -> str:
    """Return the tables of the simulator in the process that calls it."""
    rounds = 1 if quick else 5
    sizes = [10, 100] if quick else [10, 100, 1_000]
    return "\n\n".join(
        [
            f"Measured on {machine()}. Medians of {rounds} rounds, all measured in turn.",
            "### The image workflow with plain poll loops",
            executions(sizes, rounds),
            "### The engine",
            growth(quick),
        ]
    )


def served(quick: bool) -> str:
    """Return the table of the image workflow at a server, one call after the other."""
    rounds = 1 if quick else 3
    return _in_turn(rounds, load.executions(rounds, [10, 100] if quick else [10, 50, 100]))


def calls(quick: bool) -> str:
    """Return the table of single calls to a server."""
    rounds = 1 if quick else 7
    return _in_turn(rounds, load.calls(rounds, 400 if quick else 1_000))


def overheads(quick: bool) -> str:
    """Return the table of what calls cost beyond HTTP."""
    rounds = 1 if quick else 5
    return _in_turn(rounds, overhead.overhead(rounds, 2_000 if quick else 10_000))


def left(quick: bool) -> str:
    """Return the table of what a server keeps of clients that have gone."""
    return f"Measured on {machine()}.\n\n{hang_ups.hang_ups(5_000 if quick else 200_000)}"


def durable(quick: bool) -> str:
    """Return the table of what durable calls cost."""
    rounds = 1 if quick else 5
    return _in_turn(rounds, load.durable(rounds, 1_000 if quick else 2_000))


def polls(quick: bool) -> str:
    """Return the table of waiting polls."""
    rounds = 1 if quick else 3
    return _in_turn(rounds, long_polls.polls(rounds, [1, 100, 1_000, 5_000], 100 if quick else 400))


def _in_turn(rounds: int, table_of_it: str) -> str:
    how = f"Measured on {machine()}. Medians of {rounds} rounds, all measured in turn."
    return f"{how}\n\n{table_of_it}"


def workers(quick: bool) -> str:
    """Return the tables of flowy's own workers."""
    rounds, scale = (1, 10) if quick else (3, 1)
    head = ["", *WAYS]
    rows = []
    for length in (50, 100, 800) if quick else (100, 1_000, 8_000):
        shown = []
        for suspended in WAYS.values():
            if length > 1_000 and not suspended:
                shown.append("")
                continue
            # Replaying many takes long enough to be measured only once.
            times = 1 if length >= 1_000 and not suspended else rounds
            seconds = median(_chain(length, suspended) for _ in range(times))
            shown.append(f"{seconds:.2f} s, {seconds / length * 1e6:,.0f} µs each")
        rows.append([f"chain of {length:,} activities", *shown])
    count = 1_000 // scale
    rates = [[_beside(count, suspended) for _ in range(rounds)] for suspended in WAYS.values()]
    for step in (1, 10):
        shown = [f"{median(each[step - 1] for each in of):,.0f}/s" for of in rates]
        rows.append([f"decisions, {count:,} executions open, step {step} of each", *shown])
    how = f"Measured on {machine()}. Medians of {rounds} rounds, processor time."
    return f"{how}\n\n{table(head, rows)}"


#: How many executions a decider keeps suspended.
WAYS = {"kept suspended": 1_000, "replayed": 0}


def _chain(length: int, suspended: int) -> float:
    return framework.chain(_roomy(), length, suspended)


def _beside(count: int, suspended: int) -> list[float]:
    return framework.beside(_roomy(), count, 10, suspended)


def _roomy() -> object:
    """Return a client object over a simulation in which histories may be longer than usual."""
    from flowy_sim import Limits, Simulation

    return Simulation(limits=Limits(events=100_000)).client()


def kept(quick: bool) -> str:
    """Return the table of what it costs to store simulations in files."""
    return f"Measured on {machine()}.\n\n{storage.costs(quick)}"


def reports(quick: bool) -> str:
    """Return the table of reports in a browser."""
    rounds = 1 if quick else 5
    return _in_turn(rounds, pages.pages(rounds, [100, 1_000] if quick else [100, 1_000, 10_000]))


def beside_pages(quick: bool) -> str:
    """Return the tables of calls beside pages of the console, and of how soon they show changes."""
    rounds, calls = (1, 100) if quick else (3, 300)
    beside = console.console(rounds, 1_000 if quick else 10_000, calls)
    soon = pages.changes(10, [100, 1_000] if quick else [100, 1_000, 10_000])
    return f"{_in_turn(rounds, beside)}\n\nOf changes, medians and maxima of 10.\n\n{soon}"


def testing(quick: bool) -> str:
    """Return the table of what tests of workflows cost."""
    return "\n\n".join([f"Measured on {machine()}.", table(["", "cost"], toolkit.costs(quick))])


def explored(quick: bool) -> str:
    """Return how fast orders and faults are explored."""
    how = "Medians of 3 rounds; processor time on one core, real time on all cores."
    return f"Measured on {machine()}. {how}\n\n{exploration.rates(quick)}"


PARTS: dict[str, Callable[[bool], str]] = {
    "in_process": in_process,
    "workers": workers,
    "explored": explored,
    "served": served,
    "calls": calls,
    "overheads": overheads,
    "polls": polls,
    "left": left,
    "durable": durable,
    "kept": kept,
    "reports": reports,
    "console": beside_pages,
    "testing": testing,
}


@click.command()
@click.option("--quick", is_flag=True, help="Run fewer rounds with smaller numbers.")
@click.option(
    "--write", type=click.Path(path_type=Path, exists=True), help="Document to write into."
)
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Part to run.")
def main(quick: bool, write: Path | None, parts: tuple[str, ...]) -> None:
    """Measure speed and memory of the simulator and of moto in one run."""
    for name in parts or PARTS:
        text = PARTS[name](quick)
        click.echo(f"{text}\n")
        if write is not None:
            put(write, name, text)


def put(document: Path, name: str, text: str) -> None:
    """Write the measurements into their place in a document."""
    begin, end = (f"<!-- measured {name}: {which} -->" for which in ("begin", "end"))
    head, _, rest = document.read_text().partition(begin)
    _, _, tail = rest.partition(end)
    document.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def executions(sizes: list[int], rounds: int) -> str:
    """Return the table of executions per second by the number of open executions."""
    rates: dict[str, dict[int, float]] = {name: {} for name in (*BACKENDS, FRAMEWORK)}
    for size in sizes:
        cases: dict[str, Case] = {
            name: (backend, _work(size))
            for name, backend in BACKENDS.items()
            if name != MOTO or size <= 100
        }
        cases[FRAMEWORK] = (BACKENDS[CLIENT_OBJECT], _framework_work(size))
        for name, seconds in medians(cases, rounds).items():
            rates[name][size] = size / seconds
    largest_of_both = max(rates[MOTO])
    base = rates[MOTO][largest_of_both]
    head = ["executions/s", *[f"N = {size:,}" for size in sizes], f"x moto, N = {largest_of_both}"]
    rows = [
        [
            name,
            *[f"{by_size[size]:,.0f}" if size in by_size else "" for size in sizes],
            f"{by_size[largest_of_both] / base:,.0f}",
        ]
        for name, by_size in rates.items()
    ]
    return table(head, rows)


def _work(size: int) -> Callable[[object], None]:
    def work(client: object) -> None:
        images.register(client)
        images.run(client, size)

    return work


def _framework_work(size: int) -> Callable[[object], None]:
    def work(client: object) -> None:
        images.register(client)
        framework.run(client, size)

    return work


@contextmanager
def _direct() -> Iterator[engine.Direct]:
    yield engine.Direct(engine.Engine())


def growth(quick: bool) -> str:
    """Return the table of the engine's costs as histories and numbers grow."""
    scale = 10 if quick else 1
    rows = []
    for size in (10, 100, 1_000, 10_000 // scale):
        cases: dict[str, Case] = {"engine": (_direct, _work(size))}
        seconds = medians(cases, 1 if quick else 3)["engine"]
        rows.append(
            [f"image workflow, {size:,} open executions", f"{seconds / size * 1e6:,.0f} µs each"]
        )
    for count in (10, 99_000 // scale):
        seconds = engine.beside(count)
        rows.append([f"next to {count:,} other open executions", f"{seconds * 1e3:,.0f} µs each"])
    for length in (10, 24_000 // scale):
        seconds = engine.long_history(length)
        name = f"an activity after {length:,} events of its execution"
        rows.append([name, f"{seconds * 1e4:,.0f} µs"])
    for length in (100, 1_000, 4_000 // scale):
        seconds = engine.chain(length)
        rows.append([f"chain of {length:,} activities", f"{seconds / length * 1e6:,.0f} µs each"])
    count = 1_000_000 // scale
    canceled, fired = engine.timers(count)
    rows.append([f"{count:,} timers set and canceled", f"{canceled:.1f} µs each"])
    rows.append([f"{count:,} timers set and fired", f"{fired:.1f} µs each"])
    events, size_of_event = engine.memory(50_000 // scale)
    rows.append([f"{events:,} events in memory", f"{size_of_event:.0f} bytes each"])
    return table(["", "cost"], rows)


if __name__ == "__main__":
    main()
