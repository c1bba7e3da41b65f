"""The journal that keeps simulations in a database file: what was answered survives a crash.

The file is not a log of calls. It holds the current state: registrations, histories, and pending
effects. So it grows no faster than the histories that are retained, and a version of
flowy-sim that would have answered differently can continue with it.

All commits that wait at the same time share one transaction (group commit, as in PostgreSQL):
waiting for the disk takes milliseconds however little is written, so one transaction for each call
would limit the server to a few hundred calls a second. A transaction is written in the thread of
the event loop, which takes little time, as nothing waits for the disk there; a separate thread then
waits for the disk, twice, and does nothing else, because more work there would compete with the
loop for the interpreter.

If a transaction fails, the simulations are restored from the file, and the calls that wait fail.
Until the file can be written again, calls that would change something are refused before they do.
"""

from __future__ import annotations

import asyncio
import gc
import math
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from flowy._safe_text import safe_logger
from flowy_sim._engine.engine import Engine
from flowy_sim._simulation.settings import PAUSED
from flowy_sim._storage import files
from flowy_sim._storage.file_reader import read_engines, read_simulations
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.journal import (
    JournalError,
    NullJournal,
    OpenJournal,
    RestoreTarget,
    SimulationKey,
)
from flowy_sim._storage.tables import EventLayout
from flowy_sim._storage.unit_of_work import Ids, Session, StoredEngine
from flowy_sim._storage.writable_file import WritableFile

_log = safe_logger("flowy_sim")

#: Real seconds between two attempts to write, while calls are refused.
RETRY_SECONDS = 1.0


def journal_in(
    path: Path,
    expected: Mapping[str, Any] | None = None,
    *,
    url: str = "",
    accept_loss: bool = False,
) -> OpenJournal:
    """Return what restores the simulations of a server from a file, and keeps them there.

    Args:
        path: the file; it is created if it does not exist.
        expected: settings that the simulation without a name must have, if it is in the file (see
            `flowy_sim._simulation.settings.Settings`).
        url: of the server, under which `flowy-sim snapshot` finds it.
        accept_loss: whether to open a file that has less than was acknowledged.

    Raises:
        FileRefusedError: when the server starts, if the file cannot be used.

    Example:
        ``Server(listener, settings, journal_in(Path("orders.db")))``
    """

    async def open_journal(target: RestoreTarget) -> FileJournal:
        return open_file(path, target, expected or {}, url=url, accept_loss=accept_loss)

    return open_journal


def reading_only(path: Path) -> OpenJournal:
    """Return what restores the simulations of a server from a file, and keeps nothing.

    Their clocks are paused, and calls that would change something are refused.

    Args:
        path: the file.

    Raises:
        FileRefusedError: when the server starts, if the file cannot be used.
    """

    async def open_journal(target: RestoreTarget) -> ReadOnlyJournal:
        with files.reading(path) as connection, _no_garbage_collection():
            stored = read_simulations(connection)
            engines: dict[int, Engine] = {}
            for each in stored:
                simulation = target.restore(*each.key, each.settings, each.begun)
                for region, number in each.engines.items():
                    engines[number] = simulation.engines.of(region)
                simulation.catch_up(PAUSED, each.now)
            read_engines(connection, engines)
        return ReadOnlyJournal(path)

    return open_journal


class ReadOnlyJournal(NullJournal):
    """Refuses every change.

    Args:
        path: the file that must not change; None if there is no file.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def check(self) -> None:
        """Refuse; see `Journal.check`."""
        what = "Nothing" if self._path is None else f"{self._path} is only shown, and nothing"
        raise JournalError(f"{what} can be changed here.")


def open_file(
    path: Path,
    target: RestoreTarget,
    expected: Mapping[str, Any],
    *,
    url: str = "",
    accept_loss: bool = False,
) -> FileJournal:
    """Restore the simulations in a file, and return the journal that they continue with.

    Args:
        path: the file; it is created if it does not exist.
        target: receives the simulations; it has none yet.
        expected: settings that the simulation without a name must have, if it is in the file.
        url: of the server, or empty.
        accept_loss: whether to open a file that has less than was acknowledged.

    Raises:
        FileRefusedError: the file cannot be used.
    """
    if files.is_missing(path, accept_loss=accept_loss):
        files.create(path)
    with files.reading(path, accept_loss=accept_loss) as connection, _no_garbage_collection():
        seen = files.signature(path)
        session = Session(Ids.read(connection), EventLayout.read(connection))
        stored = read_simulations(connection)
        restored = {}
        engines: dict[int, Engine] = {}
        for each in stored:
            if not each.key.name:
                _check_settings(path, each.settings, expected)
            simulation = restored[each.key] = target.restore(*each.key, each.settings, each.begun)
            for region, number in each.engines.items():
                engines[number] = simulation.engines.of(region)
        places = read_engines(connection, engines)
        for each in stored:
            session.resume(
                each,
                [
                    StoredEngine.restored(number, engines[number], places[number])
                    for number in each.engines.values()
                ],
            )
        for each in stored:
            restored[each.key].catch_up(each.mode, each.now)
    return FileJournal(path, WritableFile(path, seen, url), session)


class FileJournal:
    """Makes changes durable in a file; see `flowy_sim._storage.journal.Journal`.

    Args:
        path: the file.
        file: opened for this process alone.
        session: the simulations in the file.
    """

    def __init__(self, path: Path, file: WritableFile, session: Session) -> None:
        self._path = path
        self._file = file
        self._session = session
        self._flusher = ThreadPoolExecutor(1, "flowy-sim-db")
        self._next: Commit | None = None
        self._is_writing = False
        self._failure = ""
        self._retry_at = 0.0

    def check(self) -> None:
        """Refuse while nothing can be made durable; see `Journal.check`."""
        if self._failure and (
            self._is_writing or time.monotonic() < self._retry_at or not self._can_write()
        ):
            raise JournalError(self._failure)

    def begin(
        self, simulation: SimulationKey, settings: Mapping[str, Any], mode: str, now: int
    ) -> Commit:
        """Begin a simulation; see `Journal.begin`."""
        self._session.begin(simulation, settings, mode, now)
        return self._commit_soon()

    def commit(
        self, simulation: SimulationKey, engines: Iterable[Engine], mode: str, now: int
    ) -> Commit:
        """Make durable what has changed in a simulation; see `Journal.commit`."""
        self._session.commit(simulation, engines, mode, now)
        return self._commit_soon()

    def end(self, simulation: SimulationKey) -> Commit:
        """Remove a simulation; see `Journal.end`."""
        self._session.end(simulation)
        return self._commit_soon()

    async def close(self) -> None:
        """Make everything durable, and close the file."""
        self._session.touch_all()
        try:
            await self._commit_soon()
        except JournalError as error:
            _log.error("The last changes are lost: %s", error)
        self._flusher.shutdown()
        self._file.close()

    # Writing

    def _commit_soon(self) -> Commit:
        """Return the commit that makes everything so far durable."""
        if self._next is None:
            self._next = Commit()
            if not self._is_writing:
                asyncio.get_running_loop().call_soon(self._write)
        return self._next

    def _write(self) -> None:
        commit, self._next = self._next, None
        assert commit is not None
        if self._retry_at == math.inf:
            commit.outcome.set_exception(JournalError(self._failure))
            return
        self._is_writing = True
        unit = self._session.unit_of_work()
        try:
            self._file.write(unit)
        except Exception as error:
            self._failed(commit, error)
            return
        loop = asyncio.get_running_loop()
        flushing = loop.run_in_executor(self._flusher, self._file.flush)
        flushing.add_done_callback(partial(self._flushed, commit))

    def _flushed(self, commit: Commit, flushing: asyncio.Future[None]) -> None:
        error = flushing.exception()
        if error is not None:
            self._failed(commit, error)
            return
        self._is_writing = False
        commit.outcome.set_result(None)
        if self._next is not None:
            self._write()

    def _failed(self, commit: Commit, error: BaseException) -> None:
        self._is_writing = False
        self._undo(error)
        # Commits that came during the write are based on changes that are undone.
        for each in (commit, self._next):
            if each is not None:
                each.outcome.set_exception(JournalError(self._failure))
        self._next = None

    # When writing fails

    def _undo(self, error: BaseException) -> None:
        self._fail(error)
        try:
            self._session.undo(self._file.connection)
        except (sqlite3.Error, *files.DAMAGE) as unreadable:
            self._fail(f"{error}; and it cannot be read: {unreadable}; restart the server")
            self._retry_at = math.inf

    def _can_write(self) -> bool:
        try:
            self._file.check()
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            return False
        _log.warning("%s can be written again.", self._path)
        self._failure = ""
        return True

    def _fail(self, reason: object) -> None:
        self._failure = f"{self._path} cannot be written: {reason}"
        self._retry_at = time.monotonic() + RETRY_SECONDS
        _log.error("%s; calls that would change something are refused.", self._failure)


class Commit:
    """A transaction that several calls wait for; cancelling one of them does not cancel it.

    All of them are notified at once: one round of the event loop for each would take longer.

    Attributes:
        outcome: done as soon as the transaction is durable or has failed.
    """

    __slots__ = ("_callbacks", "outcome")

    def __init__(self) -> None:
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.outcome.add_done_callback(self._done)
        self._callbacks: list[Callable[[asyncio.Future[None]], object]] = []

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.shield(self.outcome).__await__()

    def add_done_callback(self, callback: Callable[[asyncio.Future[None]], object], /) -> None:
        """Let a function be called when it is done, with its outcome."""
        if self.outcome.done():
            self.outcome.add_done_callback(callback)
        else:
            self._callbacks.append(callback)

    def _done(self, outcome: asyncio.Future[None]) -> None:
        outcome.exception()  # Mark an error as retrieved: perhaps no call waits for it.
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(outcome)
            except Exception:
                _log.exception("A call was not answered")


def _check_settings(path: Path, settings: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        if settings.get(name) != value:
            raise FileRefusedError(
                f"{path} was begun with {name}={settings.get(name)!r}, not {value!r}; leave out "
                "that option to continue with the file, or give another file."
            )


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Turn the garbage collector off while a file is read: everything that is read stays."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
