"""The state machine around an engine, which is stored and restored at any moment."""

from __future__ import annotations

import sqlite3
import weakref
from random import Random
from typing import Any

from hypothesis.stateful import rule

from flowy_sim._engine import Engine
from flowy_sim._storage import tables
from flowy_sim._storage.file_reader import read_engines
from flowy_sim._storage.tables import EventLayout
from flowy_sim._storage.unit_of_work import Ids, StoredEngine, UnitOfWork
from tests.support.engine_contents import describe
from tests.support.engine_machine import Service, run_campaign


class Keeper:
    """Stores the changes of one engine in a database in memory."""

    def __init__(self, engine: Engine) -> None:
        # Whichever thread the garbage collector runs in closes it.
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.connection.close)
        tables.create_tables(self.connection)
        self.ids = Ids.read(self.connection)
        self.stored = StoredEngine(self.ids.new(), engine)
        engine.track_changes()

    def keep(self) -> None:
        """Write what has changed."""
        unit = UnitOfWork(self.ids, EventLayout({}))
        self.stored.collect(unit, 0)
        unit.write(self.connection)

    def restored(self) -> Engine:
        """Another engine, restored from what was written, and stored from now on."""
        lost, number = self.stored.engine, self.stored.number
        engine = Engine(
            account=lost.account,
            region=lost.region,
            seed=lost.seed,
            choose=lost.choose,
            limits=lost.limits,
            latency=lost.latency,
            lambdas=lost.lambdas,
        )
        forgotten = read_engines(self.connection, {number: engine})
        self.stored = StoredEngine.restored(number, engine, forgotten[number])
        self.ids = Ids.read(self.connection)
        return engine


class Kept(Service):
    """A service that may be restored at any time."""

    keeper: Keeper | None = None
    #: Changes are written after this number of calls, like those of concurrent callers.
    every = 1

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.replies: list[tuple[str, Any, dict[str, Any] | None]] = []

    def call(self, operation: str, request: Any) -> dict[str, Any] | None:
        if self.keeper is None:
            self.keeper = Keeper(self.engine)
        reply = super().call(operation, request)
        self.replies.append((operation, request, reply))
        self.calls += 1
        if self.calls % self.every == 0:
            self.keeper.keep()
        return reply

    @rule()
    def crash(self) -> None:
        assert self.keeper is not None
        self.keeper.keep()
        before = describe(self.engine)
        self.engine = self.keeper.restored()
        assert describe(self.engine) == before


def campaign(seed: int, crashes: bool) -> Kept:
    """Let a service run for a while, and crash after a tenth of all actions."""
    chance = Random(-seed)
    service = Kept()
    service.every = 1 + seed % 4
    for _ in run_campaign(service, seed, Random(seed)):
        if crashes and chance.random() < 0.1:
            service.crash()
    return service
