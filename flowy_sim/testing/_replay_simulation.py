"""The simulation that a replayed decider calls: it answers from the history, and waits by itself.

What decides about each call is the replay of `flowy_sim.testing._loop_replay`. Here its answers
reach threads and coroutines, which keep waiting in the ways of an ordinary simulation.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flowy_sim._clients.in_process import Reply
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.latency import Latency
from flowy_sim._simulation.clock import to_milliseconds
from flowy_sim._simulation.waiters import Threads

if TYPE_CHECKING:
    from flowy_sim.testing._loop_replay import Replay


class RecordedClock:
    """The clock that the decider sees: it shows the time at which a decision was made.

    It goes on with the time of the simulation, in which the decider sleeps.

    Args:
        replay: what is replayed.
        simulation: the simulation.
    """

    def __init__(self, replay: Replay, simulation: Simulation) -> None:
        self._replay = replay
        self._simulation = simulation

    @property
    def now(self) -> datetime:
        """The present instant."""
        return self._replay.present(self._simulation.clock.now)

    @property
    def milliseconds(self) -> int:
        """The present instant in milliseconds since 1970."""
        return to_milliseconds(self.now)


class ReplaySimulation(Simulation):
    """The simulation that the decider calls; it gets its answers from a history."""

    def __init__(self, replay: Replay) -> None:
        super().__init__(latency=Latency.ZERO)
        self.threads = _ReplayThreads(replay, self)


class _ReplayThreads(Threads):
    """The threads of a decider that is replayed."""

    def __init__(self, replay: Replay, simulation: Simulation) -> None:
        super().__init__(simulation.host, simulation.threads.lock)
        self._replay = replay
        self._region = simulation.region

    def call(
        self,
        operation: str,
        request: Reply,
        region: str,
        poll_seconds: float,
        exact: bool = False,
    ) -> Reply:
        """Carry out a call of the decider, or of the runner, whose polls do not wait."""
        if poll_seconds == 0:
            return super().call(operation, request, region, poll_seconds, exact)
        sent = self._sent(operation, request)
        if isinstance(sent, _Answer):
            return sent
        reply = super().call(operation, sent, self._region, poll_seconds, exact)
        return self._received(operation, request, reply)

    async def call_in_event_loop(
        self,
        operation: str,
        request: Reply,
        region: str,
        poll_seconds: float,
        exact: bool = False,
    ) -> Reply:
        """Carry out a call of a coroutine of the decider."""
        sent = self._sent(operation, request)
        if isinstance(sent, _Answer):
            return sent
        reply = await super().call_in_event_loop(operation, sent, self._region, poll_seconds, exact)
        return self._received(operation, request, reply)

    def _sent(self, operation: str, request: Reply) -> Reply:
        """Return what to send to the simulation, or the answer from the history."""
        with self.lock:
            answer = self._replay.answer(operation, request)
            return self._replay.sent(operation, request) if answer is None else _Answer(answer)

    def _received(self, operation: str, request: Reply, reply: Reply) -> Reply:
        with self.lock:
            return self._replay.received(operation, request, reply, self.host.clock.now)


class _Answer(dict[str, Any]):
    """The answer to a call, which the history gives."""
