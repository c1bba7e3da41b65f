"""The tables of a database file, how their rows are read and written, and the codec of values.

Every row ends with a checksum of the values before it: SQLite notices a torn page, but not a
changed byte in a text. Texts are JSON in ASCII, except for kinds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from sqlite3 import Connection
from typing import Any, Self
from zlib import crc32

from flowy_sim._engine.domains import Domain
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import OpenItem
from flowy_sim._engine.model import FIRST_MEMBER, TYPE, Event, event_types
from flowy_sim._engine.registered_types import RegisteredType

#: Marks a file as one of flowy-sim, in its header.
APPLICATION = 0x464C4F57


#: The format of the tables, also in the header. Formats 1 and 2, of development versions before the
#: first release, had the table `effects` under another name, and all time-outs in it; their events
#: had the names of members.
FORMAT = 3


Row = tuple[Any, ...]


#: The columns of each table, those of its primary key before the bar, without the checksum.
_TABLES = {
    "about": "name | value",
    "simulations": "id | state now",
    "engines": "id | simulation region now",
    "domains": "id | engine state",
    "types": "domain kind name | state",
    "executions": "domain number | state",
    "history": "id | domain number events",
    "effects": "domain number key | at kind arguments",
    "heartbeats": "domain number scheduled | at details",
}


_TEXTS = {"name", "value", "state", "region", "kind", "events", "arguments", "details"}


KEYS = {table: tuple(columns.partition("|")[0].split()) for table, columns in _TABLES.items()}


COLUMNS = {table: tuple(columns.replace("|", "").split()) for table, columns in _TABLES.items()}


_PUT = {
    table: f"INSERT OR REPLACE INTO {table} VALUES ({'?, ' * len(columns)}?)"
    for table, columns in COLUMNS.items()
}


#: An index that files of development versions have; nothing uses it any more.
FORMER_INDEX: Row = (
    "index",
    "history_of",
    "history",
    "CREATE INDEX history_of ON history (domain, number)",
)


def create_tables(connection: Connection) -> None:
    """Create the tables of a new file."""
    for table, columns in COLUMNS.items():
        declared = [f"{name} {'TEXT' if name in _TEXTS else 'INTEGER'}" for name in columns]
        declared += ["checksum INTEGER", f"PRIMARY KEY ({', '.join(KEYS[table])})"]
        rest = "" if KEYS[table] == ("id",) else " WITHOUT ROWID"
        connection.execute(f"CREATE TABLE {table} ({', '.join(declared)}){rest}")


def definitions(connection: Connection) -> list[Row]:
    """Return how the tables, indexes, views and triggers of a database are defined."""
    return connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    ).fetchall()


def read(connection: Connection, table: str) -> Iterator[Row]:
    """Yield the rows of a table in the order of its key, without their checksums.

    Raises:
        ValueError: a checksum is wrong.
    """
    columns = ", ".join(COLUMNS[table])
    query = f"SELECT {columns}, checksum FROM {table} ORDER BY {', '.join(KEYS[table])}"
    for *row, checksum in connection.execute(query):
        if _checksum(row) != checksum:
            raise ValueError(f"a row of the table {table} is not as it was written")
        yield tuple(row)


def put(connection: Connection, table: str, rows: Sequence[Row]) -> None:
    """Write rows; they replace those with the same key."""
    if rows:
        sealed = [(*row, _checksum(row)) for row in rows]
        connection.executemany(_PUT[table], sealed)


def delete(
    connection: Connection, table: str, columns: Sequence[str], values: Sequence[Row]
) -> None:
    """Delete the rows whose columns have the given values."""
    if values:
        condition = " AND ".join(f"{name} = ?" for name in columns)
        connection.executemany(f"DELETE FROM {table} WHERE {condition}", values)


def delete_simulations(connection: Connection, ids: Sequence[Row]) -> None:
    """Delete simulations with everything in them."""
    if not ids:
        return
    engines = "SELECT id FROM engines WHERE simulation = ?"
    domains = f"SELECT id FROM domains WHERE engine IN ({engines})"
    for table, columns in COLUMNS.items():
        if "domain" in columns:
            connection.executemany(f"DELETE FROM {table} WHERE domain IN ({domains})", ids)
    connection.executemany(f"DELETE FROM domains WHERE engine IN ({engines})", ids)
    connection.executemany("DELETE FROM engines WHERE simulation = ?", ids)
    connection.executemany("DELETE FROM simulations WHERE id = ?", ids)


def _checksum(values: Sequence[Any]) -> int:
    return crc32("|".join(map(str, values)).encode())


# Converts what an engine holds into values that JSON can carry, and back.
#
# An event is ``[time, type, value, …]``, with the values in an order that the file says: a service
# model that has gained members still reads what was written with an older one. An execution is
# identified by its domain and its number there, and what an event opened is identified by that
# event.

_encoder = json.JSONEncoder(separators=(",", ":"))
_make_encoder: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]
#: The encoder in C, made once: `JSONEncoder.encode` makes one for each call. None without it.
_encode_parts = _make_encoder and _make_encoder(
    None, _encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True
)


def encode(value: Any) -> str:
    r"""Return JSON, as ASCII: text in Python can be invalid Unicode, such as half a surrogate pair.

    >>> encode({"a": [1, "é"]})
    '{"a":[1,"\\u00e9"]}'
    """
    return "".join(_encode_parts(value, 0)) if _encode_parts else _encoder.encode(value)


#: Reads JSON without skipping white space, of which there is none here.
_read = json.JSONDecoder().raw_decode


def read_model(connection: Connection) -> dict[str, list[str]]:
    """Return the members of each type of event, in the order in which a file has them.

    Raises:
        TypeError, ValueError: the file is damaged.
    """
    about = dict[str, str](read(connection, "about"))
    model: dict[str, list[str]] = json.loads(about.get("model", "{}"))
    return model


class EventLayout:
    """In which order a file has the members of each type of event.

    That is the order of the service model with which it was begun, which is the engine's own. If
    the installed model has gained members since, they come last.

    Args:
        stored: what the file says: the members of each type.

    Attributes:
        members: the same, with those that the installed model has gained.
    """

    def __init__(self, stored: Mapping[str, Sequence[str]]) -> None:
        self.members: dict[str, list[str]] = {}
        self._reorder: dict[str, Callable[[Event], Event]] = {}
        for name, event_type in event_types().items():
            former = list(stored.get(name, ()))
            members = [*former, *(each for each in event_type.members if each not in former)]
            self.members[name] = members
            if tuple(members) != event_type.members:
                positions = [event_type.position[each] for each in members]
                self._reorder[name] = itemgetter(*range(FIRST_MEMBER), *positions)

    @classmethod
    def read(cls, connection: Connection) -> Self:
        """Return the layout of a file; that of a new one is the engine's own.

        Raises:
            LookupError, TypeError, ValueError: the file is damaged.
        """
        return cls(read_model(connection))

    @property
    def row(self) -> Row:
        """What the table `about` says of it."""
        return "model", encode(self.members)

    def encode(self, events: Sequence[Event]) -> str:
        """Return events as JSON text."""
        if self._reorder:
            events = [self._reorder.get(event[TYPE], tuple)(event) for event in events]
        return encode(events)

    def decode(self, text: str) -> list[Event]:
        """Return the events in JSON text; the inverse of `encode`.

        Raises:
            LookupError, TypeError, ValueError: the text does not hold events.
        """
        events, _ = _read(text)
        return [self._load(*event) for event in events]

    def _load(self, at: int, name: str, *values: Any) -> Event:
        members = self.members[name]
        if len(values) > len(members):
            raise ValueError(f"an event has more members than {name} can have")
        # An event that was written with an older model has fewer members.
        return event_types()[name].load(at, dict(zip(members, values, strict=False)))


def domain_state(domain: Domain) -> dict[str, Any]:
    """Return a domain without its types and executions, as `Restore.domain` takes it."""
    return {
        "name": domain.name,
        "description": domain.description,
        "retention": domain.retention_period,
        "tags": domain.tags,
        "deprecated": domain.deprecated,
        "started": domain.started,
        "closed": domain.closed,
    }


def type_state(registered: RegisteredType) -> dict[str, Any]:
    """Return a type, as `Restore.type` takes it."""
    name, version = registered.key
    return {
        "name": name,
        "version": version,
        "description": registered.description,
        "defaults": registered.defaults,
        "created_at": registered.created_at,
        "deprecated_at": registered.deprecated_at,
    }


#: The effect that is in the row of its execution, which ends with it.
TIME_OUT = "execution time-out"


def execution_state(
    execution: WorkflowExecution,
    time_out: tuple[int, int] | None,
    places: Mapping[str, int] | None = None,
    closed_before: int = 0,
) -> list[Any]:
    """Return an execution without its key and its events.

    The state of a closed one includes a summary of its history, which then need not be read.

    Args:
        execution: the execution.
        time_out: key and instant of its time-out; None for a closed one.
        places: the order in which its waiting tasks are handed out, by the events that scheduled
            them. Tasks that are not in it wait in the order of events.
        closed_before: is added to its close number.
    """
    number, summary = execution.close_number, None
    if number is not None:
        number, summary = number + closed_before, execution.summary()
    return [execution.workflow_id, execution.run_id, number, places or {}, summary, time_out]


def argument_state(argument: Any, started_before: int = 0) -> list[Any]:
    """Return an argument of an effect.

    Args:
        argument: a value, an execution, or something that an event has opened.
        started_before: is added to the numbers of executions.
    """
    if isinstance(argument, WorkflowExecution):
        return ["execution", argument.number + started_before]
    if isinstance(argument, OpenItem):
        run_id = getattr(argument, "run_id", "")
        number = argument.execution.number + started_before
        return ["open", number, argument.opened_id, run_id]
    return ["value", argument]


def execution_of(subject: Any) -> WorkflowExecution:
    """Return the execution that the first argument of an effect is, or belongs to."""
    return subject if isinstance(subject, WorkflowExecution) else subject.execution
