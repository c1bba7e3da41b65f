"""The seam between a served simulation and whatever keeps it over a restart.

Everything that changes a simulation is recorded in the order in which it was applied, each with
its instant. An engine that is given the same calls at the same instants is in the same state, so
what happens by itself needs no record. Polls that hand out a task change something and are
recorded; polls that end empty, questions and refused calls are not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, NamedTuple, Protocol

#: Recorded when a simulation begins, or begins anew: its settings (see `settings.Settings`). All
#: that was recorded of it before is void.
BEGIN = "Begin"


#: Recorded when a clock was moved or its mode was set, and when time has passed by itself and
#: somebody has seen it: ``{"mode": …}``, with the instant up to which everything has happened.
CLOCK = "Clock"


#: Recorded when a simulation is removed: all that was recorded of it before is void.
END = "End"


class SimulationKey(NamedTuple):
    """What a simulation of a server is found by.

    Attributes:
        name: as in the path; empty for the one without a name.
        account: twelve digits.
    """

    name: str
    account: str


class RecordingError(Exception):
    """Nothing can be recorded at present, for a reason that the message says.

    Calls that would change something are answered with a server error (HTTP 500).
    """


class Recorder(Protocol):
    """Keeps what is recorded."""

    def check(self) -> None:
        """Refuse, if nothing can be recorded; called before each call that may change something.

        Raises:
            RecordingError: nothing can be recorded at present; the call is not carried out.
        """
        ...

    def record(
        self,
        simulation: SimulationKey,
        region: str,
        operation: str,
        request: dict[str, Any],
        now: int,
    ) -> Awaitable[None]:
        """Record a change that was applied; called in the order of the changes.

        Args:
            simulation: the simulation that was changed.
            region: such as ``us-east-1``; empty for `BEGIN`, `CLOCK` and `END`.
            operation: such as ``StartWorkflowExecution``, or `BEGIN`, `CLOCK` or `END`.
            request: its members as they came; it is never changed afterwards.
            now: the instant of the change, in milliseconds since 1970.

        Returns:
            Something that is over as soon as this record and all before it are durable, or that
            raises `RecordingError`: then all engines are again as they were when the last record
            became durable. Those who wait for several records await the last one only, so it
            may be awaited by several at once, more than once, or by nobody: a future.
        """
        ...

    async def close(self) -> None:
        """Make durable what was recorded, and stop."""
        ...


class NullRecorder:
    """Keeps nothing: a simulation is gone with its process."""

    def check(self) -> None:
        """Agree."""

    def record(
        self,
        simulation: SimulationKey,
        region: str,
        operation: str,
        request: dict[str, Any],
        now: int,
    ) -> Awaitable[None]:
        """Return what is over already."""
        return OVER

    async def close(self) -> None:
        """Do nothing."""


class _Over:
    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


#: What is over already; it may be awaited again and again.
OVER: Awaitable[None] = _Over()


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
