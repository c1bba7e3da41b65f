"""What is written in one transaction."""

from __future__ import annotations

from itertools import count
from sqlite3 import Connection

from flowy_sim._engine.events import Event
from flowy_sim._storage import schema
from flowy_sim._storage.plain import encode, encode_events
from flowy_sim._storage.schema import Row
from flowy_sim._storage.tracking import Changes, Key


class Ids:
    """The numbers under which things stand in a file.

    Args:
        highest: the highest number of a simulation, engine or domain in the file.
        rows: the lowest and the highest number of a row of history in the file.
        domains: the numbers of domains, by their engines' numbers and their names.
    """

    def __init__(
        self, highest: int, rows: tuple[int, int], domains: dict[tuple[int, str], int]
    ) -> None:
        """Go on beside those that are in the file."""
        self._ids = count(highest + 1)
        self._lowest_row = rows[0]
        self._rows = count(rows[1] + 1)
        self._domains = domains

    def new(self) -> int:
        """Return a number for a simulation, an engine or a domain."""
        return next(self._ids)

    def new_row(self) -> int:
        """Return a number for a row of history, greater than all before."""
        return next(self._rows)

    def go_before(self, rows: int) -> None:
        """Let the next rows of history, so many at most, come before all that are there."""
        self._rows = count(self._lowest_row - rows)

    def domain(self, engine: int, name: str) -> int:
        """Return the number of a domain."""
        found = self._domains.get((engine, name))
        if found is None:
            found = self._domains[engine, name] = self.new()
        return found


class Batch:
    """Rows to be deleted and written, all of them or none."""

    def __init__(self, ids: Ids) -> None:
        """Be empty."""
        self._ids = ids
        self._void: list[Row] = []
        self._put: dict[str, list[Row]] = {table: [] for table in schema.COLUMNS}
        self._deleted: dict[str, list[Row]] = {"types": [], "deadlines": []}
        self._forgotten: list[Row] = []
        self._events: list[tuple[int, int, int, tuple[Event, ...]]] = []

    def void(self, simulation: int) -> None:
        """Delete a simulation with all that is in it, before anything is written."""
        self._void.append((simulation,))

    def simulation(self, number: int, state: object, now: int) -> None:
        """Write what is known of a simulation besides what is in it."""
        self._put["simulations"].append((number, encode(state), now))

    def engine(self, number: int, simulation: int, region: str, changes: Changes) -> None:
        """Write what has changed in an engine."""
        self._put["engines"].append((number, simulation, encode(region), changes.now))
        self._registrations(number, changes)

        def place(key: Key) -> tuple[int, int]:
            return self._ids.domain(number, key.domain), key.number

        put, deleted = self._put, self._deleted
        put["executions"] += [(*place(key), encode(told)) for key, *told in changes.executions]
        self._events += [
            (self._ids.new_row(), *place(key), events) for key, events in changes.events
        ]
        deleted["deadlines"] += [(*place(key), over) for key, over in changes.deadlines_over]
        put["deadlines"] += [
            (*place(key), deadline, at, kind, encode(arguments))
            for key, deadline, at, kind, arguments in changes.deadlines
        ]
        put["heartbeats"] += [
            (*place(key), scheduled, at, encode(details))
            for key, scheduled, at, details in changes.heartbeats
        ]
        self._forgotten += [place(key) for key in changes.forgotten]

    def write(self, connection: Connection) -> None:
        """Write it in one transaction.

        Raises:
            sqlite3.Error: it cannot be written, and nothing of it has been.
        """
        # Taken out of the way of whoever makes the changes: this may run in another thread.
        history = [
            (row, domain, number, encode_events(events))
            for row, domain, number, events in self._events
        ]
        connection.execute("BEGIN IMMEDIATE")
        try:
            schema.delete_simulations(connection, self._void)
            for table, keys in self._deleted.items():
                schema.delete(connection, table, schema.KEYS[table], keys)
            for table, rows in (*self._put.items(), ("history", history)):
                schema.put(connection, table, rows)
            for table in ("executions", "history", "deadlines", "heartbeats"):
                schema.delete(connection, table, ("domain", "number"), self._forgotten)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _registrations(self, engine: int, changes: Changes) -> None:
        for state in changes.domains:
            domain = self._ids.domain(engine, state["name"])
            self._put["domains"].append((domain, engine, encode(state)))
        for name, kind, type_key, registered in changes.types:
            key = (self._ids.domain(engine, name), kind, encode(type_key))
            if registered is None:
                self._deleted["types"].append(key)
            else:
                self._put["types"].append((*key, encode(registered)))
