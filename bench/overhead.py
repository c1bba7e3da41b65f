"""What a call costs the server beyond HTTP: next to a bare uvicorn that answers a fixed body."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import count
from statistics import median

from bench import images, servers
from bench.connections import Connection
from bench.load import Call, _timed, prepared, start
from bench.measure import table

#: The clients that call at the same time.
CLIENTS = 10


async def count_pending(connection: Connection, number: int) -> None:
    """Count the decision tasks that wait: about the cheapest call."""
    await connection.call(
        "CountPendingDecisionTasks", domain=images.DOMAIN, taskList=images.DECISIONS
    )


CALLS: dict[str, Call] = {
    "CountPendingDecisionTasks": count_pending,
    "StartWorkflowExecution": start,
}


def overhead(rounds: int, number: int) -> str:
    """Return the table of the processor time of calls."""
    return asyncio.run(_overhead(rounds, number))


async def _overhead(rounds: int, number: int) -> str:
    found: dict[str, list[list[float]]] = {name: [] for name in CALLS}
    ids = count()
    async with contextlib.AsyncExitStack() as stack:
        ours = await stack.enter_async_context(prepared(servers.flowy_sim))
        bare = [stack.enter_context(servers.bare_uvicorn(loop)) for loop in ("asyncio", "auto")]
        for _ in range(rounds):
            for name, call in CALLS.items():
                works = [
                    (await _timed(served, CLIENTS, number, call, ids)).work
                    for served in (ours, *bare)
                ]
                found[name].append(works)
    rows = []
    for name, each in found.items():
        mine, *others = (median(works) for works in zip(*each, strict=True))
        shown = [f"{other:.0f} µs, {mine / other:.2f} times that" for other in others]
        rows.append([name, f"{mine:.0f} µs", *shown])
    head = ["flowy-sim serve", "bare uvicorn on asyncio", "bare uvicorn on uvloop"]
    return table(["processor time a call", *head], rows)
