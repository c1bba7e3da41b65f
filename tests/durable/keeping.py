"""An engine whose every change is kept in a file, or in memory."""

from __future__ import annotations

import sqlite3
import weakref
from typing import Any

from flowy_sim._engine import Engine
from flowy_sim._storage import schema
from flowy_sim._storage.restore import read_engines, read_ids
from flowy_sim._storage.restoring import Restoring
from flowy_sim._storage.tracking import Tracker
from flowy_sim._storage.unit_of_work import Batch

READS = ("Count", "Describe", "Get", "List")


class Keeper:
    """Keeps one engine."""

    def __init__(self, engine: Engine) -> None:
        # Whichever thread the garbage collector runs in closes it.
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.connection.close)
        schema.create_tables(self.connection)
        self.ids = read_ids(self.connection)
        self.number = self.ids.new()
        self.engine = engine
        self.tracker = Tracker(engine)

    def called(self, operation: str, request: dict[str, Any]) -> None:
        """Take note of a call that was carried out."""
        if not operation.startswith(READS):
            self.tracker.called(operation, request)

    def keep(self) -> None:
        """Write what has changed."""
        batch = Batch(self.ids)
        batch.engine(self.number, 0, self.engine.region, self.tracker.drain())
        batch.write(self.connection)

    def restored(self) -> Engine:
        """Another engine, put together from what was written; it is kept on."""
        lost = self.engine
        self.engine = Engine(
            account=lost.account,
            region=lost.region,
            seed=lost.seed,
            choose=lost.choose,
            limits=lost.limits,
            latency=lost.latency,
            lambdas=lost.lambdas,
        )
        self.tracker = Tracker(self.engine)
        read_engines(self.connection, {self.number: Restoring(self.tracker)})
        self.ids = read_ids(self.connection)
        return self.engine
