"""Tasks, answers and heartbeats come late."""

from __future__ import annotations

from dataclasses import dataclass

from flowy import _checks
from flowy_sim._clients.in_process import Reply
from flowy_sim.faults._fault import ANSWERS, HEARTBEAT, Call, Fault, Moment, Stage


@dataclass(frozen=True)
class _Late(Fault):
    """Something comes late.

    Attributes:
        seconds: by how much; None for so much that the task has timed out.
    """

    seconds: float | None = None

    def __post_init__(self) -> None:
        """Check what was given."""
        super().__post_init__()
        if self.seconds is not None:
            _checks.number(f"seconds of {type(self).__name__}", self.seconds)

    def late(self, stage: Stage, call: Call) -> float:
        """Return by how many seconds it is late."""
        return stage.patience(call) if self.seconds is None else self.seconds


@dataclass(frozen=True)
class TaskLate(_Late):
    """A task takes long on its way from the service to the worker."""

    title = "the task takes long to reach the worker"
    moment = Moment.TASK

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Give it to a worker later."""
        return stage.put_off(call, self.late(stage, call))


@dataclass(frozen=True)
class AnswerLate(_Late):
    """A worker takes long over a task, or its answer does over its way."""

    title = "the answer comes late"
    operations = (ANSWERS,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Give it later."""
        return stage.put_off(call, self.late(stage, call))


@dataclass(frozen=True)
class HeartbeatLate(_Late):
    """A heartbeat comes late."""

    title = "the heartbeat comes late"
    operations = (HEARTBEAT,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Let time pass before it is sent."""
        stage.simulation.clock.advance(self.late(stage, call))
        return call.send()
