"""What activities, child workflows and functions have in common: input, result, and attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from flowy._decider.decisions import Decision, start_timer
from flowy._payloads.text import beginning
from flowy.errors import (
    SerializationError,
    TaskCanceled,
    TaskError,
    TaskFailed,
    TaskNotScheduled,
    TaskTerminated,
    TaskTimedOut,
)
from flowy.options import CallOptions
from flowy.result import Call

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy.activity import ActivityType

LIMIT_RETRY_SECONDS = 5
"""How long to wait when the service says that too much is open or asked for at once."""


PREFIX_LIMIT = 200  # of the 256 characters of an id; the rest is for numbers


class Callee(Protocol):
    """What can be asked for; as text it is its name and, if it has one, its version."""

    @property
    def name(self) -> str:
        """The name by which the service knows it."""


class TaskCall(Call):
    """An activity, a child workflow or a function that was asked for, through all its attempts.

    Attributes:
        declared: its type.
        hinted: its class, whose ``run`` says what the result is; or None.
        call_options: what is chosen for it.
        attempt: which attempt it is at, from 1.
        input: what the attempts get, as text.
    """

    __slots__ = (
        "_seconds",
        "args",
        "attempt",
        "call_options",
        "declared",
        "hinted",
        "input",
        "kwargs",
        "waiting",
    )

    handlers: ClassVar[Mapping[str, str]] = {}
    """Event: the method that takes it in."""

    def __init__(
        self,
        decider: Decider,
        declared: Callee,
        hinted: type | None,
        call_options: CallOptions,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        super().__init__(decider, call_options.error_handling)
        self.declared = declared
        self.hinted = hinted
        self.call_options = call_options
        self.args = args
        self.kwargs = kwargs
        self.attempt = 1
        self.input = ""
        self.waiting = False
        self._seconds = 0

    @property
    def key(self) -> str:
        """The key of the present attempt: ``resize-1``, then ``resize-1.2``.

        It is made of the number of the call in ``run`` and never used again, though the service
        lets a closed activity's id be used again: so that each id in a history means one thing.
        """
        first = f"{beginning(self.declared.name, PREFIX_LIMIT)}-{self.number}"
        return first if self.attempt == 1 else f"{first}.{self.attempt}"

    @property
    def task_id(self) -> str:
        """What errors call the present attempt."""
        return self.key

    def decision(self, key: str) -> Decision:
        """Write the decision that begins the present attempt, under its key."""
        raise NotImplementedError

    def stop_attempt(self) -> None:
        """Decide to cancel the present attempt."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write the input."""
        self.input = self.decider.payloads.encode_input(
            self.declared, self.args, self.kwargs, self.decider.encode
        )

    def start(self) -> None:
        """Begin the present attempt."""
        self.waiting = False
        key = self.key
        self.decider.outbox.begin(self.decision(key), key, self)

    def stop(self) -> None:
        """End the wait for the next attempt, or cancel the present one."""
        if self.waiting:
            self.decider.stop_timer(self._delay_key)
            self.end_canceled()
        elif self.decider.outbox.withdraw(self.key):
            self.end_canceled()
        else:
            self.stop_attempt()

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Make an error that names the present attempt."""
        return kind(str(self.declared), self.task_id, self.attempt, reason, details)

    def apply(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Take in what became of the present attempt, or of the wait before it."""
        getattr(self, self.handlers[event_type])(attributes)

    def completed(self, attributes: Mapping[str, Any]) -> None:
        """Take in a result."""
        try:
            value = self.decider.payloads.decode_result(
                self.declared, attributes.get("result"), self.hinted
            )
        except SerializationError as error:
            self.decider.settle(self, error=self.failure(TaskFailed, str(error)))
        else:
            self.decider.settle(self, value)

    def failed(self, attributes: Mapping[str, Any]) -> None:
        """Take in a failure."""
        reason, details = attributes.get("reason", ""), attributes.get("details", "")
        self._try_again(self.failure(TaskFailed, reason, details))

    def timed_out(self, attributes: Mapping[str, Any]) -> None:
        """Take in a time-out."""
        reason, details = attributes["timeoutType"], attributes.get("details", "")
        self._try_again(self.failure(TaskTimedOut, reason, details))

    def canceled(self, attributes: Mapping[str, Any]) -> None:
        """Take in a cancellation."""
        error = self.failure(TaskCanceled, details=attributes.get("details", ""))
        self.decider.settle(self, error=error)

    def terminated(self, attributes: Mapping[str, Any]) -> None:
        """Take in a termination."""
        self.decider.settle(self, error=self.failure(TaskTerminated))

    def refused(self, attributes: Mapping[str, Any]) -> None:
        """Take in that the decision failed; try again later if only too much was asked for."""
        cause = attributes["cause"]
        if self.canceling or not over_limit(cause):
            self.decider.settle(self, error=self.failure(TaskNotScheduled, cause))
        elif self.decider.outbox.lower_limit(cause):
            self.start()
        else:
            self._wait(LIMIT_RETRY_SECONDS)

    def waited(self, attributes: Mapping[str, Any]) -> None:
        """Take in that the wait is over."""
        self.start()

    def wait_refused(self, attributes: Mapping[str, Any]) -> None:
        """Take in that the wait cannot begin; try that again if only too much was asked for."""
        cause = attributes["cause"]
        if over_limit(cause):
            self.decider.outbox.lower_limit(cause)
            self._wait(self._seconds)
        else:
            self.decider.settle(self, error=self.failure(TaskNotScheduled, cause))

    def _try_again(self, error: TaskError) -> None:
        retry = self.call_options.retry
        if self.canceling or self.attempt >= retry.attempts or not retry.covers(error.reason):
            self.decider.settle(self, error=error)
            return
        seconds = retry.seconds_after(self.attempt, self.decider.markers.random)
        self.attempt += 1
        if seconds:
            self._wait(seconds)
        else:
            self.start()

    @property
    def _delay_key(self) -> str:
        return f"{self.key}-delay"

    def _wait(self, seconds: int) -> None:
        self.waiting = True
        self._seconds = seconds
        self.decider.outbox.begin(start_timer(self._delay_key, seconds), self._delay_key, self)


def over_limit(cause: str) -> bool:
    """Tell whether a decision failed as too much is open, or was asked for, at once."""
    return cause.endswith("_RATE_EXCEEDED") or cause.endswith("_LIMIT_EXCEEDED")


DELAY_HANDLERS = {"TimerFired": "waited", "StartTimerFailed": "wait_refused"}
"""What the events of the timer between two attempts mean."""


class ActivityCall(TaskCall):
    """An activity that was asked for, through all its attempts."""

    __slots__ = ()

    declared: ActivityType

    handlers = DELAY_HANDLERS | {
        "ActivityTaskCompleted": "completed",
        "ActivityTaskFailed": "failed",
        "ActivityTaskTimedOut": "timed_out",
        "ActivityTaskCanceled": "canceled",
        "ScheduleActivityTaskFailed": "refused",
    }

    def decision(self, key: str) -> Decision:
        """Schedule the present attempt."""
        return Decision(
            "ScheduleActivityTask",
            {
                "activityId": key,
                "input": self.input,
                "activityType": {"name": self.declared.name, "version": self.declared.version},
                **self.call_options.members,
            },
        )

    def stop_attempt(self) -> None:
        """Ask the activity to cancel; its worker hears of it at the next heartbeat."""
        self.decider.add(Decision("RequestCancelActivityTask", {"activityId": self.key}))


class LambdaFunction(NamedTuple):
    """A Lambda function, as a workflow names it."""

    name: str
    """Its name or ARN."""

    def __str__(self) -> str:
        return self.name


class LambdaCall(TaskCall):
    """A Lambda function that was asked for, through all its attempts.

    It has one argument, its event.
    """

    __slots__ = ()

    handlers = DELAY_HANDLERS | {
        "LambdaFunctionCompleted": "completed",
        "LambdaFunctionFailed": "failed",
        "LambdaFunctionTimedOut": "timed_out",
        "StartLambdaFunctionFailed": "not_started",
        "ScheduleLambdaFunctionFailed": "refused",
    }

    def prepare(self) -> None:
        """Write the function's event; Lambda reads it as JSON."""
        (event,) = self.args
        self.input = self.decider.payloads.encode_value(
            f"the input of {self.declared}", event, self.decider.encode
        )

    def decision(self, key: str) -> Decision:
        """Schedule the present attempt."""
        attributes = {"id": key, "name": self.declared.name, "input": self.input}
        return Decision("ScheduleLambdaFunction", {**attributes, **self.call_options.members})

    def stop_attempt(self) -> None:
        """Nothing can be done: the service takes no request to cancel a Lambda function."""

    def not_started(self, attributes: Mapping[str, Any]) -> None:
        """Take in that Lambda was not reached, for want of a role or of the function."""
        reason, details = attributes.get("cause", ""), attributes.get("message", "")
        self.decider.settle(self, error=self.failure(TaskNotScheduled, reason, details))
