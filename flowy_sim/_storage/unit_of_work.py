"""What is written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from sqlite3 import Connection
from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine
from flowy_sim._engine.events import Event
from flowy_sim._storage import schema
from flowy_sim._storage.codec import encode, encode_events
from flowy_sim._storage.journal import BEGIN, CLOCK, END, SimulationKey
from flowy_sim._storage.restore import read_engines
from flowy_sim._storage.restoring import Restoring
from flowy_sim._storage.schema import Row
from flowy_sim._storage.tracking import Changes, Key, Tracker


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


class Region(NamedTuple):
    """What an engine is found by."""

    world: SimulationKey
    name: str


class Kept:
    """A simulation without what is in it.

    Attributes:
        id: its number in the file.
        state: its name, its account, how it was begun and when, and the mode of its clock.
        now: its latest instant, in milliseconds.
    """

    __slots__ = ("id", "now", "state")

    def __init__(self, number: int, state: list[Any], now: int) -> None:
        """Know all three."""
        self.id = number
        self.state = state
        self.now = now


class Book:
    """What is to be in a file.

    Args:
        ids: the numbers in use in the file.
        engine_of: returns the engine of a region of a simulation.
    """

    def __init__(self, ids: Ids, engine_of: Callable[[SimulationKey, str], Engine]) -> None:
        """Start with nothing."""
        self._ids = ids
        self._engine_of = engine_of
        self._worlds: dict[SimulationKey, Kept] = {}
        self._trackers: dict[Region, tuple[int, Tracker]] = {}
        self._touched: dict[Region, None] = {}
        self._changed: dict[SimulationKey, None] = {}
        self._void: list[int] = []
        self._sent: tuple[dict[SimulationKey, None], list[int]] = {}, []

    def resume(self, kept: Kept, trackers: Iterable[tuple[int, Tracker]]) -> None:
        """Go on with a simulation that is in the file.

        Args:
            kept: the simulation.
            trackers: the numbers of its engines in the file, and their trackers.
        """
        world = SimulationKey(*kept.state[:2])
        self._worlds[world] = kept
        for number, tracker in trackers:
            self._trackers[Region(world, tracker.engine.region)] = number, tracker

    def note(
        self, world: SimulationKey, region: str, operation: str, request: dict[str, Any], now: int
    ) -> None:
        """Take note of a change; see `flowy_sim._storage.journal.Recorder.record`."""
        if operation in (BEGIN, END):
            self._end(world)
        if operation == END:
            return
        if operation == BEGIN:
            state = [*world, request, now, request["clock"]]
            self._worlds[world] = Kept(self._ids.new(), state, now)
        elif operation == CLOCK:
            self._worlds[world].state[-1] = request["mode"]
            self._touched |= dict.fromkeys(self._regions(world))
        else:
            called = Region(world, region)
            if called not in self._trackers:
                # What comes first is the registration of a domain: nothing else is there yet.
                self._trackers[called] = self._ids.new(), Tracker(self._engine_of(world, region))
            self._trackers[called][1].called(operation, request)
            self._touched[called] = None
        kept = self._worlds[world]
        kept.now = max(kept.now, now)
        self._changed[world] = None

    def note_all(self) -> None:
        """Take note that anything may have changed, by itself."""
        self._touched |= dict.fromkeys(self._trackers)

    def batch(self) -> Batch:
        """Return what has changed since this was last called."""
        batch = Batch(self._ids)
        for number in self._void:
            batch.void(number)
        for world in self._changed:
            kept = self._worlds[world]
            batch.simulation(kept.id, kept.state, kept.now)
        for region in self._touched:
            number, tracker = self._trackers[region]
            simulation = self._worlds[region.world].id
            batch.engine(number, simulation, region.name, tracker.drain())
        self._sent = self._changed, self._void
        self._changed, self._void = {}, []
        self._touched.clear()
        return batch

    def undo(self, connection: Connection) -> None:
        """Let all engines be as they are in the file, for the last batch could not be written.

        Simulations have begun and ended for good; the next batch says so again.

        Raises:
            sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file cannot be
                read. The engines are as they were before.
        """
        changed, void = self._sent
        self._changed |= {world: None for world in changed if world in self._worlds}
        self._void += void
        self._touched.clear()
        kept = list(self._trackers.items())
        before = [(tracker.engine, dict(vars(tracker.engine))) for _, (_, tracker) in kept]
        restorings = {}
        try:
            for region, (number, tracker) in kept:
                tracker.engine.begin()
                anew = Tracker(tracker.engine)
                self._trackers[region] = number, anew
                restorings[number] = Restoring(anew)
            read_engines(connection, restorings)
        except BaseException:
            for engine, attributes in before:
                vars(engine).update(attributes)
            raise

    def _regions(self, world: SimulationKey) -> list[Region]:
        return [region for region in self._trackers if region.world == world]

    def _end(self, world: SimulationKey) -> None:
        former = self._worlds.pop(world, None)
        if former is not None:
            self._void.append(former.id)
            self._changed.pop(world, None)
            for region in self._regions(world):
                del self._trackers[region]
                self._touched.pop(region, None)
