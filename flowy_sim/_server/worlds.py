"""All simulations of a server: one for each name in the path and each account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowy_sim._engine.faults import LimitExceededFault
from flowy_sim._server.served import Room
from flowy_sim._server.settings import ServerSettings, Settings, check_account, check_name
from flowy_sim._server.world import World
from flowy_sim._storage.journal import NullRecorder, Recorder, SimulationKey


class Worlds:
    """The simulations of a server. Each is made when it is first used.

    Args:
        settings: how the server is set up.
    """

    def __init__(self, settings: ServerSettings) -> None:
        """Start with none."""
        self._settings = settings
        self._recorder: Recorder = NullRecorder()
        self._room = Room(settings.max_polls)
        self._worlds: dict[SimulationKey, World] = {}
        self._is_closed = False

    def __iter__(self) -> Iterator[World]:
        """Yield all simulations."""
        return iter(list(self._worlds.values()))

    def find(self, name: str, account: str) -> World | None:
        """Return a simulation; None if it is not there."""
        return self._worlds.get(SimulationKey(name, account))

    def of(self, name: str, account: str) -> World:
        """Return a simulation, which begins with this if it is not there.

        Raises:
            ValueError: name or account cannot be one.
            LimitExceededFault: there are as many as may be.
        """
        world = self._worlds.get(SimulationKey(name, account))
        return self.begin(name, account, {}) if world is None else world

    def begin(self, name: str, account: str, settings: dict[str, Any]) -> World:
        """Let a simulation begin, or begin anew; all that was in it is gone.

        Args:
            name: as in the path; empty for the one without a name.
            account: twelve digits.
            settings: what is to be different from how it was before, or from how the server
                sets simulations up; see `Settings`.

        Raises:
            ValueError: name, account or a setting is wrong.
            LimitExceededFault: there are as many as may be.
            RecordingError: nothing can be recorded at present.
        """
        key = SimulationKey(check_name(name), check_account(account))
        former = self._worlds.get(key)
        base = self._settings.simulation if former is None else former.settings
        chosen = Settings.read(settings, base)
        if former is None and len(self._worlds) >= self._settings.max_simulations:
            raise LimitExceededFault(
                f"There are {len(self._worlds)} simulations already; remove one"
            )
        self._recorder.check()
        world = self._replace(key, chosen)
        world.begin()
        return world

    def remove(self, name: str, account: str) -> World | None:
        """Remove a simulation with all that is in it; return it, or None if it was not there."""
        self._recorder.check()
        world = self._worlds.pop(SimulationKey(name, account), None)
        if world is not None:
            world.end()
        return world

    # Kept over a restart

    def restore(self, name: str, account: str, settings: dict[str, Any], begun: int) -> World:
        """Let a simulation be there, with nothing in it, as it was begun; this is not recorded.

        Args:
            name: as in the path; empty for the one without a name.
            account: twelve digits.
            settings: how it was begun, as `Settings.written` has given it.
            begun: when, in milliseconds since 1970.
        """
        world = self._replace(SimulationKey(name, account), Settings.read(settings))
        world.clock.resume(world.settings.clock, begun)
        return world

    def resume(self, recorder: Recorder) -> None:
        """Go on, after all that was kept is there again; from now on, record."""
        self._recorder = recorder
        for world in self:
            world.resume(recorder)

    def close(self) -> None:
        """Answer all polls that wait, and let none wait any more."""
        self._is_closed = True
        for world in self:
            world.close()

    def _replace(self, key: SimulationKey, settings: Settings) -> World:
        former = self._worlds.pop(key, None)
        if former is not None:
            former.close()
        world = World(*key, settings, self._settings, self._recorder, self._room)
        if self._is_closed:
            world.close()
        self._worlds[key] = world
        return world
