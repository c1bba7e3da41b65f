"""Activities: the work itself, done by a worker.

Example:
    A class with a ``run`` method, under a decorator that says how Amazon SWF knows it::

        @activity("resize", 1, "image_processing", heartbeat=30)
        class ResizeImage(Activity):
            def run(self, source, width):
                ...
                return path
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from flowy import options
from flowy.errors import ConfigurationError
from flowy.options import Retry

Heartbeat = Callable[[str | None], bool]


@dataclass(frozen=True, slots=True)
class ActivityType:
    """What `activity` was told: the type as Amazon SWF knows it, and how proxies use it."""

    name: str
    version: str
    defaults: dict[str, Any]
    """The members of RegisterActivityType that begin with ``default``."""
    retry: Retry
    error_handling: bool

    kind: ClassVar[str] = "activity"

    def __str__(self) -> str:
        """Name and version, such as ``resize 1``."""
        return f"{self.name} {self.version}"


class Activity:
    """The base of all activities.

    A worker makes a new instance for each task and calls ``run`` with the arguments that the
    workflow passed. What ``run`` returns is the result; an exception that it raises fails the
    activity with a reason (its class and message) and details (the traceback). Arguments and
    result travel as JSON.
    """

    flowy_type: ClassVar[ActivityType]
    """Set by the decorator."""

    _send_heartbeat: Heartbeat | None = None

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; to be written by the author of the activity."""
        raise NotImplementedError

    def heartbeat(self, details: str | None = None) -> bool:
        """Tell the service that the work goes on.

        An activity with a heartbeat time-out must do so more often than that, or the service
        takes it for dead. Outside a worker, as in a test that calls ``run``, nothing is sent.

        Args:
            details: how far the work is; kept by the service if the activity times out. Cut to
                2,048 characters.

        Returns:
            Whether to go on: False once the workflow has asked for the activity's cancellation,
            or no longer waits for it, as after a time-out or its own end.
        """
        return self._send_heartbeat is None or self._send_heartbeat(details)


A = TypeVar("A", bound=Activity)


def activity(
    name: str,
    version: str | int | float,
    task_list: str,
    heartbeat: int | None = None,
    schedule_to_close: int | None = None,
    schedule_to_start: int | None = None,
    start_to_close: int | None = 300,
    retry: int | Retry = 1,
    error_handling: bool = False,
) -> Callable[[type[A]], type[A]]:
    """Declare a subclass of `Activity` as an activity type of Amazon SWF.

    Time-outs are whole seconds, or None for no limit. They become the registered defaults of the
    type, which cannot be changed without a new version; a proxy may set others.

    Args:
        name: the type's name, 1 to 256 characters.
        version: the type's version, a number or text.
        task_list: the list on which workers wait for its tasks.
        heartbeat: the longest time between two heartbeats of a running attempt.
        schedule_to_close: the longest time from scheduling an attempt to its end.
        schedule_to_start: the longest time an attempt may wait for a worker.
        start_to_close: the longest time an attempt may be worked on.
        retry: how many attempts there are in all if one fails or times out, or a `Retry`.
        error_handling: whether an error is handed to the workflow, which gets it from
            ``.result()``; otherwise an error fails the workflow at once.

    Returns:
        The decorator, which returns the class itself.

    Raises:
        ConfigurationError: an argument is wrong, or the class is no activity.

    Example:
        ``@activity("resize", 1, "image_processing", retry=3)``
    """
    wire = options.members(
        options.ACTIVITY,
        {
            "task_list": task_list,
            "heartbeat": heartbeat,
            "schedule_to_close": schedule_to_close,
            "schedule_to_start": schedule_to_start,
            "start_to_close": start_to_close,
        },
    )
    declared = ActivityType(
        name=options.text("the name of an activity", name),
        version=options.version_text(version),
        defaults=options.default_members(wire, infix="Task"),
        retry=options.retry_policy(retry),
        error_handling=options.truth("error_handling", error_handling),
    )

    def decorate(cls: type[A]) -> type[A]:
        check_class(cls, Activity)
        cls.flowy_type = declared
        return cls

    return decorate


def check_class(cls: Any, base: type[Any]) -> None:
    """Refuse to decorate what a worker could not run.

    Args:
        cls: what the decorator was put on.
        base: the class it must be a subclass of, `Activity` or `Workflow`.

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
