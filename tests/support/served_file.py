"""Simulations of a server without a network, stored in a file."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from flowy_sim._engine import Engine
from flowy_sim._server.served_simulation import ServedSimulation
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.settings import Settings
from flowy_sim._storage import tables
from flowy_sim._storage.file_journal import open_file
from tests.support.engine_driver import Driver

ACCOUNT = "123456789012"
REGION = "us-east-1"


class Served(Driver):
    """The simulations of a file, and what is done with one of them in one region."""

    def __init__(self, path: Path, clock: str = "virtual", *, accept_loss: bool = False) -> None:
        self.path = path
        self.simulations = Simulations(
            ServerSettings(simulation=Settings(clock=clock, start="2024-01-01T00:00:00Z"))
        )
        self.journal = open_file(path, self.simulations, {}, accept_loss=accept_loss)
        self.simulations.resume(self.journal)
        self.simulation = ""
        self.region = REGION

    async def __aenter__(self) -> Served:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.simulations.close()
        await self.journal.close()

    @property
    def world(self) -> ServedSimulation:
        return self.simulations.of(self.simulation, ACCOUNT)

    @property
    def engine(self) -> Engine:  # type: ignore[override]
        return self.world.engines.of(self.region)

    def call(self, operation: str, /, **request: Any) -> dict[str, Any]:
        """Make a call, as a request would, but do not wait until it is durable."""
        self.journal.check()
        world = self.world
        return world.engines.call(self.region, operation, request, world.clock.milliseconds)

    async def durable(self) -> None:
        """Wait until all calls are durable."""
        await self.world.journal.durable()

    def advance(self, milliseconds: int) -> None:
        self.world.advance(milliseconds / 1000)


def crash(path: Path, copied: Path | None = None) -> Path:
    """Copy a file and what belongs to it, as if the process had been killed at this moment."""
    copied = copied or path.with_name("crashed.db")
    for ending in ("", "-wal", "-progress"):
        source = path.with_name(path.name + ending)
        if source.exists():
            shutil.copyfile(source, copied.with_name(copied.name + ending))
    return copied


Rows = dict[str, list[list[Any]]]
#: The columns that hold JSON.
TEXTS = {"state", "region", "events", "arguments", "details"}


def is_json(table: str, column: str) -> bool:
    return column in TEXTS or (table, column) == ("types", "name")


def rows(path: Path) -> Rows:
    """What is in a file, with what is JSON in it decoded."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: [
                [
                    json.loads(value) if is_json(table, column) else value
                    for column, value in zip(columns, row, strict=True)
                ]
                for row in tables.read(connection, table)
            ]
            for table, columns in tables.COLUMNS.items()
        }
