"""Activities alone: run in a test as a worker runs them, with no service anywhere.

Example:
    >>> from flowy import ActivityContext, activity
    >>> @activity("export", 1, "reports", heartbeat=60)
    ... def export(context: ActivityContext, rows: int) -> int:
    ...     for row in range(rows):
    ...         if not context.heartbeat(f"{row} rows"):
    ...             return row
    ...     return rows
    >>> alone = ActivityEnvironment()
    >>> alone(export, 2)
    2
    >>> alone.heartbeats
    ['0 rows', '1 rows']
    >>> alone.cancel(at=2)
    >>> alone(export, 1000)
    1
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from flowy._checks import whole_number
from flowy._payloads.limits import HEARTBEAT_LIMIT, cut
from flowy.activity import ActivityType, activity_class
from flowy.activity_context import LATER, ActivityContext, Heartbeat
from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import PLAIN, Payloads


class ActivityEnvironment:
    """What an activity is run in: its heartbeats are kept, and hear what the test wants.

    Args:
        payloads: how arguments and results travel.
        on_heartbeat: called with the details of each heartbeat, in the midst of the work.

    Attributes:
        heartbeats: the details of the heartbeats of the last activity; None for one without.
        context: the task that it was run for, with the token that it may have handed on.
    """

    def __init__(
        self,
        *,
        payloads: Payloads = PLAIN,
        on_heartbeat: Callable[[str | None], object] | None = None,
    ) -> None:
        """Get ready; nobody wants a cancellation."""
        self.heartbeats: list[str | None] = []
        self.context = ActivityContext()
        self.on_heartbeat = on_heartbeat
        self._payloads = payloads
        self._numbers = count(1)
        self._canceled_at: int | None = None
        self._missed_at: int | None = None

    def __call__(self, activity: Any, *args: Any, **kwargs: Any) -> Any:
        """Run an activity.

        Arguments and result travel as they would: what cannot be sent is an error here, too, and
        what comes is what the type hints say.

        Args:
            activity: its class or function.
            *args: its arguments.
            **kwargs: its keyword arguments.

        Returns:
            Its result, or `flowy.LATER`.

        Raises:
            ConfigurationError: it is no activity.
            SerializationError: an argument or the result cannot be sent.
            Exception: what the activity raises; `flowy.ActivityCanceled` if it stops as it is
                canceled.
        """
        __tracebackhide__ = True
        cls = activity_class(activity)
        declared = getattr(cls, "flowy_type", None)
        if not isinstance(declared, ActivityType):
            raise ConfigurationError(
                f"what is run alone is a class or function decorated with @activity, not "
                f"{activity!r}"
            )
        try:
            return self._run(cls, declared, args, kwargs)
        except SerializationError as error:
            # Its sentence says all; the code that found it is of no interest to a test's report.
            raise error.with_traceback(None) from None

    def _run(self, cls: Any, declared: ActivityType, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        label, number = str(declared), next(self._numbers)
        sent = self._payloads.encode_input(label, args, kwargs)
        given, named = self._payloads.decode_input(label, sent, cls)
        self.heartbeats = []
        self.context = ActivityContext(
            label, f"{declared.name}-{number}", "alone", "alone", f"token-{number}", self._hear
        )
        instance = cls()
        instance.context = self.context
        result = instance.run(*given, **named)
        if result is LATER:
            return result
        text = self._payloads.encode_result(label, result)
        return self._payloads.decode_result(label, text, cls)

    def cancel(self, at: int = 1) -> None:
        """Let heartbeats hear that the activity is to be canceled.

        Args:
            at: the first one that hears it, from 1.
        """
        __tracebackhide__ = True
        self._canceled_at = whole_number("at", at, least=1)

    def abandon(self, at: int = 1) -> None:
        """Let heartbeats hear that nobody waits for the activity any more, as after a time-out.

        Args:
            at: the first one that hears it, from 1.
        """
        __tracebackhide__ = True
        self._missed_at = whole_number("at", at, least=1)

    def _hear(self, details: str | None) -> Heartbeat:
        kept = None if details is None else cut(str(details), HEARTBEAT_LIMIT)
        self.heartbeats.append(kept)
        if self.on_heartbeat is not None:
            self.on_heartbeat(kept)
        number = len(self.heartbeats)
        return Heartbeat(
            canceled=self._canceled_at is not None and number >= self._canceled_at,
            missed=self._missed_at is not None and number >= self._missed_at,
        )
