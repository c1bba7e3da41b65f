"""Files opened for writing: by one process at a time, each transaction durable once written.

A file is opened only after it has been read and understood, if it has not changed since; then it is
locked until it is closed.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection

from flowy._safe_text import safe_logger
from flowy_sim._storage import files, tables
from flowy_sim._storage.progress_mark import (
    Progress,
    log_of,
    make_durable,
    progress_file_of,
)
from flowy_sim._storage.unit_of_work import UnitOfWork

_log = safe_logger("flowy_sim")

#: Size of the write-ahead log beyond which it is copied to the file.
_LOG_BYTES = 16 * 1024 * 1024
_CACHE_KIB = 32 * 1024
#: Number of pages that a file must have before it is compacted.
_COMPACTED_PAGES = 1_000
#: Real seconds to wait for a process that only reads the file.
_PATIENCE = 1.0


@contextmanager
def writing(path: Path, seen: files.Signature) -> Iterator[WritableFile]:
    """Open a file for writing and close it; see `WritableFile`.

    Raises:
        FileRefusedError: it cannot be opened or written.
    """
    file = WritableFile(path, seen)
    try:
        yield file
    except (sqlite3.Error, OSError) as error:
        raise files.refused(path, error) from error
    finally:
        file.close()


class WritableFile:
    """A file that has been read, opened for this process alone. Its transactions are durable.

    Any thread may use it, one at a time.

    Args:
        path: the file.
        seen: what `files.signature` returned before it was read.
        url: of the server that opens it, if one does; other programs find it there.

    Attributes:
        connection: to the file.

    Raises:
        FileRefusedError: it is in use, has changed since it was read, or cannot be written.
    """

    def __init__(self, path: Path, seen: files.Signature, url: str = "") -> None:
        self._path = path
        self._is_log_large = False
        try:
            self.connection = _lock(path, seen)
            try:
                self.connection.execute(f"DROP INDEX IF EXISTS {tables.FORMER_INDEX[1]}")
                files.write_model(self.connection)
                self._progress = Progress(path, self.connection, url)
                _compact(self.connection)
                self._log = os.open(log_of(path), os.O_RDWR)
                self._in_place = _InPlace(path, log_of(path), progress_file_of(path))
            except BaseException:
                self.connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise files.refused(path, error) from error

    def write(self, unit: UnitOfWork) -> None:
        """Write a unit of work in one transaction, which `flush` makes durable.

        Raises:
            OSError, sqlite3.Error: it cannot be written, and nothing has been.
        """
        self._in_place.check()
        unit.put("about", *self._progress.next(unit.changes))
        unit.write(self.connection)
        self._is_log_large = os.fstat(self._log).st_size > _LOG_BYTES

    def flush(self) -> None:
        """Make durable what was written, and record how far the file has got.

        Raises:
            OSError: that is impossible; the transaction may be durable nevertheless.
        """
        make_durable(self._log)
        self._progress.reached()
        if self._is_log_large:
            # Everything is durable already. On a full disk, the next transaction tries again.
            with suppress(sqlite3.Error, OSError):
                self._progress.empty_log()

    def check(self) -> None:
        """Check whether the file can be written, and make durable what is in it.

        Raises:
            sqlite3.Error, OSError: it cannot be written.
        """
        self._in_place.check()
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            tables.put(connection, "about", list(tables.read(connection, "about")))
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        self._progress.resume()

    def close(self) -> None:
        """Close the file; only the file itself is left, unless it cannot be written."""
        try:
            self._progress.finish()
            finished = True
        except (sqlite3.Error, OSError) as error:
            _log.error("%s cannot be closed in good order: %s", self._path, error)
            finished = False
        # Processes that only read the file create it. While the file is locked, none of them uses
        # it.
        with suppress(OSError):
            self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
        self.connection.close()
        if finished:
            # SQLite does not remove the log if the file has another name by now.
            self._in_place.remove(log_of(self._path))
        os.close(self._log)
        self._progress.close(finished=finished)


class _InPlace:
    """Notices that open files no longer have their names: what is written to them would be lost.

    Args:
        paths: of the files.
    """

    def __init__(self, *paths: Path) -> None:
        self._files = {str(path): os.stat(path) for path in paths}

    def check(self) -> None:
        """Check whether all files are where they were.

        Raises:
            OSError: a file was moved, replaced or removed.
        """
        for path in self._files:
            if not self._is(path):
                raise OSError(
                    f"{os.path.basename(path)} was removed, renamed or replaced while it was open; "
                    "put it back, or restart the server"
                )

    def remove(self, path: Path) -> None:
        """Remove one of the files, unless another one has its name by now."""
        if self._is(str(path)):
            path.unlink()

    def _is(self, path: str) -> bool:
        try:
            return os.path.samestat(os.stat(path), self._files[path])
        except OSError:
            return False


def _lock(path: Path, seen: files.Signature) -> Connection:
    """Open a file that has not changed since it was read, and lock it."""
    if not os.access(path, os.W_OK):
        # SQLite would open it for reading only.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    # Absolute: SQLite takes other names for databases in memory and for URIs.
    connection = sqlite3.connect(
        path.absolute(), isolation_level=None, timeout=_PATIENCE, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        if files.signature(path) != seen:
            raise files.FileRefusedError(
                f"{path} is in use: it has just been changed by another process; stop that one, or "
                "give another file."
            )
        connection.execute("ROLLBACK")
        # A commit is one append to the log. With NORMAL, it is not on the disk before `flush` has
        # put it there; when the log is copied to the file, SQLite waits for the disk itself.
        # Because the file is locked before the log is first used, SQLite needs no shared memory
        # with other processes. Only `Progress` empties the log.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _compact(connection: Connection) -> None:
    """Return the space of deleted rows to the disk, if it is more than half of the file."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if pages >= _COMPACTED_PAGES and free > pages / 2:
        # If the disk has too little space for that, the file stays as it is.
        with suppress(sqlite3.OperationalError):
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
