"""Faults that strike a call of a worker: it dies, the call fails, or an answer is lost or late."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from flowy import _checks
from flowy._client import fault_code
from flowy_sim._clients.in_process import Reply
from flowy_sim._simulation.regions import ACTIVITY_POLL
from flowy_sim.faults._fault import (
    ACTIVITY_ANSWERS,
    ANSWERS,
    CHECKPOINT,
    HEARTBEAT,
    INJECTED,
    FaultTarget,
    InjectedFault,
    Killed,
    Moment,
    WorkerCall,
    injected,
)

_NO_TASK: Reply = {"startedEventId": 0, "previousStartedEventId": 0}
"""The reply to a poll for an activity task, or a decision task, if there is none."""


# Workers die


@dataclass(frozen=True)
class WorkerDies(InjectedFault):
    """A worker dies after it has received an activity task, before it does the work."""

    title = "the worker dies before it does the work"
    moment = Moment.TASK
    operations = (ACTIVITY_POLL,)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Kill the worker."""
        raise Killed(self.title)


@dataclass(frozen=True)
class WorkerDiesLate(InjectedFault):
    """A worker dies after it has done the work, before it answers."""

    title = "the worker dies after the work, before it answers"
    operations = (ACTIVITY_ANSWERS,)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Kill the worker."""
        raise Killed(self.title)


@dataclass(frozen=True)
class WorkerDiesMidway(InjectedFault):
    """A worker dies in the middle of the work: at a heartbeat, or at a `flowy.checkpoint`.

    The code of the activity receives `Killed` there, which isn't an `Exception`; ``finally`` and
    ``except BaseException`` blocks do run.
    """

    title = "the worker dies in the middle of the work"
    moment = Moment.MIDWAY
    operations = (HEARTBEAT, CHECKPOINT)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Kill the worker."""
        raise Killed(self.title)


@dataclass(frozen=True)
class DeciderDies(InjectedFault):
    """A decider dies between polling and answering."""

    title = "the decider dies before it answers"
    operations = ("RespondDecisionTaskCompleted",)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Kill the decider."""
        raise Killed(self.title)


# Activities fail


@dataclass(frozen=True)
class ActivityFails(InjectedFault):
    """An activity fails without having done its work.

    The error is one that the activity's code raises, or a `RuntimeError` if none is found there.
    """

    title = "the activity fails before it does the work"
    moment = Moment.TASK
    operations = (ACTIVITY_POLL,)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Answer that the task has failed; the worker receives no task."""
        assert call.task is not None
        token, reason = call.task["taskToken"], target.failure_reason(call)
        try:
            target.client.respond_activity_task_failed(taskToken=token, reason=reason)
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":  # A late task may be over by now.
                raise
        return dict(_NO_TASK)


@dataclass(frozen=True)
class Outage(ActivityFails):
    """An activity fails repeatedly without doing its work, as when a service that it needs is down.

    This uses up the retries of most activities, which single faults do not.

    Attributes:
        times: how many tasks of the same type fail in a row.
    """

    times: int = 10

    title = "the activity keeps failing"

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.whole_number("times of Outage", self.times, least=1)

    def in_a_row(self) -> int:
        """Return how many tasks fail."""
        return self.times


@dataclass(frozen=True)
class ChildFails(InjectedFault):
    """A stubbed child workflow fails."""

    title = "the child workflow fails"
    operations = ("RespondDecisionTaskCompleted",)

    def can_strike_call(self, target: FaultTarget, call: WorkerCall) -> bool:
        """Return whether the decision is that of a stub."""
        return target.is_of_stubbed_child(call)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Decide that the execution fails."""
        decision = {
            "decisionType": "FailWorkflowExecution",
            "failWorkflowExecutionDecisionAttributes": {"reason": f"RuntimeError: {INJECTED}"},
        }
        return target.client.respond_decision_task_completed(
            taskToken=call.request["taskToken"], decisions=[decision]
        )


@dataclass(frozen=True)
class WorkFails(InjectedFault):
    """The work is done, but the worker reports a failure.

    The error is one that the activity's code raises, or a `RuntimeError` if none is found there.
    """

    title = "the work is done, but is reported as failed"
    operations = ("RespondActivityTaskCompleted",)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Answer that the task has failed."""
        token = call.request["taskToken"]
        reason = target.failure_reason(call)
        return target.client.respond_activity_task_failed(taskToken=token, reason=reason)


# Calls get lost or fail


@dataclass(frozen=True)
class AnswerLost(InjectedFault):
    """An answer does not reach the service, and the worker's call times out."""

    title = "the answer is lost on its way"
    operations = (ANSWERS,)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Time out, without making the call."""
        raise _read_timeout()


@dataclass(frozen=True)
class ReplyLost(InjectedFault):
    """The service carries out a call, but its reply is lost, and with it any polled task."""

    title = "the call is carried out, but its reply is lost"

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Make the call and time out."""
        call.send()
        raise _read_timeout()


@dataclass(frozen=True)
class AnsweredTwice(InjectedFault):
    """An answer arrives twice, and the worker receives the reply to the second one."""

    title = "the answer arrives twice"
    operations = (ANSWERS,)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Make the call twice."""
        # The service refuses the second one, because the first one has ended the task.
        call.send()
        return call.send()


@dataclass(frozen=True)
class NetworkError(InjectedFault):
    """A call does not reach the service, because the worker cannot connect."""

    title = "the network fails"

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Fail to connect."""
        from botocore.exceptions import EndpointConnectionError

        raise injected(EndpointConnectionError(endpoint_url=INJECTED))


@dataclass(frozen=True)
class Throttled(InjectedFault):
    """The service refuses a call because it received too many."""

    title = "the service throttles the call"

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Refuse the call."""
        from botocore.exceptions import ClientError

        # As boto3 raises it, because code that retries looks at the code of the error.
        response: Any = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
        raise injected(ClientError(response, call.operation))


def _read_timeout() -> Exception:
    from botocore.exceptions import ReadTimeoutError

    return injected(ReadTimeoutError(endpoint_url=INJECTED))


# Calls are late


@dataclass(frozen=True)
class _Late(InjectedFault):
    """Something is late.

    Attributes:
        seconds: the delay in simulated seconds; None for one after which the task has timed out.
    """

    seconds: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seconds is not None:
            _checks.number(f"seconds of {type(self).__name__}", self.seconds)

    def delay(self, target: FaultTarget, call: WorkerCall) -> float:
        """Return by how many seconds it is late."""
        return target.seconds_until_timeout(call) if self.seconds is None else self.seconds


@dataclass(frozen=True)
class TaskLate(_Late):
    """A task is slow on its way from the service to the worker.

    Attributes:
        seconds: the delay in simulated seconds; None for one after which the task has timed out.
    """

    title = "the task arrives late"
    moment = Moment.TASK

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Deliver the task to a worker later."""
        return target.put_off(call, self.delay(target, call))


@dataclass(frozen=True)
class AnswerLate(_Late):
    """A worker is slow to finish a task, or its answer is slow on its way.

    In the meantime, heartbeats continue if the worker or its stub sends them automatically.

    Attributes:
        seconds: the delay in simulated seconds; None for one after which the task has timed out.
    """

    title = "the answer arrives late"
    operations = (ANSWERS,)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Send the answer later."""
        return target.put_off(call, self.delay(target, call))


@dataclass(frozen=True)
class SlowWork(InjectedFault):
    """An activity works until just after the next timer has fired, but does not time out.

    So the workflow's deadline for the activity passes, and then the activity completes. In the
    meantime, heartbeats continue if the worker or its stub sends them automatically.
    """

    title = "the work outlasts the next timer"
    operations = ("RespondActivityTaskCompleted",)

    def can_strike_call(self, target: FaultTarget, call: WorkerCall) -> bool:
        """Return whether a timer fires before the task times out."""
        return target.seconds_past_timer(call) < math.inf

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Send the answer later."""
        return target.put_off(call, target.seconds_past_timer(call))


@dataclass(frozen=True)
class CallLate(InjectedFault):
    """A call that starts, signals, cancels or terminates an execution reaches the service late.

    The call arrives just after the next thing that is due. So what the code has read before may be
    out of date, as in "list, then terminate".
    """

    title = "the call arrives late"
    operations = (
        "StartWorkflow",
        "SignalWorkflow",
        "RequestCancelWorkflow",
        "TerminateWorkflow",
    )

    def can_strike_call(self, target: FaultTarget, call: WorkerCall) -> bool:
        """Return whether something is due before a task that the worker has times out."""
        return target.seconds_past_next(call) < math.inf

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Make the call later."""
        return target.put_off(call, target.seconds_past_next(call))


@dataclass(frozen=True)
class TaskUntaken(InjectedFault):
    """No worker takes a task until it times out, as when there are too few workers.

    It strikes tasks that have a ``schedule_to_start`` or ``schedule_to_close`` time-out.
    """

    title = "no worker takes the task in time"
    operations = (ACTIVITY_POLL,)

    def can_strike_call(self, target: FaultTarget, call: WorkerCall) -> bool:
        """Return whether there is such a task."""
        return target.can_leave_untaken(call)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Let the poll find no task."""
        target.leave_untaken(call)
        return dict(_NO_TASK)


@dataclass(frozen=True)
class HeartbeatLate(_Late):
    """A heartbeat is late.

    Attributes:
        seconds: the delay in simulated seconds; None for one after which the task has timed out.
    """

    title = "the heartbeat arrives late"
    operations = (HEARTBEAT,)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Let time pass before the heartbeat is sent."""
        # Workers take turns in one thread, so time passes for all of them.
        target.simulation.clock.advance(self.delay(target, call))
        return call.send()
