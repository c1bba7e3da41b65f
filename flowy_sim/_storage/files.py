"""Database files: created, read, opened for writing, or refused.

A file that cannot be used is refused before anything in it is changed: it is read through a
connection that cannot write, and opened for writing only after all of it has been understood.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from sqlite3 import Connection

from flowy_sim._engine.model import event_types
from flowy_sim._storage import schema
from flowy_sim._storage.schema import encode

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

#: What reading a damaged file may raise, besides `sqlite3.Error`.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

_MAGIC = b"SQLite format 3\0"
_JSON_EXPORT = b'{"format": "flowy-sim export"'
_HEADER_LENGTH = 100
#: Number of pages of the write-ahead log that are moved to the file at a time.
_CHECKPOINT_PAGES = 4_000
_LOG_BYTES = 64 * 1024 * 1024
_CACHE_KIB = 32 * 1024
#: Number of pages that a file must have before it is compacted.
_COMPACTED_PAGES = 1_000
#: Real seconds to wait for a process that only reads the file.
_PATIENCE = 1.0

#: Modification time and size of a file and of its log; None for one that is missing or empty.
Signature = tuple[tuple[int, int] | None, ...]


class FileRefusedError(Exception):
    """A file cannot be used; the message says why and what to do. The file is unchanged."""


def is_missing(path: Path) -> bool:
    """Return whether a file does not exist, or is empty.

    Raises:
        FileRefusedError: the path is a link to nothing, or something that cannot hold a database.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise FileRefusedError(
                f"{path} is a link to {path.readlink()}, which does not exist; give that file."
            ) from None
        return True
    except OSError as error:
        raise FileRefusedError(f"{path} cannot be read: {error.strerror}.") from error
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        # Opening a FIFO would wait for a writer.
        raise FileRefusedError(
            f"{path} is not a regular file but a FIFO, a socket or a device; give another file."
        )
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def create(path: Path, fill: Callable[[Connection], object] | None = None) -> None:
    """Create a file, complete or not at all.

    Args:
        path: the file.
        fill: writes its content; without it the file has no simulation.

    Raises:
        FileRefusedError: the file cannot be created, or exists already.
    """
    try:
        # A name of its own: the file of a user may have any name that could be thought of here.
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            made = Path(folder, "new")
            with closing(sqlite3.connect(made, isolation_level=None)) as connection:
                connection.execute("BEGIN")
                schema.create_tables(connection)
                schema.put(connection, "about", [("model", encode(_model()))])
                connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
                connection.execute(f"PRAGMA user_version = {schema.FORMAT}")
                connection.execute("COMMIT")
                if fill is not None:
                    fill(connection)
            _put_in_place(made, path)
    except FileExistsError:
        raise FileRefusedError(
            f"{path} is in use: it has just been created by another process; stop that one, or "
            "give another file."
        ) from None
    except (OSError, sqlite3.Error) as error:
        raise FileRefusedError(
            f"{path} cannot be created ({error}); give a file in a folder that can be written."
        ) from error


@contextmanager
def reading(path: Path, said: str = "") -> Iterator[Connection]:
    """Open a file through a connection that cannot change it.

    If anything goes wrong while it is read, it is refused.

    Args:
        path: the file.
        said: what messages call it; its path by default.

    Raises:
        FileRefusedError: it is not a file of flowy-sim, from another version, damaged or in use.
    """
    said = said or str(path)
    _check_header(path, said)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0)) as connection:
            # Views and triggers of a file from elsewhere must not run anything.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")
            if schema.definitions(connection) != _definitions():
                raise ValueError("its tables are not those of this format")
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise ValueError(verdict)
            _check_model(said, connection)
            yield connection
    except sqlite3.Error as error:
        raise _refused(said, error) from error
    except DAMAGE as error:
        raise _damaged(said, error) from error


@contextmanager
def writing(path: Path, seen: Signature) -> Iterator[Connection]:
    """Open a file for writing and close it; see `open_for_writing`.

    Raises:
        FileRefusedError: it cannot be opened or written.
    """
    connection = open_for_writing(path, seen)
    try:
        yield connection
    except sqlite3.Error as error:
        raise _refused(path, error) from error
    finally:
        close(path, connection)


def open_for_writing(path: Path, seen: Signature) -> Connection:
    """Open a file that has been read, for this process alone.

    Args:
        path: the file.
        seen: what `signature` returned before it was read.

    Returns:
        A connection that any thread may use, one at a time. Its transactions are durable.

    Raises:
        FileRefusedError: it is in use, has changed since it was read, or cannot be written.
    """
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            if signature(path) != seen:
                raise FileRefusedError(
                    f"{path} is in use: it has just been changed by another process; stop that "
                    "one, or give another file."
                )
            connection.execute("ROLLBACK")
            # A commit is one append to the log and, with FULL, one fsync: it is on the disk before
            # calls are answered. Because the file is locked before the log is first used, SQLite
            # needs no shared memory with other processes.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            _write_model(connection)
            _compact(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _refused(path, error) from error
    return connection


def _compact(connection: Connection) -> None:
    """Return the space of deleted rows to the disk, if it is more than half of the file."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if pages >= _COMPACTED_PAGES and free > pages / 2:
        # Without enough space for that on the disk the file stays as it is.
        with suppress(sqlite3.OperationalError):
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def close(path: Path, connection: Connection) -> None:
    """Close a file that was opened for writing; only the file itself is left."""
    # Processes that only read the file create it. While the file is locked, none of them uses it.
    with suppress(OSError):
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    connection.close()


def signature(path: Path) -> Signature:
    """Return a value that differs once the file has been changed."""
    return tuple(map(_stamp, (path, path.parent / f"{path.name}-wal")))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_mtime_ns, found.st_size) if found.st_size else None


def _put_in_place(made: Path, path: Path) -> None:
    """Give a file its name, if there is no file of that name, or an empty one.

    Raises:
        FileExistsError: another process was faster.
    """
    if path.exists():
        _replace_empty(made, path)
        return
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has links.
        if path.exists():
            raise FileExistsError from None
        made.rename(path)


def _replace_empty(made: Path, path: Path) -> None:
    with path.open("rb+") as empty:
        if fcntl is not None:
            # Of several processes, one gets the lock before the file of that name is another one.
            try:
                fcntl.flock(empty, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FileExistsError from None
        found = os.fstat(empty.fileno())
        if found.st_size or not os.path.samestat(found, path.stat()):
            raise FileExistsError
        target = path.resolve()  # A link stays one.
        os.replace(made, target)


def _check_header(path: Path, said: str) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_LENGTH)
            length = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise FileRefusedError(f"{said} cannot be read: {error.strerror}.") from error
    if header.startswith(_JSON_EXPORT):
        raise FileRefusedError(
            f"{said} is an export in JSON, in format 1. A development version from before 0.1.0 "
            "can import it."
        )
    application, version = header[68:72], header[60:64]
    if not header.startswith(_MAGIC) or _number(application) != schema.APPLICATION:
        raise FileRefusedError(f"{said} is not a file of flowy-sim; give another one.")
    found = _number(version)
    if found > schema.FORMAT:
        raise FileRefusedError(
            f"{said} was written by a newer version of flowy-sim, in format {found}; this version "
            f"reads format {schema.FORMAT}: upgrade flowy-sim."
        )
    if found < schema.FORMAT:
        raise FileRefusedError(
            f"{said} was written by an older version of flowy-sim, in format {found}; this version "
            f"reads format {schema.FORMAT}. A development version from before 0.1.0 can serve and "
            "export it."
        )
    page_size = 65_536 if header[16:18] == b"\0\1" else _number(header[16:18])
    if length < page_size * _number(header[28:32]):
        raise _damaged(said, "its end is missing")


def _number(content: bytes) -> int:
    return int.from_bytes(content, "big")


@cache
def _definitions() -> list[schema.Row]:
    with closing(sqlite3.connect(":memory:")) as connection:
        schema.create_tables(connection)
        return schema.definitions(connection)


def _model() -> dict[str, list[str]]:
    """Return the event types of the installed service model, and their members."""
    return {name: list(event_type.members) for name, event_type in event_types().items()}


def _check_model(said: str, connection: Connection) -> None:
    """Refuse a file with events that the installed service model does not know."""
    known = _model()
    for _, text in schema.read(connection, "about"):
        for name, members in json.loads(text).items():
            for member in members:
                if member not in known.get(name, ()):
                    raise FileRefusedError(
                        f"{said} was written with a newer model of Amazon SWF, in which {name} "
                        f"has {member}; upgrade botocore."
                    )


def _write_model(connection: Connection) -> None:
    row = ("model", encode(_model()))
    if list(schema.read(connection, "about")) != [row]:
        connection.execute("BEGIN")
        schema.put(connection, "about", [row])
        connection.execute("COMMIT")


def _refused(path: Path | str, error: sqlite3.Error) -> FileRefusedError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return FileRefusedError(
            f"{path} is in use by another process; stop that one, or give another file."
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return FileRefusedError(
            f"{path} cannot be opened ({error}); make the file and its folder writable."
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return FileRefusedError(f"{path} cannot be used: {error}.")
    return _damaged(path, error)


def _damaged(path: Path | str, reason: object) -> FileRefusedError:
    return FileRefusedError(
        f"{path} is damaged ({reason}) and was left unchanged; give a backup or another file."
    )
