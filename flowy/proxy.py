"""Proxies: attributes of a workflow through which it calls activities and other workflows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

from flowy import _checks, options
from flowy._calls.bound import (
    BoundActivity,
    BoundLambda,
    BoundWorkflow,
    ChildResult,
    proxy_outside_run,
)
from flowy._calls.tasks import LambdaType
from flowy.activity import Activity, ActivityContext, ActivityType, activity_class
from flowy.errors import ConfigurationError
from flowy.options import (
    ActivityOverrides,
    CallOptions,
    DeclaredType,
    LambdaOverrides,
    WorkflowOverrides,
)
from flowy.result import Result
from flowy.workflow import Workflow, WorkflowType

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
D = TypeVar("D", bound=DeclaredType)


class Runnable(Protocol[P, R_co]):
    """A class with a method ``run``: an activity or a workflow, as type checkers see it."""

    def run(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Do the work."""


class ActivityProxy(Generic[P, R]):
    """An activity, as a class attribute of a workflow.

    Calling it in ``run`` schedules the activity and returns a `Result` at once. Arguments may be
    results of other calls: the activity is then scheduled as soon as their values are known.

    Args:
        name: the name of the activity's type, or its class or function, which knows its name and
            version. Type checkers then know the parameters of the call, each of which may also be
            the `Result` of another call, and the type of ``.result()``.
        version: the version of its type, if ``name`` is a name.
        **overrides: options that override the registered defaults: ``task_list``, ``heartbeat``,
            ``schedule_to_close``, ``schedule_to_start``, ``start_to_close`` in seconds or None, and
            ``priority``; and options that override those of the class: ``retry``, ``delay``,
            ``error_handling``.

    Raises:
        ConfigurationError: an argument is wrong.

    Example:
        ``resize = ActivityProxy(ResizeImage, retry=3)`` or
        ``resize = ActivityProxy("resize", 1, error_handling=True)``
    """

    @overload
    def __init__(
        self, name: type[Runnable[P, R]], **overrides: Unpack[ActivityOverrides]
    ) -> None: ...

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
        cls: type[Activity] | str = activity_class(name)
        self.activity = None if isinstance(cls, str) else cls
        self.declared = _declared(ActivityType, cls, version)
        declared = self.declared
        chosen = CallOptions(
            options.ACTIVITY,
            {},
            declared.retry,
            declared.error_handling,
            automatic_heartbeat=declared.automatic_heartbeat,
        )
        self.call_options = chosen.over(overrides)

    @overload
    def __get__(self, workflow: None, owner: type[Workflow]) -> ActivityProxy[P, R]: ...

    @overload
    def __get__(self, workflow: Workflow, owner: type[Workflow]) -> BoundActivity[P, R]: ...

    def __get__(
        self, workflow: Workflow | None, owner: type[Workflow]
    ) -> ActivityProxy[P, R] | BoundActivity[P, R]:
        if workflow is None:
            return self
        return BoundActivity(self.declared, self.activity, self.call_options, workflow._decider)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Raise an error: a proxy works only as an attribute of a workflow that is being run."""
        raise proxy_outside_run(self.declared)


class WorkflowProxy(Generic[P, R]):
    """A child workflow, as a class attribute of another workflow.

    Calling it in ``run`` starts the child and returns a `ChildResult` at once. Arguments may be
    results of other calls: the child is then started as soon as their values are known.

    Args:
        name: the name of the workflow's type, or its class, which knows its name and version. Type
            checkers then know the parameters of the call, as with `ActivityProxy`.
        version: the version of its type, if ``name`` is a name.
        **overrides: options that override the registered defaults: ``task_list``,
            ``execution_start_to_close`` and ``task_start_to_close`` in seconds, ``child_policy``,
            which governs the child's own children (the parent's policy governs the child itself),
            ``tags``, ``priority``, ``lambda_role``; and options that override those of the class:
            ``retry``, ``delay``, ``error_handling``. ``workflow_id`` is the child's; by default it
            is derived from the parent's.

    Raises:
        ConfigurationError: an argument is wrong.

    Example:
        ``thumbnails = WorkflowProxy(Thumbnails, tags=["nightly"])`` or
        ``thumbnails = WorkflowProxy("thumbnails", 1, error_handling=True)``
    """

    @overload
    def __init__(
        self, name: type[Runnable[P, R]], **overrides: Unpack[WorkflowOverrides]
    ) -> None: ...

    @overload
    def __init__(
        self: WorkflowProxy[..., Any],
        name: str,
        version: str | int | float,
        **overrides: Unpack[WorkflowOverrides],
    ) -> None: ...

    def __init__(
        self,
        name: type[Any] | str,
        version: str | int | float | None = None,
        **overrides: Unpack[WorkflowOverrides],
    ) -> None:
        self.workflow = None if isinstance(name, str) else name
        self.declared = _declared(WorkflowType, name, version)
        declared = self.declared
        chosen = CallOptions(options.WORKFLOW, {}, declared.retry, declared.error_handling)
        self.call_options = chosen.over(overrides)

    @overload
    def __get__(self, workflow: None, owner: type[Workflow]) -> WorkflowProxy[P, R]: ...

    @overload
    def __get__(self, workflow: Workflow, owner: type[Workflow]) -> BoundWorkflow[P, R]: ...

    def __get__(
        self, workflow: Workflow | None, owner: type[Workflow]
    ) -> WorkflowProxy[P, R] | BoundWorkflow[P, R]:
        if workflow is None:
            return self
        return BoundWorkflow(self.declared, self.workflow, self.call_options, workflow._decider)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ChildResult[R]:
        """Raise an error: a proxy works only as an attribute of a workflow that is being run."""
        raise proxy_outside_run(self.declared)


class LambdaProxy:
    """An AWS Lambda function, as a class attribute of a workflow.

    Calling it in ``run`` with one value, or a result, invokes the function and returns a `Result`.
    The function receives the value as its event. The execution needs an IAM role for this: see
    ``lambda_role`` of `flowy.workflow` and `flowy.start`.

    Args:
        name: the function's name or ARN, 1 to 64 characters.
        **overrides: ``start_to_close``, the maximum time that it may run, from 1 to 900 seconds;
            ``retry``, ``delay`` and ``error_handling`` as for activities.

    Raises:
        ConfigurationError: an argument is wrong.

    Example:
        ``thumbnail = LambdaProxy("thumbnail", start_to_close=60)``
    """

    def __init__(self, name: str, **overrides: Unpack[LambdaOverrides]) -> None:
        self.declared = LambdaType(_checks.text("the name of a Lambda function", name, 64))
        self.call_options = CallOptions(options.LAMBDA, {}).over(overrides)

    @overload
    def __get__(self, workflow: None, owner: type[Workflow]) -> LambdaProxy: ...

    @overload
    def __get__(self, workflow: Workflow, owner: type[Workflow]) -> BoundLambda: ...

    def __get__(
        self, workflow: Workflow | None, owner: type[Workflow]
    ) -> LambdaProxy | BoundLambda:
        if workflow is None:
            return self
        return BoundLambda(self.declared, None, self.call_options, workflow._decider)

    def __call__(self, payload: object = None) -> Result[Any]:
        """Raise an error: a proxy works only as an attribute of a workflow that is being run."""
        raise proxy_outside_run(self.declared)


def _declared(kind: type[D], target: type[Any] | str, version: object) -> D:
    """Return the type that a class declares, or create one from a name and a version."""
    if isinstance(target, str):
        noun = "an activity" if kind is ActivityType else "a workflow"
        name = _checks.text(f"the name of {noun}", target)
        return kind(name, _checks.version_text(version), {})
    declared = getattr(target, "flowy_type", None)
    if not isinstance(declared, kind):
        raise ConfigurationError(
            f"a proxy needs a class decorated with @{kind.kind}, or a name and a version, not "
            f"{target!r}"
        )
    if version is not None:
        raise ConfigurationError(
            f"a proxy for the class {target.__name__} takes its version from there; leave "
            f"{version!r} out"
        )
    return declared
