"""Workflows: which activities run, with which arguments, and in which order.

Example:
    A class with a ``run`` method and proxies for its activities::

        @workflow("imagecateg", 1, "image_decisions")
        class ImageCategory(Workflow):
            resize = ActivityProxy(ResizeImage)
            colour = ActivityProxy("predominantcolor", 1)

            def run(self, source):
                small = self.resize(source, 64)
                return self.colour(small).result()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from inspect import getattr_static
from typing import Any, ClassVar, TypeVar

from flowy import _checks, options
from flowy.context import WorkflowContext
from flowy.errors import ConfigurationError
from flowy.options import DeclaredType, Default, check_class
from flowy.retry import Retry


@dataclass(frozen=True, slots=True)
class WorkflowType(DeclaredType):
    """The type that `workflow` declares: how it is registered, and how parents use it."""

    guard: bool = True
    """Whether ``run`` is watched for what it must not do."""

    kind: ClassVar[str] = "workflow"


class Workflow(WorkflowContext):
    """The base class of all workflows.

    For each decision, a worker creates a new instance and replays ``run`` with the arguments that
    the execution was started with. Calls that the history knows return their recorded outcome;
    calls that it does not know become decisions. So ``run`` must do the same each time it gets the
    same results: it must not use clocks, randomness, input or output of its own. All of that
    belongs in activities.

    The return value of ``run`` is the execution's result, once all activities that it called have
    ended. An exception that it raises fails the execution with a reason and details. See
    `flowy.context.WorkflowContext` for what else ``run`` can do.
    """

    flowy_type: ClassVar[WorkflowType]
    """Set by the decorator."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Decide what is done; every workflow defines its own."""
        raise NotImplementedError


W = TypeVar("W", bound=Workflow)


def workflow(
    name: str,
    version: str | int | float,
    task_list: str,
    execution_start_to_close: int | float | timedelta = 86_400,
    task_start_to_close: int | float | timedelta | None = 60,
    child_policy: str = "TERMINATE",
    priority: int | Default = Default.REGISTERED,
    lambda_role: str | Default = Default.REGISTERED,
    retry: int | Retry = 1,
    delay: int | float | timedelta | Default = Default.REGISTERED,
    error_handling: bool = False,
    guard: bool = True,
) -> Callable[[type[W]], type[W]]:
    """Declare a subclass of `Workflow` as a workflow type of Amazon SWF.

    The options become the registered defaults of the type, which cannot be changed without a new
    version; they can be overridden when an execution is started.

    Args:
        name: the type's name, 1 to 256 characters.
        version: the type's version, a number or text.
        task_list: the task list on which workers wait for its decision tasks.
        execution_start_to_close: the maximum duration of an execution, in seconds or as a
            timedelta; at most a year.
        task_start_to_close: the maximum time for one decision, in the same form, after which the
            service hands the decision task to another worker; None for no limit.
        child_policy: what happens to open children when an execution ends: ``TERMINATE``,
            ``REQUEST_CANCEL`` or ``ABANDON``.
        priority: the priority of its decision tasks on the task list; higher numbers come first.
        lambda_role: the IAM role with which it may call Lambda functions.
        retry: as a child of another workflow: the total number of attempts if it fails or times
            out, or a `flowy.Retry`.
        delay: as a child: seconds, or a timedelta, between two attempts, if ``retry`` is a number.
        error_handling: as a child: whether ``.result()`` raises an error in the parent, which may
            handle it; otherwise an error fails the parent at once.
        guard: whether clocks, randomness, sleep, files, connections and processes in ``run`` are
            detected, as far as that is possible.

    Returns:
        The decorator, which returns the class itself.

    Raises:
        ConfigurationError: an argument is wrong, the class is not a workflow, or one of its members
            hides a method of all workflows, such as ``signal``.

    Example:
        ``@workflow("imagecateg", 1, "image_decisions", execution_start_to_close=3600)``
    """
    wire = options.members(
        options.WORKFLOW,
        {
            "task_list": task_list,
            "execution_start_to_close": execution_start_to_close,
            "task_start_to_close": task_start_to_close,
            "child_policy": child_policy,
            "priority": priority,
            "lambda_role": lambda_role,
        },
    )
    declared = WorkflowType(
        name=_checks.text("the name of a workflow", name),
        version=_checks.version_text(version),
        defaults=options.default_members(wire),
        retry=options.retry_policy(retry, delay),
        error_handling=_checks.truth("error_handling", error_handling),
        guard=_checks.truth("guard", guard),
    )

    def decorate(cls: type[W]) -> type[W]:
        check_class(cls, Workflow)
        _check_names(cls)
        cls.flowy_type = declared
        return cls

    return decorate


def _check_names(cls: type[Workflow]) -> None:
    """Refuse members that would hide a method that every workflow has."""
    for name, own in vars(WorkflowContext).items():
        if not name.startswith("_") and getattr_static(cls, name) is not own:
            raise ConfigurationError(
                f"{cls.__name__}.{name} hides self.{name} of all workflows; give it another name"
            )
