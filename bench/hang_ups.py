"""What a server keeps of clients that reset their connections, hang up or never finish."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from bench import images, servers
from bench.connections import Connection, _request, connected
from bench.load import prepared
from bench.measure import table
from bench.servers import Served

#: The connections that are open at the same time.
TOGETHER = 50
_RESET = struct.pack("ii", 1, 0)
_POLL = _request("PollForDecisionTask", {"domain": images.DOMAIN, "taskList": images.DECISIONS})
_CALL = _request(
    "CountPendingDecisionTasks", {"domain": images.DOMAIN, "taskList": images.DECISIONS}
)


async def _opened(served: Served, content: bytes) -> socket.socket:
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", served.port))
    await loop.sock_sendall(client, content)
    return client


async def reset(served: Served) -> None:
    """Make a call, and reset the connection when the answer is there."""
    client = await _opened(served, _CALL)
    await asyncio.get_running_loop().sock_recv(client, 1000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    client.close()


async def hang_up(served: Served) -> None:
    """Poll, and hang up while the poll waits."""
    (await _opened(served, _POLL)).close()


async def half(served: Served) -> None:
    """Send half a request, and hang up."""
    (await _opened(served, _CALL[:-10])).close()


KINDS: dict[str, Callable[[Served], Awaitable[None]]] = {
    "connections that are reset after a call": reset,
    "polls whose clients hang up": hang_up,
    "half-finished requests": half,
}


def hang_ups(number: int) -> str:
    """Return the table of the memory before and after a number of each kind."""
    return asyncio.run(_hang_ups(number))


async def _hang_ups(number: int) -> str:
    rows = []
    for name, once in KINDS.items():
        async with prepared(servers.flowy_sim) as served:
            # Objects that are made only once, such as compiled checks, must not count.
            await _many(served, once, 1_000)
            before = await _memory(served)
            await _many(served, once, number)
            after = await _memory(served)
        change = f"{(after - before) / before:+.1%}"
        rows.append([f"{number:,} {name}", _shown(before), _shown(after), change])
    return table(["memory of the server", "before", "after", ""], rows)


async def _many(served: Served, once: Callable[[Served], Awaitable[None]], number: int) -> None:
    left = iter(range(number))

    async def some() -> None:
        for _ in left:
            await once(served)

    async with asyncio.TaskGroup() as group:
        for _ in range(TOGETHER):
            group.create_task(some())


async def _memory(served: Served) -> int:
    """Return the memory of the server when it has noticed that its clients have gone."""
    async with connected(served.port, 1) as (connection,):
        await _quiet(connection)
    return served.memory()


async def _quiet(connection: Connection) -> None:
    for _ in range(20):
        await connection.call(
            "CountPendingDecisionTasks", domain=images.DOMAIN, taskList=images.DECISIONS
        )
        await asyncio.sleep(0.1)


def _shown(memory: int) -> str:
    return f"{memory / 1e6:.1f} MB"
