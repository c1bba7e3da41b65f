"""Calls to a server while pages of its console are opened, and while they stay open."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from statistics import median
from urllib.parse import urlencode

from bench import images, servers
from bench.connections import connected
from bench.load import PATIENCE, Figures, figures_of, prepared, signal, start
from bench.measure import table
from bench.servers import Served

#: The execution that pages show.
LONG = "signalled-0"
VISITORS = 4
#: Real seconds between two updates of a page, at least.
PAUSE = 0.15

Visit = Callable[[str], None]


def console(rounds: int, events: int, calls: int) -> str:
    """Return the table of calls beside pages of an execution with a number of events."""
    found = asyncio.run(_measured(rounds, events, calls))
    rows = [
        [
            name,
            *[
                f"{median(each.middle for each in figures):.1f} ms, "
                f"{median(each.most for each in figures):.1f} ms"
                for figures in of.values()
            ],
        ]
        for name, of in found.items()
    ]
    return table(["delay of calls, median and 99 of 100", *CALLS], rows)


CALLS = {"StartWorkflowExecution": start, "SignalWorkflowExecution": signal}


def _open_pages(url: str) -> None:
    """Open the page of the execution again and again, with what its scripts fetch."""
    query = urlencode({"domain": images.DOMAIN, "workflow": LONG})
    while True:
        _get(f"{url}/_console/execution?{query}")
        _get(f"{url}/_console/data?{query}")


def _keep_page_open(url: str) -> None:
    """Follow changes, and fetch what a page fetches after one."""
    query = urlencode({"domain": images.DOMAIN, "workflow": LONG})
    last = json.loads(_get(f"{url}/_console/data?{query}"))["events"][-1][0]
    with urllib.request.urlopen(f"{url}/_console/stream") as stream:
        for line in stream:
            if line.startswith(b"data:"):
                _get(f"{url}/_console/execution?{query}&after={last}")
                time.sleep(PAUSE)


SITUATIONS: dict[str, Visit | None] = {
    "no page": None,
    f"{VISITORS} visitors who open pages all the time": _open_pages,
    f"{VISITORS} pages that stay open": _keep_page_open,
}


async def _measured(rounds: int, events: int, calls: int) -> dict[str, dict[str, list[Figures]]]:
    found: dict[str, dict[str, list[Figures]]] = {
        name: {call: [] for call in CALLS} for name in SITUATIONS
    }
    ids = count()
    async with asyncio.timeout(PATIENCE), prepared(servers.flowy_sim) as served:
        async with connected(served.port, 20) as connections:
            left = iter(range(events))

            async def lengthen(connection: object) -> None:
                for _ in left:
                    await signal(connection, 0)  # type: ignore[arg-type]

            await asyncio.gather(*map(lengthen, connections))
        for _ in range(rounds):
            for name, visit in SITUATIONS.items():
                with _visitors(served, visit):
                    await asyncio.sleep(3)
                    for call in CALLS:
                        found[name][call].append(await _delays(served, call, calls, ids))
    return found


async def _delays(served: Served, name: str, calls: int, ids: Iterator[int]) -> Figures:
    """Make calls one after the other, a hundred a second at most, as a worker does."""
    delays = []
    async with connected(served.port, 1) as (connection,):
        began, worked = time.perf_counter(), served.processor_seconds()
        for _ in range(calls):
            sent = time.perf_counter()
            await CALLS[name](connection, next(ids))
            delays.append(time.perf_counter() - sent)
            await asyncio.sleep(0.01)
        seconds = time.perf_counter() - began
        work = (served.processor_seconds() - worked) / calls
    return figures_of(delays, seconds, work)


@contextmanager
def _visitors(served: Served, visit: Visit | None) -> Iterator[None]:
    visitors = [
        multiprocessing.Process(target=visit, args=(served.url,), daemon=True)
        for _ in range(VISITORS if visit else 0)
    ]
    for each in visitors:
        each.start()
    try:
        yield
    finally:
        for each in visitors:
            each.terminate()
            each.join()


def _get(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        found: bytes = response.read()
    return found
