"""What an activity knows of the task it is run for, and how it tells that the work goes on."""

from __future__ import annotations

import inspect
import logging
import threading
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any, ClassVar, NamedTuple, TypeVar

from flowy import _checks, options
from flowy._workers.backoff import Wait
from flowy.errors import ConfigurationError
from flowy.options import DeclaredType, Default, check_class
from flowy.retry import Retry

logger = logging.getLogger("flowy.workers")


class Heartbeat(NamedTuple):
    """What came of a heartbeat."""

    canceled: bool = False
    """Whether the workflow has asked for the activity's cancellation."""
    missed: bool = False
    """Whether nobody waits for the activity any more."""


class _Later:
    """The type of `LATER`."""

    def __repr__(self) -> str:
        return "flowy.LATER"


LATER: Any = _Later()
"""What an activity returns that another process finishes; see `flowy.async_completion`."""


class ActivityContext:
    """The task that an activity is being run for.

    An activity's class has it as ``self.context``; a function under ``@activity`` gets it as its
    first parameter, if that is annotated with this class. Outside a worker, as in a test that
    calls the activity, an ``ActivityContext()`` stands in: its texts are empty, and its heartbeats
    go nowhere.

    Attributes:
        type: name and version of the activity's type, such as ``resize 1``.
        activity_id: the activity's id in the history, such as ``resize-1``.
        workflow_id: the id of the execution that waits for it.
        run_id: the id of that execution's run.
        token: the task's token, with which any process can finish it; see `flowy.async_completion`.

    Example:
        ::

            @activity("export", 1, "reports", heartbeat=60)
            def export(context: ActivityContext, table: str) -> int:
                for count, row in enumerate(rows(table)):
                    if not context.heartbeat(f"{count} rows"):
                        break
                ...
    """

    def __init__(
        self,
        type: str = "",
        activity_id: str = "",
        workflow_id: str = "",
        run_id: str = "",
        token: str = "",
        send: Callable[[str | None], Heartbeat] = lambda details: Heartbeat(),
    ) -> None:
        """Keep all that is known of the task.

        Args:
            type: see above.
            activity_id: see above.
            workflow_id: see above.
            run_id: see above.
            token: see above.
            send: sends a heartbeat with details, or None, and tells what came of it.
        """
        self.type = type
        self.activity_id = activity_id
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.token = token
        self._send = send
        self._known = Heartbeat()
        self._details: str | None = None
        self._turn = threading.Lock()

    @property
    def cancel_requested(self) -> bool:
        """Whether the last heartbeat heard that the workflow asks for cancellation."""
        return self._known.canceled

    @property
    def goes_on(self) -> bool:
        """Whether there is reason to go on, as far as the last heartbeat knows."""
        return not (self._known.canceled or self._known.missed)

    def heartbeat(self, details: str | None = None) -> bool:
        """Tell the service that the work goes on.

        Args:
            details: how far the work is; kept by the service if the activity times out. Cut to
                2,048 characters.

        Returns:
            Whether to go on: False once the workflow has asked for the activity's cancellation,
            or no longer waits for it, as after a time-out or its own end.
        """
        with self._turn:
            if details is not None:
                self._details = details
            if not self._known.missed:
                self._known = self._send(details)
            return self.goes_on

    def repeat(self) -> bool:
        """Send a heartbeat with the details of the one before; tell whether anybody waits."""
        with self._turn:
            if not self._known.missed:
                self._known = self._send(self._details)
            return not self._known.missed


@contextmanager
def kept_alive(context: ActivityContext, every: float, wait: Wait) -> Iterator[None]:
    """Send heartbeats from a thread of their own while something else is done.

    Args:
        context: the task.
        every: seconds between two heartbeats.
        wait: waits; see `Wait`.
    """
    done = threading.Event()

    def beat() -> None:
        while not wait(done, every):
            try:
                if not context.repeat():
                    return
            except Exception as error:
                logger.warning("%s: a heartbeat failed: %s", context.type, error)

    thread = threading.Thread(target=beat, name=f"heartbeats of {context.activity_id}")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class ActivityType(DeclaredType):
    """What `activity` was told: the type as Amazon SWF knows it, and how proxies use it."""

    automatic_heartbeat: float | None = None
    """Seconds between two heartbeats that the worker sends by itself; None for none."""

    kind: ClassVar[str] = "activity"


class Activity:
    """The base of all activities.

    A worker makes a new instance for each task and calls ``run`` with the arguments that the
    workflow passed. What ``run`` returns is the result; an exception that it raises fails the
    activity with a reason (its class and message) and details (the traceback). Arguments and
    result travel as JSON, and come back as the type hints of ``run`` say.

    Instead of a result, ``run`` may return `flowy.LATER`, if another process is to finish the
    activity (see `flowy.async_completion`), or raise `flowy.ActivityCanceled`, once a heartbeat has
    said that the workflow wants it canceled.
    """

    flowy_type: ClassVar[ActivityType]
    """Set by the decorator."""

    context = ActivityContext()
    """The task that it is run for."""

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
        return self.context.heartbeat(details)


F = TypeVar("F", bound=Callable[..., Any])


def activity(
    name: str,
    version: str | int | float,
    task_list: str,
    heartbeat: int | None = None,
    schedule_to_close: int | None = None,
    schedule_to_start: int | None = None,
    start_to_close: int | None = 300,
    retry: int | Retry = 1,
    delay: int | Default = Default.REGISTERED,
    error_handling: bool = False,
    priority: int | Default = Default.REGISTERED,
    automatic_heartbeat: bool = False,
) -> Callable[[F], F]:
    """Declare a subclass of `Activity`, or a function, as an activity type of Amazon SWF.

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
        delay: seconds between two attempts, where ``retry`` is a number.
        error_handling: whether an error is handed to the workflow, which gets it from
            ``.result()``; otherwise an error fails the workflow at once.
        priority: of its tasks among others on the list; greater ones come first.
        automatic_heartbeat: whether the worker sends heartbeats by itself while ``run`` works,
            three in the time that ``heartbeat`` says. What they hear of a cancellation is told by
            ``self.heartbeat()`` and ``self.context.cancel_requested``.

    Returns:
        The decorator, which returns the class or function itself.

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
            "priority": priority,
        },
    )
    declared = ActivityType(
        name=_checks.text("the name of an activity", name),
        version=_checks.version_text(version),
        defaults=options.default_members(wire, infix="Task"),
        retry=options.retry_policy(retry, delay),
        error_handling=_checks.truth("error_handling", error_handling),
        automatic_heartbeat=_interval(heartbeat, automatic_heartbeat),
    )

    def decorate(target: F) -> F:
        cls: Any = target if isinstance(target, type) else _class_of_function(target)
        check_class(cls, Activity)
        cls.flowy_type = declared
        if cls is not target:
            target.flowy_activity = cls  # type: ignore[attr-defined]
        return target

    return decorate


def activity_class(target: Any) -> Any:
    """Find the class of an activity that may be a function under `activity`.

    Args:
        target: a class, a function, or anything else.

    Returns:
        The class that a worker makes an instance of; anything else as it is.
    """
    return (
        vars(target).get("flowy_activity", target) if isinstance(target, FunctionType) else target
    )


def _interval(heartbeat: int | None, automatic: bool) -> float | None:
    if not _checks.truth("automatic_heartbeat", automatic):
        return None
    if not heartbeat:
        raise ConfigurationError(
            "automatic_heartbeat needs a heartbeat time-out to keep, such as heartbeat=60"
        )
    return heartbeat / 3


def _class_of_function(function: Any) -> type[Activity]:
    """Make an activity's class that calls a function."""
    if not isinstance(function, FunctionType):
        raise ConfigurationError(
            f"@activity goes on a subclass of flowy.Activity or on a function, not on {function!r}"
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise ConfigurationError(
            f"{function.__name__} is a coroutine or generator; flowy calls an ordinary function"
        )
    wants_context = _wants_context(function)

    def run(self: Activity, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if wants_context:
            return function(self.context, *args, **kwargs)
        return function(*args, **kwargs)

    # Its hints and parameters are those of the function.
    instance = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    shown = inspect.signature(function)
    parameters = list(shown.parameters.values())[wants_context:]
    if parameters and parameters[0].kind is not inspect.Parameter.POSITIONAL_ONLY:
        instance = instance.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__wrapped__ = function  # type: ignore[attr-defined]
    run.__annotations__ = function.__annotations__
    run.__signature__ = shown.replace(  # type: ignore[attr-defined]
        parameters=[instance, *parameters]
    )
    members = {
        "run": run,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
    }
    return type(function.__name__, (Activity,), members)


def _wants_context(function: Callable[..., Any]) -> bool:
    """Whether the first parameter of a function is annotated as the task."""
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None:
        return False
    if isinstance(first.annotation, str):
        try:
            return typing.get_type_hints(function).get(first.name) is ActivityContext
        except NameError:  # a name that only type checkers see
            return first.annotation.rpartition(".")[2] == ActivityContext.__name__
    return first.annotation is ActivityContext
