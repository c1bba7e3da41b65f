"""What a proxy call returns: the promise of a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from flowy._determinism.call_sites import CallSite
from flowy.errors import ConfigurationError, TaskCanceled, TaskError

if TYPE_CHECKING:
    from flowy._decider.decider import Decider

    class _AnyArgument(Any):  # type: ignore[misc]
        """May stand wherever a value may."""
else:

    class _AnyArgument:
        __slots__ = ()


T = TypeVar("T")


class Call:
    """Something a workflow asked for, and what became of it.

    Each kind of thing to ask for is a subclass, which says how it is begun and what the events of
    the history mean for it.

    Attributes:
        decider: decides for the execution.
        error_handling: whether an error is handed to the workflow, rather than fail it.
        number: which call in ``run`` it is, from 1; 0 until the decider has taken it.
        call_site: where the author's code made it.
        missing: how many results are missing among its arguments.
        dependents: the calls among whose arguments its own result is.
        done: whether it has ended, with a value or an error.
        canceling: whether its end was asked for.
        finished: its call_site among all that has ended, from 1.
        value: what came of it, if it is a value.
        error: or the error it ended with.
    """

    __slots__ = (
        "call_site",
        "canceling",
        "decider",
        "dependents",
        "done",
        "error",
        "error_handling",
        "finished",
        "missing",
        "number",
        "value",
    )

    awaited_at_the_end: ClassVar[bool] = True
    """Whether the execution is not closed before it has ended."""
    told: ClassVar[bool] = True
    """Whether events tell its outcome, so that nobody has to `look`."""

    def __init__(self, decider: Decider, error_handling: bool) -> None:
        self.decider = decider
        self.error_handling = error_handling
        self.number = 0
        self.call_site: CallSite | None = None
        self.missing = 0
        self.dependents: list[Call] = []
        self.done = False
        self.canceling = False
        self.finished = 0
        self.value: Any = None
        self.error: Exception | None = None

    def prepare(self) -> None:
        """Encode the arguments, if any; the decider notes which results are not there yet."""

    def start(self) -> None:
        """Decide to begin: no argument is missing."""
        raise NotImplementedError

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Make an error that names this call."""
        raise NotImplementedError

    def learn(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Take in an event of the history that is about this call."""
        raise NotImplementedError

    def look(self) -> None:
        """Find out whether there is an outcome that nobody has told."""

    def ended(self) -> None:
        """Do what is left to do once it is settled."""

    def cancel(self) -> None:
        """Ask for its end, if it has not ended."""
        if self.done or self.canceling:
            return
        self.decider.stay()
        self.canceling = True
        if self.missing:
            self.end_canceled()
        else:
            self.stop()

    def stop(self) -> None:
        """Decide to end what has begun."""
        raise NotImplementedError

    def end_canceled(self) -> None:
        """Settle it as canceled."""
        self.decider.settle(self, error=self.failure(TaskCanceled))


class Result(_AnyArgument, Generic[T]):
    """What a proxy call returns at once; the value may come later.

    Pass it to other proxies, in an argument or anywhere within one: what they ask for is
    scheduled as soon as the value is there. Return it from ``run``, and its value is returned.

    For type checkers a result may stand wherever a value may, so that it can be an argument; what
    ``.result()`` returns is checked.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def result(self) -> T:
        """Wait for the value.

        Returns:
            What the activity returned.

        Raises:
            TaskError: it ended without a result, and its errors are handed to the workflow
                (``error_handling=True``), or it was canceled by `cancel`.
            ExecutionCanceled: the execution is asked to cancel itself meanwhile.
        """
        call = self._call
        call.look()
        if not call.done:
            call.decider.wait_for_any((call,))
        if call.error is not None:
            raise call.error
        value: T = call.value
        return value

    @property
    def done(self) -> bool:
        """Whether there is an outcome, a value or an error, by what is known now."""
        self._call.look()
        return self._call.done

    @property
    def error(self) -> Exception | None:
        """The error it ended with; None if it has not ended, or with a value."""
        self._call.look()
        return self._call.error

    def cancel(self) -> None:
        """Ask for its end: of an activity, a child workflow, a timer or the wait for a signal.

        What was not begun yet, and timers and waits, end at once. An activity or a child is
        asked, and may clean up, or go on and end as if it had not been. Its errors do not fail
        the workflow any more; ``.result()`` raises them.
        """
        self._call.cancel()
        self._call.decider.arguments.release_dependents()

    def __repr__(self) -> str:
        """Name what it is the result of, alike at each replay."""
        named = self._call.failure(TaskError)
        return f"<result of {named.type} ({named.task_id})>"

    def __bool__(self) -> bool:
        """Refuse: whether there is a result says nothing about its value."""
        raise TypeError(
            "a result is neither true nor false; ask for its value with .result(), or whether it "
            "has ended with .done"
        )


def call_of(result: Result[Any]) -> Call:
    """The call behind a result."""
    return result._call


def wait(*results: Result[Any]) -> None:
    """Wait until all have ended, with a value or an error.

    Args:
        *results: results of calls in ``run``.

    Example:
        ``flowy.wait(small, large)``
    """
    for call in _calls(results):
        call.decider.wait_for_any((call,))


def gather(*results: Result[T]) -> list[T]:
    """Wait for the values of all.

    Args:
        *results: results of calls in ``run``.

    Returns:
        The values, in the order of the results.

    Raises:
        TaskError: the error of the first in the list that ended with one, when all have ended.

    Example:
        ``sizes = flowy.gather(*[self.measure(each) for each in images])``
    """
    wait(*results)
    return [result.result() for result in results]


def first(*results: Result[Any]) -> Result[Any]:
    """Wait until one has ended.

    Args:
        *results: results of calls in ``run``, at least one.

    Returns:
        The one that ended first. The others go on; ``cancel()`` ends those that are not needed.

    Raises:
        ConfigurationError: there are none.

    Example:
        ``if flowy.first(answer, deadline) is deadline: answer.cancel()``
    """
    calls = _calls(results)
    if not calls:
        raise ConfigurationError("first needs at least one result to wait for")
    calls[0].decider.wait_for_any(calls)
    return min(
        (result for result in results if call_of(result).done),
        key=lambda result: call_of(result).finished,
    )


def finish_order(*results: Result[T]) -> Iterator[Result[T]]:
    """Yield results in the order in which they end, each as soon as it has.

    Args:
        *results: results of calls in ``run``.

    Example:
        ``for each in flowy.finish_order(*colors): self.file(each.result())``
    """
    _calls(results)
    return _in_finish_order(list(results))


def _in_finish_order(waiting: list[Result[T]]) -> Iterator[Result[T]]:
    while waiting:
        ended, waiting = _some_ended(waiting)
        yield from ended


def _some_ended(waiting: list[Result[T]]) -> tuple[list[Result[T]], list[Result[T]]]:
    """Wait until some have ended; return them, in that order, and the others."""
    first(*waiting)
    ended = [result for result in waiting if call_of(result).done]
    ended.sort(key=lambda result: call_of(result).finished)
    return ended, [result for result in waiting if not call_of(result).done]


def parallel_reduce(
    function: Callable[[Any, Any], Any], values: Iterable[Result[Any] | Any]
) -> Any:
    """Put values together in pairs until one is left, each pair as soon as two are there.

    The order in which they are put together is that in which they come, so the function must not
    care for it: ``a, b`` and ``c`` may become ``f(b, f(c, a))``.

    Args:
        function: takes two values and returns one, or the result of a call, such as a proxy.
        values: results of calls in ``run``, or plain values; at least one.

    Returns:
        The value that is left.

    Raises:
        ConfigurationError: there are no values.
        TaskError: the first error among them.

    Example:
        ``total = flowy.parallel_reduce(self.add, [self.count(each) for each in files])``
    """
    ready: list[Any] = []
    waiting: list[Result[Any]] = []

    def take(value: Any) -> None:
        if isinstance(value, Result):
            waiting.append(value)
        else:
            ready.append(value)

    for value in values:
        take(value)
    if not ready and not waiting:
        raise ConfigurationError("parallel_reduce needs at least one value")
    while True:
        while len(ready) > 1:
            take(function(ready.pop(0), ready.pop(0)))
        if not waiting:
            return ready[0]
        ended, waiting = _some_ended(waiting)
        ready += [result.result() for result in ended]


def _calls(results: Iterable[Result[Any]]) -> list[Call]:
    calls: list[Call] = []
    for result in results:
        if not isinstance(result, Result):
            raise ConfigurationError(_refusal(result))
        call = call_of(result)
        if calls and call.decider is not calls[0].decider:
            raise ConfigurationError(f"{result!r} is a result of another execution")
        calls.append(call)
    return calls


def _refusal(value: object) -> str:
    if isinstance(value, list | tuple | set | dict | Iterator):
        kind = type(value).__name__
        return (
            f"results are passed one by one, not in a {kind}; write gather(*results), with a star"
        )
    return (
        f"{value!r} is no result of a call in run; pass what a proxy, a timer or self.signal "
        "returned"
    )
