"""Simulations that are served, from a file and on to it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowy_sim._engine.engine import Engine
from flowy_sim._server.recording import SimulationKey
from flowy_sim._storage import files
from flowy_sim._storage.book import Book, Kept
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.reading import read_engines, read_ids, read_simulations
from flowy_sim._storage.recorder import FileRecorder
from flowy_sim._storage.restoring import Restoring
from flowy_sim._storage.tracking import Tracker

if TYPE_CHECKING:
    from flowy_sim._server.serving import OpenRecorder
    from flowy_sim._server.worlds import Worlds


def recording_in(path: Path, expected: Mapping[str, Any] | None = None) -> OpenRecorder:
    """Return what keeps the simulations of a server in a file, and begins with those in it.

    Args:
        path: the file; it is made if there is none.
        expected: settings that the simulation without a name has to have, if it is there (see
            `flowy_sim._server.settings.Settings`).

    Raises:
        FileRefusedError: when the server starts, if the file cannot be used.

    Example:
        ``Server(listener, settings, recording_in(Path("orders.db")))``
    """

    async def open_recorder(worlds: Worlds) -> FileRecorder:
        return open_file(path, worlds, expected or {})

    return open_recorder


def open_file(path: Path, worlds: Worlds, expected: Mapping[str, Any]) -> FileRecorder:
    """Let simulations be as they are in a file, and return what goes on recording there.

    Args:
        path: the file; it is made if there is none.
        worlds: the simulations of a server, of which there are none yet.
        expected: settings that the simulation without a name has to have, if it is there.

    Raises:
        FileRefusedError: the file cannot be used.
    """
    if files.is_missing(path):
        files.create(path)
    seen = files.signature(path)
    with files.looking_at(path) as connection, _no_garbage():
        book = Book(read_ids(connection), partial(_engine, worlds))
        restorings: dict[int, Restoring] = {}
        simulations = read_simulations(connection)
        for each in simulations:
            if not each.name:
                _check(path, each.settings, expected)
            engines = worlds.restore(each.name, each.account, each.settings, each.begun).engines
            trackers = [(kept.id, Tracker(engines.of(kept.region))) for kept in each.engines]
            restorings.update((number, Restoring(tracker)) for number, tracker in trackers)
            state = [each.name, each.account, each.settings, each.begun, each.mode]
            book.resume(Kept(each.id, state, each.now), trackers)
        read_engines(connection, restorings)
        for each in simulations:
            worlds.of(each.name, each.account).catch_up(each.mode, each.now)
    return FileRecorder(path, files.open_for_writing(path, seen), book)


def _check(path: Path, settings: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        if settings.get(name) != value:
            raise FileRefusedError(
                f"{path} was begun with {name}={settings.get(name)!r}, not {value!r}; leave that "
                "option out to go on with what is there, or give another file."
            )


def _engine(worlds: Worlds, world: SimulationKey, region: str) -> Engine:
    return worlds.of(*world).engines.of(region)


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
