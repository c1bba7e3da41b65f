"""What can be set for activities and workflows, and how Amazon SWF spells it.

A time-out is a whole number of seconds, or None for no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypedDict

from flowy.errors import ConfigurationError

CHILD_POLICIES = ("TERMINATE", "REQUEST_CANCEL", "ABANDON")
"""What becomes of an execution's open children when it ends."""

YEAR = 31_536_000
"""The longest an execution may last, in seconds."""

_LONGEST = 99_999_999  # eight digits, the most the service takes


class Default(Enum):
    """What an option has that was not given."""

    REGISTERED = "the registered default"


class ActivityOverrides(TypedDict, total=False):
    """What a proxy may set otherwise than the activity's registered defaults."""

    task_list: str
    heartbeat: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    start_to_close: int | None
    retry: int | Retry
    error_handling: bool


@dataclass(frozen=True, slots=True)
class Retry:
    """How often an activity that failed or timed out is tried.

    Args:
        attempts: how many attempts there are in all, at least 1.
        delay: seconds between two attempts, by a timer of Amazon SWF; 0 for none.

    Example:
        ``@activity("resize", 1, "image_processing", retry=Retry(attempts=3, delay=10))``
    """

    attempts: int = 3
    delay: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        whole_number("attempts of a retry", self.attempts, least=1)
        whole_number("delay of a retry", self.delay)


def text(name: str, value: object, longest: int = 256) -> str:
    """Check a name that the service keeps.

    Raises:
        ConfigurationError: it is no text, empty or too long.
    """
    if isinstance(value, str) and 1 <= len(value) <= longest:
        return value
    raise ConfigurationError(f"{name} must be text of 1 to {longest} characters, not {value!r}")


def version_text(value: object) -> str:
    """Check a version and write it as the service keeps it: ``1`` as ``"1"``.

    Raises:
        ConfigurationError: it is neither a number nor a text of 1 to 64 characters.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and 1 <= len(value) <= 64:
        return value
    raise ConfigurationError(
        f"version must be a number or text of 1 to 64 characters, not {value!r}"
    )


def whole_number(name: str, value: object, least: int = 0, most: int = _LONGEST) -> int:
    """Check a whole number.

    Raises:
        ConfigurationError: it is none, or out of range.
    """
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ConfigurationError(f"{name} must be a whole number from {least} to {most}, not {value!r}")


def retry_policy(value: object) -> Retry:
    """Check a retry, of which a bare number is the short form.

    Raises:
        ConfigurationError: it is neither a number of attempts nor a Retry.
    """
    if isinstance(value, Retry):
        return value
    return Retry(whole_number("retry, the number of attempts,", value, least=1))


def truth(name: str, value: object) -> bool:
    """Check a switch.

    Raises:
        ConfigurationError: it is neither True nor False.
    """
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name} must be True or False, not {value!r}")


def _time_out(name: str, value: object) -> str:
    return "NONE" if value is None else str(whole_number(f"{name}, in seconds,", value))


def _execution_time_out(name: str, value: object) -> str:
    return str(whole_number(f"{name}, in seconds,", value, least=1, most=YEAR))


def _task_list(name: str, value: object) -> dict[str, str]:
    return {"name": text(name, value)}


def _child_policy(name: str, value: object) -> str:
    if value in CHILD_POLICIES:
        return str(value)
    raise ConfigurationError(f"{name} must be one of {', '.join(CHILD_POLICIES)}, not {value!r}")


def _tags(name: str, value: object) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{name} must be a list of at most 5 texts, not {value!r}")
    tags = [text(name, tag) for tag in value]
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
}
"""Option of an activity: the decision's member, and how a value is checked and written."""

WORKFLOW: Settings = {
    "task_list": ("taskList", _task_list),
    "execution_start_to_close": ("executionStartToCloseTimeout", _execution_time_out),
    "task_start_to_close": ("taskStartToCloseTimeout", _time_out),
    "child_policy": ("childPolicy", _child_policy),
    "tags": ("tagList", _tags),
}
"""Option of an execution: the request's member, and how a value is checked and written."""


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
    unknown = sorted(set(options) - set(settings))
    if unknown:
        raise ConfigurationError(
            f"there is no option {', '.join(unknown)}; there are {', '.join(settings)}"
        )
    return {
        settings[name][0]: settings[name][1](name, value)
        for name, value in options.items()
        if not isinstance(value, Default)
    }


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
