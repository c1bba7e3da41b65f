"""Answers of stubs: results, errors, functions and time-outs, one for each call."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any, Self

from flowy import _checks
from flowy.activity import Activity
from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow
from flowy_sim._engine.life_cycles import ActivityTask
from flowy_sim._events.schema import TIMEOUTS
from flowy_sim._simulation.clock import in_seconds

NOTHING: Any = object()
"""The default of an argument for which None is a value."""


ACTIVITY = "activity"
CHILD = "workflow"
FUNCTION = "Lambda function"

NEVER_TAKEN = "SCHEDULE_TO_START"
"""The time-out of a task that no worker takes."""
_START_TO_CLOSE = "START_TO_CLOSE"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a stub.

    Attributes:
        function: returns the result or raises the error.
        takes: simulated seconds from the start of the task to its answer; infinity for never.
        heartbeat: simulated seconds between two heartbeats; None for no heartbeats.
        constant: whether the function has no effects and always does the same.
        timeout: the type of the time-out that closes the task; empty if it is answered.
        any_result: whether the result may be any value of the declared type instead.
    """

    function: Callable[..., Any]
    takes: float = 0
    heartbeat: float | None = None
    constant: bool = False
    timeout: str = ""
    any_result: bool = False


class Answers:
    """The answers to successive calls; the last one is repeated.

    Args:
        label: the name and version of what is stubbed, such as ``resize 1``.
        kind: `ACTIVITY`, `CHILD` or `FUNCTION`.
        cls: its class, whose type hints results are checked against; None if there is none.
    """

    def __init__(self, label: str, kind: str, cls: Any = None, payloads: Payloads = PLAIN) -> None:
        self.label = label
        self.payloads = payloads
        self.kind = kind
        self.cls: type[Activity | Workflow] | None = cls
        self._answers: list[Answer] = []
        self._given = 0

    def then(
        self,
        *,
        result: object = NOTHING,
        error: Exception | None = None,
        function: Callable[..., Any] | None = None,
        timeout: str | None = None,
        takes: float | timedelta = 0,
        heartbeat: float | timedelta | None = None,
        any_result: bool = False,
    ) -> Self:
        """Add the answer to the next call. The last answer is repeated for all further calls.

        Give at most one of `result`, `error`, `function` and `timeout`. By default, the result is
        None.

        Args:
            result: the result of the call.
            error: the exception that the call raises, an instance.
            function: a function that is called with the call's arguments when the work begins, and
                returns the result or raises the error.
            timeout: the type of the time-out that closes the task without an answer:
                ``SCHEDULE_TO_START`` (no worker takes it), ``SCHEDULE_TO_CLOSE``,
                ``START_TO_CLOSE`` or ``HEARTBEAT``. Child workflows and Lambda functions
                have only ``START_TO_CLOSE``.
            takes: the time from the start of the task to the answer, in simulated seconds or as a
                timedelta; a whole number of seconds for a child workflow; ``math.inf`` for a
                worker that dies and never answers. If a time-out of the task is shorter, the task
                times out.
            heartbeat: the time between two heartbeats, in simulated seconds or as a timedelta;
                None for no heartbeats other than those that the worker sends on its own. When a
                heartbeat reports that cancellation was requested, the activity is canceled.
            any_result: whether an explored test also tries other results that the type hint of the
                return value allows, such as each member of an enum, None, or an empty list.

        Returns:
            The stub or case itself, so that calls can be chained.

        Raises:
            ConfigurationError: the arguments contradict each other, or one of them is invalid.
            SerializationError: the result cannot be serialized, or does not match the type hint.
        """
        __tracebackhide__ = True
        takes = _seconds(f"takes of the stub of {self.label}", in_seconds(takes), zero=True)
        given = {"result": result is not NOTHING, "error": error is not None}
        given |= {"function": function is not None, "timeout": timeout is not None}
        if sum(given.values()) > 1:
            raise ConfigurationError(
                f"an answer of the stub of {self.label} has more than one of result, error, "
                "function and timeout; give one, and add the answer to the next call with .then(…)"
            )
        if timeout is not None and (takes or heartbeat is not None):
            raise ConfigurationError(
                f"an answer of the stub of {self.label} has timeout and takes or heartbeat; leave "
                "these out: the time-out determines when it passes and which heartbeats are sent"
            )
        if self.kind != ACTIVITY and heartbeat is not None:
            raise ConfigurationError(
                f"the stub of {self.label} cannot have a heartbeat; only activities have heartbeats"
            )
        if self.kind == CHILD and 0 < takes < math.inf and takes % 1:
            raise ConfigurationError(
                f"takes of the stub of {self.label} must be a whole number of seconds, not "
                f"{takes!r}: it is a workflow, and timers of Amazon SWF count whole seconds"
            )
        self._answers.append(
            Answer(
                self._function(None if result is NOTHING else result, error, function),
                takes,
                None
                if heartbeat is None
                else _seconds(
                    f"heartbeat of the stub of {self.label}", in_seconds(heartbeat), zero=False
                ),
                constant=function is None,
                timeout="" if timeout is None else self._time_out(timeout),
                any_result=self._any_result(any_result),
            )
        )
        return self

    def next_answer(self) -> Answer:
        """Return the answer to the next call; by default its result is None."""
        self._given += 1
        if not self._answers:
            return _NONE
        return self._answers[min(self._given, len(self._answers)) - 1]

    @property
    def has_answers(self) -> bool:
        """Whether it has any answer."""
        return bool(self._answers)

    @property
    def changes(self) -> bool:
        """Whether calls get different answers."""
        return len(self._answers) > 1

    @property
    def used(self) -> bool:
        """Whether it has answered a call."""
        return self._given > 0

    def _any_result(self, any_result: object) -> bool:
        __tracebackhide__ = True
        if _checks.truth(f"any_result of the stub of {self.label}", any_result) and (
            self.cls is None or self.kind != ACTIVITY
        ):
            raise ConfigurationError(
                f"the stub of {self.label} cannot have any result: only the stub of the class or "
                "function of an activity has a type hint that says what is possible"
            )
        return bool(any_result)

    def _time_out(self, timeout: object) -> str:
        __tracebackhide__ = True
        known = tuple(TIMEOUTS) if self.kind == ACTIVITY else (_START_TO_CLOSE,)
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
                text = self.payloads.encode_result(owner, result)
                if self.cls is not None:
                    self.payloads.decode_result(owner, text, self.cls)
            except SerializationError as unsent:
                raise unsent.with_traceback(None) from None
            # Checked above, where the test says it: a failure at the first call would be far from
            # its cause.
            return lambda *args, **kwargs: result
        if not isinstance(error, Exception):
            raise ConfigurationError(
                f"error of the stub of {self.label} must be an exception such as "
                f"OSError('disk full'), not {error!r}"
            )
        raised = error

        def fail(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            # Raised again at each call, it would collect the frames of all of them.
            raise raised.with_traceback(None)

        return fail


_NONE = Answer(lambda *args, **kwargs: None, constant=True)


def time_out_first(label: str, wanted: str, limits: dict[str, float]) -> None:
    """Check that the time-out of a stub's answer is the one that passes first.

    Args:
        label: the name and version of the activity.
        wanted: the time-out.
        limits: the seconds after which each time-out passes; infinity for never.

    Raises:
        ConfigurationError: it never passes, or another one passes first.
    """
    if math.isinf(limits[wanted]):
        raise ConfigurationError(
            f"the stub of {label} cannot time out by {wanted}: the activity has no such time-out; "
            f"add one, as in @activity(…, {_option(wanted)}=60)"
        )
    first = min(limits, key=lambda name: limits[name])
    if limits[first] < limits[wanted]:
        raise ConfigurationError(
            f"the stub of {label} cannot time out by {wanted}, after {limits[wanted]:g} s: "
            f"{first} passes first, after {limits[first]:g} s"
        )


def timed(answer: Answer, every: float | None, label: str, limits: dict[str, float]) -> Answer:
    """Return an answer to an activity task with its time and heartbeats, as its time-out needs.

    Args:
        answer: the answer.
        every: seconds between two heartbeats that a worker sends on its own; None for none.
        label: the name and version of the activity.
        limits: the seconds from now after which each time-out passes; see `limits_of`.

    Raises:
        ConfigurationError: the time-out that was asked for never passes, or another one first.
    """
    if not answer.timeout:
        is_sent = answer.takes < math.inf and not answer.heartbeat
        return replace(answer, heartbeat=every) if is_sent and every else answer
    # Sent twice as often as needed, so that only the time-out that was asked for passes.
    beats = limits["HEARTBEAT"] / 2
    considered = limits if answer.timeout == "HEARTBEAT" else {**limits, "HEARTBEAT": math.inf}
    time_out_first(label, answer.timeout, considered)
    needed = answer.timeout != "HEARTBEAT" and beats < math.inf
    return replace(answer, takes=math.inf, heartbeat=beats if needed else None)


def limits_of(task: ActivityTask, now: int) -> dict[str, float]:
    """Return the seconds from now after which each time-out of a started task passes.

    Args:
        task: the task.
        now: the current instant, in milliseconds since 1970.
    """
    limits = {name: _limit(task.opened(member)) for name, member in TIMEOUTS.items()}
    # The only one that has been counting since before the start.
    limits["SCHEDULE_TO_CLOSE"] -= (now - task.execution.time(task.opened_id)) / 1000
    limits[NEVER_TAKEN] = math.inf
    return limits


def limits_before_start(settings: Mapping[str, str | None]) -> dict[str, float]:
    """Return the seconds after which each time-out passes that does not need a worker.

    Args:
        settings: the time-outs of a task, by their members, such as ``scheduleToStartTimeout``.
    """
    names = (NEVER_TAKEN, "SCHEDULE_TO_CLOSE")
    return {name: _limit(settings[TIMEOUTS[name]]) for name in names}


def _limit(seconds: str | None) -> float:
    return math.inf if seconds in (None, "NONE") else int(str(seconds))


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


def stub_payloads(payloads: Payloads, is_plain: Callable[[object], bool]) -> Payloads:
    """Return payloads that leave text as it is where a stub answers other code than flowy's.

    Args:
        payloads: encodes and decodes everything else.
        is_plain: called with the name and version of a type; returns whether the current task is
            of that type and is answered in plain text.
    """
    found: Any = copy(payloads)
    cls: Any = type(payloads)
    found.__class__ = _plain_for_others(cls)
    vars(found).update(original=payloads, is_plain=is_plain)
    return found  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _plain_for_others(cls: type[Payloads]) -> type[Payloads]:
    """Return the class of such payloads, given that of the others."""
    return type(cls.__name__, (_PlainForOthers, cls), {})


def plain_arguments(text: str | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a stub's function: the input as it was sent."""
    return (text,), {}


def plain_text(value: object) -> str:
    """Return a result as text: text as it is, nothing as no text, and other values as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


class _PlainForOthers(Payloads):
    original: Payloads
    is_plain: Callable[[object], bool]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Payloads]]:
        # In another process, no stub answers anything.
        return copy, (self.original,)

    def decode_start(
        self, owner: object, text: str | None, hinted: type | None = None
    ) -> tuple[list[Any], dict[str, Any], list[Any]]:
        __tracebackhide__ = True
        if self.is_plain(owner):
            args, kwargs = plain_arguments(text)
            return list(args), kwargs, []
        return super().decode_start(owner, text, hinted)

    def encode_result(self, owner: object, value: object, encode: Any = None) -> str:
        if self.is_plain(owner):
            return plain_text(value)
        return super().encode_result(owner, value, encode)
