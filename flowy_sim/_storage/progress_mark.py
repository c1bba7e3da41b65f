"""The progress of a database file, recorded outside its write-ahead log to notice losses.

If a log is missing, cut off or damaged, SQLite treats it as one with fewer changes, and opens an
older state without an error. Therefore each transaction writes a *mark*: the number of changes that
have been made. The mark is in the database and, as soon as the transaction is durable and before
its calls are answered, in the *progress file* beside it. While a file is open, its mark says so.

A mark also has the *base*: the number of changes that the database has without the log. It is
raised when everything in the log has been copied to the database, and before the log is emptied. So
a file is complete if

1. its mark is closed and there is no progress file, or
2. the database together with the log has at least the changes that the progress file names, and the
   database alone has at least the base and no more than both together, or
3. there is nothing in the log, and the database has exactly the base of the progress file.

Each opening has an ID, so that files from different openings are not taken for a pair.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection, Error, OperationalError, connect
from typing import Any, NamedTuple
from zlib import crc32

from flowy_sim._storage import tables
from flowy_sim._storage.tables import Row, encode

#: The key of the mark in the table ``about``.
_MARK = "mark"
#: The size of a progress file: disks write this many bytes completely or not at all.
_SECTOR = 512
#: Whether a single system call writes and waits for the disk. A thread that makes several calls has
#: to wait for the interpreter after each.
_IS_ONE_CALL = hasattr(os, "O_DSYNC") and hasattr(os, "pwrite")
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_DSYNC", 0)
_HEADER_BYTES = 100
_LOG_HEADER = struct.Struct(">8I")
_FRAME_HEADER = struct.Struct(">6I")


def log_of(path: Path) -> Path:
    """Return the path of a file's write-ahead log; SQLite puts it beside the target of a link."""
    return _beside(path, "-wal")


def progress_file_of(path: Path) -> Path:
    """Return the path of a file's progress file."""
    return _beside(path, "-progress")


def _beside(path: Path, ending: str) -> Path:
    target = path.resolve()
    return target.with_name(target.name + ending)


class ProgressMark(NamedTuple):
    """How far a file has got.

    Attributes:
        ids: of the opening in which it was written; in the progress file of a file that is just
            being opened, also of the one before.
        is_open: whether the file is open.
        changes: number of changes that have been made.
        base: number of changes that the database has without the log.
        at: when it was written, in real seconds since 1970.
        url: of the server that has the file open; empty if none has.
    """

    ids: Sequence[str] = ("",)
    is_open: bool = False
    changes: int = 0
    base: int = 0
    at: float = 0.0
    url: str = ""

    @classmethod
    def read(cls, connection: Connection) -> ProgressMark:
        """Return the mark in a database; that of a file that was never opened has no changes."""
        rows: dict[str, str] = dict(tables.read(connection, "about"))
        return cls(*json.loads(rows[_MARK])) if _MARK in rows else cls()

    @classmethod
    def read_file(cls, path: Path) -> ProgressMark | None:
        """Return the mark in the progress file of a database; None if there is no valid one."""
        try:
            content = progress_file_of(path).read_bytes()
            text, _, checksum = content.decode("ascii").strip().rpartition(" ")
            return cls(*json.loads(text)) if int(checksum) == crc32(text.encode()) else None
        except (OSError, ValueError, TypeError):
            return None

    @property
    def row(self) -> Row:
        """Its row in the table ``about``."""
        return _MARK, encode(self)

    @property
    def time(self) -> str:
        """When it was written, in ISO 8601."""
        return datetime.fromtimestamp(int(self.at), UTC).isoformat().replace("+00:00", "Z")


def loss(path: Path, connection: Connection) -> str:
    """Return what is missing from a file, as a sentence; empty if it is complete.

    Args:
        path: the file.
        connection: reads it together with its log.
    """
    both, alone, reached = (
        ProgressMark.read(connection),
        _mark_without_log(path),
        ProgressMark.read_file(path),
    )
    log, progress = log_of(path), progress_file_of(path)
    if reached is None:
        if not (both.is_open or alone.is_open):
            return ""
        return (
            f"{path} was not closed, and its progress file {progress.name} is missing or damaged, "
            f"so that changes may be missing which were in its write-ahead log {log.name}"
        )
    if both.changes < reached.changes:
        held = f"{both.changes:,}" if both.changes else "none"
        missing = f"those made after {both.time}" if both.changes else "all"
        return (
            f"{path} and its write-ahead log {log.name} hold {held} of the {reached.changes:,} "
            f"changes that {progress.name} names; {missing}, up to {reached.time}, are missing"
        )
    belongs = {both.ids[0], alone.ids[0]} <= set(reached.ids)
    if log_has_content(log):
        fits = max(both.base, reached.base) <= alone.changes <= both.changes
    else:
        fits = alone.changes == reached.base
    if belongs and fits:
        return ""
    return (
        f"{path}, its write-ahead log {log.name} and its progress file {progress.name} are not "
        "from the same moment, so that changes may be missing"
    )


def lost_file(path: Path) -> str:
    """Return that a file is missing although others beside it show that it was there."""
    others = [each for each in (log_of(path), progress_file_of(path)) if _size(each)]
    if not others:
        return ""
    names = " and ".join(each.name for each in others)
    return f"{path} is missing or empty, but changes were made to it, as {names} beside it show"


def set_aside_log(path: Path) -> None:
    """Rename a log that does not belong to the file beside it, which SQLite would apply to it.

    One that has only lost its end stays.
    """
    log = log_of(path)
    if not _size(log):
        return
    if _size(path):
        try:
            uri = f"{path.absolute().as_uri()}?mode=ro"
            with closing(connect(uri, uri=True, timeout=0)) as connection:
                both, alone = ProgressMark.read(connection), _mark_without_log(path)
            if both.base <= alone.changes <= both.changes and both.ids == alone.ids:
                return
        except OperationalError:  # It is in use.
            return
        except (Error, ValueError, LookupError, TypeError):
            pass
    number = 1
    while (kept := log.with_name(f"{log.name}.lost-{number}")).exists():
        number += 1
    log.rename(kept)


def _mark_without_log(path: Path) -> ProgressMark:
    missing = missing_bytes(path)
    if missing:
        return _mark_in(path.read_bytes() + bytes(missing))
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(connect(uri, uri=True)) as connection:
        return ProgressMark.read(connection)


def _mark_in(content: bytes) -> ProgressMark:
    """Return the mark in the content of a database, parts of which may be missing."""
    # SQLite reads no database in memory that says it has a log.
    without_log = content[:18] + b"\1\1" + content[20:]
    with closing(connect(":memory:")) as connection:
        connection.deserialize(without_log)
        return ProgressMark.read(connection)


def missing_bytes(path: Path) -> int:
    """Return by how much a database is shorter than its first page says.

    While the log is copied to it on a full disk, the pages that are there are written, and none can
    be added. Nothing is lost then: SQLite reads the others from the log.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        length = os.fstat(file.fileno()).st_size
    page_size = 65_536 if header[16:18] == b"\0\1" else int.from_bytes(header[16:18], "big")
    return max(0, page_size * int.from_bytes(header[28:32], "big") - length)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def log_has_content(log: Path) -> bool:
    """Return whether SQLite reads anything from a log: its first transaction is intact."""
    try:
        with log.open("rb") as file:
            header = file.read(_LOG_HEADER.size)
            magic, _, page_size, _, *salts, first, second = _LOG_HEADER.unpack(header)
            order = ">" if magic & 1 else "<"
            if _checksum(header[:24], order) != (first, second):
                return False
            while True:
                frame = file.read(_FRAME_HEADER.size)
                page = file.read(page_size)
                _, committed, *found = _FRAME_HEADER.unpack(frame)
                first, second = _checksum(frame[:8] + page, order, first, second)
                if found != [*salts, first, second]:
                    return False
                if committed:
                    return True
    except (OSError, struct.error):
        return False


def _checksum(content: bytes, order: str, first: int = 0, second: int = 0) -> tuple[int, int]:
    """Return the checksum of a log's content, as the format of SQLite files defines it."""
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


class Progress:
    """Records how far a file gets while it is open.

    Args:
        path: the file, of which nothing is missing or its loss was accepted.
        connection: to the file, for this process alone.
        url: of the server that opens it, or empty.

    Raises:
        OSError, sqlite3.Error: something cannot be written.
    """

    def __init__(self, path: Path, connection: Connection, url: str) -> None:
        self._connection = connection
        self._path = progress_file_of(path)
        former, reached = ProgressMark.read(connection), ProgressMark.read_file(path)
        base = former.changes if reached is None else min(reached.base, former.changes)
        self._file = os.open(self._path, _FLAGS, 0o666)
        try:
            mark = ProgressMark(
                (secrets.token_hex(8),), True, former.changes, base, time.time(), url
            )
            self._mark = self._next = mark
            # With the IDs of both openings, it fits the database before and after the commit below.
            self._write(mark._replace(ids=(*mark.ids, former.ids[0])))
            _make_name_durable(self._path)
            self._commit(mark)
            self.empty_log()
        except BaseException:
            os.close(self._file)
            raise

    def next(self, changes: int) -> Row:
        """Return the mark to write with the next transaction.

        Args:
            changes: how many it makes.
        """
        self._next = self._mark._replace(changes=self._mark.changes + changes, at=time.time())
        return self._next._replace(url="").row

    def reached(self) -> None:
        """Note that the transaction is durable."""
        self._mark = self._next
        self._write(self._mark)

    def empty_log(self) -> None:
        """Copy everything in the log to the database, and empty the log."""
        (is_busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if not is_busy:
            # The mark comes between the two: before the copy it would promise too much, and an
            # empty log does not fit the old mark.
            self._mark = self._mark._replace(base=self._mark.changes)
            self._write(self._mark)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def resume(self) -> None:
        """Continue after something could not be written, from where the database has got.

        What is in the log may not be durable, even if the log can be written again: after an error,
        the system does not write the same pages from memory a second time. So everything is copied
        to the database.
        """
        self._mark = self._mark._replace(changes=ProgressMark.read(self._connection).changes)
        self.empty_log()

    def finish(self) -> None:
        """Record that the file is closed.

        Raises:
            OSError, sqlite3.Error: that is impossible; the file stays marked as open.
        """
        self._commit(self._mark._replace(is_open=False, url=""))
        self.empty_log()

    def close(self, *, finished: bool) -> None:
        """Close the progress file; it is removed if the file was closed in good order.

        To be called when the connection is closed.
        """
        os.close(self._file)
        if finished:
            with suppress(OSError):
                self._path.unlink()

    def _commit(self, mark: ProgressMark) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            tables.put(self._connection, "about", [mark.row])
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _write(self, mark: ProgressMark) -> None:
        text = encode(mark)
        content = f"{text} {crc32(text.encode())}".ljust(_SECTOR - 1) + "\n"
        _write_at_start(self._file, content.encode())


def _write_at_start(file: int, content: bytes) -> None:
    if _IS_ONE_CALL:
        written = os.pwrite(file, content, 0)
    else:
        os.lseek(file, 0, os.SEEK_SET)
        written = os.write(file, content)
        make_durable(file)
    if written < len(content):
        raise OSError(f"only {written} of {len(content)} bytes could be written")


def _make_name_durable(path: Path) -> None:
    """Make durable that a file exists, where folders can be opened."""
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


#: Waits until what was written to a file is on the disk.
make_durable: Any = getattr(os, "fdatasync", os.fsync)
