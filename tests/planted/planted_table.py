"""Search for every planted bug, and print a table of the results or write it into a document."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from pathlib import Path

from tests.planted.bugs import MODULES, PLANTED, Bug

BEGIN, END = "<!-- planted: begin -->", "<!-- planted: end -->"
SECONDS = 10
RANDOM_RUNS = 300
TWIN_RUNS = 3_000
ENDING_RUNS = 300


def row(bug: Bug) -> str:
    """Return the row of a bug: search for it systematically and with random runs.

    Raises:
        AssertionError: it is not found in time, or its fixed twin fails or does not end in time.
    """
    found = bug.find(seconds=SECONDS, runs=1_000_000)
    twin = bug.find(fixed=True, seconds=SECONDS, runs=TWIN_RUNS)
    ending = bug.find(fixed=True, seconds=SECONDS, runs=ENDING_RUNS, ends_within=True)
    assert found.failure is not None, f"{bug} is not found"
    assert twin.failure is None, f"{bug}, fixed: {twin.failure}"
    assert ending.failure is None, f"{bug}, fixed, ends in time: {ending.failure}"
    cells = [
        bug.kind,
        str(bug),
        f"{found.seconds * 1_000:,.0f} ms",
        str(len(found.failure.choices)),
        "yes" if bug.is_found_at_random(RANDOM_RUNS, faults=False) else "no",
        "yes" if bug.is_found_at_random(RANDOM_RUNS, faults=True) else "no",
        f"{twin.runs:,}{' (all)' if twin.complete else ''}",
    ]
    print("; ".join(cells), file=sys.stderr)
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """Return the table of all bugs."""
    head = (
        "| | bug | time to find | choices after shrinking | found by random orders "
        "| by random orders and faults | runs of the fixed twin |\n"
        "| --- | --- | ---: | ---: | --- | --- | ---: |"
    )
    return "\n".join([head, *map(row, PLANTED)])


def main() -> None:
    """Print the table, and write it between the marks in each given document."""
    for name in MODULES:
        import_module(name)
    # The log of workers that meet faults would hide the progress of the search.
    logging.getLogger("flowy").setLevel(logging.CRITICAL + 1)
    text = table()
    print(text)
    for path in map(Path, sys.argv[1:]):
        document = path.read_text(encoding="utf-8")
        before, after = document.split(BEGIN)[0], document.split(END)[1]
        path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
