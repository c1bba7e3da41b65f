"""Look for every planted bug, and print the table of how it went, or write it into a document."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from pathlib import Path

from planting import MODULES, PLANTED, Bug

BEGIN, END = "<!-- planted: begin -->", "<!-- planted: end -->"
SECONDS = 10
RANDOM_RUNS = 300
TWIN_RUNS = 3_000


def row(bug: Bug) -> str:
    """Look for a bug, with and without method.

    Raises:
        AssertionError: it is not found in time, or its mended twin has a bug, too.
    """
    found = bug.find(seconds=SECONDS, runs=1_000_000)
    twin = bug.find(mended=True, seconds=SECONDS, runs=TWIN_RUNS)
    assert found.failure is not None, f"{bug} is not found"
    assert twin.failure is None, f"{bug}, mended: {twin.failure}"
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
    """Return the table of all of them."""
    head = (
        "| | bug | time to find | choices after shrinking | found by random orders "
        "| by random orders and faults | runs of the fixed twin |\n"
        "| --- | --- | ---: | ---: | --- | --- | ---: |"
    )
    return "\n".join([head, *map(row, PLANTED)])


def main() -> None:
    """Print the table; or put it where the document that is named has its marks."""
    for name in MODULES:
        import_module(name)
    # What workers say of the faults that they meet would hide how far the search is.
    logging.getLogger("flowy").setLevel(logging.CRITICAL + 1)
    text = table()
    print(text)
    for path in map(Path, sys.argv[1:]):
        document = path.read_text(encoding="utf-8")
        before, after = document.split(BEGIN)[0], document.split(END)[1]
        path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
