"""Results that stand in arguments: what waits for which of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from flowy.errors import DependencyFailed, SerializationError, TaskError, TaskNotScheduled
from flowy.result import Call, Result, call_of

if TYPE_CHECKING:
    from flowy._decider.decider import Decider

T = TypeVar("T")


class Arguments:
    """The calls of an execution whose arguments are, or wait for, results of others."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._needed: list[Call] = []
        self._settled: list[Call] = []
        self._watched: list[Call] = []

    def resolve(self, result: Result[object]) -> object:
        """Put into an argument what came of a result; note it if that is no value.

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
        """Encode something.

        Returns:
            What came of it, and the calls in it that have no value (yet).
        """
        self._needed = []
        return encode(), self._needed

    def start(self, call: Call, needed: list[Call]) -> None:
        """Begin a call, or wait for what it needs."""
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
        """Note that a call has ended, to be handed on."""
        if call.dependents:
            self._settled.append(call)

    def refresh(self) -> None:
        """Find out which of the awaited calls have an outcome that nobody has told."""
        for call in self._watched:
            call.refresh()

    def release_dependents(self) -> None:
        """Begin or give up the calls that waited for what is settled now."""
        for settled in self._settled:  # grows on the way
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
