"""Workflows: which activities run, with what, and after which.

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
from inspect import getattr_static
from typing import Any, ClassVar, TypeVar

from flowy import _checks, options
from flowy.context import WorkflowContext
from flowy.errors import ConfigurationError
from flowy.options import DeclaredType, Default, check_class
from flowy.retry import Retry


@dataclass(frozen=True, slots=True)
class WorkflowType(DeclaredType):
    """What `workflow` was told: the type as Amazon SWF knows it, and how parents use it."""

    guard: bool = True
    """Whether it is noticed what ``run`` must not do."""

    kind: ClassVar[str] = "workflow"


class Workflow(WorkflowContext):
    """The base of all workflows.

    For each decision, a worker makes a new instance and replays ``run`` with the arguments the
    execution was started with: calls that the history knows get what came of them, calls that it
    does not know become decisions. So ``run`` must do the same each time it is given the same
    results: no clock, no chance, no input or output of its own; all that belongs in activities.

    What ``run`` returns is the execution's result, once all activities that it called have
    ended; an exception that it raises fails the execution with a reason and details. What else it
    can do, see `flowy.context.WorkflowContext`.
    """

    flowy_type: ClassVar[WorkflowType]
    """Set by the decorator."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Decide what is done; to be written by the author of the workflow."""
        raise NotImplementedError


W = TypeVar("W", bound=Workflow)


def workflow(
    name: str,
    version: str | int | float,
    task_list: str,
    execution_start_to_close: int = 86_400,
    task_start_to_close: int | None = 60,
    child_policy: str = "TERMINATE",
    priority: int | Default = Default.REGISTERED,
    lambda_role: str | Default = Default.REGISTERED,
    retry: int | Retry = 1,
    delay: int | Default = Default.REGISTERED,
    error_handling: bool = False,
    guard: bool = True,
) -> Callable[[type[W]], type[W]]:
    """Declare a subclass of `Workflow` as a workflow type of Amazon SWF.

    The options become the registered defaults of the type, which cannot be changed without a new
    version; starting an execution may set others.

    Args:
        name: the type's name, 1 to 256 characters.
        version: the type's version, a number or text.
        task_list: the list on which workers wait for its decision tasks.
        execution_start_to_close: the longest an execution may last, in seconds; at most a year.
        task_start_to_close: the longest one decision may take, in seconds, or None for no limit;
            then the service hands the decision to another worker.
        child_policy: what becomes of open children when an execution ends: ``TERMINATE``,
            ``REQUEST_CANCEL`` or ``ABANDON``.
        priority: of its decision tasks among others on the list; greater ones come first.
        lambda_role: the IAM role with which it may call Lambda functions.
        retry: of a child of another workflow: how many attempts there are in all if it fails or
            times out, or a `flowy.Retry`.
        delay: of a child: seconds between two attempts, where ``retry`` is a number.
        error_handling: of a child: whether an error is handed to the parent, which gets it from
            ``.result()``; otherwise an error fails the parent at once.
        guard: whether clocks, chance, sleep, files, connections and processes in ``run`` are
            noticed, as far as they can be (see `flowy._determinism`).

    Returns:
        The decorator, which returns the class itself.

    Raises:
        ConfigurationError: an argument is wrong, the class is no workflow, or a member of it hides
            what workflows can do, such as ``signal``.

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
    """Refuse members that would hide what each workflow can do."""
    for name, own in vars(WorkflowContext).items():
        if not name.startswith("_") and getattr_static(cls, name) is not own:
            raise ConfigurationError(
                f"{cls.__name__}.{name} hides self.{name} of all workflows; give it another name"
            )
