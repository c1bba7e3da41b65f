"""How fast a server answers, compared with moto's server: single calls, workflows, and ``--db``."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from bench import images, servers
from bench.connections import Connection, Plain, connected
from bench.measure import table
from bench.servers import Served

OURS, MOTO, KEPT = "flowy-sim serve", "moto_server", "flowy-sim serve --db"
CLIENTS = (1, 50)
#: Real seconds after which a measurement is given up.
PATIENCE = 300

Call = Callable[[Connection, int], Awaitable[object]]


class Figures(NamedTuple):
    """What was measured in one round.

    Attributes:
        rate: calls a second.
        middle: the median of the delays, in milliseconds.
        most: what 99 of 100 delays do not exceed, in milliseconds.
        work: the server's processor time a call, in microseconds.
    """

    rate: float
    middle: float
    most: float
    work: float


# The calls


async def start(connection: Connection, number: int) -> None:
    """Start an execution: a call that changes something."""
    await connection.call(
        "StartWorkflowExecution",
        domain=images.DOMAIN,
        workflowId=f"order-{number}",
        workflowType=images.WORKFLOW,
        input="[1, 2]",
    )


async def signal(connection: Connection, number: int) -> None:
    """Signal one of 50 executions, which are open: a call that changes something."""
    await connection.call(
        "SignalWorkflowExecution",
        domain=images.DOMAIN,
        workflowId=f"signalled-{number % 50}",
        signalName="paid",
    )


async def describe(connection: Connection, number: int) -> None:
    """Describe a workflow type: a call that changes nothing."""
    await connection.call(
        "DescribeWorkflowType", domain=images.DOMAIN, workflowType=images.WORKFLOW
    )


@contextmanager
def kept() -> Iterator[Served]:
    """A simulation that is kept in a file, in a folder for temporary files."""
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.flowy_sim("--db", str(Path(folder) / "bench.db")) as served,
    ):
        yield served


SERVERS: dict[str, Callable[[], AbstractContextManager[Served]]] = {
    OURS: servers.flowy_sim,
    KEPT: kept,
    MOTO: servers.moto_server,
}


# Tables


def calls(rounds: int, number: int) -> str:
    """Return the table of single calls, with the number of them in each round to fast servers."""
    asked: dict[str, Call] = {"StartWorkflowExecution": start, "DescribeWorkflowType": describe}
    found = asyncio.run(_calls(asked, rounds, {OURS: number, KEPT: number, MOTO: number // 20}))
    head = ["", *[f"{clients} client{'s' * (clients > 1)}" for clients in CLIENTS]]
    rows = [
        [
            f"{operation}, {server}",
            *[_shown(found[server, operation, clients]) for clients in CLIENTS],
        ]
        for operation in asked
        for server in SERVERS
    ]
    return table(head, rows)


def durable(rounds: int, number: int) -> str:
    """Return the table of what it costs to store every change in a file."""
    asked: dict[str, Call] = {
        "StartWorkflowExecution": start,
        "SignalWorkflowExecution": signal,
    }
    found = asyncio.run(_calls(asked, rounds, {OURS: number, KEPT: number}))
    rows = []
    for operation in asked:
        for clients in CLIENTS:
            memory, file = (found[server, operation, clients] for server in (OURS, KEPT))
            name = f"{operation}, {clients} client{'s' * (clients > 1)}"
            shown = [f"{memory.rate:,.0f}", f"{file.rate:,.0f}", f"{file.rate / memory.rate:.0%}"]
            rows.append([name, *shown, f"{memory.work:.0f} µs", f"{file.work:.0f} µs"])
    head = ["calls/s", "in memory", "with --db", "", "server's processor time a call", "with --db"]
    return table(head, rows)


def executions(rounds: int, sizes: list[int]) -> str:
    """Return the table of the image workflow, one call after the other."""
    rates: dict[tuple[str, str], dict[int, list[float]]] = {}
    for size in sizes:
        for _ in range(rounds):
            for kind, client in CLIENT_KINDS.items():
                for server in (OURS, MOTO):
                    with SERVERS[server]() as served:
                        rate = size / _seconds(client(served), size)
                    rates.setdefault((kind, server), {}).setdefault(size, []).append(rate)
    rows = []
    for kind in CLIENT_KINDS:
        ours, moto = (
            [median(rates[kind, server][size]) for size in sizes] for server in (OURS, MOTO)
        )
        times = [one / other for one, other in zip(ours, moto, strict=True)]
        rows.append([f"{OURS}, {kind}", *[f"{rate:,.0f}" for rate in ours]])
        rows.append([f"{MOTO}, {kind}", *[f"{rate:,.1f}" for rate in moto]])
        rows.append(["x moto", *[f"{each:.1f}" for each in times]])
    return table(["executions/s", *[f"N = {size:,}" for size in sizes]], rows)


# How it is measured


async def _calls(
    asked: dict[str, Call], rounds: int, numbers: dict[str, int]
) -> dict[tuple[str, str, int], Figures]:
    """Return the medians of all rounds by server, operation and number of clients."""
    found: dict[tuple[str, str, int], list[Figures]] = {}
    ids = count()
    async with contextlib.AsyncExitStack() as stack:
        running = {
            server: await stack.enter_async_context(prepared(SERVERS[server])) for server in numbers
        }
        for _ in range(rounds):
            for operation, call in asked.items():
                for clients in CLIENTS:
                    for server, number in numbers.items():
                        figures = await _timed(running[server], clients, number, call, ids)
                        found.setdefault((server, operation, clients), []).append(figures)
    return {key: Figures(*map(median, zip(*of, strict=True))) for key, of in found.items()}


@asynccontextmanager
async def prepared(
    server: Callable[[], AbstractContextManager[Served]],
) -> AsyncIterator[Served]:
    """A server with a domain, a type and the executions that are signaled."""
    with server() as served:
        async with connected(served.port, 1) as (connection,):
            await _prepare(connection)
        yield served


async def _prepare(connection: Connection) -> None:
    """Register a domain and a type, and start the executions that are signaled."""
    await connection.call(
        "RegisterDomain", name=images.DOMAIN, workflowExecutionRetentionPeriodInDays="1"
    )
    await connection.call(
        "RegisterWorkflowType",
        domain=images.DOMAIN,
        **images.WORKFLOW,
        defaultTaskStartToCloseTimeout="3600",
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskList=images.DECISIONS,
        defaultChildPolicy="TERMINATE",
    )
    for number in range(50):
        await connection.call(
            "StartWorkflowExecution",
            domain=images.DOMAIN,
            workflowId=f"signalled-{number}",
            workflowType=images.WORKFLOW,
            taskList={"name": "signalled"},
        )


async def _timed(
    served: Served, clients: int, number: int, call: Call, ids: Iterator[int]
) -> Figures:
    """Make a number of calls by a number of clients, each of which waits for its response."""
    delays: list[float] = []
    left = iter(range(number))

    async def client(connection: Connection) -> None:
        for _ in left:
            began = time.perf_counter()
            await call(connection, next(ids))
            delays.append(time.perf_counter() - began)

    async with asyncio.timeout(PATIENCE), connected(served.port, clients) as connections:
        began, worked = time.perf_counter(), served.processor_seconds()
        await asyncio.gather(*map(client, connections))
        seconds = time.perf_counter() - began
        work = (served.processor_seconds() - worked) / number
    return figures_of(delays, seconds, work)


def _seconds(client: Any, size: int) -> float:
    images.register(client)
    began = time.perf_counter()
    images.run_counted(client, size)
    seconds = time.perf_counter() - began
    client.close()
    return seconds


def _boto3(served: Served) -> Any:
    from flowy_sim._server.endpoint import Endpoint

    return Endpoint(served.url).client()


#: The clients that drive the image workflow.
CLIENT_KINDS: dict[str, Callable[[Served], Any]] = {
    "boto3": _boto3,
    "hand-written client": lambda served: Plain(served.port),
}


def figures_of(delays: list[float], seconds: float, work: float) -> Figures:
    """Return the figures of a round.

    Args:
        delays: of its calls, in seconds.
        seconds: that it took.
        work: the server's processor time a call, in seconds.
    """
    hundredths = quantiles(delays, n=100, method="inclusive")
    return Figures(len(delays) / seconds, hundredths[49] * 1000, hundredths[98] * 1000, work * 1e6)


def _shown(figures: Figures) -> str:
    return f"{figures.rate:,.0f}/s, {figures.middle:.2f} ms, {figures.most:.1f} ms"
