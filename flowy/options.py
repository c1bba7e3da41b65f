"""Options of activities and workflows, and how Amazon SWF spells them.

A time is a whole number of seconds, as an int or float, or a timedelta, which is rounded up to
whole seconds. A time-out can also be None for no limit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import Any, ClassVar, NamedTuple, TypedDict

from flowy._checks import names, seconds, text, truth, whole_number
from flowy.errors import ConfigurationError
from flowy.retry import NO_RETRY, Retry

CHILD_POLICIES = ("TERMINATE", "REQUEST_CANCEL", "ABANDON")
"""What can happen to the open children of an execution that ends."""

YEAR = 31_536_000
"""The longest duration of an execution, in seconds."""


class Default(Enum):
    """The value of an option that was not given."""

    REGISTERED = "the registered default"


class CallOverrides(TypedDict, total=False):
    """Options of every kind of call."""

    task_list: str
    priority: int
    retry: int | Retry
    delay: int | float | timedelta
    error_handling: bool


class ActivityOverrides(CallOverrides, total=False):
    """Options of an activity that override its registered defaults."""

    heartbeat: int | float | timedelta | None
    schedule_to_close: int | float | timedelta | None
    schedule_to_start: int | float | timedelta | None
    start_to_close: int | float | timedelta | None


class ChildrenOverrides(CallOverrides, total=False):
    """Options of child workflows that may be shared by several."""

    execution_start_to_close: int | float | timedelta
    task_start_to_close: int | float | timedelta | None
    child_policy: str
    tags: Iterable[str]
    lambda_role: str


class WorkflowOverrides(ChildrenOverrides, total=False):
    """Options of a child workflow that override its registered defaults."""

    workflow_id: str


class LambdaOverrides(TypedDict, total=False):
    """Options of a Lambda function."""

    start_to_close: int | float | timedelta
    retry: int | Retry
    delay: int | float | timedelta
    error_handling: bool


class AllOverrides(ActivityOverrides, ChildrenOverrides, total=False):
    """Options that a block can set for all calls in it."""


def retry_policy(value: object, delay: object = Default.REGISTERED) -> Retry:
    """Check a retry, given as a `Retry` or in short as two numbers.

    Args:
        value: a `Retry`, or the total number of attempts.
        delay: seconds between two attempts, if the retry is a number.

    Raises:
        ConfigurationError: it is neither, or a delay is given twice.
    """
    given = not isinstance(delay, Default)
    if isinstance(value, Retry):
        if given:
            raise ConfigurationError(
                "give the delay to the Retry, as in Retry(attempts=3, delay=1)"
            )
        return value
    attempts = whole_number("retry, the number of attempts,", value, least=1)
    return Retry(attempts, seconds("delay", delay) if given else 0)


def _priority(name: str, value: object) -> str:
    return str(whole_number(name, value, least=-(2**31), most=2**31 - 1))


def _time_out(name: str, value: object) -> str:
    return "NONE" if value is None else str(seconds(name, value))


def _execution_time_out(name: str, value: object) -> str:
    return str(seconds(name, value, least=1, most=YEAR))


def _lambda_time_out(name: str, value: object) -> str:
    return str(seconds(f"{name} of a Lambda function", value, 1, 900))


def _task_list(name: str, value: object) -> dict[str, str]:
    return {"name": text(name, value)}


def _child_policy(name: str, value: object) -> str:
    if value in CHILD_POLICIES:
        return str(value)
    raise ConfigurationError(f"{name} must be one of {', '.join(CHILD_POLICIES)}, not {value!r}")


def _tags(name: str, value: object) -> list[str]:
    tags = names(name, value)
    if len(tags) > 5:
        raise ConfigurationError(f"{name} can hold at most 5 texts, not {len(tags)}")
    return tags


Settings = dict[str, tuple[str, Callable[[str, object], Any]]]

ACTIVITY: Settings = {
    "task_list": ("taskList", _task_list),
    "heartbeat": ("heartbeatTimeout", _time_out),
    "schedule_to_close": ("scheduleToCloseTimeout", _time_out),
    "schedule_to_start": ("scheduleToStartTimeout", _time_out),
    "start_to_close": ("startToCloseTimeout", _time_out),
    "priority": ("taskPriority", _priority),
}
"""Option of an activity: the decision's member, and the function that checks and writes a value."""

WORKFLOW: Settings = {
    "task_list": ("taskList", _task_list),
    "execution_start_to_close": ("executionStartToCloseTimeout", _execution_time_out),
    "task_start_to_close": ("taskStartToCloseTimeout", _time_out),
    "child_policy": ("childPolicy", _child_policy),
    "priority": ("taskPriority", _priority),
    "tags": ("tagList", _tags),
    "lambda_role": ("lambdaRole", text),
}
"""Option of an execution: the request's member, and the function that checks and writes a value."""

LAMBDA: Settings = {"start_to_close": ("startToCloseTimeout", _lambda_time_out)}
"""Option of a Lambda function: the decision's member, and how a value is checked and written."""


def members(settings: Settings, options: Mapping[str, object]) -> dict[str, Any]:
    """Check options and write them as the service spells them.

    Args:
        settings: the table of the options that exist.
        options: values by option name; those that are `Default` are left out.

    Returns:
        Values by the service's member name, such as ``{"heartbeatTimeout": "30"}``.

    Raises:
        ConfigurationError: an option does not exist or has a wrong value.
    """
    _refuse_unknown(options, settings)
    return {
        settings[name][0]: settings[name][1](name, value)
        for name, value in options.items()
        if not isinstance(value, Default)
    }


class CallOptions(NamedTuple):
    """The options of calls of one activity, child workflow or Lambda function."""

    settings: Settings
    """The table of the options that exist."""
    members: dict[str, Any]
    """The members of the decision that they become."""
    retry: Retry = NO_RETRY
    error_handling: bool = False
    workflow_id: str | None = None
    """The workflow ID of a child; None to derive it from the parent's."""
    automatic_heartbeat: float | None = None
    """Seconds between two heartbeats that the activity's worker sends by itself, if known."""

    def over(self, options: Mapping[str, object]) -> CallOptions:
        """Override some options.

        Args:
            options: values by option name.

        Returns:
            These options with the given ones in place.

        Raises:
            ConfigurationError: an option does not exist or has a wrong value.
        """
        settings = self.settings
        _refuse_unknown(options, (*settings, *_own_options(settings)))
        # Only some of the options are the service's; the others are flowy's own.
        wire = {name: value for name, value in options.items() if name in settings}
        written = members(settings, wire)
        self._check_heartbeat(written.get("heartbeatTimeout", "NONE"))
        workflow_id = options.get("workflow_id", self.workflow_id)
        return CallOptions(
            settings,
            {**self.members, **written},
            _retry_over(self.retry, options),
            truth("error_handling", options.get("error_handling", self.error_handling)),
            None if workflow_id is None else text("workflow_id", workflow_id),
            self.automatic_heartbeat,
        )

    def _check_heartbeat(self, timeout: str) -> None:
        """Refuse a time-out that ends before the first automatic heartbeat."""
        every = self.automatic_heartbeat
        if every is not None and timeout != "NONE" and int(timeout) <= every:
            raise ConfigurationError(
                f"heartbeat={timeout} is too short: every call would time out, because the class "
                f"declares automatic heartbeats every {every:g} seconds; give more than that, or "
                "declare a shorter heartbeat in @activity"
            )

    def within(self, blocks: Iterable[Mapping[str, object]]) -> CallOptions:
        """Override options by those of the blocks around a call.

        Args:
            blocks: values by option name, the outermost block's first. Options that calls of this
                kind do not have are ignored.

        Returns:
            These options with those of the blocks in place.
        """
        call_options = self
        for block in blocks:
            known = {
                name: value
                for name, value in block.items()
                if name in self.settings or name in _CALLING
            }
            call_options = call_options.over(known)
        return call_options


_CALLING = ("retry", "delay", "error_handling")


def _own_options(settings: Settings) -> tuple[str, ...]:
    """Return the names of the options that are not members of a decision."""
    return (*_CALLING, "workflow_id") if settings is WORKFLOW else _CALLING


def _retry_over(retry: Retry, options: Mapping[str, object]) -> Retry:
    if "retry" in options:
        return retry_policy(options["retry"], options.get("delay", Default.REGISTERED))
    if "delay" in options:
        return replace(retry, delay=seconds("delay", options["delay"]))
    return retry


def checked_block_options(options: Mapping[str, object]) -> dict[str, object]:
    """Check options that a block sets for calls of every kind.

    Raises:
        ConfigurationError: an option does not exist or has a wrong value.
    """
    _refuse_unknown(options, (*ACTIVITY, *WORKFLOW, *_CALLING))
    # Checked when the block is entered, not at the first call in it.
    for settings in (ACTIVITY, WORKFLOW):
        CallOptions(settings, {}).within([options])
    return dict(options)


def _refuse_unknown(options: Iterable[str], known: Collection[str]) -> None:
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ConfigurationError(
            f"there is no option {', '.join(sorted(unknown))}; the options are {', '.join(known)}"
        )


def default_members(wire: Mapping[str, Any], infix: str = "") -> dict[str, Any]:
    """Spell members as the registered defaults of a type: ``defaultTaskList`` for ``taskList``.

    Args:
        wire: the value that `members` returned.
        infix: inserted before the name of a time-out: ``Task`` for those of activities.
    """
    return {
        f"default{infix if name.endswith('Timeout') else ''}{name[0].upper()}{name[1:]}": value
        for name, value in wire.items()
    }


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """A type that a decorator declares: how it is registered, and how it is called."""

    name: str
    version: str
    defaults: dict[str, Any]
    """The members of its registration that begin with ``default``."""
    retry: Retry = NO_RETRY
    """How often a call is tried."""
    error_handling: bool = False
    """Whether the workflow that calls it handles its errors."""

    kind: ClassVar[str]
    """The noun for types of this kind, ``activity`` or ``workflow``."""

    def __str__(self) -> str:
        """Name and version, such as ``resize 1``."""
        return f"{self.name} {self.version}"


def check_class(cls: Any, base: type[Any]) -> None:
    """Refuse to decorate a class that a worker could not run.

    Args:
        cls: the decorated object.
        base: the class that it must be a subclass of, `flowy.Activity` or `flowy.Workflow`.

    Raises:
        ConfigurationError: it is not a subclass, or has no ordinary method ``run``.
    """
    decorator = base.__name__.lower()
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise ConfigurationError(
            f"@{decorator} decorates a subclass of flowy.{base.__name__}, not {cls!r}"
        )
    run = getattr(cls, "run", None)
    if run is base.run:
        raise ConfigurationError(f"{cls.__name__} has no method run; define one that does the work")
    if inspect.iscoroutinefunction(run) or inspect.isgeneratorfunction(run):
        raise ConfigurationError(
            f"{cls.__name__}.run is a coroutine or generator; make it an ordinary method"
        )
