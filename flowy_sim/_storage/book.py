"""Which simulations are kept, and what of them has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from sqlite3 import Connection
from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine
from flowy_sim._server.recording import BEGIN, CLOCK, END, SimulationKey
from flowy_sim._storage.batch import Batch, Ids
from flowy_sim._storage.reading import read_engines
from flowy_sim._storage.restoring import Restoring
from flowy_sim._storage.tracking import Tracker


class Region(NamedTuple):
    """What an engine is found by."""

    world: SimulationKey
    name: str


class Kept:
    """A simulation without what is in it.

    Attributes:
        id: its number in the file.
        state: its name, its account, how it was begun and when, and the mode of its clock.
        now: its latest instant, in milliseconds.
    """

    __slots__ = ("id", "now", "state")

    def __init__(self, number: int, state: list[Any], now: int) -> None:
        """Know all three."""
        self.id = number
        self.state = state
        self.now = now


class Book:
    """What is to be in a file.

    Args:
        ids: the numbers in use in the file.
        engine_of: returns the engine of a region of a simulation.
    """

    def __init__(self, ids: Ids, engine_of: Callable[[SimulationKey, str], Engine]) -> None:
        """Start with nothing."""
        self._ids = ids
        self._engine_of = engine_of
        self._worlds: dict[SimulationKey, Kept] = {}
        self._trackers: dict[Region, tuple[int, Tracker]] = {}
        self._touched: dict[Region, None] = {}
        self._changed: dict[SimulationKey, None] = {}
        self._void: list[int] = []
        self._sent: tuple[dict[SimulationKey, None], list[int]] = {}, []

    def resume(self, kept: Kept, trackers: Iterable[tuple[int, Tracker]]) -> None:
        """Go on with a simulation that is in the file.

        Args:
            kept: the simulation.
            trackers: the numbers of its engines in the file, and their trackers.
        """
        world = SimulationKey(*kept.state[:2])
        self._worlds[world] = kept
        for number, tracker in trackers:
            self._trackers[Region(world, tracker.engine.region)] = number, tracker

    def note(
        self, world: SimulationKey, region: str, operation: str, request: dict[str, Any], now: int
    ) -> None:
        """Take note of a change; see `flowy_sim._server.recording.Recorder.record`."""
        if operation in (BEGIN, END):
            self._end(world)
        if operation == END:
            return
        if operation == BEGIN:
            state = [*world, request, now, request["clock"]]
            self._worlds[world] = Kept(self._ids.new(), state, now)
        elif operation == CLOCK:
            self._worlds[world].state[-1] = request["mode"]
            self._touched |= dict.fromkeys(self._regions(world))
        else:
            called = Region(world, region)
            if called not in self._trackers:
                # What comes first is the registration of a domain: nothing else is there yet.
                self._trackers[called] = self._ids.new(), Tracker(self._engine_of(world, region))
            self._touched[called] = None
        kept = self._worlds[world]
        kept.now = max(kept.now, now)
        self._changed[world] = None

    def note_all(self) -> None:
        """Take note that anything may have changed, by itself."""
        self._touched |= dict.fromkeys(self._trackers)

    def batch(self) -> Batch:
        """Return what has changed since this was last called."""
        batch = Batch(self._ids)
        for number in self._void:
            batch.void(number)
        for world in self._changed:
            kept = self._worlds[world]
            batch.simulation(kept.id, kept.state, kept.now)
        for region in self._touched:
            number, tracker = self._trackers[region]
            simulation = self._worlds[region.world].id
            batch.engine(number, simulation, region.name, tracker.drain())
        self._sent = self._changed, self._void
        self._changed, self._void = {}, []
        self._touched.clear()
        return batch

    def undo(self, connection: Connection) -> None:
        """Let all engines be as they are in the file, for the last batch could not be written.

        Simulations have begun and ended for good; the next batch says so again.

        Raises:
            sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file cannot be
                read. The engines are as they were before.
        """
        changed, void = self._sent
        self._changed |= {world: None for world in changed if world in self._worlds}
        self._void += void
        self._touched.clear()
        kept = list(self._trackers.items())
        before = [(tracker.engine, dict(vars(tracker.engine))) for _, (_, tracker) in kept]
        restorings = {}
        try:
            for region, (number, tracker) in kept:
                tracker.engine.reset()
                anew = Tracker(tracker.engine)
                self._trackers[region] = number, anew
                restorings[number] = Restoring(anew)
            read_engines(connection, restorings)
        except BaseException:
            for engine, attributes in before:
                vars(engine).update(attributes)
            raise

    def _regions(self, world: SimulationKey) -> list[Region]:
        return [region for region in self._trackers if region.world == world]

    def _end(self, world: SimulationKey) -> None:
        former = self._worlds.pop(world, None)
        if former is not None:
            self._void.append(former.id)
            self._changed.pop(world, None)
            for region in self._regions(world):
                del self._trackers[region]
                self._touched.pop(region, None)
