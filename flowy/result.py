"""What a proxy call returns: the promise of a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from flowy.decider import Decider
    from flowy.errors import TaskError

    class _AnyArgument(Any):  # type: ignore[misc]
        """May stand wherever a value may."""
else:

    class _AnyArgument:
        __slots__ = ()


T = TypeVar("T")


class Suspended(BaseException):
    """Leaves ``run`` until the history holds more; no `Exception`, so nobody handles it."""


class Call:
    """Something a workflow asked for, and what became of it.

    Each kind of thing to ask for is a subclass, which says how it is begun and what the events of
    the history mean for it.
    """

    __slots__ = (
        "decider",
        "dependents",
        "done",
        "error",
        "error_handling",
        "missing",
        "number",
        "value",
    )

    def __init__(self, decider: Decider, error_handling: bool) -> None:
        """Make a call of which nothing is known yet."""
        self.decider = decider
        self.error_handling = error_handling
        self.number = 0
        self.missing = 0
        self.dependents: list[Call] = []
        self.done = False
        self.value: Any = None
        self.error: TaskError | None = None

    def prepare(self) -> None:
        """Encode the arguments; the decider notes which results are not there yet."""
        raise NotImplementedError

    def start(self) -> None:
        """Decide to begin: no argument is missing."""
        raise NotImplementedError

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Make an error that names this call."""
        raise NotImplementedError

    def learn(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Take in an event of the history that is about this call."""
        raise NotImplementedError


class Result(_AnyArgument, Generic[T]):
    """What a proxy call returns at once; the value may come later.

    Pass it to other proxies, in an argument or anywhere within one: what they ask for is
    scheduled as soon as the value is there. Return it from ``run``, and its value is returned.

    For type checkers a result may stand wherever a value may, so that it can be an argument; what
    ``.result()`` returns is checked.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        """Make the promise of what comes of a call."""
        self._call = call

    def result(self) -> T:
        """Wait for the value.

        Returns:
            What the activity returned.

        Raises:
            TaskError: it ended without a result, and its errors are handed to the workflow
                (``error_handling=True``).
        """
        call = self._call
        if not call.done:
            call.decider.wait(call)
        if call.error is not None:
            raise call.error
        value: T = call.value
        return value


def call_of(result: Result[Any]) -> Call:
    """The call behind a result."""
    return result._call
