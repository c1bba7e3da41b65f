"""Waiting for several results: for all, for the first, in the order in which they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from flowy.errors import ConfigurationError
from flowy.result import Call, Result, call_of

T = TypeVar("T")


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
