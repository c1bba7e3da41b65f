"""Proxies bound to the execution they ask for: what a workflow calls in ``run``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Self, TypeVar, Unpack

from flowy import _checks
from flowy._calls.children import ChildCall
from flowy._calls.external import SendSignalCall
from flowy._calls.tasks import ActivityCall, Callee, LambdaCall, TaskCall
from flowy.errors import ConfigurationError
from flowy.options import ActivityOverrides, CallOptions, LambdaOverrides, WorkflowOverrides
from flowy.result import Result

if TYPE_CHECKING:
    from flowy._decider.decider import Decider

P = ParamSpec("P")
R = TypeVar("R")
Promise = TypeVar("Promise", bound=Result[Any])


class BoundProxy(Generic[P, Promise]):
    """A proxy together with the execution it asks for, and what is chosen for one call.

    Each kind of proxy has its own, which knows its options.
    """

    __slots__ = ("_call_options", "_cls", "_decider", "_declared", "_overrides")

    call_class: ClassVar[type[TaskCall]]
    """What is asked for when it is called."""
    result_class: ClassVar[type[Any]] = Result
    """What the call returns."""

    def __init__(
        self,
        declared: Callee,
        cls: type | None,
        call_options: CallOptions,
        decider: Decider | None,
        overrides: tuple[Mapping[str, object], ...] = (),
    ) -> None:
        """Keep all.

        Args:
            declared: the type it stands for.
            cls: its class, if that is known.
            call_options: what the proxy chooses.
            decider: decides for the execution; None outside of one.
            overrides: what is chosen for one call, the earliest first.
        """
        self._declared = declared
        self._cls = cls
        self._call_options = call_options
        self._decider = decider
        self._overrides = overrides

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Promise:
        """Ask for it.

        Args:
            *args: what it gets: anything that can be sent, and results.
            **kwargs: the same by keyword.

        Returns:
            What will come of it.

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
        """Choose something for one call, over what was chosen before."""
        self._call_options.over(overrides)
        chosen = (*self._overrides, overrides)
        return type(self)(self._declared, self._cls, self._call_options, self._decider, chosen)

    def _chosen(self) -> tuple[Decider, CallOptions]:
        """Choose as the blocks around a call say, and then as the call itself says."""
        decider, call_options = self._decider, self._call_options
        if decider is None:
            raise proxy_outside_run(self._declared)
        if decider.options:
            call_options = call_options.within(decider.options)
        for override in self._overrides:
            call_options = call_options.over(override)
        return decider, call_options


class BoundActivity(BoundProxy[P, Result[R]], Generic[P, R]):
    """An activity's proxy together with the execution it asks for."""

    __slots__ = ()

    call_class = ActivityCall

    def options(self, **overrides: Unpack[ActivityOverrides]) -> Self:
        """Choose something for one call, such as ``self.resize.options(heartbeat=30)(source)``.

        Args:
            **overrides: see `ActivityProxy`.

        Returns:
            What is called in place of the proxy.

        Raises:
            ConfigurationError: there is no such option, or its value is wrong.
        """
        return self._overridden(overrides)


class BoundLambda(BoundProxy[[object], Result[Any]]):
    """A Lambda function's proxy together with the execution it asks for."""

    __slots__ = ()

    call_class = LambdaCall

    def options(self, **overrides: Unpack[LambdaOverrides]) -> Self:
        """Choose something for one call.

        Args:
            **overrides: see `LambdaProxy`.

        Returns:
            What is called in place of the proxy.

        Raises:
            ConfigurationError: there is no such option, or its value is wrong.
        """
        return self._overridden(overrides)

    def __call__(self, payload: object = None) -> Result[Any]:
        """Ask for the function.

        Args:
            payload: its event: anything that can be sent; may hold results.

        Returns:
            What will come of it.

        Raises:
            SerializationError: the payload cannot be sent.
            ConfigurationError: the workflow is not being run by a worker.
        """
        return super().__call__(payload)


class ChildResult(Result[R]):
    """What comes of a child workflow, and how to reach it meanwhile."""

    __slots__ = ("_child",)

    def __init__(self, call: ChildCall) -> None:
        super().__init__(call)
        self._child = call

    @property
    def workflow_id(self) -> str:
        """The child's workflow id; of several attempts that of the present one."""
        return self._child.workflow_id

    def signal(
        self, name: str, value: object = None, *, error_handling: bool = False
    ) -> Result[None]:
        """Send a signal to the child, as soon as it has started.

        Args:
            name: the signal's name, 1 to 256 characters.
            value: what it carries, None for nothing; may hold results.
            error_handling: whether the workflow handles it if the child has ended.

        Returns:
            A result without a value, which ends when the signal is delivered. It ends with
            `flowy.NotDelivered` if the child has ended, or never starts.

        Raises:
            SerializationError: the value cannot be sent.
        """
        name = _checks.text("the name of a signal", name)
        call = SendSignalCall(self._child.decider, self._child, error_handling, name, value)
        call.decider.begin(call)
        return Result(call)


class BoundWorkflow(BoundProxy[P, ChildResult[R]], Generic[P, R]):
    """A child workflow's proxy together with the execution it asks for."""

    __slots__ = ()

    call_class = ChildCall
    result_class = ChildResult

    def options(self, **overrides: Unpack[WorkflowOverrides]) -> Self:
        """Choose something for one call, such as ``self.child.options(workflow_id="x")(source)``.

        Args:
            **overrides: see `WorkflowProxy`.

        Returns:
            What is called in place of the proxy.

        Raises:
            ConfigurationError: there is no such option, or its value is wrong.
        """
        return self._overridden(overrides)


def proxy_outside_run(declared: Callee) -> ConfigurationError:
    """Say that a proxy is called where no workflow is being run."""
    return ConfigurationError(
        f"the proxy of {declared} works only in the run method of a workflow that a worker "
        "decides; make it a class attribute of the workflow and call it as self.…"
    )
