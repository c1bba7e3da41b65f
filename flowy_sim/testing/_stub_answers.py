"""Answers: what stubs give in place of results, one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from flowy import _checks
from flowy._payloads.hints import hints_of
from flowy.activity import Activity
from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import PLAIN
from flowy.workflow import Workflow

NOTHING: Any = object()
"""What was not given, where None can be."""

ACTIVITY = "activity"
CHILD = "workflow"
FUNCTION = "Lambda function"

TIME_OUTS = {
    "SCHEDULE_TO_START": "scheduleToStartTimeout",
    "SCHEDULE_TO_CLOSE": "scheduleToCloseTimeout",
    "START_TO_CLOSE": "startToCloseTimeout",
    "HEARTBEAT": "heartbeatTimeout",
}
"""The four time-outs of an activity, and the attribute that says after how many seconds."""

_START_TO_CLOSE = "START_TO_CLOSE"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a stub.

    Attributes:
        function: returns the result or raises what it fails with.
        takes: how many simulated seconds after it was taken up a task is answered; infinity for
            never.
        heartbeat: how many simulated seconds lie between two heartbeats; None for no heartbeats.
        constant: whether the function does nothing but return or raise, always the same.
        timeout: which of the `TIME_OUTS` passes, as there is no answer; else empty.
    """

    function: Callable[..., Any]
    takes: float = 0
    heartbeat: float | None = None
    constant: bool = False
    timeout: str = ""


class Answers:
    """Answers in a row; the last one is given again and again.

    Args:
        label: whose answers they are, for the message of an error, such as ``resize 1``.
        kind: what it is: `ACTIVITY`, `CHILD` or `FUNCTION`.
        cls: its class, whose type hint says what it returns; None if there is none.
    """

    def __init__(self, label: str, kind: str, cls: Any = None) -> None:
        """Start without any."""
        self.label = label
        self.kind = kind
        self.cls: type[Activity] | type[Workflow] | None = cls
        self._answers: list[Answer] = []
        self._given = 0

    def then(
        self,
        *,
        result: object = NOTHING,
        error: Exception | None = None,
        function: Callable[..., Any] | None = None,
        timeout: str | None = None,
        takes: float = 0,
        heartbeat: float | None = None,
    ) -> Self:
        """Add the answer to the next call; the last answer is given to all that follow.

        Args:
            result: what is returned; None if nothing else is given either.
            error: what it fails with, an instance of an exception.
            function: called with the arguments when the work begins; what it returns or raises
                is the answer.
            timeout: which time-out passes, as there is no answer: ``SCHEDULE_TO_START`` (nobody
                takes it up), ``SCHEDULE_TO_CLOSE``, ``START_TO_CLOSE`` or ``HEARTBEAT``. A child
                workflow and a Lambda function have ``START_TO_CLOSE`` only.
            takes: how many simulated seconds it is worked on, for a child workflow whole ones;
                ``math.inf`` for a worker that dies over the task and never answers. What takes as
                long as one of its time-outs times out.
            heartbeat: after how many simulated seconds there is a heartbeat, again and again,
                while an activity takes so long; None for none, or those that the worker sends
                by itself. A heartbeat that hears that the activity is to be canceled ends it so.

        Returns:
            The same again, so that more answers can be added.

        Raises:
            ConfigurationError: the arguments contradict each other, or one is wrong.
            SerializationError: the result cannot be sent as JSON, or is not what the type hint
                says.
        """
        __tracebackhide__ = True
        given = {"result": result is not NOTHING, "error": error is not None}
        given |= {"function": function is not None, "timeout": timeout is not None}
        if sum(given.values()) > 1:
            raise ConfigurationError(
                f"the stub of {self.label} was given several of result, error, function and "
                "timeout; an answer is one of them, and the answer after it is added with .then(…)"
            )
        if timeout is not None and (takes or heartbeat is not None):
            raise ConfigurationError(
                f"the stub of {self.label} was given a timeout and takes or heartbeat; when it "
                "times out is what the time-out says, and heartbeats are sent as it needs them"
            )
        if self.kind != ACTIVITY and heartbeat is not None:
            raise ConfigurationError(
                f"the stub of {self.label} was given a heartbeat; only activities have heartbeats"
            )
        if self.kind == CHILD and 0 < takes < math.inf and takes % 1:
            raise ConfigurationError(
                f"takes of the stub of {self.label} must be a whole number of seconds, as it is a "
                f"workflow, and timers of Amazon SWF have no parts of seconds: {takes!r}"
            )
        self._answers.append(
            Answer(
                self._function(None if result is NOTHING else result, error, function),
                _seconds(f"takes of the stub of {self.label}", takes, zero=True),
                None
                if heartbeat is None
                else _seconds(f"heartbeat of the stub of {self.label}", heartbeat, zero=False),
                constant=function is None,
                timeout="" if timeout is None else self._time_out(timeout),
            )
        )
        return self

    def next_answer(self) -> Answer:
        """Return the answer to the next call; None is returned where no answer was given."""
        self._given += 1
        if not self._answers:
            return _NONE
        return self._answers[min(self._given, len(self._answers)) - 1]

    @property
    def has_answers(self) -> bool:
        """Whether any answer was given to it."""
        return bool(self._answers)

    @property
    def changes(self) -> bool:
        """Whether not every call gets the same answer."""
        return len(self._answers) > 1

    @property
    def used(self) -> bool:
        """Whether an answer was given by it."""
        return self._given > 0

    def _time_out(self, timeout: object) -> str:
        __tracebackhide__ = True
        known = tuple(TIME_OUTS) if self.kind == ACTIVITY else (_START_TO_CLOSE,)
        if timeout not in known:
            raise ConfigurationError(
                f"timeout of the stub of {self.label} must be {' or '.join(known)}, not {timeout!r}"
            )
        return str(timeout)

    def _function(
        self, result: object, error: Exception | None, function: Callable[..., Any] | None
    ) -> Callable[..., Any]:
        __tracebackhide__ = True
        if function is not None:
            return _checks.function(f"function of the stub of {self.label}", function)
        if error is None:
            owner = f"the stub of {self.label}"
            try:
                text = PLAIN.encode_result(owner, result)
                if result is not None and self.cls is not None and hints_of(self.cls).result:
                    PLAIN.decode_result(owner, text, self.cls)
            except SerializationError as unsent:
                raise unsent.with_traceback(None) from None
            return lambda *args, **kwargs: result
        if not isinstance(error, Exception):
            raise ConfigurationError(
                f"error of the stub of {self.label} must be an exception such as "
                f"OSError('disk full'), not {error!r}"
            )
        raised = error

        def fail(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            raise raised.with_traceback(None)

        return fail


_NONE = Answer(lambda *args, **kwargs: None, constant=True)


def time_out_first(label: str, wanted: str, limits: dict[str, float]) -> None:
    """Make sure that the time-out which a stub wants is the one that passes first.

    Args:
        label: the activity.
        wanted: which one.
        limits: after how many seconds each passes that can; infinity for never.

    Raises:
        ConfigurationError: it never passes, or another one passes before.
    """
    if math.isinf(limits[wanted]):
        raise ConfigurationError(
            f"the stub of {label} is to time out by {wanted}, and the activity has no such "
            f"time-out: give it one, as in @activity(…, {_option(wanted)}=60)"
        )
    first = min(limits, key=lambda name: limits[name])
    if limits[first] < limits[wanted]:
        raise ConfigurationError(
            f"the stub of {label} is to time out by {wanted}, after {limits[wanted]:g} s, but "
            f"{first} passes before, after {limits[first]:g} s"
        )


def _option(time_out: str) -> str:
    return time_out.lower()


def _seconds(name: str, value: object, *, zero: bool) -> float:
    __tracebackhide__ = True
    if isinstance(value, int | float) and not isinstance(value, bool):
        enough = value >= 0 if zero else value > 0
        if enough:
            return value
    least = "at least 0" if zero else "more than 0"
    raise ConfigurationError(f"{name} must be a number of seconds, {least}, not {value!r}")
