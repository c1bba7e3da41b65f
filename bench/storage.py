"""The cost of a served simulation in a file: time to restart, and size of the file."""

from __future__ import annotations

import asyncio
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from bench import images
from bench.measure import table
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.settings import Settings
from flowy_sim._storage.file_journal import open_file

ACCOUNT = "123456789012"
REGION = "us-east-1"
#: Executions whose calls share a transaction, as those of as many clients at once would.
TOGETHER = 50
#: Seconds for which a closed execution of the image workflow is retained.
RETENTION = 24 * 60 * 60
MEGABYTE = 1_000_000


class Kept:
    """A simulation in a file, called as a server calls it, but over no network.

    Args:
        path: the file; it is made if there is none.
    """

    def __init__(self, path: Path) -> None:
        self._simulations = Simulations(ServerSettings(simulation=Settings(clock="virtual")))
        self._journal = open_file(path, self._simulations, {})
        self._simulations.resume(self._journal)
        self.world = self._simulations.of("", ACCOUNT)

    async def __aenter__(self) -> Self:
        """Return the simulation: it is open already."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write everything and close the file."""
        self._simulations.close()
        await self._journal.close()

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        """Return the operation of that name, as a boto3 client has it."""
        operation = "".join(word.capitalize() for word in name.split("_"))
        engines, clock = self.world.engines, self.world.clock
        return lambda **request: engines.call(REGION, operation, request, clock.milliseconds)

    async def run(self, count: int) -> None:
        """Let a number of executions of the image workflow complete."""
        for done in range(0, count, TOGETHER):
            images.run(self, min(TOGETHER, count - done))
            await self.world.journal.durable()

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.world.advance(seconds)
        await self.world.journal.durable()

    @property
    def events(self) -> int:
        """How many events are retained."""
        (engine,) = self.world.engines
        return sum(map(len, engine.executions.values()))


def costs(quick: bool) -> str:
    """Return the table of what it costs to store simulations in files."""
    scale = 10 if quick else 1
    with TemporaryDirectory() as folder:
        rows = [*_start_ups(Path(folder), scale), *_days(Path(folder), scale)]
    return table(["", "measured"], rows)


def _start_ups(folder: Path, scale: int) -> Iterator[list[str]]:
    for events in (100_000 // scale, 1_000_000 // scale):
        path = folder / f"{events}.db"
        events = asyncio.run(_fill(path, events))
        size = path.stat().st_size
        yield [f"file with {events:,} events", f"{size / events:,.0f} bytes an event"]
        yield [f"start of a server with {events:,} events", _start(path)]


async def _fill(path: Path, events: int) -> int:
    """Let executions complete until there are enough events; return how many there are."""
    async with Kept(path) as kept:
        images.register(kept)
        await kept.run(TOGETHER)
        await kept.run(events * TOGETHER // kept.events - TOGETHER)
        return kept.events


def _start(path: Path) -> str:
    """Return how long it takes from the command to the line with the URL of the server."""
    began, worked = time.perf_counter(), _worked()
    command = [sys.executable, "-m", "flowy_sim", "serve", "--port", "0", "--db", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert re.search("http://", process.stdout.readline())
        seconds = time.perf_counter() - began
        process.kill()
    return f"{seconds:.1f} s, {_worked() - worked:.1f} s of it processor time"


def _worked() -> float:
    """Return for how many seconds processes have run that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _days(folder: Path, scale: int) -> Iterator[list[str]]:
    """Yield how large a file is after days on each of which as much happens and is forgotten."""
    path = folder / "days.db"
    sizes = asyncio.run(_live(path, 5, 2_000 // scale))
    for day, size in enumerate(sizes, 1):
        yield [
            f"file on day {day}, with {2_000 // scale:,} executions a day, each retained for a day",
            f"{size / MEGABYTE:.1f} MB",
        ]


async def _live(path: Path, days: int, executions: int) -> list[int]:
    sizes = []
    async with Kept(path) as kept:
        images.register(kept)
        for _ in range(days):
            await kept.run(executions)
            await kept.advance(RETENTION)
            sizes.append(_size(path))
    return [*sizes[:-1], path.stat().st_size]


def _size(path: Path) -> int:
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)
