"""Workers die, answers and replies are lost, calls fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowy import _checks
from flowy_sim._clients.in_process import Reply
from flowy_sim._simulation.polls import ACTIVITY_POLL, DECISION_POLL
from flowy_sim.faults._fault import (
    ACTIVITY_ANSWERS,
    ANSWERS,
    HEARTBEAT,
    INJECTED,
    Call,
    Fault,
    Killed,
    Moment,
    Stage,
    injected,
)


@dataclass(frozen=True)
class WorkerDies(Fault):
    """A worker dies with a task in hand, before it has begun to work on it."""

    title = "the worker dies before it does the work"
    moment = Moment.TASK
    operations = (ACTIVITY_POLL,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Die."""
        raise Killed(self.title)


@dataclass(frozen=True)
class WorkerDiesLate(Fault):
    """A worker dies when it has done the work, before it answers."""

    title = "the worker dies after the work, before it answers"
    operations = (ACTIVITY_ANSWERS,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Die."""
        raise Killed(self.title)


@dataclass(frozen=True)
class DeciderDies(Fault):
    """A decider dies between poll and answer."""

    title = "the decider dies before it answers"
    operations = ("RespondDecisionTaskCompleted",)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Die."""
        raise Killed(self.title)


@dataclass(frozen=True)
class WorkFails(Fault):
    """The work is done, and yet it is reported to have failed."""

    title = "the work is done, but fails at its very end"
    operations = ("RespondActivityTaskCompleted",)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Answer that it failed."""
        token = call.request["taskToken"]
        return stage.client.respond_activity_task_failed(taskToken=token, reason=INJECTED)


@dataclass(frozen=True)
class AnswerLost(Fault):
    """An answer does not reach the service; the worker sees that nothing comes back."""

    title = "the answer is lost on its way"
    operations = (ANSWERS,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Time out."""
        raise _time_out()


@dataclass(frozen=True)
class ReplyLost(Fault):
    """The service does what it was asked, but its reply is lost; a polled task is lost with it."""

    title = "the call is carried out, but its reply is lost"
    operations = (DECISION_POLL, ACTIVITY_POLL, ANSWERS, HEARTBEAT)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Let it be carried out and time out."""
        call.send()
        raise _time_out()


@dataclass(frozen=True)
class AnsweredTwice(Fault):
    """An answer arrives twice, and the worker gets the reply to the second one."""

    title = "the answer arrives twice"
    operations = (ANSWERS,)

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Send it twice."""
        call.send()
        return call.send()


@dataclass(frozen=True)
class NetworkError(Fault):
    """A call does not reach the service."""

    title = "the network fails"

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Fail to connect."""
        from botocore.exceptions import EndpointConnectionError

        raise injected(EndpointConnectionError(endpoint_url=INJECTED))


@dataclass(frozen=True)
class Throttled(Fault):
    """The service refuses a call because there were too many."""

    title = "the service throttles the call"

    def strike(self, stage: Stage, call: Call) -> Reply:
        """Refuse."""
        from botocore.exceptions import ClientError

        response: Any = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
        raise injected(ClientError(response, call.operation))


def _time_out() -> Exception:
    from botocore.exceptions import ReadTimeoutError

    return injected(ReadTimeoutError(endpoint_url=INJECTED))


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
