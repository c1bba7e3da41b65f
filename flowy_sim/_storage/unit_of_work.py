"""Units of work: what has changed since the last one, as rows of a database file.

A `Session` knows which simulations are in the file. It collects what their engines report as
changed, and hands it over as one `UnitOfWork`, which is written in one transaction.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from sqlite3 import Connection
from typing import Any, Self

from flowy_sim._engine.changes import Changes
from flowy_sim._engine.engine import OUTLIVING, Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import ActivityTask, OpenItem
from flowy_sim._engine.model import Event
from flowy_sim._engine.queues import Effect
from flowy_sim._engine.registered_types import RegisteredType
from flowy_sim._storage import tables
from flowy_sim._storage.file_reader import Places, StoredSimulation, read_domain_ids, read_engines
from flowy_sim._storage.journal import SimulationKey
from flowy_sim._storage.tables import (
    TIME_OUT,
    EventLayout,
    Row,
    argument_state,
    domain_state,
    encode,
    execution_of,
    execution_state,
    type_state,
)

#: Approximate number of events of forgotten executions that one unit of work deletes: deleting many
#: takes long.
MOST_FORGOTTEN = 5_000


class Ids:
    """Assigns the IDs of rows in a file.

    Args:
        highest: the highest id of a simulation, engine or domain in the file.
        highest_row: the highest id of a row of the table `history`.
        domains: the IDs of domains, by their engines' IDs and their names.
    """

    def __init__(self, highest: int, highest_row: int, domains: dict[tuple[int, str], int]) -> None:
        self._ids = count(highest + 1)
        self._rows = count(highest_row + 1)
        self._domains = domains

    @classmethod
    def read(cls, connection: Connection) -> Self:
        """Return the IDs that continue those in a file."""
        highest = 0
        for table in ("simulations", "engines", "domains"):
            (last,) = connection.execute(f"SELECT max(id) FROM {table}").fetchone()
            highest = max(highest, last or 0)
        (last_row,) = connection.execute("SELECT max(id) FROM history").fetchone()
        return cls(highest, last_row or 0, read_domain_ids(connection))

    def new(self) -> int:
        """Return an ID for a simulation or an engine."""
        return next(self._ids)

    def new_row(self) -> int:
        """Return an ID for a row of history, greater than all before."""
        return next(self._rows)

    def domain(self, engine: int, name: str) -> int:
        """Return the ID of a domain."""
        found = self._domains.get((engine, name))
        if found is None:
            found = self._domains[engine, name] = self.new()
        return found


#: The ID of an execution's domain, and its number.
ExecutionRow = tuple[int, int]


class UnitOfWork:
    """Rows to write and to delete in one transaction.

    Args:
        ids: assigns the IDs of rows.
        layout: of the events in the file.

    Attributes:
        ids: as given.
        changes: number of changes that it makes.
    """

    def __init__(self, ids: Ids, layout: EventLayout) -> None:
        self.ids = ids
        self._layout = layout
        self.changes = 0
        self._ended: list[Row] = []
        self._put: dict[str, list[Row]] = {table: [] for table in tables.COLUMNS}
        self._deleted: dict[str, list[Row]] = {"types": [], "effects": []}
        self._forgotten: list[Row] = []
        self._forgotten_history: list[Row] = []
        self._events: list[tuple[int, int, int, tuple[Event, ...]]] = []

    def end(self, simulation: int) -> None:
        """Delete a simulation with everything in it, before anything is written."""
        self._ended.append((simulation,))

    def put(self, table: str, *values: Any) -> None:
        """Write a row; it replaces one with the same key."""
        self._put[table].append(values)

    def delete(self, table: str, *key: Any) -> None:
        """Delete a row, before any is written."""
        self._deleted[table].append(key)

    def put_simulation(self, simulation: StoredSimulation) -> None:
        """Write a simulation, without its engines."""
        self.put("simulations", simulation.number, encode(simulation.state()), simulation.now)

    def put_type(self, domain: int, registered: RegisteredType) -> None:
        """Write a type of a domain."""
        state = encode(type_state(registered))
        self.put("types", domain, registered.kind, encode(registered.key), state)

    def put_execution(
        self,
        row: ExecutionRow,
        execution: WorkflowExecution,
        time_out: tuple[int, int] | None,
        places: Mapping[str, int] | None = None,
        closed_before: int = 0,
    ) -> None:
        """Write an execution, without its events; see `execution_state`."""
        state = execution_state(execution, time_out, places, closed_before)
        self.put("executions", *row, encode(state))

    def put_effect(
        self, row: ExecutionRow, key: int, at: int, effect: Effect, started_before: int = 0
    ) -> None:
        """Write a pending effect; see `argument_state`."""
        arguments = [argument_state(each, started_before) for each in effect.arguments]
        self.put("effects", *row, key, at, effect.kind, encode(arguments))

    def put_heartbeat(self, row: ExecutionRow, task: ActivityTask) -> None:
        """Write the latest heartbeat of an activity task."""
        details = encode(task.heartbeat_details)
        self.put("heartbeats", *row, task.opened_id, task.heartbeat_at, details)

    def append(self, row: ExecutionRow, events: tuple[Event, ...]) -> int:
        """Add events to the history of an execution; return the ID of the row that holds them."""
        row_id = self.ids.new_row()
        self._events.append((row_id, *row, events))
        return row_id

    def forget(self, row: ExecutionRow, history: Iterable[int]) -> None:
        """Delete an execution with everything that belongs to it.

        Args:
            row: of the execution.
            history: the IDs of the rows that hold its events. An index that finds them would cost
                more than everything else that is written.
        """
        self._forgotten.append(row)
        self._forgotten_history += [(row_id,) for row_id in history]

    def write(self, connection: Connection) -> None:
        """Write everything in one transaction.

        Raises:
            sqlite3.Error: it cannot be written, and nothing has been.
        """
        # Before the transaction, so that it is short.
        history = [
            (row, domain, number, self._layout.encode(events))
            for row, domain, number, events in self._events
        ]
        connection.execute("BEGIN IMMEDIATE")
        try:
            tables.delete_simulations(connection, self._ended)
            for table, keys in self._deleted.items():
                tables.delete(connection, table, tables.KEYS[table], keys)
            for table, rows in (*self._put.items(), ("history", history)):
                tables.put(connection, table, rows)
            for table in ("executions", "effects", "heartbeats"):
                tables.delete(connection, table, ("domain", "number"), self._forgotten)
            tables.delete(connection, "history", ("id",), self._forgotten_history)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


class StoredEngine:
    """An engine whose changes are stored.

    Executions that are no longer retained stay in the file while a pending effect refers to them:
    it could not be restored without them.

    Args:
        number: its ID in the file.
        engine: the engine; its changes are tracked.

    Attributes:
        number, engine: as given.
    """

    def __init__(self, number: int, engine: Engine) -> None:
        self.number = number
        self.engine = engine
        self._referred: Counter[WorkflowExecution] = Counter()
        self._forgotten: dict[WorkflowExecution, None] = {}
        # Arrays, because a file may have millions of rows.
        self._history: dict[WorkflowExecution, array[int]] = {}

    @classmethod
    def restored(cls, number: int, engine: Engine, places: Places) -> Self:
        """Return an engine that has just been read from the file.

        Args:
            number: its ID in the file.
            engine: the engine.
            places: where its executions are in the file.
        """
        stored = cls(number, engine)
        stored._forgotten = dict.fromkeys(places.forgotten)
        stored._history = places.history
        for _, _, effect in engine.effects.entries():
            stored._referred.update(_outlived(effect))
        return stored

    def collect(self, unit: UnitOfWork, simulation: int) -> None:
        """Add what has changed in the engine to a unit of work.

        Args:
            unit: the unit of work.
            simulation: the ID of the engine's simulation.
        """
        engine = self.engine
        assert engine.changes is not None
        changes = engine.changes.drain()
        unit.put("engines", self.number, simulation, encode(engine.region), engine.now)
        self._collect_domains(unit, changes)
        self._collect_executions(unit, changes)
        for execution, events in changes.events:
            row_id = unit.append(self._row(unit, execution), events)
            history = self._history.get(execution)
            if history is None:
                history = self._history[execution] = array("q")
            history.append(row_id)
        self._collect_effects(unit, changes)
        for task in changes.heartbeats:
            unit.put_heartbeat(self._row(unit, task.execution), task)
        self._forget(unit, changes.forgotten)

    def _collect_executions(self, unit: UnitOfWork, changes: Changes) -> None:
        time_outs = {
            effect.arguments[0]: (key, at)
            for key, at, effect in changes.effects
            if effect.kind == TIME_OUT
        }
        for execution in changes.executions:
            row = self._row(unit, execution)
            unit.put_execution(row, execution, time_outs.get(execution))

    def _row(self, unit: UnitOfWork, execution: WorkflowExecution) -> ExecutionRow:
        return unit.ids.domain(self.number, execution.domain.name), execution.number

    def _collect_domains(self, unit: UnitOfWork, changes: Changes) -> None:
        for domain in changes.domains:
            state = encode(domain_state(domain))
            unit.put("domains", unit.ids.domain(self.number, domain.name), self.number, state)
        for domain, kind, type_key in changes.types:
            domain_id = unit.ids.domain(self.number, domain.name)
            registered = domain.types(kind).get(type_key)
            if registered is None:
                unit.delete("types", domain_id, kind, encode(type_key))
            else:
                unit.put_type(domain_id, registered)

    def _collect_effects(self, unit: UnitOfWork, changes: Changes) -> None:
        """Note pending effects, and which executions they keep from being forgotten."""
        for key, effect in changes.effects_over:
            if effect.kind == TIME_OUT:
                continue  # It ends with its execution, and is stored in the row of the execution.
            unit.delete("effects", *self._row(unit, execution_of(effect.arguments[0])), key)
            for referred in _outlived(effect):
                self._referred[referred] -= 1
                if not self._referred[referred]:
                    del self._referred[referred]
        for key, at, effect in changes.effects:
            if effect.kind == TIME_OUT:
                continue
            unit.put_effect(self._row(unit, execution_of(effect.arguments[0])), key, at, effect)
            self._referred.update(_outlived(effect))

    def _forget(self, unit: UnitOfWork, forgotten: Iterable[WorkflowExecution]) -> None:
        """Delete executions that are no longer retained, but only some of them at a time.

        Deleting a year's executions at once would keep all calls waiting.
        """
        self._forgotten.update(dict.fromkeys(forgotten))
        left = MOST_FORGOTTEN
        for execution in list(self._forgotten):
            if left > 0 and execution not in self._referred:
                del self._forgotten[execution]
                unit.forget(self._row(unit, execution), self._history.pop(execution, ()))
                left -= len(execution)


def _outlived(effect: Effect) -> set[WorkflowExecution]:
    """Return the executions that an effect refers to even when they are closed."""
    if effect.kind not in OUTLIVING:
        return set()
    return {
        execution_of(argument)
        for argument in effect.arguments
        if isinstance(argument, WorkflowExecution | OpenItem)
    }


class Session:
    """The simulations in a file, and what has changed in them since the last unit of work.

    Args:
        ids: assigns the IDs of rows.
        layout: of the events in the file.
    """

    def __init__(self, ids: Ids, layout: EventLayout) -> None:
        self._ids = ids
        self._layout = layout
        self._simulations: dict[SimulationKey, StoredSimulation] = {}
        self._engines: dict[tuple[SimulationKey, str], StoredEngine] = {}
        self._touched: dict[tuple[SimulationKey, str], None] = {}
        self._changed: dict[SimulationKey, None] = {}
        self._ended: list[int] = []
        self._changes = 0
        self._last: tuple[dict[SimulationKey, None], list[int]] = {}, []

    def resume(self, simulation: StoredSimulation, engines: Iterable[StoredEngine]) -> None:
        """Continue a simulation that is in the file."""
        self._simulations[simulation.key] = simulation
        for stored in engines:
            self._engines[simulation.key, stored.engine.region] = stored

    def begin(self, key: SimulationKey, settings: Mapping[str, Any], mode: str, now: int) -> None:
        """Begin a simulation; see `flowy_sim._storage.journal.Journal.begin`."""
        self.end(key)
        self._changes += 1
        self._simulations[key] = StoredSimulation(
            self._ids.new(), key, dict(settings), now, mode, now, {}
        )
        self._changed[key] = None

    def commit(self, key: SimulationKey, engines: Iterable[Engine], mode: str, now: int) -> None:
        """Note that engines have changed; see `flowy_sim._storage.journal.Journal.commit`."""
        self._changes += 1
        for engine in engines:
            place = key, engine.region
            if place not in self._engines and engine.changes:
                self._engines[place] = StoredEngine(self._ids.new(), engine)
            if place in self._engines:
                self._touched[place] = None
        simulation = self._simulations[key]
        simulation.mode, simulation.now = mode, max(simulation.now, now)
        self._changed[key] = None

    def end(self, key: SimulationKey) -> None:
        """Remove a simulation; see `flowy_sim._storage.journal.Journal.end`."""
        former = self._simulations.pop(key, None)
        if former is not None:
            self._changes += 1
            self._ended.append(former.number)
            self._changed.pop(key, None)
            for place in [place for place in self._engines if place[0] == key]:
                del self._engines[place]
                self._touched.pop(place, None)

    def touch_all(self) -> None:
        """Note that anything may have changed, without a call."""
        self._touched |= dict.fromkeys(self._engines)

    def unit_of_work(self) -> UnitOfWork:
        """Return what has changed since this was last called."""
        unit = UnitOfWork(self._ids, self._layout)
        unit.changes, self._changes = self._changes, 0
        for number in self._ended:
            unit.end(number)
        for key in self._changed:
            unit.put_simulation(self._simulations[key])
        for place in self._touched:
            self._engines[place].collect(unit, self._simulations[place[0]].number)
        self._last = self._changed, self._ended
        self._changed, self._ended = {}, []
        self._touched.clear()
        return unit

    def undo(self, connection: Connection) -> None:
        """Restore all engines from the file, because the last unit of work could not be written.

        Simulations that have begun or ended stay so; the next unit of work writes that again.

        Raises:
            sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file cannot be
                read. The engines are as they were before.
        """
        changed, ended = self._last
        self._changed |= {key: None for key in changed if key in self._simulations}
        self._ended += ended
        self._touched.clear()
        engines = {stored.number: stored.engine for stored in self._engines.values()}
        before = [(engine, dict(vars(engine))) for engine in engines.values()]
        try:
            places = read_engines(connection, engines)
        except BaseException:
            for engine, attributes in before:
                vars(engine).clear()
                vars(engine).update(attributes)
            raise
        for place, stored in self._engines.items():
            self._engines[place] = StoredEngine.restored(
                stored.number, stored.engine, places.get(stored.number, Places([], {}))
            )
