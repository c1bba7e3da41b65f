"""Reads a database file, and restores the engines in it."""

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
from flowy_sim._storage import schema
from flowy_sim._storage.journal import SimulationKey
from flowy_sim._storage.schema import Row, decode_events

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
    for number, simulation, region, _ in schema.read(connection, "engines"):
        engines.setdefault(simulation, {})[json.loads(region)] = number
    simulations = []
    for number, state, now in schema.read(connection, "simulations"):
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
        for number, engine, state in schema.read(connection, "domains")
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
    restores = {}
    for number, engine in engines.items():
        engine.reset()
        restores[number] = Restore(engine)
    domains: dict[int, tuple[Restore, Domain] | None] = {}
    for number, engine_number, text in schema.read(connection, "domains"):
        restore, state = restores.get(engine_number), json.loads(text)
        if state["started"] > MOST_STARTED:
            raise ValueError(f"a domain has had {state['started']} executions")
        domains[number] = None if restore is None else (restore, restore.domain(**state))
    executions: dict[tuple[int, int], WorkflowExecution] = {}
    closed: dict[WorkflowExecution, tuple[Restore, dict[str, Any], list[str]]] = {}

    def rows(table: str) -> Iterator[tuple[Restore, Domain, int, Row]]:
        place = schema.COLUMNS[table].index("domain")
        for row in schema.read(connection, table):
            found = domains[row[place]]
            if found is not None:
                yield *found, row[place], row[place + 1 :]

    for restore, domain, _, (kind, _, state) in rows("types"):
        restore.type(domain, kind, **json.loads(state))
    for restore, domain, domain_id, (number, state) in rows("executions"):
        workflow_id, run_id, close_number, places, summary = json.loads(state)
        places = {int(scheduled_id): place for scheduled_id, place in places.items()}
        execution = restore.execution(domain, number, workflow_id, run_id, close_number, places)
        executions[domain_id, number] = execution
        if summary is not None and not whole:
            closed[execution] = restore, summary, []
    history = _read_history(connection, domains, executions, closed)
    for execution, (restore, summary, texts) in closed.items():
        restore.closed(execution, StoredEvents(texts, summary["length"]), summary)
    for restore, _, domain_id, (number, scheduled_id, at, details) in rows("heartbeats"):
        restore.heartbeat(executions[domain_id, number], scheduled_id, at, json.loads(details))

    def argument(restore: Restore, domain: int, tag: str, value: Any, *opened: Any) -> Any:
        if tag == "value":
            return value
        execution = executions[domain, value]
        return execution if tag == "execution" else restore.opened(execution, *opened)

    for restore, _, domain_id, (_, key, at, kind, arguments) in rows("effects"):
        given = [argument(restore, domain_id, *each) for each in json.loads(arguments)]
        restore.effect(key, at, kind, given)
    found = {}
    for number, _, _, now in schema.read(connection, "engines"):
        if number in restores:
            restore = restores[number]
            found[number] = Places(restore.finish(now), history.get(restore, {}))
    for engine in engines.values():
        engine.track_changes()
    return found


def _read_history(
    connection: Connection,
    domains: Mapping[int, tuple[Restore, Domain] | None],
    executions: Mapping[tuple[int, int], WorkflowExecution],
    closed: Mapping[WorkflowExecution, tuple[Restore, dict[str, Any], list[str]]],
) -> dict[Restore, dict[WorkflowExecution, array[int]]]:
    """Restore events, except those of closed executions; return the IDs of the rows of all."""
    rows: dict[Restore, dict[WorkflowExecution, array[int]]] = {}
    for row_id, domain_id, number, events in schema.read(connection, "history"):
        owner = domains[domain_id]
        if owner is None:
            continue
        restore, execution = owner[0], executions[domain_id, number]
        rows.setdefault(restore, {}).setdefault(execution, array("q")).append(row_id)
        if execution in closed:
            closed[execution][2].append(events)
        else:
            restore.events(execution, decode_events(events))
    return rows


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
        texts: the events as they are stored, in their order.
        length: number of events.

    Raises:
        LookupError, TypeError, ValueError: the first or the last event cannot be decoded.
    """

    __slots__ = ("_events", "_first", "_last", "_length", "_texts")

    def __init__(self, texts: Sequence[str], length: int) -> None:
        first = decode_events(texts[0])
        self._first = first[0]
        self._last = (first if len(texts) == 1 else decode_events(texts[-1]))[-1]
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
            self._events = [event for text in self._texts for event in decode_events(text)]
            self._texts = ()
        return self._events[index]
