"""The stream of changes that open pages follow, as server-sent events.

The stream reports what has changed: which executions, and how many events they have now. Pages
fetch the rest. It concerns everything that a browser may see, because a browser opens one stream
for all of its pages: with six open, it would send no further request. Changes are collected for a
moment, and nothing is watched while no stream is open.

A message has an ID. A browser that reconnects sends the last one it has, and learns whether it has
missed anything.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

from flowy_sim._engine.engine import Engine
from flowy_sim._server.served_simulation import ServedSimulation
from flowy_sim._server.simulations import Simulations

TICK = 0.05
"""Real seconds for which changes are collected."""
COMMENT_SECONDS = 15
"""Real seconds after which a stream without changes sends a comment, so that proxies keep it."""
MANY = 200
"""The number of executions that a message names; if more have changed, all may have."""
_WAITING = 100
"""The number of messages that may wait for a browser that is slow; then it has missed them."""

Message = dict[str, Any]


class Streams:
    """Sends what changes in the simulations of a server to browsers.

    Args:
        simulations: the simulations.
    """

    def __init__(self, simulations: Simulations) -> None:
        self._simulations = simulations
        self._queues: dict[asyncio.Queue[str | None], str] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._seen: dict[ServedSimulation, tuple[Any, ...]] = {}
        self._polls: dict[ServedSimulation, int] = {}
        self._name = secrets.token_hex(4)
        self._count = 0
        self._is_closed = False

    def close(self) -> None:
        """End all streams: the server stops."""
        self._is_closed = True
        for queue in self._queues:
            self._send(queue, None)

    async def follow(self, account: str, last_id: str) -> AsyncIterator[str]:
        """Yield messages as they are sent, until the server stops or the browser leaves.

        Args:
            account: the account whose simulations the browser may see; empty for all.
            last_id: the ID of the last message that the browser has; empty if it has none.
        """
        queue: asyncio.Queue[str | None] = asyncio.Queue(_WAITING)
        self._queues[queue] = account
        if self._watcher is None:
            self._look()
            self._watcher = asyncio.get_running_loop().create_task(self._watch())
        try:
            # The name in the ID differs after a restart of the server, so everything is then
            # missed.
            has_missed = bool(last_id) and last_id != self._last_id
            yield self._written({"missed": has_missed}, "hello")
            while not self._is_closed:
                try:
                    message = await asyncio.wait_for(queue.get(), COMMENT_SECONDS)
                except TimeoutError:
                    # An empty line of the stream keeps proxies from closing an idle connection.
                    yield ":\n\n"
                    continue
                if message is None:
                    return
                yield message
        finally:
            del self._queues[queue]
            # While no page is open, watching costs nothing.
            if not self._queues and self._watcher is not None:
                self._watcher.cancel()
                self._watcher = None
                self._forget()

    @property
    def _last_id(self) -> str:
        return f"{self._name}-{self._count}"

    def _written(self, message: Message, event: str = "message") -> str:
        return f"id: {self._last_id}\nevent: {event}\ndata: {json.dumps(message)}\n\n"

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            for simulation, message in self._look():
                self._count += 1
                text = self._written(message)
                for queue, account in self._queues.items():
                    if account in ("", simulation.account):
                        self._send(queue, text)

    def _send(self, queue: asyncio.Queue[str | None], message: str | None) -> None:
        """Let a browser receive a message; one that is too slow learns that it has missed some."""
        if queue.full():
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(self._written({"missed": True}, "hello"))
        queue.put_nowait(message)

    def _look(self) -> list[tuple[ServedSimulation, Message]]:
        """Return what has changed since the last look, by simulation."""
        found = []
        current = list(self._simulations)
        for simulation in current:
            before = self._seen.get(simulation)
            now = stamp(simulation)
            polls = len(simulation.polls)
            if now == before and polls == self._polls.get(simulation):
                continue
            found.append(
                (
                    simulation,
                    {
                        "simulation": simulation.name,
                        "account": simulation.account,
                        "domains": _changed(simulation) if now != before else {},
                        "changed": now != before,
                    },
                )
            )
            self._seen[simulation], self._polls[simulation] = now, polls
        for gone in self._seen.keys() - set(current):
            del self._seen[gone], self._polls[gone]
            message = {"simulation": gone.name, "account": gone.account, "changed": True}
            found.append((gone, {**message, "domains": {}}))
        return found

    def _forget(self) -> None:
        """Stop watching."""
        self._seen.clear()
        self._polls.clear()
        for simulation in self._simulations:
            for engine in simulation.engines:
                if engine.changes is not None:
                    engine.changes.watched = None


def stamp(simulation: ServedSimulation) -> tuple[Any, ...]:
    """Return a value that differs once something on a page may have changed."""
    clock = simulation.clock
    return (
        clock.mode,
        0 if clock.runs else clock.milliseconds,
        *(0 if each.changes is None else each.changes.count for each in simulation.engines),
    )


def _changed(simulation: ServedSimulation) -> dict[str, dict[str, int] | None]:
    """Return the lengths of the histories that have changed, by domain and run ID.

    None instead of the executions of a domain, if they are too many.
    """
    found: dict[str, dict[str, int] | None] = {}
    for engine in simulation.engines:
        for execution in _taken(engine):
            name = execution.domain.name
            runs = found.setdefault(name, {})
            if runs is not None:
                runs[execution.run_id] = len(execution)
                if len(runs) > MANY:
                    found[name] = None
    return found


def _taken(engine: Engine) -> list[Any]:
    """Return the executions of an engine that have changed since this was last called."""
    if engine.changes is None:
        return []
    changed = list(engine.changes.watched or ())
    engine.changes.watched = {}
    return changed
