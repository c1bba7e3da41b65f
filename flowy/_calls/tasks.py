"""Calls of activities and Lambda functions, and what they share with child workflows: attempts.

A failed attempt is followed by another one, which is a new task with a key of its own. The wait
between the two is a timer in the history, so it survives the worker and a replay repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from flowy._decisions import Decision, start_timer
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
"""Seconds to wait after the service answered that too much is open or requested at once."""

PREFIX_LIMIT = 200  # An ID may have 256 characters; the rest is for numbers.


class Callee(Protocol):
    """What can be called; as text, it is its name and, if it has one, its version."""

    @property
    def name(self) -> str:
        """The name under which the service knows it."""


class TaskCall(Call):
    """A call of an activity, a child workflow or a function, through all its attempts.

    Attributes:
        declared: its type.
        hinted: its class, whose ``run`` declares the type of the result; or None.
        call_options: its options.
        attempt: the number of the current attempt, from 1.
        input: the input of each attempt, as text.
        waiting: whether it is waiting for the delay before the next attempt to pass.
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
    """Event: the name of the method that applies it."""

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
        """The key of the current attempt: ``resize-1``, then ``resize-1.2``.

        It is made from the number of the call in ``run`` and never used again. The service would
        allow the ID of a closed activity to be used again, but this way each ID in a history stands
        for one thing.
        """
        first = f"{beginning(self.declared.name, PREFIX_LIMIT)}-{self.number}"
        return first if self.attempt == 1 else f"{first}.{self.attempt}"

    @property
    def task_id(self) -> str:
        """The name of the current attempt in errors."""
        return self.key

    def decision(self, key: str) -> Decision:
        """Create the decision that begins the current attempt under its key."""
        raise NotImplementedError

    def stop_attempt(self) -> None:
        """Decide to cancel the current attempt."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Encode the input."""
        self.input = self.decider.payloads.encode_input(
            self.declared, self.args, self.kwargs, self.decider.encode
        )

    def start(self) -> None:
        """Begin the current attempt."""
        self.waiting = False
        key = self.key
        self.decider.outbox.begin(self.decision(key), key, self)

    def stop(self) -> None:
        """End the delay before the next attempt, or cancel the current one."""
        if self.waiting:
            self.decider.stop_timer(self._delay_key)
            self.end_canceled()
        # It was never sent, so there is nothing to cancel.
        elif self.decider.outbox.withdraw(self.key):
            self.end_canceled()
        else:
            self.stop_attempt()

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Create an error that names the current attempt."""
        return kind(str(self.declared), self.task_id, self.attempt, reason, details)

    def apply(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Apply an event about the current attempt or the delay before it."""
        getattr(self, self.handlers[event_type])(attributes)

    def completed(self, attributes: Mapping[str, Any]) -> None:
        """Settle the call with a result."""
        try:
            value = self.decider.payloads.decode_result(
                self.declared, attributes.get("result"), self.hinted
            )
        except SerializationError as error:
            # Not tried again: the work is done, and its result would be the same.
            self.decider.settle(self, error=self.failure(TaskFailed, str(error)))
        else:
            self.decider.settle(self, value)

    def failed(self, attributes: Mapping[str, Any]) -> None:
        """Retry after a failure, or settle the call with it."""
        reason, details = attributes.get("reason", ""), attributes.get("details", "")
        self._try_again(self.failure(TaskFailed, reason, details))

    def timed_out(self, attributes: Mapping[str, Any]) -> None:
        """Retry after a time-out, or settle the call with it."""
        reason, details = attributes["timeoutType"], attributes.get("details", "")
        self._try_again(self.failure(TaskTimedOut, reason, details))

    def canceled(self, attributes: Mapping[str, Any]) -> None:
        """Settle the call as canceled."""
        error = self.failure(TaskCanceled, details=attributes.get("details", ""))
        self.decider.settle(self, error=error)

    def terminated(self, attributes: Mapping[str, Any]) -> None:
        """Settle the call as terminated."""
        self.decider.settle(self, error=self.failure(TaskTerminated))

    def refused(self, attributes: Mapping[str, Any]) -> None:
        """Handle a failed decision: try again later if only a limit was exceeded."""
        cause = attributes["cause"]
        # What is being canceled is not begun again.
        if self.canceling or not over_limit(cause):
            self.decider.settle(self, error=self.failure(TaskNotScheduled, cause))
        # Queued until another call of its kind has ended.
        elif self.decider.outbox.lower_limit(cause):
            self.start()
        else:
            self._wait(LIMIT_RETRY_SECONDS)

    def waited(self, attributes: Mapping[str, Any]) -> None:
        """Begin the next attempt after the delay."""
        self.start()

    def wait_refused(self, attributes: Mapping[str, Any]) -> None:
        """Handle a delay that could not begin: try again if only a limit was exceeded."""
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
        # Jitter, too, has to be the same at each replay.
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
    """Return whether a decision failed because too much is open or was requested at once."""
    return cause.endswith(("_RATE_EXCEEDED", "_LIMIT_EXCEEDED"))


DELAY_HANDLERS = {"TimerFired": "waited", "StartTimerFailed": "wait_refused"}
"""Events of the timer between two attempts, and the methods that apply them."""


class ActivityTaskCall(TaskCall):
    """A call of an activity, through all its attempts."""

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
        """Schedule the current attempt."""
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
        """Ask the activity to cancel; its worker learns of it from its next heartbeat."""
        self.decider.add(Decision("RequestCancelActivityTask", {"activityId": self.key}))


class LambdaType(NamedTuple):
    """A Lambda function, as a workflow names it."""

    name: str
    """Its name or ARN."""

    def __str__(self) -> str:
        """Return the name; it has no version."""
        return self.name


class LambdaCall(TaskCall):
    """A call of a Lambda function, through all its attempts.

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
        """Encode the function's event; Lambda reads it as JSON."""
        (event,) = self.args
        self.input = self.decider.payloads.encode_value(
            f"the input of {self.declared}", event, self.decider.encode
        )

    def decision(self, key: str) -> Decision:
        """Schedule the current attempt."""
        attributes = {"id": key, "name": self.declared.name, "input": self.input}
        return Decision("ScheduleLambdaFunction", {**attributes, **self.call_options.members})

    def stop_attempt(self) -> None:
        """Do nothing: the service has no request to cancel a Lambda function."""

    def not_started(self, attributes: Mapping[str, Any]) -> None:
        """Settle the call if Lambda was not reached, because a role or the function is missing."""
        reason, details = attributes.get("cause", ""), attributes.get("message", "")
        self.decider.settle(self, error=self.failure(TaskNotScheduled, reason, details))
