"""An engine whose changes are stored in a database in memory."""

from __future__ import annotations

import sqlite3
import weakref

from flowy_sim._engine import Engine
from flowy_sim._storage import tables
from flowy_sim._storage.file_reader import read_engines
from flowy_sim._storage.tables import EventLayout
from flowy_sim._storage.unit_of_work import Ids, StoredEngine, UnitOfWork


class Keeper:
    """Stores one engine."""

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
