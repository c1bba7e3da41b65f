"""Run the measurements and print their tables, or write them into docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bench import engine, framework, images
from bench.backends import BACKENDS, CLIENT_OBJECT, MOTO
from bench.measure import Case, machine, medians, table

FRAMEWORK = "flowy_sim, client object, flowy's workers"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@click.command()
@click.option("--quick", is_flag=True, help="Fewer rounds and smaller numbers, to try it out.")
@click.option("--write", type=click.Path(path_type=Path, exists=True), help="Put the tables there.")
def main(quick: bool, write: Path | None) -> None:
    """Measure speed and memory of the simulator beside moto, in one run."""
    rounds = 1 if quick else 5
    sizes = [10, 100] if quick else [10, 100, 1_000]
    parts = [
        f"Measured on {machine()}. Medians of {rounds} rounds, everything in turn in each.",
        "### The image workflow, by plain poll loops",
        executions(sizes, rounds),
        "### The engine alone",
        growth(quick),
    ]
    text = "\n\n".join(parts)
    click.echo(text)
    if write is not None:
        document = write.read_text()
        head, tail = document.split(BEGIN)[0], document.split(END)[1]
        write.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


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
    """Return the table of what the engine costs as things grow."""
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
        rows.append([f"beside {count:,} other open executions", f"{seconds * 1e3:,.0f} µs each"])
    for length in (10, 24_000 // scale):
        seconds = engine.long_history(length)
        name = f"an activity after {length:,} events of its execution"
        rows.append([name, f"{seconds * 1e4:,.0f} µs"])
    for length in (100, 1_000, 4_000 // scale):
        seconds = engine.chain(length)
        rows.append([f"chain of {length:,} activities", f"{seconds / length * 1e6:,.0f} µs each"])
    count = 1_000_000 // scale
    cancelled, fired = engine.timers(count)
    rows.append([f"{count:,} timers set and cancelled", f"{cancelled:.1f} µs each"])
    rows.append([f"{count:,} timers set and fired", f"{fired:.1f} µs each"])
    events, size_of_event = engine.memory(50_000 // scale)
    rows.append([f"{events:,} events in memory", f"{size_of_event:.0f} bytes each"])
    return table(["", "cost"], rows)


if __name__ == "__main__":
    main()
