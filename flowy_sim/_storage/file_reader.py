"""The reader of a database file: its simulations, and the engines that are restored from it."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any, NamedTuple, overload

from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.model import Event
from flowy_sim._engine.restore import Restore
from flowy_sim._simulation.settings import Settings
from flowy_sim._storage import tables
from flowy_sim._storage.journal import SimulationKey
from flowy_sim._storage.tables import TIME_OUT, EventLayout, Row

#: Number of executions that a domain may have had: as many run IDs are generated to restore it.
MOST_STARTED = 100_000_000


@dataclass(slots=True)
class StoredSimulation:
    """A simulation in a file, without the content of its engines.

    Attributes:
        number: its ID in the file.
        key: its name and account.
        settings: how it was set up.
        begun: when, in milliseconds since 1970.
        mode: the mode of its clock.
        now: the instant up to which everything has happened, in milliseconds since 1970.
        engines: the IDs of its engines, by region.
    """

    number: int
    key: SimulationKey
    settings: dict[str, Any]
    begun: int
    mode: str
    now: int
    engines: dict[str, int]

    def state(self) -> list[Any]:
        """Return the content of its row, apart from `number` and `now`."""
        return [*self.key, self.settings, self.begun, self.mode]


def read_simulations(connection: Connection) -> list[StoredSimulation]:
    """Return the simulations in a file.

    Raises:
        ValueError, TypeError: the file is damaged.
    """
    engines: dict[int, dict[str, int]] = {}
    for number, simulation, region, _ in tables.read(connection, "engines"):
        engines.setdefault(simulation, {})[json.loads(region)] = number
    simulations = []
    for number, state, now in tables.read(connection, "simulations"):
        name, account, settings, begun, mode = json.loads(state)
        key = SimulationKey(name, account)
        simulations.append(
            StoredSimulation(number, key, settings, begun, mode, now, engines.get(number, {}))
        )
    return simulations


def read_domain_ids(connection: Connection) -> dict[tuple[int, str], int]:
    """Return the IDs of the domains in a file, by their engines' IDs and their names."""
    return {
        (engine, json.loads(state)["name"]): number
        for number, engine, state in tables.read(connection, "domains")
    }


class Places(NamedTuple):
    """Where the executions of an engine are in a file.

    Attributes:
        forgotten: the executions that are no longer retained.
        history: the IDs of the rows of `history` that hold the events of each execution.
    """

    forgotten: list[WorkflowExecution]
    history: dict[WorkflowExecution, array[int]]


def read_engines(
    connection: Connection, engines: Mapping[int, Engine], *, whole: bool = False
) -> dict[int, Places]:
    """Restore engines from a file; afterwards their changes are tracked.

    Args:
        connection: to the file.
        engines: the engines, by their IDs in the file; whatever is in them is discarded. Others in
            the file are ignored.
        whole: whether to read the histories of closed executions as well, instead of relying on
            what is stored about them.

    Returns:
        For each engine where its executions are in the file.

    Raises:
        sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file is damaged.
    """
    places = _EngineReader(connection, engines, whole).read()
    for engine in engines.values():
        engine.track_changes()
    return places


class _EngineReader:
    """Restores engines from the tables of a file; its arguments are those of `read_engines`."""

    def __init__(self, connection: Connection, engines: Mapping[int, Engine], whole: bool) -> None:
        self._connection = connection
        self._whole = whole
        self._restores: dict[int, Restore] = {}
        for number, engine in engines.items():
            engine.reset()
            self._restores[number] = Restore(engine)
        # None for the domains of engines that are not read.
        self._domains: dict[int, tuple[Restore, Domain] | None] = {}
        self._executions: dict[tuple[int, int], WorkflowExecution] = {}
        # Closed executions, each with its stored state and its events as they are stored.
        self._closed: dict[WorkflowExecution, tuple[Restore, dict[str, Any], list[str]]] = {}
        self._history: dict[Restore, dict[WorkflowExecution, array[int]]] = {}

    def read(self) -> dict[int, Places]:
        """Restore the engines; return where their executions are in the file."""
        # In this order, because a row refers to rows of the tables before.
        self._read_domains()
        self._read_types()
        self._read_executions()
        self._read_history()
        self._read_heartbeats()
        self._read_effects()
        return {
            number: Places(restore.finish(now), self._history.get(restore, {}))
            for number, _, _, now in tables.read(self._connection, "engines")
            if (restore := self._restores.get(number)) is not None
        }

    def _rows(self, table: str) -> Iterator[tuple[Restore, Domain, int, Row]]:
        """Read a table: what restores a row, its domain, the domain's ID, and the other columns."""
        place = tables.COLUMNS[table].index("domain")
        for row in tables.read(self._connection, table):
            found = self._domains[row[place]]
            if found is not None:
                yield *found, row[place], row[place + 1 :]

    def _read_domains(self) -> None:
        for number, engine_number, text in tables.read(self._connection, "domains"):
            restore, state = self._restores.get(engine_number), json.loads(text)
            if state["started"] > MOST_STARTED:
                raise ValueError(f"a domain has had {state['started']} executions")
            self._domains[number] = None if restore is None else (restore, restore.domain(**state))

    def _read_types(self) -> None:
        for restore, domain, _, (kind, _, state) in self._rows("types"):
            restore.type(domain, kind, **json.loads(state))

    def _read_executions(self) -> None:
        for restore, domain, domain_id, (number, state) in self._rows("executions"):
            workflow_id, run_id, close_number, places, summary, time_out = json.loads(state)
            places = {int(scheduled_id): place for scheduled_id, place in places.items()}
            execution = restore.execution(domain, number, workflow_id, run_id, close_number, places)
            self._executions[domain_id, number] = execution
            if time_out is not None:
                key, at = time_out
                restore.effect(key, at, TIME_OUT, [execution])
            if summary is not None and not self._whole:
                self._closed[execution] = restore, summary, []

    def _read_history(self) -> None:
        """Restore events, except those of closed executions, which are decoded when used."""
        layout = EventLayout.read(self._connection)
        for row_id, domain_id, number, events in tables.read(self._connection, "history"):
            owner = self._domains[domain_id]
            if owner is None:
                continue
            restore, execution = owner[0], self._executions[domain_id, number]
            rows = self._history.setdefault(restore, {})
            rows.setdefault(execution, array("q")).append(row_id)
            if execution in self._closed:
                self._closed[execution][2].append(events)
            else:
                restore.events(execution, layout.decode(events))
        for execution, (restore, summary, texts) in self._closed.items():
            restore.closed(execution, StoredEvents(layout, texts, summary["length"]), summary)

    def _read_heartbeats(self) -> None:
        for restore, _, domain_id, (number, scheduled_id, at, details) in self._rows("heartbeats"):
            execution = self._executions[domain_id, number]
            restore.heartbeat(execution, scheduled_id, at, json.loads(details))

    def _read_effects(self) -> None:
        for restore, _, domain_id, (_, key, at, kind, arguments) in self._rows("effects"):
            given = [self._argument(restore, domain_id, *each) for each in json.loads(arguments)]
            restore.effect(key, at, kind, given)

    def _argument(self, restore: Restore, domain: int, tag: str, value: Any, *opened: Any) -> Any:
        """Return an argument of an effect; `tables.argument_state` stores it."""
        if tag == "value":
            return value
        execution = self._executions[domain, value]
        return execution if tag == "execution" else restore.opened(execution, *opened)


class LoadedSimulation(NamedTuple):
    """A simulation that was read from a file.

    Attributes:
        stored: the simulation.
        engines: its engines, by region; no effect happens in them.
    """

    stored: StoredSimulation
    engines: dict[str, Engine]


def load(connection: Connection, *, whole: bool = False) -> list[LoadedSimulation]:
    """Read everything in a file.

    Args:
        connection: to the file.
        whole: see `read_engines`.

    Raises:
        sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file is damaged.
    """
    engines: dict[int, Engine] = {}
    loaded = []
    for stored in read_simulations(connection):
        settings = Settings.read(stored.settings)
        by_region = {}
        for region, number in stored.engines.items():
            engines[number] = by_region[region] = Engine(
                account=stored.key.account,
                region=region,
                seed=settings.seed,
                limits=settings.make_limits(),
            )
        loaded.append(LoadedSimulation(stored, by_region))
    read_engines(connection, engines, whole=whole)
    return loaded


class StoredEvents(Sequence[Event]):
    """The history of a closed execution, decoded when an event in the middle is first used.

    A server reads only the first and the last event of a closed execution when it starts.

    Args:
        layout: of the events in the file.
        texts: the events as they are stored, in their order.
        length: number of events.

    Raises:
        LookupError, TypeError, ValueError: the first or the last event cannot be decoded.
    """

    __slots__ = ("_decode", "_events", "_first", "_last", "_length", "_texts")

    def __init__(self, layout: EventLayout, texts: Sequence[str], length: int) -> None:
        self._decode = layout.decode
        first = self._decode(texts[0])
        self._first = first[0]
        self._last = (first if len(texts) == 1 else self._decode(texts[-1]))[-1]
        self._length = length
        self._texts = texts
        self._events: list[Event] | None = None

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if index == 0:
            return self._first
        if index == self._length - 1:
            return self._last
        if self._events is None:
            self._events = [event for text in self._texts for event in self._decode(text)]
            self._texts = ()
        return self._events[index]
