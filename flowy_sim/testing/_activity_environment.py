"""An environment in which a test runs an activity as a worker does, but without a service.

Example:
    >>> from flowy import ActivityContext, activity
    >>> @activity("export", 1, "reports", heartbeat=60)
    ... def export(context: ActivityContext, rows: int) -> int:
    ...     for row in range(rows):
    ...         if not context.heartbeat(f"{row} rows"):
    ...             return row
    ...     return rows
    >>> environment = ActivityEnvironment()
    >>> environment(export, 2)
    2
    >>> environment.heartbeats
    ['0 rows', '1 rows']
    >>> environment.cancel(at=2)
    >>> environment(export, 1000)
    1
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from flowy._checks import whole_number
from flowy._payloads.text import HEARTBEAT_LIMIT, cut
from flowy.activity import LATER, ActivityContext, ActivityType, HeartbeatReply, activity_class
from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import PLAIN, Payloads

_EXECUTION = "test"
"""The workflow ID and the run ID of the executions that activities are run for."""


class ActivityEnvironment:
    """Runs activities in a test, and answers their heartbeats as the test specifies.

    Calling an environment runs an activity: ``environment(Resize, "photo.jpg", 150)``.

    Args:
        payloads: encodes and decodes arguments and results.
        on_heartbeat: called with the details of each heartbeat while the activity works.

    Attributes:
        heartbeats: the details of each heartbeat of the last activity; None for a heartbeat
            without details.
        context: the context of the last activity, with the task token.
    """

    def __init__(
        self,
        *,
        payloads: Payloads = PLAIN,
        on_heartbeat: Callable[[str | None], object] | None = None,
    ) -> None:
        self.heartbeats: list[str | None] = []
        self.context = ActivityContext()
        self.on_heartbeat = on_heartbeat
        self._payloads = payloads
        self._numbers = count(1)
        self._canceled_at: int | None = None
        self._missed_at: int | None = None

    def __call__(self, activity: Any, *args: Any, **kwargs: Any) -> Any:
        """Run an activity.

        Arguments and the result are encoded and decoded as in production: a value that cannot be
        serialized is an error, and values arrive with the types of the type hints.

        Args:
            activity: the class or function of the activity.
            *args: the positional arguments of the activity.
            **kwargs: the keyword arguments of the activity.

        Returns:
            The result of the activity, or `flowy.LATER` if it is completed asynchronously.

        Raises:
            ConfigurationError: `activity` isn't an activity.
            SerializationError: an argument or the result cannot be serialized.
            Exception: the exception that the activity raises, such as `flowy.ActivityCanceled`
                when it stops because it was canceled.
        """
        __tracebackhide__ = True
        cls = activity_class(activity)
        declared = getattr(cls, "flowy_type", None)
        if not isinstance(declared, ActivityType):
            raise ConfigurationError(
                "an activity must be a class or function decorated with @activity, not "
                f"{activity!r}"
            )
        try:
            return self._run(cls, declared, args, kwargs)
        except SerializationError as error:
            # The message says it all; a test's report should not show the code that raised it.
            raise error.with_traceback(None) from None

    def _run(self, cls: Any, declared: ActivityType, args: Any, kwargs: Any) -> Any:
        __tracebackhide__ = True
        label, number = str(declared), next(self._numbers)
        sent = self._payloads.encode_input(label, args, kwargs)
        given, named = self._payloads.decode_input(label, sent, cls)
        self.heartbeats = []
        self.context = ActivityContext(
            label,
            f"{declared.name}-{number}",
            _EXECUTION,
            _EXECUTION,
            f"token-{number}",
            self._heartbeat,
        )
        instance = cls()
        instance.context = self.context
        result = instance.run(*given, **named)
        if result is LATER:
            return result
        text = self._payloads.encode_result(label, result)
        return self._payloads.decode_result(label, text, cls)

    def cancel(self, at: int = 1) -> None:
        """Request cancellation of the activity, which its heartbeats then report.

        Args:
            at: the number of the first heartbeat that reports it, counted from 1.
        """
        __tracebackhide__ = True
        self._canceled_at = whole_number("at", at, least=1)

    def abandon(self, at: int = 1) -> None:
        """Close the task of the activity, as a time-out does; heartbeats then report that.

        Args:
            at: the number of the first heartbeat that reports it, counted from 1.
        """
        __tracebackhide__ = True
        self._missed_at = whole_number("at", at, least=1)

    def _heartbeat(self, details: str | None) -> HeartbeatReply:
        kept = None if details is None else cut(str(details), HEARTBEAT_LIMIT)
        self.heartbeats.append(kept)
        if self.on_heartbeat is not None:
            self.on_heartbeat(kept)
        number = len(self.heartbeats)
        return HeartbeatReply(
            canceled=self._canceled_at is not None and number >= self._canceled_at,
            missed=self._missed_at is not None and number >= self._missed_at,
        )
