"""What is kept in a file, read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy_sim._engine.engine import Engine
from flowy_sim._storage import schema
from flowy_sim._storage.restoring import Restoring
from flowy_sim._storage.schema import Row
from flowy_sim._storage.tracking import Key, Tracker

if TYPE_CHECKING:
    from flowy_sim._storage.unit_of_work import Ids


class KeptEngine(NamedTuple):
    """The service of a region, as far as it is known without what is in it.

    Attributes:
        id: its number in the file.
        region: such as ``us-east-1``.
        now: its latest instant, in milliseconds.
    """

    id: int
    region: str
    now: int


class KeptSimulation(NamedTuple):
    """A simulation, as far as it is known without what is in it.

    Attributes:
        id: its number in the file.
        name, account: as they were recorded.
        settings: how it was begun.
        begun: when, in milliseconds.
        mode: that of its clock.
        now: its latest instant, in milliseconds.
        engines: the regions in use.
    """

    id: int
    name: str
    account: str
    settings: dict[str, Any]
    begun: int
    mode: str
    now: int
    engines: list[KeptEngine]


def read_simulations(connection: Connection) -> list[KeptSimulation]:
    """Return the simulations in a file.

    Raises:
        ValueError, TypeError: the file is damaged.
    """
    engines: dict[int, list[KeptEngine]] = {}
    for number, simulation, region, now in schema.read(connection, "engines"):
        engines.setdefault(simulation, []).append(KeptEngine(number, json.loads(region), now))
    simulations = []
    for number, state, now in schema.read(connection, "simulations"):
        name, account, settings, begun, mode = json.loads(state)
        simulations.append(
            KeptSimulation(
                number, name, account, settings, begun, mode, now, engines.get(number, [])
            )
        )
    return simulations


def read_ids(connection: Connection) -> Ids:
    """Return the numbers under which things stand in a file."""
    from flowy_sim._storage.unit_of_work import Ids

    highest = 0
    domains = {}
    for table in ("simulations", "engines", "domains"):
        for number, *_ in schema.read(connection, table):
            highest = max(highest, number)
    for number, engine, state in schema.read(connection, "domains"):
        domains[engine, json.loads(state)["name"]] = number
    first, last = connection.execute("SELECT min(id), max(id) FROM history").fetchone()
    return Ids(highest, (first or 0, last or 0), domains)


def read_engines(connection: Connection, restorings: Mapping[int, Restoring]) -> None:
    """Put engines together again.

    Args:
        connection: to the file.
        restorings: what puts each engine together, by the engine's number in the file; other
            engines are passed over.

    Raises:
        sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file is damaged.
    """
    domains: dict[int, tuple[Restoring | None, str]] = {}
    for number, engine, text in schema.read(connection, "domains"):
        state = json.loads(text)
        restoring = restorings.get(engine)
        domains[number] = restoring, state["name"]
        if restoring is not None:
            restoring.add_domain(state)

    def rows(table: str) -> Iterator[tuple[Restoring, str, Row]]:
        place = schema.COLUMNS[table].index("domain")
        for row in schema.read(connection, table):
            restoring, name = domains[row[place]]
            if restoring is not None:
                yield restoring, name, row[place + 1 :]

    for restoring, domain, (kind, _, state) in rows("types"):
        restoring.add_type(domain, kind, json.loads(state))
    for restoring, domain, (number, state) in rows("executions"):
        restoring.add_execution(Key(domain, number), *json.loads(state))
    for restoring, domain, (number, events) in rows("history"):
        restoring.add_text(Key(domain, number), events)
    for restoring in restorings.values():
        restoring.end_histories()
    for restoring, domain, (number, scheduled_id, at, details) in rows("heartbeats"):
        restoring.add_heartbeat(Key(domain, number), scheduled_id, at, json.loads(details))
    for restoring, domain, (_, key, at, kind, arguments) in rows("deadlines"):
        restoring.add_deadline(domain, key, at, kind, json.loads(arguments))
    for engine, _, _, now in schema.read(connection, "engines"):
        if engine in restorings:
            restorings[engine].finish(now)


class Loaded(NamedTuple):
    """A simulation that was read from a file.

    Attributes:
        kept: all but what is in it.
        engines: by their regions; nothing happens in them.
    """

    kept: KeptSimulation
    engines: dict[str, Engine]


def load(connection: Connection) -> list[Loaded]:
    """Read all that is in a file.

    Raises:
        sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file is damaged.
    """
    restorings = {}
    loaded = []
    for kept in read_simulations(connection):
        engines = {}
        for number, region, _ in kept.engines:
            seed = kept.settings["seed"]
            engines[region] = Engine(account=kept.account, region=region, seed=seed)
            restorings[number] = Restoring(Tracker(engines[region]))
        loaded.append(Loaded(kept, engines))
    read_engines(connection, restorings)
    return loaded
