"""Polls that wait at a server: how soon they are answered, and their memory."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager
from statistics import median

from bench import images, servers
from bench.connections import Connection, connected
from bench.load import PATIENCE, Figures, figures_of, prepared, start
from bench.measure import table
from bench.servers import Served

#: Real seconds between two tasks that wake a poll.
PAUSE = 0.002


def polls(rounds: int, waiting: list[int], wakes: int) -> str:
    """Return the table of waiting polls: how soon they are answered, and their memory."""
    rows = []
    for number in waiting:
        found = [asyncio.run(_measured(number, wakes)) for _ in range(rounds)]
        delays = [figures for figures, _ in found]
        rows.append(
            [
                f"{number:,}",
                f"{median(each.middle for each in delays):.1f} ms",
                f"{median(each.most for each in delays):.1f} ms",
                f"{median(memory for _, memory in found) / 1024:.0f} KiB" if number >= 100 else "",
            ]
        )
    return table(["waiting polls", "answered after, median", "99 of 100", "memory each"], rows)


async def _measured(number: int, wakes: int) -> tuple[Figures, float]:
    """Let a number of polls wait on one list, and tasks arrive on it.

    Returns:
        The delays between a call that makes a task and the answer to a poll; bytes of memory
        that each poll takes.
    """
    woken: asyncio.Queue[float] = asyncio.Queue()

    async def wait(connection: Connection) -> None:
        while True:
            await connection.call(
                "PollForDecisionTask", domain=images.DOMAIN, taskList=images.DECISIONS
            )
            woken.put_nowait(time.perf_counter())

    def server() -> AbstractContextManager[Served]:
        return servers.flowy_sim("--limit", f"polls={number}", "--max-connections", "20000")

    delays = []
    async with (
        asyncio.timeout(PATIENCE),
        prepared(server) as served,
        connected(served.port, 1) as (starter,),
    ):
        before = served.memory()
        async with connected(served.port, number) as connections, asyncio.TaskGroup() as group:
            waiting = [group.create_task(wait(connection)) for connection in connections]
            await _until_they_wait(served, number)
            memory = (served.memory() - before) / number
            began, worked = time.perf_counter(), served.processor_seconds()
            for each in range(wakes):
                starts = time.perf_counter()
                await start(starter, each)
                delays.append(await woken.get() - starts)
                await asyncio.sleep(PAUSE)
            seconds = time.perf_counter() - began
            for task in waiting:
                task.cancel()
        work = (served.processor_seconds() - worked) / wakes
    return figures_of(delays, seconds, work), memory


async def _until_they_wait(served: Served, number: int) -> None:
    from flowy_sim._server.endpoint import Endpoint

    endpoint = Endpoint(served.url)
    while (await asyncio.to_thread(endpoint.describe))["waitingPolls"] < number:
        await asyncio.sleep(0.1)
