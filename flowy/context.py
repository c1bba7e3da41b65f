"""What a workflow can do in ``run`` beside calling its proxies.

All of it is repeated by a replay: the time is that of the decision task, chance and what was
looked up outside are kept in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Unpack, overload
from uuid import UUID

from flowy import _checks
from flowy import options as known_options
from flowy._calls.external import RequestCancelCall, SendSignalCall
from flowy._calls.waits import SignalCall, TimerCall
from flowy._client import Execution
from flowy._decider.decisions import record_marker
from flowy._decider.run import RestartRun
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
    """What ``self`` offers in ``run``, beside the proxies."""

    _decider: Decider | None = None

    @property
    def workflow_id(self) -> str:
        """The workflow id of the execution."""
        return self._deciding.execution.workflow_id

    @property
    def run_id(self) -> str:
        """The run id of the execution."""
        return self._deciding.execution.run_id

    @property
    def replaying(self) -> bool:
        """Whether ``run`` repeats what was decided before, rather than decide something new."""
        return self._deciding.turns.replaying

    @property
    def logger(self) -> WorkflowLogger:
        """A logger of the workflow's module, whose records tell of the execution.

        What is logged appears once and not at each replay, by this logger and by all others.
        """
        return WorkflowLogger(type(self).__module__)

    # Time.

    def now(self) -> datetime:
        """Tell the time, in UTC: when the decision task was started that is being worked on."""
        return self._deciding.turns.at_hand.instant

    def sleep(self, seconds: int | timedelta) -> None:
        """Wait, by a timer of Amazon SWF: a day costs no more than a second.

        Args:
            seconds: how long; whole seconds, up to 99,999,999, or a timedelta, of which a part of
                a second counts as one, and less than nothing as none.

        Raises:
            ConfigurationError: that is no such number.
            ExecutionCanceled: the execution is asked to cancel itself meanwhile.

        Example:
            ``self.sleep(deadline - self.now())``
        """
        self.timer(seconds).result()

    def timer(self, seconds: int | timedelta) -> Result[None]:
        """Start a timer, to wait for it beside other results.

        Args:
            seconds: see `sleep`.

        Returns:
            A result without a value, which ends when the time has passed. ``cancel()`` stops the
            timer; one that nobody waits for does not hold up the end of the execution.

        Raises:
            ConfigurationError: that is no whole number of seconds.

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

        Signals are kept until they are taken, each name's in the order in which they came, also
        those that came before anybody waited. Each wait takes one.

        Args:
            name: the signal's name.
            hint: the type of what it carries, as a type hint of ``run`` would say it.

        Returns:
            A result with what the signal carries; None if it carries nothing. Its ``.result()``
            raises `flowy.SerializationError` if it carries something else.

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
            workflow_id: whom to send it to.
            name: the signal's name, 1 to 256 characters.
            value: what it carries, None for nothing; may hold results, and is sent when they are
                there.
            run_id: which run of it; empty for the open one.
            error_handling: whether the workflow handles it if there is no such execution.

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
            workflow_id: whom to ask.
            run_id: which run of it; empty for the open one.
            error_handling: whether the workflow handles it if there is no such execution.

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
        """Whether the execution was asked to cancel itself, by what is known now.

        Where ``run`` waits it hears of it anyhow, by `flowy.ExecutionCanceled`.
        """
        return self._deciding.signals.cancel_requested

    # Chance, and what is outside.

    @property
    def random(self) -> Random:
        """A source of chance of the execution's own."""
        return self._deciding.markers.random()

    def uuid(self) -> UUID:
        """Make a UUID, random and the execution's own."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def side_effect(self, function: Callable[[], T]) -> T:
        """Call a function once, and keep what it returns in the history for all replays.

        For what is short and harmless, such as reading a setting: if the worker dies before it
        has answered, the function is called again. All else belongs in activities.

        Args:
            function: takes nothing and returns what can be sent; its type hint says what that is.

        Returns:
            What it returned, now or when it was called.

        Raises:
            TaskFailed: it raised an exception, or what it returned cannot be sent; that is kept
                in the history likewise.

        Example:
            ``rate = self.side_effect(lambda: settings.read()["rate"])``
        """
        return self._deciding.markers.side_effect(function)

    def marker(self, name: str, details: str | None = None) -> None:
        """Write something into the history, for people who read it.

        Args:
            name: the marker's name, 1 to 256 characters.
            details: more, up to 32,768 characters.
        """
        given = None if details is None else _checks.text("details", details, 32_768)
        name = _checks.text("the name of a marker", name)
        self._deciding.make_room()
        self._deciding.add(record_marker(name, given))

    # Code that changes, histories that grow.

    def patched(self, patch: str) -> bool:
        """Tell whether a change of the code holds for this execution.

        It holds for executions that come to this place for the first time, and not for those
        that passed it with the old code; a marker keeps that.

        Args:
            patch: a name for the change, up to 200 characters, used for no other.

        Returns:
            Whether to do as the new code does.

        Example:
            ``size = 256 if self.patched("larger") else 128``
        """
        return self._deciding.markers.patched(_checks.text("the name of a patch", patch, 200))

    @property
    def history_length(self) -> int:
        """How many events the history has, up to the decision task that is being worked on."""
        return self._deciding.turns.at_hand.started_event_id

    @property
    def history_is_long(self) -> bool:
        """Whether it is time to `restart`: four fifths of the 25,000 events that may be, are."""
        return self.history_length >= LONG_HISTORY

    def restart(self, *args: object, **kwargs: object) -> NoReturn:
        """End this run of the execution and begin a new one, with an empty history.

        All that is open is awaited first. The new run has the settings of this one, but for what
        ``with self.options(…)`` around the call says, and gets the signals that nobody took, and
        a request to cancel of which ``run`` has not heard.

        Args:
            *args: the arguments of the new ``run``; may hold results.
            **kwargs: the same by keyword.

        Raises:
            TaskError: one of the arguments is a result that ended with an error.
            SerializationError: an argument cannot be sent.
            ExecutionCanceled: the execution is asked to cancel itself while it waits.

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
        """Choose options for all calls of a block, over what decorators and proxies say.

        Args:
            **overrides: options of activities and of child workflows; those that a proxy's kind
                does not have are not for it.

        Raises:
            ConfigurationError: there is no such option, or its value is wrong.

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
                f"{type(self).__name__} is not being run by a worker; what a workflow can do it "
                "can do only in its method run, when a worker decides"
            )
        return self._decider


def _whole_seconds(seconds: int | timedelta) -> int:
    if isinstance(seconds, timedelta):
        seconds = max(ceil(seconds / timedelta(seconds=1)), 0)
    return _checks.whole_number("the seconds of a timer", seconds)
