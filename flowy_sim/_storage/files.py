"""Database files: created, read, or refused.

A file that cannot be used is refused before anything in it is changed: it is read through a
connection that cannot write, and opened for writing (see `flowy_sim._storage.writable_file`) only
after all of it has been understood.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from sqlite3 import Connection

from flowy._safe_text import safe_logger
from flowy_sim._engine.model import event_types
from flowy_sim._storage import tables
from flowy_sim._storage.progress_mark import (
    log_has_content,
    log_of,
    loss,
    lost_file,
    missing_bytes,
    progress_file_of,
    set_aside_log,
)

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

_log = safe_logger("flowy_sim")

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

#: Modification time and size of a file and of its log; None for one that is missing or empty.
Signature = tuple[tuple[int, int] | None, ...]


class FileRefusedError(Exception):
    """A file cannot be used; the message says why and what to do. The file is unchanged."""


class FileInUseError(FileRefusedError):
    """Another process has the file open."""


def is_missing(path: Path, *, accept_loss: bool = False) -> bool:
    """Return whether a file does not exist, or is empty.

    Args:
        path: the file.
        accept_loss: whether to accept that there was one, as files beside it show.

    Raises:
        FileRefusedError: the path is a link to nothing, or something that cannot hold a database;
            or the file was lost.
    """
    missing = _is_missing(path)
    if missing:
        _check_loss(path, lost_file(path), accept_loss)
        if accept_loss:
            set_aside_log(path)
    return missing


def _is_missing(path: Path) -> bool:
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
        # In a folder with a unique name: any fixed name might be that of a file of the user.
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            made = Path(folder, "new").absolute()  # See `writable_file`.
            with closing(sqlite3.connect(made, isolation_level=None)) as connection:
                connection.execute("BEGIN")
                tables.create_tables(connection)
                tables.put(connection, "about", [tables.EventLayout({}).row])
                connection.execute(f"PRAGMA application_id = {tables.APPLICATION}")
                connection.execute(f"PRAGMA user_version = {tables.FORMAT}")
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
        reason = getattr(error, "strerror", None) or error
        raise FileRefusedError(
            f"{path} cannot be created ({reason}); give a file in a folder that can be written."
        ) from error


def check_replaceable(path: Path) -> None:
    """Check that a file may be replaced by another one.

    Raises:
        FileRefusedError: a server has it open, or left it without closing it.
    """
    if progress_file_of(path).exists() or log_has_content(log_of(path)):
        raise FileRefusedError(
            f"{path} is in use, or was not closed by the server that used it, and would lose its "
            "changes; give another file."
        )


def write_complete(path: Path, content: bytes) -> None:
    """Write any file, complete or not at all; a link stays one, a FIFO or device is written to.

    Raises:
        OSError: it cannot be written.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        path.write_bytes(content)
        return
    # A unique name, as in `create`.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        made = Path(folder, "new")
        made.write_bytes(content)
        os.replace(made, target)


@contextmanager
def reading(path: Path, said: str = "", *, accept_loss: bool = False) -> Iterator[Connection]:
    """Open a file through a connection that cannot change it.

    If anything goes wrong while it is read, it is refused.

    Args:
        path: the file.
        said: what messages call it; its path by default.
        accept_loss: whether to read a file that has less than was acknowledged; what is missing is
            logged.

    Raises:
        FileRefusedError: it is not a file of flowy-sim, from another version, damaged or in use; or
            it has less than was acknowledged.
    """
    said = said or str(path)
    _check_header(path, said)
    if accept_loss:
        set_aside_log(path)
    had_log = log_of(path).exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if _may_have_log(path) else '&immutable=1'}"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0)) as connection:
            # Views and triggers of a file from elsewhere must not run anything.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")
            found = tables.definitions(connection)
            if [each for each in found if each != tables.FORMER_INDEX] != _definitions():
                raise ValueError("its tables are not those of this format")
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise ValueError(verdict)
            _check_model(said, connection)
            _check_loss(path, loss(path, connection), accept_loss)
            yield connection
    except sqlite3.Error as error:
        raise refused(said, error) from error
    except DAMAGE as error:
        raise _damaged(said, error) from error
    finally:
        if not had_log:
            _tidy(path)


def _may_have_log(path: Path) -> bool:
    """Return whether SQLite has to look for a log, for which it makes another file beside it.

    SQLite cannot make that file in a folder that cannot be written, such as on a disk for archives,
    and could not remove it again beside a file that cannot be written. A closed file needs none.
    """
    if os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK):
        return True
    return log_of(path).exists() or progress_file_of(path).exists()


def _tidy(path: Path) -> None:
    """Remove the empty log and its index, which a connection that only reads leaves behind.

    SQLite removes them itself with the last connection that might have written.
    """
    if _stamp(log_of(path)) is not None or not log_of(path).exists():
        return
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(uri, uri=True, timeout=0)) as connection,
    ):
        connection.execute("PRAGMA schema_version").fetchone()


def signature(path: Path) -> Signature:
    """Return a value that differs once the file has been changed."""
    return tuple(map(_stamp, (path, log_of(path))))


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
            # Of several processes, only one gets the lock before the name belongs to another file.
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
    except OSError as error:
        raise FileRefusedError(f"{said} cannot be read: {error.strerror}.") from error
    if header.startswith(_JSON_EXPORT):
        raise FileRefusedError(
            f"{said} is an export in JSON, in format 1. A development version from before 0.1.0 "
            "can import it."
        )
    application, version = header[68:72], header[60:64]
    if not header.startswith(_MAGIC) or _number(application) != tables.APPLICATION:
        raise FileRefusedError(f"{said} is not a file of flowy-sim; give another one.")
    found = _number(version)
    if found > tables.FORMAT:
        raise FileRefusedError(
            f"{said} was written by a newer version of flowy-sim, in format {found}; this version "
            f"reads format {tables.FORMAT}: upgrade flowy-sim."
        )
    if found < tables.FORMAT:
        raise FileRefusedError(
            f"{said} was written by an older version of flowy-sim, in format {found}; this version "
            f"reads format {tables.FORMAT}. A development version from before 0.1.0 can serve and "
            "export it."
        )
    if missing_bytes(path) and not log_has_content(log_of(path)):
        raise _damaged(said, "its end is missing")


def _number(content: bytes) -> int:
    return int.from_bytes(content, "big")


@cache
def _definitions() -> list[tables.Row]:
    with closing(sqlite3.connect(":memory:")) as connection:
        tables.create_tables(connection)
        return tables.definitions(connection)


def _check_model(said: str, connection: Connection) -> None:
    """Refuse a file with events that the installed service model does not know."""
    known = event_types()
    for name, members in tables.read_model(connection).items():
        for member in members:
            if name not in known or member not in known[name].members:
                raise FileRefusedError(
                    f"{said} was written with a newer model of Amazon SWF, in which {name} "
                    f"has {member}; upgrade botocore."
                )


def write_model(connection: Connection) -> None:
    """Write which events the installed service model knows, unless the file says so."""
    row = tables.EventLayout.read(connection).row
    if row not in tables.read(connection, "about"):
        connection.execute("BEGIN")
        tables.put(connection, "about", [row])
        connection.execute("COMMIT")


def _check_loss(path: Path, missing: str, accept_loss: bool) -> None:
    """Refuse a file that has less than was acknowledged, or log what is missing."""
    if not missing:
        return
    if not accept_loss:
        raise FileRefusedError(
            f"{missing}. Put the files back as they were left, or continue without what is missing "
            "with 'flowy-sim serve --accept-loss'."
        )
    _log.warning("%s. The loss is accepted.", missing)


def refused(path: Path | str, error: sqlite3.Error | OSError) -> FileRefusedError:
    """Return why a file cannot be used after an error."""
    if isinstance(error, OSError):
        return FileRefusedError(
            f"{path} cannot be opened ({error.strerror or error}); make the file and its folder "
            "writable."
        )
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return FileInUseError(
            f"{path} is in use by another process; stop that one, or give another file."
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return FileRefusedError(
            f"{path} cannot be opened ({error}); make the file and its folder writable."
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return FileRefusedError(
            f"{path} cannot be used ({error}); see whether its disk works and has room."
        )
    return _damaged(path, error)


def _damaged(path: Path | str, reason: object) -> FileRefusedError:
    return FileRefusedError(
        f"{path} is damaged ({reason}) and was left unchanged; give a backup or another file."
    )
