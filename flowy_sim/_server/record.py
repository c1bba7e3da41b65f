"""The record of one simulation: what changes it goes to where it is kept, and is waited for."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from flowy_sim._server.recording import OVER, Recorder, RecordingError, SimulationKey


class Record:
    """What is recorded of one simulation.

    Args:
        recorder: keeps it.
        simulation: which one it is.

    Attributes:
        recorder: as given; another one takes over where a simulation goes on after a restart.
        changes: how many changes there were.
        until: the instant up to which all that has happened is recorded, in milliseconds.
    """

    def __init__(self, recorder: Recorder, simulation: SimulationKey) -> None:
        """Begin with no change."""
        self.recorder = recorder
        self.changes = 0
        self.until = 0
        self._simulation = simulation
        self._last: Awaitable[None] = OVER

    def check(self) -> None:
        """Refuse, if nothing can be recorded.

        Raises:
            RecordingError: so it is at present.
        """
        self.recorder.check()

    def change(self, region: str, operation: str, request: dict[str, Any], now: int) -> None:
        """Record a change that was made; see `Recorder.record`."""
        self.changes += 1
        self.until = now
        self._last = self.recorder.record(self._simulation, region, operation, request, now)

    async def durable(self) -> None:
        """Wait until all changes are durable.

        Raises:
            RecordingError: some could not be recorded, and are undone.
        """
        last = self._last
        try:
            await last
        except RecordingError:
            if self._last is last:
                self._last = OVER
            raise
