"""Results as arguments: which calls wait for which results."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from flowy.errors import DependencyFailed, SerializationError, TaskError, TaskNotScheduled
from flowy.result import Call, Result, call_of

if TYPE_CHECKING:
    from flowy._decider.decider import Decider

T = TypeVar("T")


class Arguments:
    """The calls of an execution that have results of other calls among their arguments."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._needed: list[Call] = []
        self._settled: list[Call] = []
        self._watched: list[Call] = []

    def resolve(self, result: Result[object]) -> object:
        """Return the value of a result among arguments; note the result if it has no value.

        Raises:
            TypeError: it is a result of another execution.
        """
        call = call_of(result)
        if call.decider is not self._decider:
            raise TypeError("it is a result of another execution")
        call.refresh()
        if not call.done or call.error is not None:
            self._needed.append(call)
        return call.value

    def needed(self, encode: Callable[[], T]) -> tuple[T, list[Call]]:
        """Encode a value.

        Returns:
            The encoded value, and the calls in it that have no value (yet).
        """
        self._needed = []
        return encode(), self._needed

    def start(self, call: Call, needed: list[Call]) -> None:
        """Begin a call, or let it wait for the results it needs."""
        if not needed:
            call.start()
            return
        call.missing = len(needed)
        for argument in needed:
            if argument.error is not None:
                self._give_up(call, argument.error)
                return
            argument.dependents.append(call)
            if not argument.event_driven:
                self._watched.append(argument)

    def settled(self, call: Call) -> None:
        """Note that a call has ended, so that `release_dependents` finds it."""
        if call.dependents:
            self._settled.append(call)

    def refresh(self) -> None:
        """Look for outcomes of awaited calls that no event brings."""
        for call in self._watched:
            call.refresh()

    def release_dependents(self) -> None:
        """Begin, or give up, the calls whose awaited results are settled by now."""
        for settled in self._settled:  # The list grows while it is worked through.
            for dependent in settled.dependents:
                if dependent.done:
                    continue
                if settled.error is not None:
                    self._give_up(dependent, settled.error)
                    continue
                dependent.missing -= 1
                if not dependent.missing:
                    self._start_late(dependent)
        self._settled.clear()
        self._watched = [call for call in self._watched if not call.done]

    def _start_late(self, call: Call) -> None:
        try:
            call.prepare()
        except SerializationError as error:
            self._decider.settle(call, error=call.failure(TaskNotScheduled, str(error)))
        else:
            call.start()

    def _give_up(self, call: Call, error: Exception) -> None:
        if isinstance(error, DependencyFailed) and isinstance(error.__cause__, TaskError):
            error = error.__cause__
        given_up = call.failure(DependencyFailed, str(error))
        given_up.__cause__ = error
        self._decider.settle(call, error=given_up)
