"""The methods of ``self`` in the ``run`` of a workflow, besides its proxies.

All of them are repeatable. The time is that of the decision task. Random numbers depend only on the
execution. Values from outside the workflow are recorded in markers, so that a replay gets them from
the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Unpack, overload
from uuid import UUID

from flowy import _checks
from flowy import options as known_options
from flowy._calls.other_executions import RequestCancelCall, SendSignalCall
from flowy._calls.waits import SignalCall, TimerCall
from flowy._client import Execution
from flowy._decider.run import RestartRun
from flowy._decisions import record_marker
from flowy._logs import WorkflowLogger
from flowy._payloads.hints import converter
from flowy._payloads.text import LONG_HISTORY
from flowy.errors import ConfigurationError
from flowy.options import AllOverrides
from flowy.result import Result

if TYPE_CHECKING:
    from flowy._decider.decider import Decider

T = TypeVar("T")


class WorkflowContext:
    """The methods and attributes of ``self`` in ``run``, besides the proxies."""

    _decider: Decider | None = None

    @property
    def workflow_id(self) -> str:
        """The workflow ID of the execution."""
        return self._deciding.execution.workflow_id

    @property
    def run_id(self) -> str:
        """The run ID of the execution."""
        return self._deciding.execution.run_id

    @property
    def replaying(self) -> bool:
        """Whether ``run`` is repeating earlier decisions rather than making new ones."""
        return self._deciding.turns.replaying

    @property
    def logger(self) -> WorkflowLogger:
        """A logger named after the workflow's module, whose records name the execution.

        A message that ``run`` logs appears once and not again at each replay, with this logger and
        with any other.
        """
        return WorkflowLogger(type(self).__module__)

    # Time.

    def now(self) -> datetime:
        """Return the current time in UTC: the start time of the current decision task."""
        return self._deciding.turns.current.instant

    def sleep(self, seconds: int | float | timedelta) -> None:
        """Wait, by a timer of Amazon SWF: a day costs no more than a second.

        Args:
            seconds: a whole number of seconds, up to 99,999,999, as an int or float; or a
                timedelta, which is rounded up to whole seconds, and to 0 if it is negative.

        Raises:
            ConfigurationError: ``seconds`` is something else, or out of range.
            ExecutionCanceled: the execution was asked to cancel itself while it waited.

        Example:
            ``self.sleep(deadline - self.now())``
        """
        self.timer(seconds).result()

    def timer(self, seconds: int | float | timedelta) -> Result[None]:
        """Start a timer, to wait for it together with other results.

        Args:
            seconds: the duration; see `sleep`.

        Returns:
            A result without a value, which ends when the time has passed. ``cancel()`` stops the
            timer. A timer that the workflow does not wait for does not keep the execution open.

        Raises:
            ConfigurationError: it is not a whole number of seconds.

        Example:
            ``if flowy.first(answer, deadline := self.timer(3600)) is deadline: …``
        """
        decider = self._deciding
        call = TimerCall(decider, _whole_seconds(seconds))
        decider.begin(call)
        return Result(call)

    # Signals and cancellation.

    @overload
    def signal(self, name: str) -> Result[Any]: ...

    @overload
    def signal(self, name: str, hint: type[T]) -> Result[T]: ...

    def signal(self, name: str, hint: Any = Any) -> Result[Any]:
        """Wait for a signal.

        Signals are kept until they are taken, in the order in which they arrived, including those
        that arrived before the workflow waited for them. Each wait takes one.

        Args:
            name: the signal's name.
            hint: the type of the value it carries, as in a type hint of ``run``.

        Returns:
            A result with the value that the signal carries; None if it carries nothing. Its
            ``.result()`` raises `flowy.SerializationError` if the value is not of that type.

        Example:
            ``approved = self.signal("approval", bool).result()``
        """
        name = _checks.text("the name of a signal", name)
        return Result(SignalCall(self._deciding, name, converter(hint)))

    def send_signal(
        self,
        workflow_id: str,
        name: str,
        value: object = None,
        *,
        run_id: str = "",
        error_handling: bool = False,
    ) -> Result[None]:
        """Send a signal to another execution of the domain.

        Args:
            workflow_id: the workflow ID of the receiver.
            name: the signal's name, 1 to 256 characters.
            value: the value that it carries, None for nothing. It may contain results, and is sent
                when their values are known.
            run_id: the receiver's run; empty for the open one.
            error_handling: whether the workflow handles the error if there is no such execution.

        Returns:
            A result without a value, which ends when the signal is delivered, or with
            `flowy.NotDelivered`.

        Raises:
            SerializationError: the value cannot be sent.
        """
        decider = self._deciding
        receiver = Execution(_checks.text("workflow_id", workflow_id), run_id)
        name = _checks.text("the name of a signal", name)
        call = SendSignalCall(decider, receiver, error_handling, name, value)
        decider.begin(call)
        return Result(call)

    def request_cancel(
        self, workflow_id: str, *, run_id: str = "", error_handling: bool = False
    ) -> Result[None]:
        """Ask another execution of the domain to cancel itself.

        Args:
            workflow_id: the workflow ID of that execution.
            run_id: its run; empty for the open one.
            error_handling: whether the workflow handles the error if there is no such execution.

        Returns:
            A result without a value, which ends when the request is delivered, or with
            `flowy.NotDelivered`.
        """
        decider = self._deciding
        receiver = Execution(_checks.text("workflow_id", workflow_id), run_id)
        call = RequestCancelCall(decider, receiver, error_handling)
        decider.begin(call)
        return Result(call)

    @property
    def cancel_requested(self) -> bool:
        """Whether the execution has been asked to cancel itself by now.

        Where ``run`` waits, the request raises `flowy.ExecutionCanceled`; this attribute is for
        code that does not wait.
        """
        return self._deciding.signals.cancel_requested

    # Randomness, and the world outside.

    @property
    def random(self) -> Random:
        """A random number generator of the execution's own, the same at each replay."""
        return self._deciding.markers.random()

    def uuid(self) -> UUID:
        """Create a random UUID, the same at each replay."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def side_effect(self, function: Callable[[], T]) -> T:
        """Call a function once, and record its return value in the history for all replays.

        Use it for something short and harmless, such as reading a setting: if the worker dies
        before it has answered, the function is called again. Everything else belongs in activities.

        Args:
            function: takes no arguments and returns a value that can be sent, of the type that its
                type hint declares.

        Returns:
            The value that the function returned, now or at an earlier decision.

        Raises:
            TaskFailed: the function raised an exception, or its return value cannot be sent; the
                history records this as well.

        Example:
            ``rate = self.side_effect(lambda: settings.read()["rate"])``
        """
        return self._deciding.markers.side_effect(function)

    def marker(self, name: str, details: str | None = None) -> None:
        """Write a marker into the history, for its human readers.

        Args:
            name: the marker's name, 1 to 256 characters.
            details: a text of up to 32,768 characters.
        """
        given = None if details is None else _checks.text("details", details, 32_768)
        name = _checks.text("the name of a marker", name)
        self._deciding.make_room()
        self._deciding.add(record_marker(name, given))

    # Code that changes, histories that grow.

    def patched(self, patch: str) -> bool:
        """Return whether this execution uses a change of the code.

        An execution that reaches this line for the first time uses it; one that passed the line
        with the old code does not. A marker in the history records the choice.

        Args:
            patch: a name for the change, up to 200 characters, not used for any other change.

        Returns:
            True to run the new code, False to run the old code.

        Example:
            ``size = 256 if self.patched("larger") else 128``
        """
        return self._deciding.markers.patched(_checks.text("the name of a patch", patch, 200))

    @property
    def history_length(self) -> int:
        """The number of events in the history, up to the current decision task."""
        return self._deciding.turns.current.started_event_id

    @property
    def history_is_long(self) -> bool:
        """Whether it is time to `restart`: the history has 20,000 of at most 25,000 events."""
        return self.history_length >= LONG_HISTORY

    def restart(self, *args: object, **kwargs: object) -> NoReturn:
        """End this run of the execution and start a new one, with an empty history.

        All open calls are awaited first. The new run has the settings of this one, except those
        that ``with self.options(…)`` around the call overrides. It also gets the signals that were
        not taken, and a cancel request that ``run`` has not learned of.

        Args:
            *args: the arguments of the new ``run``; may contain results.
            **kwargs: its keyword arguments.

        Raises:
            TaskError: one of the arguments is a result that ended with an error.
            SerializationError: an argument cannot be sent.
            ExecutionCanceled: the execution was asked to cancel itself while it waited.

        Example:
            ``if self.history_is_long: self.restart(day + 1)``
        """
        decider = self._deciding
        chosen = known_options.CallOptions(known_options.WORKFLOW, {}).within(decider.options)
        decider.wait_for_all()
        encode_input, label, encode = decider.payloads.encode_input, decider.label, decider.encode
        decider.when_complete(lambda: encode_input(label, args, kwargs, encode))
        raise RestartRun(args, kwargs, chosen.members)

    @contextmanager
    def options(self, **overrides: Unpack[AllOverrides]) -> Iterator[None]:
        """Override options for all calls in a block.

        They take precedence over those of decorators and proxies.

        Args:
            **overrides: options of activities and of child workflows. A call ignores those that its
                kind does not have.

        Raises:
            ConfigurationError: an option does not exist or has a wrong value.

        Example:
            ``with self.options(priority=5, retry=3): small = self.resize(source)``
        """
        decider = self._deciding
        before = decider.options
        decider.options = (*before, known_options.checked_block_options(overrides))
        try:
            yield
        finally:
            decider.options = before

    @property
    def _deciding(self) -> Decider:
        if self._decider is None:
            raise ConfigurationError(
                f"{type(self).__name__} is not being run by a worker; the methods of a workflow "
                "work only in its method run, while a worker decides"
            )
        return self._decider


def _whole_seconds(seconds: int | float | timedelta) -> int:
    if isinstance(seconds, timedelta):
        seconds = max(seconds, timedelta())
    return _checks.seconds("the time of a timer", seconds)
