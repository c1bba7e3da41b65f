"""What decorators declare: the types that Amazon SWF knows, and which classes may have them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

from flowy.errors import ConfigurationError
from flowy.retry import NO_RETRY, Retry


@dataclass(frozen=True, slots=True)
class Declared:
    """A type as Amazon SWF knows it, and how it is asked for if nothing else is said there."""

    name: str
    version: str
    defaults: dict[str, Any]
    """The members of its registration that begin with ``default``."""
    retry: Retry = NO_RETRY
    """How often it is tried."""
    error_handling: bool = False
    """Whether its errors are handed to the workflow that asks for it."""

    kind: ClassVar[str]
    """What types of its kind are called."""

    def __str__(self) -> str:
        """Name and version, such as ``resize 1``."""
        return f"{self.name} {self.version}"


def check_class(cls: Any, base: type[Any]) -> None:
    """Refuse to decorate what a worker could not run.

    Args:
        cls: what the decorator was put on.
        base: the class it must be a subclass of, `flowy.Activity` or `flowy.Workflow`.

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
