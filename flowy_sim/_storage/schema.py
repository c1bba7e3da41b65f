"""The tables of a database file, and how their rows are read and written.

Every row ends with a checksum of the values before it: SQLite notices a torn page, but not a
changed byte in a text. Texts are JSON in ASCII, except for kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import Any
from zlib import crc32

#: Marks a file as one of flowy-sim, in its header.
APPLICATION = 0x464C4F57
#: The format of the tables, also in the header. Format 1, of development versions before the first
#: release, had the table `effects` under another name.
FORMAT = 2

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


def create_tables(connection: Connection) -> None:
    """Create the tables of a new file."""
    for table, columns in COLUMNS.items():
        declared = [f"{name} {'TEXT' if name in _TEXTS else 'INTEGER'}" for name in columns]
        declared += ["checksum INTEGER", f"PRIMARY KEY ({', '.join(KEYS[table])})"]
        rest = "" if KEYS[table] == ("id",) else " WITHOUT ROWID"
        connection.execute(f"CREATE TABLE {table} ({', '.join(declared)}){rest}")
    connection.execute("CREATE INDEX history_of ON history (domain, number)")


def definitions(connection: Connection) -> list[Row]:
    """Return how the tables, indexes, views and triggers of a database are defined."""
    return connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    ).fetchall()


def column_type(column: str) -> type[Any]:
    """Return the type of the values in a column."""
    return str if column in _TEXTS else int


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


def put(connection: Connection, table: str, rows: Iterable[Row]) -> None:
    """Write rows; they replace those with the same key."""
    places = "?, " * len(COLUMNS[table]) + "?"
    sealed = [(*row, _checksum(row)) for row in rows]
    connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", sealed)


def delete(
    connection: Connection, table: str, columns: Sequence[str], values: Iterable[Row]
) -> None:
    """Delete the rows whose columns have the given values."""
    condition = " AND ".join(f"{name} = ?" for name in columns)
    connection.executemany(f"DELETE FROM {table} WHERE {condition}", values)


def delete_simulations(connection: Connection, ids: Sequence[Row]) -> None:
    """Delete simulations with everything in them."""
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
