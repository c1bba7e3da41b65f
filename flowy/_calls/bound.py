"""Proxies bound to an execution: what a workflow calls in ``run``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Self, TypeVar, Unpack

from flowy import _checks
from flowy._calls.other_executions import ChildCall, SendSignalCall
from flowy._calls.tasks import ActivityTaskCall, Callee, LambdaCall, TaskCall
from flowy.errors import ConfigurationError
from flowy.options import ActivityOverrides, CallOptions, LambdaOverrides, WorkflowOverrides
from flowy.result import Result

if TYPE_CHECKING:
    from flowy._decider.decider import Decider

P = ParamSpec("P")
R = TypeVar("R")
Promise = TypeVar("Promise", bound=Result[Any])


class BoundProxy(Generic[P, Promise]):
    """A proxy together with the execution that it calls for, and the options of one call.

    Each kind of proxy has its own subclass, which knows its options.

    Args:
        declared: the type that is called.
        cls: its class, if that is known.
        call_options: the options of the proxy.
        decider: the decider of the execution; None outside of one.
        overrides: options of one call, the earliest first.
    """

    __slots__ = ("_call_options", "_cls", "_decider", "_declared", "_overrides")

    call_class: ClassVar[type[TaskCall]]
    """The call that it makes."""
    result_class: ClassVar[type[Any]] = Result
    """The result that it returns."""

    def __init__(
        self,
        declared: Callee,
        cls: type | None,
        call_options: CallOptions,
        decider: Decider | None,
        overrides: tuple[Mapping[str, object], ...] = (),
    ) -> None:
        self._declared = declared
        self._cls = cls
        self._call_options = call_options
        self._decider = decider
        self._overrides = overrides

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Promise:
        """Make the call.

        Args:
            *args: the arguments: values that can be sent, and results.
            **kwargs: the keyword arguments.

        Returns:
            The pending result.

        Raises:
            SerializationError: an argument cannot be sent.
            ConfigurationError: the workflow is not being run by a worker.
        """
        decider, call_options = self._chosen()
        call = self.call_class(decider, self._declared, self._cls, call_options, args, kwargs)
        decider.begin(call)
        promise: Promise = self.result_class(call)
        return promise

    def _overridden(self, overrides: Mapping[str, object]) -> Self:
        """Return a proxy with options for one call, which override earlier ones."""
        self._call_options.over(overrides)
        chosen = (*self._overrides, overrides)
        return type(self)(self._declared, self._cls, self._call_options, self._decider, chosen)

    def _chosen(self) -> tuple[Decider, CallOptions]:
        """Return the decider and the options: those of the blocks around the call, then its own."""
        decider, call_options = self._decider, self._call_options
        if decider is None:
            raise proxy_outside_run(self._declared)
        if decider.options:
            call_options = call_options.within(decider.options)
        for override in self._overrides:
            call_options = call_options.over(override)
        return decider, call_options


class BoundActivity(BoundProxy[P, Result[R]], Generic[P, R]):
    """An activity's proxy, bound to an execution."""

    __slots__ = ()

    call_class = ActivityTaskCall

    def options(self, **overrides: Unpack[ActivityOverrides]) -> Self:
        """Override options for one call, as in ``self.resize.options(heartbeat=30)(source)``.

        Args:
            **overrides: see `ActivityProxy`.

        Returns:
            A proxy to call in place of this one.

        Raises:
            ConfigurationError: an option does not exist or has a wrong value.
        """
        return self._overridden(overrides)


class BoundLambda(BoundProxy[[object], Result[Any]]):
    """A Lambda function's proxy, bound to an execution."""

    __slots__ = ()

    call_class = LambdaCall

    def options(self, **overrides: Unpack[LambdaOverrides]) -> Self:
        """Override options for one call.

        Args:
            **overrides: see `LambdaProxy`.

        Returns:
            A proxy to call in place of this one.

        Raises:
            ConfigurationError: an option does not exist or has a wrong value.
        """
        return self._overridden(overrides)

    def __call__(self, payload: object = None) -> Result[Any]:
        """Invoke the function.

        Args:
            payload: its event: a value that can be sent; may contain results.

        Returns:
            The pending result.

        Raises:
            SerializationError: the payload cannot be sent.
            ConfigurationError: the workflow is not being run by a worker.
        """
        return super().__call__(payload)


class ChildResult(Result[R]):
    """The result of a child workflow, which can also send signals to the child."""

    __slots__ = ("_child",)

    def __init__(self, call: ChildCall) -> None:
        super().__init__(call)
        self._child = call

    @property
    def workflow_id(self) -> str:
        """The child's workflow ID; if it has been retried, that of the current attempt."""
        return self._child.workflow_id

    def signal(
        self, name: str, value: object = None, *, error_handling: bool = False
    ) -> Result[None]:
        """Send a signal to the child, as soon as it has started.

        Args:
            name: the signal's name, 1 to 256 characters.
            value: the value that it carries, None for nothing; may contain results.
            error_handling: whether the workflow handles the error if the child has ended.

        Returns:
            A result without a value, which ends when the signal is delivered. It ends with
            `flowy.NotDelivered` if the child has ended or never starts.

        Raises:
            SerializationError: the value cannot be sent.
        """
        name = _checks.text("the name of a signal", name)
        call = SendSignalCall(self._child.decider, self._child, error_handling, name, value)
        call.decider.begin(call)
        return Result(call)


class BoundWorkflow(BoundProxy[P, ChildResult[R]], Generic[P, R]):
    """A child workflow's proxy, bound to an execution."""

    __slots__ = ()

    call_class = ChildCall
    result_class = ChildResult

    def options(self, **overrides: Unpack[WorkflowOverrides]) -> Self:
        """Override options for one call, as in ``self.child.options(workflow_id="x")(source)``.

        Args:
            **overrides: see `WorkflowProxy`.

        Returns:
            A proxy to call in place of this one.

        Raises:
            ConfigurationError: an option does not exist or has a wrong value.
        """
        return self._overridden(overrides)


def proxy_outside_run(declared: Callee) -> ConfigurationError:
    """Create the error for a proxy that is called where no workflow is being run."""
    return ConfigurationError(
        f"the proxy of {declared} works only in the run method of a workflow that a worker "
        "decides; make it a class attribute of the workflow and call it as self.…"
    )
