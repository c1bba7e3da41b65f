"""Activities: the actual work of a workflow, done by workers.

Example:
    A class with a ``run`` method, decorated with the name under which Amazon SWF knows it::

        @activity("resize", 1, "image_processing", heartbeat=30)
        class ResizeImage(Activity):
            def run(self, source, width):
                ...
                return path

    A small activity can be a function. It receives the task if its first parameter is annotated
    as `ActivityContext`::

        @activity("delete", 1, "image_processing")
        def delete(context: ActivityContext, path):
            ...
"""

from __future__ import annotations

import inspect
import os
import subprocess
import threading
import time
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import FunctionType
from typing import Any, ClassVar, NamedTuple, TypeVar

from flowy import _checks, options
from flowy._process_tree import Command, run_guarded
from flowy.errors import ActivityCanceled, ConfigurationError, NotAwaitedError
from flowy.options import DeclaredType, Default, check_class
from flowy.retry import Retry


class HeartbeatReply(NamedTuple):
    """What the service answered to a heartbeat."""

    canceled: bool = False
    """Whether the workflow has asked for the activity's cancellation."""
    missed: bool = False
    """Whether the activity has ended for the service, so that nothing waits for it."""


class _Later:
    def __repr__(self) -> str:
        return "flowy.LATER"


LATER: Any = _Later()
"""Returned by an activity that another process will complete; see `flowy.async_completion`."""


class ActivityContext:
    """The activity task that an activity works on.

    An activity class finds it in ``self.context``. A function under ``@activity`` receives it as
    its first parameter if that is annotated with this class. Outside a worker, as in a test that
    calls the activity directly, it is a plain ``ActivityContext()``: its attributes are empty, and
    its heartbeats are not sent.

    Args:
        type: see the attributes.
        activity_id: see the attributes.
        workflow_id: see the attributes.
        run_id: see the attributes.
        token: see the attributes.
        send: sends a heartbeat with details, a text or None, and returns the reply.

    Attributes:
        type: name and version of the activity's type, such as ``resize 1``.
        activity_id: the activity's ID in the history, such as ``resize-1``.
        workflow_id: the workflow ID of the execution that scheduled it.
        run_id: the run ID of that execution.
        token: the task's token, with which any process can complete the activity; see
            `flowy.async_completion`.

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
        send: Callable[[str | None], HeartbeatReply] = lambda details: HeartbeatReply(),
    ) -> None:
        self.type = type
        self.activity_id = activity_id
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.token = token
        self._send = send
        self._known = HeartbeatReply()
        self._details: str | None = None
        self._turn = threading.Lock()

    @property
    def cancel_requested(self) -> bool:
        """Whether the workflow has asked for cancellation, as of the last heartbeat."""
        return self._known.canceled

    @property
    def goes_on(self) -> bool:
        """Whether the activity should continue, as of the last heartbeat."""
        return not (self._known.canceled or self._known.missed)

    def heartbeat(self, details: str | None = None) -> bool:
        """Report to the service that the activity is still running.

        Args:
            details: the progress so far; the service keeps it in case the activity times out. Cut
                to 2,048 characters.

        Returns:
            Whether to continue: False once the workflow has asked for the activity's cancellation,
            or no longer waits for it because it timed out or the execution ended.
        """
        with self._turn:
            if details is not None:
                self._details = details
            # Once the service does not know the task any more, it never will.
            if not self._known.missed:
                self._known = self._send(details)
            return self.goes_on

    def run_process(
        self,
        command: Command,
        *,
        heartbeat: float | None = 10.0,
        grace: float = 10.0,
        check: bool = True,
        capture_output: bool = False,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that ends with the activity, together with every process that it starts.

        The command is ended when a heartbeat reports that the activity should be canceled or has
        timed out, or that its execution has ended. It is also ended when the worker itself ends,
        even by a second SIGTERM or by SIGKILL. All processes of the command's process group receive
        SIGTERM and, after ``grace`` seconds, SIGKILL. Only a process that moves into a group or
        session of its own, as a daemon does, is not ended. Processes that a command leaves running
        when it ends by itself are ended as well. Works on Linux and macOS only.

        Args:
            command: the program and its arguments.
            heartbeat: seconds between two heartbeats sent meanwhile; None to send none, and to rely
                on those of ``automatic_heartbeat``.
            grace: seconds between SIGTERM and SIGKILL.
            check: whether an exit status other than 0 is an error.
            capture_output: whether to return what the command writes, as ``stdout`` and ``stderr``.
            cwd: the working directory; None for the worker's.
            env: the environment; None for the worker's.

        Returns:
            The completed process. Its exit status is 127 if it cannot be started, and 128 plus the
            signal's number if a signal ended it, as in a shell.

        Raises:
            ActivityCanceled: the workflow asked for cancellation, and the command was ended.
            NotAwaitedError: the activity timed out or its execution ended, and the command was
                ended.
            subprocess.CalledProcessError: the exit status is not 0.
            ConfigurationError: the system has no process groups.

        Example:
            ``context.run_process(["ffmpeg", "-i", source, target])``
        """
        next_beat = time.monotonic() + (heartbeat or 0)

        def goes_on() -> bool:
            nonlocal next_beat
            if heartbeat is not None and time.monotonic() >= next_beat:
                next_beat = time.monotonic() + heartbeat
                self.heartbeat()
            return self.goes_on

        ended = run_guarded(command, goes_on, grace, cwd, env, capture_output)
        # None: it was ended because a heartbeat said so.
        if ended is None and self.cancel_requested:
            raise ActivityCanceled(f"the command {command[0]} was ended")
        if ended is None:
            raise NotAwaitedError(
                f"the command {command[0]} was ended, because no execution waits for the activity"
            )
        if check:
            ended.check_returncode()
        return ended

    def repeat(self) -> bool:
        """Send the previous details once more; return whether the activity is still awaited."""
        with self._turn:
            if not self._known.missed:
                self._known = self._send(self._details)
            return not self._known.missed


@dataclass(frozen=True, slots=True)
class ActivityType(DeclaredType):
    """The type that `activity` declares: how it is registered, and how proxies use it."""

    automatic_heartbeat: float | None = None
    """Seconds between two heartbeats that the worker sends on its own; None if it sends none."""

    kind: ClassVar[str] = "activity"


class Activity:
    """The base class of all activities.

    A worker creates a new instance for each task and calls ``run`` with the arguments that the
    workflow passed. The return value of ``run`` is the activity's result. An exception that it
    raises fails the activity with a reason (its class and message) and details (the traceback).
    Arguments and result are sent as JSON, and converted back according to the type hints of
    ``run``.

    Instead of a result, ``run`` may return `flowy.LATER` if another process will complete the
    activity (see `flowy.async_completion`). It may raise `flowy.ActivityCanceled` once a heartbeat
    has reported that the workflow wants it canceled.
    """

    flowy_type: ClassVar[ActivityType]
    """Set by the decorator."""

    context = ActivityContext()
    """The task that the activity is run for."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; every activity defines its own."""
        raise NotImplementedError

    def heartbeat(self, details: str | None = None) -> bool:
        """Report to the service that the activity is still running.

        An activity with a heartbeat time-out must do this more often than the time-out allows;
        otherwise the service considers it dead. Outside a worker, as in a test that calls ``run``,
        nothing is sent.

        Args:
            details: the progress so far; the service keeps it in case the activity times out. Cut
                to 2,048 characters.

        Returns:
            Whether to continue: False once the workflow has asked for the activity's cancellation,
            or no longer waits for it because it timed out or the execution ended.
        """
        return self.context.heartbeat(details)


F = TypeVar("F", bound=Callable[..., Any])


def activity(
    name: str,
    version: str | int | float,
    task_list: str,
    heartbeat: int | float | timedelta | None = None,
    schedule_to_close: int | float | timedelta | None = None,
    schedule_to_start: int | float | timedelta | None = None,
    start_to_close: int | float | timedelta | None = 300,
    retry: int | Retry = 1,
    delay: int | float | timedelta | Default = Default.REGISTERED,
    error_handling: bool = False,
    priority: int | Default = Default.REGISTERED,
    automatic_heartbeat: bool = False,
) -> Callable[[F], F]:
    """Declare a subclass of `Activity`, or a function, as an activity type of Amazon SWF.

    Time-outs are whole seconds, a timedelta, or None for no limit. They become the registered
    defaults of the type, which cannot be changed without a new version; a proxy can override them.

    Args:
        name: the type's name, 1 to 256 characters.
        version: the type's version, a number or text.
        task_list: the task list on which workers wait for its tasks.
        heartbeat: the maximum time between two heartbeats of a running attempt.
        schedule_to_close: the maximum time from scheduling an attempt to its end.
        schedule_to_start: the maximum time that an attempt waits for a worker.
        start_to_close: the maximum time that an attempt may run.
        retry: the total number of attempts if one fails or times out, or a `Retry`.
        delay: seconds, or a timedelta, between two attempts, if ``retry`` is a number.
        error_handling: whether ``.result()`` raises an error in the workflow, which may handle it;
            otherwise an error fails the workflow at once.
        priority: the priority of its tasks on the task list; higher numbers come first.
        automatic_heartbeat: whether the worker sends heartbeats on its own while ``run`` works, at
            a third of the heartbeat time-out. A call may override the time-out, but not with a
            third of this one or less. ``self.heartbeat()`` and
            ``self.context.cancel_requested`` report a cancel request that they bring back.

    Returns:
        The decorator, which returns the class or function itself.

    Raises:
        ConfigurationError: an argument is wrong, or the class is not an activity.

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


_AT_CHECKPOINTS: list[Callable[[str], object]] = []
"""Called with the name of each checkpoint; set by the simulator in tests."""


def checkpoint(name: str) -> None:
    """Mark a point in the work of an activity at which its worker may die.

    It does nothing in production. When a test is explored, the fault
    `flowy_sim.faults.WorkerDiesMidway` can strike there, as it can at heartbeats.

    Args:
        name: what lies before and after it; reports show it.

    Example:
        ::

            def run(self, order: str, amount: int) -> None:
                debit(order, amount)
                flowy.checkpoint("between debit and credit")
                credit(order, amount)
    """
    for each in _AT_CHECKPOINTS:
        each(name)


def activity_class(target: Any) -> Any:
    """Return the class of an activity that may be a function under `activity`.

    Args:
        target: a class, a function, or anything else.

    Returns:
        The class that a worker instantiates; anything else unchanged.
    """
    return (
        vars(target).get("flowy_activity", target) if isinstance(target, FunctionType) else target
    )


def _interval(heartbeat: int | float | timedelta | None, automatic: bool) -> float | None:
    if not _checks.truth("automatic_heartbeat", automatic):
        return None
    if not heartbeat:
        raise ConfigurationError(
            "automatic_heartbeat needs a heartbeat time-out; set one, such as heartbeat=60"
        )
    return automatic_interval(_checks.seconds("heartbeat", heartbeat))


def automatic_interval(heartbeat: int) -> float:
    """Return the seconds between two automatic heartbeats under a time-out: a third of it."""
    return heartbeat / 3


def _class_of_function(function: Any) -> type[Activity]:
    """Create an activity class that calls a function."""
    if not isinstance(function, FunctionType):
        raise ConfigurationError(
            f"@activity decorates a subclass of flowy.Activity or a function, not {function!r}"
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise ConfigurationError(
            f"{function.__name__} is a coroutine or generator; make it an ordinary function"
        )
    wants_context = _wants_context(function)

    def run(self: Activity, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if wants_context:
            return function(self.context, *args, **kwargs)
        return function(*args, **kwargs)

    # Type hints and parameters must look like the function's, for payloads and `inspect`.
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
    """Whether the first parameter of a function is annotated as the activity's context."""
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None:
        return False
    if isinstance(first.annotation, str):
        try:
            return typing.get_type_hints(function).get(first.name) is ActivityContext
        except NameError:  # a name that is imported for type checkers only
            return first.annotation.rpartition(".")[2] == ActivityContext.__name__
    return first.annotation is ActivityContext
