"""What can be set for activities and workflows, and how Amazon SWF spells it.

A time-out is a whole number of seconds, or None for no limit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar, NamedTuple, TypedDict

from flowy._checks import names, text, truth, whole_number
from flowy.errors import ConfigurationError
from flowy.retry import NO_RETRY, Retry

CHILD_POLICIES = ("TERMINATE", "REQUEST_CANCEL", "ABANDON")
"""What becomes of an execution's open children when it ends."""


YEAR = 31_536_000
"""The longest an execution may last, in seconds."""


class Default(Enum):
    """What an option has that was not given."""

    REGISTERED = "the registered default"


class CallOverrides(TypedDict, total=False):
    """What can be set for a call of any kind."""

    task_list: str
    priority: int
    retry: int | Retry
    delay: int
    error_handling: bool


class ActivityOverrides(CallOverrides, total=False):
    """What may be set otherwise than the activity's registered defaults."""

    heartbeat: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    start_to_close: int | None


class ChildrenOverrides(CallOverrides, total=False):
    """What may be set for several child workflows."""

    execution_start_to_close: int
    task_start_to_close: int | None
    child_policy: str
    tags: Iterable[str]
    lambda_role: str


class WorkflowOverrides(ChildrenOverrides, total=False):
    """What may be set otherwise than a child workflow's registered defaults."""

    workflow_id: str


class LambdaOverrides(TypedDict, total=False):
    """What may be set for a Lambda function."""

    start_to_close: int
    retry: int | Retry
    delay: int
    error_handling: bool


class AllOverrides(ActivityOverrides, ChildrenOverrides, total=False):
    """What may be set for all calls of a block."""


def retry_policy(value: object, delay: object = Default.REGISTERED) -> Retry:
    """Check a retry, of which two bare numbers are the short form.

    Args:
        value: a `Retry`, or a number of attempts.
        delay: seconds between two attempts, where the retry is a number.

    Raises:
        ConfigurationError: it is neither, or a delay is given twice.
    """
    given = not isinstance(delay, Default)
    if isinstance(value, Retry):
        if given:
            raise ConfigurationError("say the delay in the Retry, as in Retry(attempts=3, delay=1)")
        return value
    attempts = whole_number("retry, the number of attempts,", value, least=1)
    return Retry(attempts, whole_number("delay, in seconds,", delay) if given else 0)


def _priority(name: str, value: object) -> str:
    return str(whole_number(name, value, least=-(2**31), most=2**31 - 1))


def _time_out(name: str, value: object) -> str:
    return "NONE" if value is None else str(whole_number(f"{name}, in seconds,", value))


def _execution_time_out(name: str, value: object) -> str:
    return str(whole_number(f"{name}, in seconds,", value, least=1, most=YEAR))


def _lambda_time_out(name: str, value: object) -> str:
    return str(whole_number(f"{name} of a Lambda function, in seconds,", value, 1, 900))


def _task_list(name: str, value: object) -> dict[str, str]:
    return {"name": text(name, value)}


def _child_policy(name: str, value: object) -> str:
    if value in CHILD_POLICIES:
        return str(value)
    raise ConfigurationError(f"{name} must be one of {', '.join(CHILD_POLICIES)}, not {value!r}")


def _tags(name: str, value: object) -> list[str]:
    tags = names(name, value)
    if len(tags) > 5:
        raise ConfigurationError(f"{name} may be 5 at most, not {len(tags)}")
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
"""Option of an activity: the decision's member, and how a value is checked and written."""


WORKFLOW: Settings = {
    "task_list": ("taskList", _task_list),
    "execution_start_to_close": ("executionStartToCloseTimeout", _execution_time_out),
    "task_start_to_close": ("taskStartToCloseTimeout", _time_out),
    "child_policy": ("childPolicy", _child_policy),
    "priority": ("taskPriority", _priority),
    "tags": ("tagList", _tags),
    "lambda_role": ("lambdaRole", text),
}
"""Option of an execution: the request's member, and how a value is checked and written."""


LAMBDA: Settings = {"start_to_close": ("startToCloseTimeout", _lambda_time_out)}
"""Option of a Lambda function: the decision's member, and how a value is checked and written."""


def members(settings: Settings, options: Mapping[str, object]) -> dict[str, Any]:
    """Check options and spell them as the service does.

    Args:
        settings: the table to read them by.
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
    """What is chosen for calls of one activity, child workflow or Lambda function."""

    settings: Settings
    """The table that options are read by."""
    members: dict[str, Any]
    """Members of the decision."""
    retry: Retry = NO_RETRY
    error_handling: bool = False
    workflow_id: str | None = None
    """The id of a child, if not one that is made for it."""

    def over(self, options: Mapping[str, object]) -> CallOptions:
        """Choose otherwise.

        Args:
            options: values by option name.

        Returns:
            These call_options, but for what the options say.

        Raises:
            ConfigurationError: an option does not exist or has a wrong value.
        """
        settings = self.settings
        _refuse_unknown(options, (*settings, *_own_options(settings)))
        wire = {name: value for name, value in options.items() if name in settings}
        workflow_id = options.get("workflow_id", self.workflow_id)
        return CallOptions(
            settings,
            {**self.members, **members(settings, wire)},
            _retry_over(self.retry, options),
            truth("error_handling", options.get("error_handling", self.error_handling)),
            None if workflow_id is None else text("workflow_id", workflow_id),
        )

    def within(self, blocks: Iterable[Mapping[str, object]]) -> CallOptions:
        """Choose as blocks say that are for calls of every kind.

        Args:
            blocks: values by option name, the outermost block's first; those that these calls do
                not have are not for them.

        Returns:
            These call_options, but for what the blocks say.
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
    """The options that are no members of a decision."""
    return (*_CALLING, "workflow_id") if settings is WORKFLOW else _CALLING


def _retry_over(retry: Retry, options: Mapping[str, object]) -> Retry:
    if "retry" in options:
        return retry_policy(options["retry"], options.get("delay", Default.REGISTERED))
    if "delay" in options:
        return replace(retry, delay=whole_number("delay, in seconds,", options["delay"]))
    return retry


def checked_block_options(options: Mapping[str, object]) -> dict[str, object]:
    """Check options that are for calls of every kind.

    Raises:
        ConfigurationError: an option does not exist or has a wrong value.
    """
    _refuse_unknown(options, (*ACTIVITY, *WORKFLOW, *_CALLING))
    for settings in (ACTIVITY, WORKFLOW):
        CallOptions(settings, {}).within([options])
    return dict(options)


def _refuse_unknown(options: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigurationError(
            f"there is no option {', '.join(unknown)}; there are {', '.join(known)}"
        )


def default_members(wire: Mapping[str, Any], infix: str = "") -> dict[str, Any]:
    """Spell members as the defaults of a type: ``taskList`` becomes ``defaultTaskList``.

    Args:
        wire: what `members` returned.
        infix: what the service puts before a time-out: ``Task`` for those of activities.
    """
    return {
        f"default{infix if name.endswith('Timeout') else ''}{name[0].upper()}{name[1:]}": value
        for name, value in wire.items()
    }


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """A type as Amazon SWF knows it, and how it is asked for if nothing else is said there."""

    name: str
    version: str
    defaults: dict[str, Any]
    """The members of its registration that begin with ``default``."""
    retry: Retry = NO_RETRY
    """How often it is tried."""
    error_handling: bool = False
    """Whether its errors are handed to the workflow that asks for it."""

    kind: ClassVar[str]
    """What types of its kind are called."""

    def __str__(self) -> str:
        """Name and version, such as ``resize 1``."""
        return f"{self.name} {self.version}"


def check_class(cls: Any, base: type[Any]) -> None:
    """Refuse to decorate what a worker could not run.

    Args:
        cls: what the decorator was put on.
        base: the class it must be a subclass of, `flowy.Activity` or `flowy.Workflow`.

    Raises:
        ConfigurationError: it is no subclass, or has no ordinary method ``run``.
    """
    decorator = base.__name__.lower()
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise ConfigurationError(
            f"@{decorator} goes on a subclass of flowy.{base.__name__}, not on {cls!r}"
        )
    run = getattr(cls, "run", None)
    if run is base.run:
        raise ConfigurationError(f"{cls.__name__} has no method run; write what it does there")
    if inspect.iscoroutinefunction(run) or inspect.isgeneratorfunction(run):
        raise ConfigurationError(
            f"{cls.__name__}.run is a coroutine or generator; flowy calls an ordinary method"
        )
