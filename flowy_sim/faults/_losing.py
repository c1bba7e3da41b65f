"""Workers die, answers and replies are lost, calls fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowy_sim._clients.in_process import Reply
from flowy_sim._simulation.tasks import ACTIVITY_POLL, DECISION_POLL
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
