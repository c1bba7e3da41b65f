"""Results: what a call in ``run`` returns, and how to wait for one or several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from flowy._call_sites import CallSite
from flowy.errors import ConfigurationError, TaskCanceled, TaskError

if TYPE_CHECKING:
    from flowy._decider.decider import Decider

    class _AnyArgument(Any):  # type: ignore[misc]
        """Accepted wherever a value is, as ``Any`` is."""
else:

    class _AnyArgument:
        __slots__ = ()


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class Call:
    """Something a workflow asked for, and its outcome.

    Each kind of call is a subclass, which knows how it begins and what the events of the history
    mean for it.

    Args:
        decider: the decider of the execution.
        error_handling: see the attribute.

    Attributes:
        decider: the decider of the execution.
        error_handling: whether the workflow handles its error; otherwise an error fails it.
        number: the number of the call in ``run``, from 1; 0 until the decider has taken it.
        call_site: where the author's code makes the call.
        missing: the number of its arguments whose values are not known yet.
        dependents: the calls that have its result among their arguments.
        done: whether it has ended, with a value or an error.
        canceling: whether it was asked to end.
        finished: its position in the order in which calls ended, from 1.
        value: its value, if it ended with one.
        error: its error, if it ended with one.
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
    """Whether the execution stays open until the call has ended."""
    event_driven: ClassVar[bool] = True
    """Whether events alone bring its outcome, so that nothing needs to call `refresh`."""

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
        """Encode the arguments, if any; the decider notes which of them have no value yet."""

    def start(self) -> None:
        """Decide to begin; all arguments have values."""
        raise NotImplementedError

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Create an error that names this call."""
        raise NotImplementedError

    def apply(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Apply an event of the history that is about this call."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Look for an outcome that no event brings."""

    def ended(self) -> None:
        """Do what remains to be done once the call is settled."""

    def cancel(self) -> None:
        """Ask the call to end, unless it has ended."""
        if self.done or self.canceling:
            return
        self.decider.ensure_active()
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


class Result(_AnyArgument, Generic[T_co]):
    """The outcome of a call, which may still be pending: a proxy returns it at once.

    Pass it to other proxies, as an argument or anywhere within one: their calls are scheduled as
    soon as the value is known. Return it from ``run``, and the execution's result is its value.

    Type checkers accept a result wherever they accept a value, so that it can be an argument.
    They do check the type of what ``.result()`` returns.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def result(self) -> T_co:
        """Wait for the value.

        Returns:
            The value, such as what the activity returned.

        Raises:
            TaskError: the call ended without a result and the workflow handles its errors
                (``error_handling=True``), or it was canceled by `cancel`.
            ExecutionCanceled: the execution was asked to cancel itself while it waited.
        """
        call = self._call
        call.refresh()
        if not call.done:
            call.decider.wait_for_any((call,))
        if call.error is not None:
            raise call.error
        value: T_co = call.value
        return value

    @property
    def done(self) -> bool:
        """Whether there is an outcome by now, a value or an error."""
        self._call.refresh()
        return self._call.done

    @property
    def error(self) -> Exception | None:
        """The error that the call ended with; None if it is pending or ended with a value."""
        self._call.refresh()
        return self._call.error

    def cancel(self) -> None:
        """Cancel an activity, a child workflow, a timer or a wait for a signal.

        A call that has not begun, a timer and a wait end at once. An activity or a child gets
        a request: it may clean up first, or ignore the request and end normally. Its errors no
        longer fail the workflow; ``.result()`` raises them.
        """
        self._call.cancel()
        # Calls that have waited for its value as an argument will never get it.
        self._call.decider.arguments.release_dependents()

    def __repr__(self) -> str:
        """Name the call, in the same way at each replay."""
        named = self._call.failure(TaskError)
        return f"<result of {named.type} ({named.task_id})>"

    def __bool__(self) -> bool:
        """Raise an error: a result that exists says nothing about its value."""
        raise TypeError(
            "a result is neither true nor false; call .result() for its value, or check whether it "
            "has ended with .done"
        )


def call_of(result: Result[Any]) -> Call:
    """Return the call behind a result."""
    return result._call


def wait(*results: Result[Any]) -> None:
    """Wait until all results have ended, with a value or an error.

    Args:
        *results: results of calls in ``run``.

    Example:
        ``flowy.wait(small, large)``
    """
    # One after the other: waiting for a call that has ended returns at once.
    for call in _calls(results):
        call.decider.wait_for_any((call,))


@overload
def gather(a: Result[A], b: Result[B], /) -> tuple[A, B]: ...


@overload
def gather(a: Result[A], b: Result[B], c: Result[C], /) -> tuple[A, B, C]: ...


@overload
def gather(a: Result[A], b: Result[B], c: Result[C], d: Result[D], /) -> tuple[A, B, C, D]: ...


@overload
def gather(
    a: Result[A], b: Result[B], c: Result[C], d: Result[D], e: Result[E], /
) -> tuple[A, B, C, D, E]: ...


@overload
def gather(
    a: Result[A], b: Result[B], c: Result[C], d: Result[D], e: Result[E], f: Result[F], /
) -> tuple[A, B, C, D, E, F]: ...


@overload
def gather(*results: Result[T]) -> list[T]: ...


def gather(*results: Result[Any]) -> Any:
    """Wait for the values of all results.

    Args:
        *results: results of calls in ``run``.

    Returns:
        The values, in the order of the arguments: a list. As with ``asyncio.gather``, type checkers
        see a tuple if the number of arguments is known, so that each value has its own type.

    Raises:
        TaskError: once all have ended, the error of the first argument that ended with one.

    Example:
        ``sizes = flowy.gather(*[self.measure(each) for each in images])``
    """
    wait(*results)
    return [result.result() for result in results]


@overload
def first(a: Result[A], b: Result[B], /) -> Result[A] | Result[B]: ...


@overload
def first(a: Result[A], b: Result[B], c: Result[C], /) -> Result[A] | Result[B] | Result[C]: ...


@overload
def first(
    a: Result[A], b: Result[B], c: Result[C], d: Result[D], /
) -> Result[A] | Result[B] | Result[C] | Result[D]: ...


@overload
def first(*results: Result[T]) -> Result[T]: ...


def first(*results: Result[Any]) -> Result[Any]:
    """Wait until one of the results has ended.

    Args:
        *results: results of calls in ``run``, at least one.

    Returns:
        The one that ended first. The others continue; ``cancel()`` those that are not needed.

    Raises:
        ConfigurationError: no results were given.

    Example:
        ``if flowy.first(answer, deadline) is deadline: answer.cancel()``
    """
    calls = _calls(results)
    if not calls:
        raise ConfigurationError("first needs at least one result to wait for")
    calls[0].decider.wait_for_any(calls)
    # Several may have ended in the same decision task. The order of their events decides, as it
    # does when this is replayed.
    return min(
        (result for result in results if call_of(result).done),
        key=lambda result: call_of(result).finished,
    )


@overload
def finish_order(a: Result[A], b: Result[B], /) -> Iterator[Result[A] | Result[B]]: ...


@overload
def finish_order(
    a: Result[A], b: Result[B], c: Result[C], /
) -> Iterator[Result[A] | Result[B] | Result[C]]: ...


@overload
def finish_order(
    a: Result[A], b: Result[B], c: Result[C], d: Result[D], /
) -> Iterator[Result[A] | Result[B] | Result[C] | Result[D]]: ...


@overload
def finish_order(*results: Result[T]) -> Iterator[Result[T]]: ...


def finish_order(*results: Result[Any]) -> Iterator[Result[Any]]:
    """Yield results in the order in which they end, each as soon as it has ended.

    Args:
        *results: results of calls in ``run``.

    Example:
        ``for each in flowy.finish_order(*colors): self.file(each.result())``
    """
    # Checked here, because a generator would not check before its first item is taken.
    _calls(results)
    return _in_finish_order(list(results))


def _in_finish_order(waiting: list[Result[T]]) -> Iterator[Result[T]]:
    while waiting:
        ended, waiting = _some_ended(waiting)
        yield from ended


def _some_ended(waiting: list[Result[T]]) -> tuple[list[Result[T]], list[Result[T]]]:
    """Wait until some have ended; return those in that order, and the remaining ones."""
    first(*waiting)
    ended = [result for result in waiting if call_of(result).done]
    ended.sort(key=lambda result: call_of(result).finished)
    return ended, [result for result in waiting if not call_of(result).done]


def parallel_reduce(
    function: Callable[[Any, Any], Any], values: Iterable[Result[Any] | Any]
) -> Any:
    """Combine values in pairs until one is left, each pair as soon as two values are known.

    Values are combined in the order in which they arrive, so the function must be associative and
    commutative: ``a, b`` and ``c`` may become ``f(b, f(c, a))``.

    Args:
        function: takes two values and returns one, or a result of a call; may be a proxy.
        values: results of calls in ``run``, or plain values; at least one.

    Returns:
        The remaining value.

    Raises:
        ConfigurationError: no values were given.
        TaskError: the first error among the results.

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
        return f"pass results one by one, not in a {kind}; write gather(*results), with a star"
    return (
        f"{value!r} is not the result of a call in run; pass what a proxy, a timer or self.signal "
        "returned"
    )
