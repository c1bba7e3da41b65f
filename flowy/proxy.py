"""Proxies: attributes of a workflow that stand for what it can ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    Unpack,
    overload,
)

from flowy import options
from flowy.activity import Activity, ActivityType, activity_class
from flowy.activity_context import ActivityContext
from flowy.decisions import Decision, start_timer
from flowy.errors import (
    ConfigurationError,
    SerializationError,
    TaskCanceled,
    TaskError,
    TaskFailed,
    TaskNotScheduled,
    TaskTimedOut,
)
from flowy.options import ActivityOverrides, Retry
from flowy.result import Call, Result

if TYPE_CHECKING:
    from flowy.decider import Decider
    from flowy.workflow import Workflow

_PREFIX_LIMIT = 200  # of the 256 characters of an id; the rest is for numbers


P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Runs(Protocol[P, R_co]):
    """What has a method ``run``: an activity, as type checkers see it."""

    def run(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Do the work."""


class ActivityProxy(Generic[P, R]):
    """An activity, as a class attribute of a workflow.

    Calling it in ``run`` asks for the activity and returns a `Result` at once. Arguments may be
    results of other proxies: the activity is then scheduled as soon as these are there.

    Args:
        name: the name of the activity's type, or its class or function, which says name and
            version. For type checkers a call has then the parameters of ``run``, each of which
            may be the `Result` of another call, and its ``.result()`` what ``run`` returns.
        version: the version of its type.
        **overrides: what is to be otherwise than the registered defaults: ``task_list``,
            ``heartbeat``, ``schedule_to_close``, ``schedule_to_start``, ``start_to_close``, in
            seconds or None, and otherwise than the class says: ``retry``, ``error_handling``.

    Raises:
        ConfigurationError: an argument is wrong.

    Example:
        ``resize = ActivityProxy(ResizeImage, retry=3)`` or
        ``resize = ActivityProxy("resize", 1, error_handling=True)``
    """

    @overload
    def __init__(self, name: type[Runs[P, R]], **overrides: Unpack[ActivityOverrides]) -> None: ...

    @overload
    def __init__(
        self,
        name: Callable[Concatenate[ActivityContext, P], R],
        **overrides: Unpack[ActivityOverrides],
    ) -> None: ...

    @overload
    def __init__(self, name: Callable[P, R], **overrides: Unpack[ActivityOverrides]) -> None: ...

    @overload
    def __init__(
        self: ActivityProxy[..., Any],
        name: str,
        version: str | int | float,
        **overrides: Unpack[ActivityOverrides],
    ) -> None: ...

    def __init__(
        self,
        name: type[Any] | Callable[..., Any] | str,
        version: str | int | float | None = None,
        **overrides: Unpack[ActivityOverrides],
    ) -> None:
        """Check the arguments and prepare what all calls have in common."""
        cls: type[Activity] | str = activity_class(name)
        declared = _declared(cls, version)
        self.activity = None if isinstance(cls, str) else cls
        others: dict[str, object] = {**overrides}
        self.label = str(declared)
        self.retry = options.retry_policy(others.pop("retry", declared.retry))
        self.error_handling = options.truth(
            "error_handling", others.pop("error_handling", declared.error_handling)
        )
        self.id_prefix = declared.name[:_PREFIX_LIMIT]
        self.attributes = {
            "activityType": {"name": declared.name, "version": declared.version},
            **options.members(options.ACTIVITY, others),
        }

    @overload
    def __get__(self, workflow: None, owner: type[Workflow]) -> ActivityProxy[P, R]: ...

    @overload
    def __get__(self, workflow: Workflow, owner: type[Workflow]) -> BoundProxy[P, R]: ...

    def __get__(
        self, workflow: Workflow | None, owner: type[Workflow]
    ) -> ActivityProxy[P, R] | BoundProxy[P, R]:
        """Bind the proxy to the execution that a workflow is being run for."""
        return self if workflow is None else BoundProxy(self, workflow._decider)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Refuse: a proxy works only as an attribute of a workflow that is being run."""
        raise _misplaced(self.label)


class BoundProxy(Generic[P, R]):
    """A proxy together with the execution it asks for."""

    __slots__ = ("_decider", "_proxy")

    def __init__(self, proxy: ActivityProxy[P, R], decider: Decider | None) -> None:
        """Keep both."""
        self._proxy = proxy
        self._decider = decider

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Ask for the activity.

        Args:
            *args: what its ``run`` gets: anything JSON can hold, and results.
            **kwargs: the same by keyword.

        Returns:
            What will come of it.

        Raises:
            SerializationError: an argument cannot be sent.
            ConfigurationError: the workflow is not being run by a worker.
        """
        if self._decider is None:
            raise _misplaced(self._proxy.label)
        call = ActivityCall(self._decider, self._proxy, args, kwargs)
        self._decider.begin(call)
        return Result(call)


class ActivityCall(Call):
    """An activity that a workflow asked for, through all its attempts."""

    __slots__ = ("args", "attempt", "input", "kwargs", "proxy")

    def __init__(
        self,
        decider: Decider,
        proxy: ActivityProxy[..., Any],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        """Keep the call; nothing is asked for yet."""
        super().__init__(decider, proxy.error_handling)
        self.proxy = proxy
        self.args = args
        self.kwargs = kwargs
        self.attempt = 1
        self.input = ""

    @property
    def task_id(self) -> str:
        """The id of the present attempt: ``resize-1``, then ``resize-1.2``.

        It is made of the number of the call in ``run`` and never used again, though the service
        lets a closed activity's id be used again: so that each id in a history means one thing.
        """
        first = f"{self.proxy.id_prefix}-{self.number}"
        return first if self.attempt == 1 else f"{first}.{self.attempt}"

    def prepare(self) -> None:
        """Write the input."""
        self.input = self.decider.payloads.encode_input(
            self.proxy.label, self.args, self.kwargs, self.decider.encode
        )

    def start(self) -> None:
        """Schedule the present attempt."""
        task_id = self.task_id
        attributes = {"activityId": task_id, "input": self.input, **self.proxy.attributes}
        self.decider.decide(Decision("ScheduleActivityTask", attributes), task_id, self)

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Make an error that names the present attempt."""
        return kind(self.proxy.label, self.task_id, self.attempt, reason, details)

    def learn(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Take in what became of the present attempt, or of the wait before it."""
        _MEANING[event_type](self, attributes)

    def _completed(self, attributes: Mapping[str, Any]) -> None:
        try:
            value = self.decider.payloads.decode_result(
                self.proxy.label, attributes.get("result"), self.proxy.activity
            )
        except SerializationError as error:
            self.decider.settle(self, error=self.failure(TaskFailed, str(error)))
        else:
            self.decider.settle(self, value)

    def _failed(self, attributes: Mapping[str, Any]) -> None:
        reason, details = attributes.get("reason", ""), attributes.get("details", "")
        self._try_again(self.failure(TaskFailed, reason, details))

    def _timed_out(self, attributes: Mapping[str, Any]) -> None:
        reason, details = attributes["timeoutType"], attributes.get("details", "")
        self._try_again(self.failure(TaskTimedOut, reason, details))

    def _canceled(self, attributes: Mapping[str, Any]) -> None:
        error = self.failure(TaskCanceled, details=attributes.get("details", ""))
        self.decider.settle(self, error=error)

    def _refused(self, attributes: Mapping[str, Any]) -> None:
        self.decider.settle(self, error=self.failure(TaskNotScheduled, attributes["cause"]))

    def _waited(self, attributes: Mapping[str, Any]) -> None:
        self.start()

    def _try_again(self, error: TaskError) -> None:
        retry = self.proxy.retry
        if self.attempt >= retry.attempts:
            self.decider.settle(self, error=error)
            return
        self.attempt += 1
        if retry.delay:
            timer_id = f"{self.task_id}-delay"
            self.decider.decide(start_timer(timer_id, retry.delay), timer_id, self)
        else:
            self.start()


_MEANING: dict[str, Callable[[ActivityCall, Mapping[str, Any]], None]] = {
    "ActivityTaskCompleted": ActivityCall._completed,
    "ActivityTaskFailed": ActivityCall._failed,
    "ActivityTaskTimedOut": ActivityCall._timed_out,
    "ActivityTaskCanceled": ActivityCall._canceled,
    "ScheduleActivityTaskFailed": ActivityCall._refused,
    "StartTimerFailed": ActivityCall._refused,
    "TimerFired": ActivityCall._waited,
}
"""What each event means for the call it is about."""


def _declared(activity: type[Activity] | str, version: object) -> ActivityType:
    """Find or make the type that a proxy was given."""
    if isinstance(activity, str):
        name = options.text("the name of an activity", activity)
        return ActivityType(name, options.version_text(version), {}, Retry(1), False)
    declared = getattr(activity, "flowy_type", None)
    if not isinstance(declared, ActivityType):
        raise ConfigurationError(
            f"a proxy needs a class decorated with @activity, or a name and a version, not "
            f"{activity!r}"
        )
    if version is not None:
        raise ConfigurationError(
            f"a proxy for the class {activity.__name__} takes its version from there; leave "
            f"{version!r} out"
        )
    return declared


def _misplaced(label: str) -> ConfigurationError:
    return ConfigurationError(
        f"the proxy of {label} works only in the run method of a workflow that a worker decides; "
        "make it a class attribute of the workflow and call it as self.…"
    )
