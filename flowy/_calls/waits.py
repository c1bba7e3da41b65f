"""Timers, and waits for signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowy._calls.tasks import over_limit
from flowy._decisions import start_timer
from flowy.errors import SerializationError, TaskError, TaskNotScheduled
from flowy.result import Call

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy._payloads.serializers import Converter


class TimerCall(Call):
    """A timer: it ends after a number of seconds, without a value."""

    __slots__ = ("_seconds",)

    awaited_at_the_end = False

    def __init__(self, decider: Decider, seconds: int) -> None:
        super().__init__(decider, error_handling=False)
        self._seconds = seconds

    @property
    def _key(self) -> str:
        return f"timer-{self.number}"

    def start(self) -> None:
        """Start it."""
        self.decider.outbox.begin(start_timer(self._key, self._seconds), self._key, self)

    def stop(self) -> None:
        """Stop it."""
        self.decider.stop_timer(self._key)
        self.end_canceled()

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Create an error that names the timer."""
        return kind(f"a timer of {self._seconds} s", self._key, 1, reason, details)

    def apply(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Settle it when it has fired; start it again if only a limit was exceeded."""
        if event_type != "StartTimerFailed":
            self.decider.settle(self)
        elif over_limit(cause := attributes["cause"]):
            self.decider.outbox.lower_limit(cause)
            self.start()
        else:
            self.decider.settle(self, error=self.failure(TaskNotScheduled, cause))


class SignalCall(Call):
    """A wait for a signal.

    Arrived signals are kept, in order, until a workflow waits for them; so a wait that was canceled
    takes none.
    """

    __slots__ = ("_convert", "_name")

    awaited_at_the_end = False
    event_driven = False

    def __init__(self, decider: Decider, name: str, convert: Converter | None) -> None:
        super().__init__(decider, error_handling=True)
        self._name = name
        self._convert = convert

    def start(self) -> None:
        """Do nothing: no decision is needed."""

    def stop(self) -> None:
        """Stop waiting."""
        self.end_canceled()

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Create an error that names the signal."""
        return kind(f"the signal {self._name!r}", self._name, 1, reason, details)

    def refresh(self) -> None:
        """Take the signal that arrived first, if there is one."""
        if self.done:
            return
        arrival = self.decider.signals.take(self._name)
        if arrival is None:
            return
        try:
            value = self.decider.payloads.decode_value(
                f"the signal {self._name!r}", arrival.signal.text, self._convert
            )
        except SerializationError as error:
            self.decider.settle(self, error=error, when=arrival.when)
        else:
            self.decider.settle(self, value, when=arrival.when)
