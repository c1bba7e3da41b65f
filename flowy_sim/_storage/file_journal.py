"""Keeps what is served in a file: whatever was answered is there, also after a crash.

The file is no list of calls. It holds what there is: registrations, histories, and what will
happen by itself. So it grows no faster than the histories that are retained, and a version that
would have done something else can go on with it.

All calls that wait to be durable share one transaction, which a thread of its own writes. If it
cannot be written, nothing of it has happened: the simulations are put together again from the
file, and those calls fail. Until something can be written again, calls that would change
something are refused before they do.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import sqlite3
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from flowy_sim._engine.engine import Engine
from flowy_sim._storage import files, schema
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.journal import RecordingError, SimulationKey
from flowy_sim._storage.restore import read_engines, read_ids, read_simulations
from flowy_sim._storage.restoring import Restoring
from flowy_sim._storage.tracking import Tracker
from flowy_sim._storage.unit_of_work import Book, Kept

if TYPE_CHECKING:
    from flowy_sim._server.server import OpenRecorder
    from flowy_sim._server.simulations import Simulations

_log = logging.getLogger("flowy_sim")


#: Real seconds between two attempts to write, while calls are refused.
RETRY_SECONDS = 1.0


class Transaction:
    """What many wait for at once; who gives up does not keep it from coming to its end.

    Attributes:
        end: its result or its error.
    """

    __slots__ = ("end",)

    def __init__(self) -> None:
        """Begin."""
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whether it fails is told to those who wait for it; there may be none.
        self.end.add_done_callback(asyncio.Future.exception)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait for its end."""
        return asyncio.shield(self.end).__await__()


class FileRecorder:
    """Records changes in a file; see `flowy_sim._storage.journal.Recorder`.

    Args:
        path: the file.
        connection: to the file, for this process alone.
        book: what is in the file.
    """

    def __init__(self, path: Path, connection: Connection, book: Book) -> None:
        """Be ready to record."""
        self._path = path
        self._connection = connection
        self._book = book
        self._writer = ThreadPoolExecutor(1, "flowy-sim-db")
        self._next: Transaction | None = None
        self._is_writing = False
        self._failure = ""
        self._retry_at = 0.0

    def check(self) -> None:
        """Refuse, if nothing can be recorded.

        Raises:
            RecordingError: nothing can be recorded at present.
        """
        if self._failure and (
            self._is_writing or time.monotonic() < self._retry_at or not self._can_write()
        ):
            raise RecordingError(self._failure)

    def record(
        self,
        simulation: SimulationKey,
        region: str,
        operation: str,
        request: dict[str, Any],
        now: int,
    ) -> Transaction:
        """Record a change that was applied; see `flowy_sim._storage.journal.Recorder`."""
        self._book.note(simulation, region, operation, request, now)
        return self._soon()

    async def close(self) -> None:
        """Make durable what was recorded, and close the file."""
        self._book.note_all()
        try:
            await self._soon()
        except RecordingError as error:
            _log.error("The last changes are lost: %s", error)
        self._writer.shutdown()
        files.close(self._path, self._connection)

    # Writing

    def _soon(self) -> Transaction:
        """Return the transaction in which all that has been noted so far is written."""
        if self._next is None:
            self._next = Transaction()
            if not self._is_writing:
                asyncio.get_running_loop().call_soon(self._write)
        return self._next

    def _write(self) -> None:
        transaction, self._next = self._next, None
        assert transaction is not None
        if self._retry_at == math.inf:
            transaction.end.set_exception(RecordingError(self._failure))
            return
        self._is_writing = True
        write = self._book.batch().write
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(self._writer, write, self._connection)
        writing.add_done_callback(partial(self._wrote, transaction))

    def _wrote(self, transaction: Transaction, writing: asyncio.Future[None]) -> None:
        self._is_writing = False
        error = writing.exception()
        if error is None:
            transaction.end.set_result(None)
            if self._next is not None:
                self._write()
            return
        self._undo(error)
        # Those who came while it was written have built on what is undone.
        for each in (transaction, self._next):
            if each is not None:
                each.end.set_exception(RecordingError(self._failure))
        self._next = None

    # When that fails

    def _undo(self, error: BaseException) -> None:
        self._failed(error)
        try:
            self._book.undo(self._connection)
        except (sqlite3.Error, *files.DAMAGE) as unreadable:
            self._failed(f"{error}; and it cannot be read: {unreadable}; start the server anew")
            self._retry_at = math.inf

    def _can_write(self) -> bool:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                schema.put(connection, "about", list(schema.read(connection, "about")))
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._failed(error)
            return False
        _log.warning("%s can be written again.", self._path)
        self._failure = ""
        return True

    def _failed(self, reason: object) -> None:
        self._failure = f"{self._path} cannot be written: {reason}"
        self._retry_at = time.monotonic() + RETRY_SECONDS
        _log.error("%s; calls that would change something are refused.", self._failure)


def recording_in(path: Path, expected: Mapping[str, Any] | None = None) -> OpenRecorder:
    """Return what keeps the simulations of a server in a file, and begins with those in it.

    Args:
        path: the file; it is made if there is none.
        expected: settings that the simulation without a name has to have, if it is there (see
            `flowy_sim._simulation.settings.Settings`).

    Raises:
        FileRefusedError: when the server starts, if the file cannot be used.

    Example:
        ``Server(listener, settings, recording_in(Path("orders.db")))``
    """

    async def open_recorder(simulations: Simulations) -> FileRecorder:
        return open_file(path, simulations, expected or {})

    return open_recorder


def open_file(path: Path, simulations: Simulations, expected: Mapping[str, Any]) -> FileRecorder:
    """Let simulations be as they are in a file, and return what goes on recording there.

    Args:
        path: the file; it is made if there is none.
        simulations: the simulations of a server, of which there are none yet.
        expected: settings that the simulation without a name has to have, if it is there.

    Raises:
        FileRefusedError: the file cannot be used.
    """
    if files.is_missing(path):
        files.create(path)
    seen = files.signature(path)
    with files.looking_at(path) as connection, _no_garbage():
        book = Book(read_ids(connection), partial(_engine, simulations))
        restorings: dict[int, Restoring] = {}
        kept_simulations = read_simulations(connection)
        for each in kept_simulations:
            if not each.name:
                _check(path, each.settings, expected)
            engines = simulations.restore(
                each.name, each.account, each.settings, each.begun
            ).engines
            trackers = [(kept.id, Tracker(engines.of(kept.region))) for kept in each.engines]
            restorings.update((number, Restoring(tracker)) for number, tracker in trackers)
            state = [each.name, each.account, each.settings, each.begun, each.mode]
            book.resume(Kept(each.id, state, each.now), trackers)
        read_engines(connection, restorings)
        for each in kept_simulations:
            simulations.of(each.name, each.account).catch_up(each.mode, each.now)
    return FileRecorder(path, files.open_for_writing(path, seen), book)


def _check(path: Path, settings: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        if settings.get(name) != value:
            raise FileRefusedError(
                f"{path} was begun with {name}={settings.get(name)!r}, not {value!r}; leave that "
                "option out to go on with what is there, or give another file."
            )


def _engine(simulations: Simulations, world: SimulationKey, region: str) -> Engine:
    return simulations.of(*world).engines.of(region)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep the garbage collector from looking at what is being read, all of which stays."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
