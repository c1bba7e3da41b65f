"""All simulations of a server: one for each name in the path and each account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from flowy_sim.engine.faults import LimitExceededFault
from flowy_sim.server.recording import BEGIN, END, NullRecorder, Recorder
from flowy_sim.server.served import Room
from flowy_sim.server.settings import ServerSettings, Settings, check_account, check_name
from flowy_sim.server.world import World


class Key(NamedTuple):
    """What a simulation is found by.

    Attributes:
        name: as in the path; empty for the one without a name.
        account: twelve digits.
    """

    name: str
    account: str


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
        self._worlds: dict[Key, World] = {}
        self._is_closed = False

    def __iter__(self) -> Iterator[World]:
        """Yield all simulations."""
        return iter(list(self._worlds.values()))

    def find(self, name: str, account: str) -> World | None:
        """Return a simulation; None if it is not there."""
        return self._worlds.get(Key(name, account))

    def of(self, name: str, account: str) -> World:
        """Return a simulation, which begins with this if it is not there.

        Raises:
            ValueError: name or account cannot be one.
            LimitExceededFault: there are as many as may be.
        """
        world = self._worlds.get(Key(name, account))
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
        key = Key(check_name(name), check_account(account))
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
        world = self._worlds.pop(Key(name, account), None)
        if world is not None:
            world.end()
        return world

    # Kept over a restart

    def replay(
        self,
        simulation: str,
        account: str,
        region: str,
        operation: str,
        request: dict[str, Any],
        now: int,
    ) -> None:
        """Do again what was recorded, in the order of the records; see `Recorder.record`."""
        key = Key(simulation, account)
        if operation == BEGIN:
            self._replace(key, Settings.read(request)).clock.resume(request["clock"], now)
        elif operation == END:
            del self._worlds[key]
        else:
            self._worlds[key].replay(region, operation, request, now)

    def resume(self, recorder: Recorder) -> None:
        """Go on, after all that was recorded has been done again; from now on, record."""
        self._recorder = recorder
        for world in self:
            world.resume(recorder)

    def close(self) -> None:
        """Answer all polls that wait, and let none wait any more."""
        self._is_closed = True
        for world in self:
            world.close()

    def _replace(self, key: Key, settings: Settings) -> World:
        former = self._worlds.pop(key, None)
        if former is not None:
            former.close()
        world = World(*key, settings, self._settings, self._recorder, self._room)
        if self._is_closed:
            world.close()
        self._worlds[key] = world
        return world
