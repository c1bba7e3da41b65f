"""All errors of flowy, under one base class.

The tree::

    FlowyError
    ├── ConfigurationError        a decorator, proxy, worker or call got a wrong argument
    ├── RegistrationError         the domain is unknown, or holds the type with other defaults
    ├── StartError                the service refused to start an execution
    ├── SerializationError        a value cannot be sent, or a text cannot be read
    ├── HistoryError              the given events are not a complete history
    ├── NonDeterminismError       the code makes decisions that differ from the history
    ├── UnrepeatableError         the code does something that differs at each replay
    ├── DecisionRefusedError      the service refused to close the execution
    ├── UnknownExecutionError     no such execution exists, or none is open
    ├── NotAwaitedError           an activity to complete by its token had already ended
    ├── ActivityCanceled          raised by an activity that stops because it was asked to
    ├── ExecutionCanceled         raised in ``run`` when the execution is asked to cancel itself
    └── TaskError                 a call that the workflow made ended without a result
        ├── TaskFailed            the activity raised an exception, or the child workflow failed
        ├── TaskTimedOut          the activity or child exceeded one of its time-outs
        ├── TaskCanceled          the activity or child was canceled
        ├── TaskTerminated        the child was terminated
        ├── TaskNotScheduled      the decision failed, or the input could not be sent
        ├── NotDelivered          a signal or cancel request found no open execution
        └── DependencyFailed      one of the call's arguments is a result that failed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowy._determinism.differences import Difference


class FlowyError(Exception):
    """The base class of all errors that flowy raises."""


class ConfigurationError(FlowyError):
    """A decorator, proxy, worker or call got an argument that it cannot work with."""


class RegistrationError(FlowyError):
    """The domain is unknown, or it holds a type with other defaults than the code declares."""


class StartError(FlowyError):
    """The service refused to start an execution."""


class SerializationError(FlowyError):
    """A value cannot be serialized or is too long for Amazon SWF, or a text cannot be read."""


class HistoryError(FlowyError):
    """The given events are not a history, or only a part of one."""


class DecisionRefusedError(FlowyError):
    """The service refused to close the execution, for a reason other than new events."""


class UnknownExecutionError(FlowyError):
    """No such execution exists, or none is open."""


class NotAwaitedError(FlowyError):
    """An activity that was to be completed by its token has already ended, or its execution has."""


class ActivityCanceled(FlowyError):
    """Raised by an activity to stop after a heartbeat has reported a cancellation request.

    Args:
        details: a text for the workflow, such as what was undone.

    Example:
        ``if not self.heartbeat(): raise ActivityCanceled("nothing was sent")``
    """

    def __init__(self, details: str = "") -> None:
        super().__init__(details or "the activity was canceled")
        self.details = details


class ExecutionCanceled(FlowyError):
    """Raised where ``run`` waits, when the execution has been asked to cancel itself.

    It is raised once. A handler can clean up with activities, timers and anything else, and then
    raise it again. If it leaves ``run``, all open calls are asked to cancel as well, and the
    execution is closed as canceled once they have ended.

    Args:
        details: recorded as the details of the cancellation; at most 32,768 characters.

    Example:
        ::

            try:
                self.copy(source).result()
            except ExecutionCanceled:
                self.delete(source).result()
                raise
    """

    def __init__(self, details: str = "") -> None:
        super().__init__(details or "the execution was asked to cancel itself")
        self.details = details


class NonDeterminismError(FlowyError):
    """A workflow's code makes decisions that differ from the history of the execution.

    The worker then sends nothing to the service: once the code that wrote the history is deployed
    again, the execution continues.

    Args:
        difference: where history and code differ, the likely reason, and what to do.

    Attributes:
        difference: the argument; its text is the error's message.
    """

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference

    @property
    def event_id(self) -> int:
        """The first event at which history and code differ."""
        return self.difference.event_id

    @property
    def expected(self) -> str:
        """What the history records at that event."""
        return self.difference.expected

    @property
    def got(self) -> str:
        """What the code decided instead."""
        return self.difference.got

    def __reduce__(self) -> tuple[type, tuple[Difference]]:
        return type(self), (self.difference,)


class UnrepeatableError(FlowyError):
    """A workflow's code does something that differs, or is done again, at each replay.

    The worker does not answer the decision task, so the execution continues once the code is fixed.

    Args:
        what: the operation, such as ``time.time()``.
        file: the author's file that contains it.
        line: the line in that file.
        instead: what to use instead.
    """

    def __init__(self, what: str, file: str, line: int, instead: str) -> None:
        super().__init__(
            f"{file}, line {line}: {what} in the run of a workflow, which is replayed for each "
            f"decision; use {instead} instead"
        )
        self.what = what
        self.file = file
        self.line = line
        self.instead = instead

    def __reduce__(self) -> tuple[type, tuple[str, str, int, str]]:
        return type(self), (self.what, self.file, self.line, self.instead)


class TaskError(FlowyError):
    """A call that the workflow made ended without a result.

    Args:
        type: the name and version of its type, such as ``resize 1``; or a description of the call.
        task_id: its ID in the history, such as ``resize-1``, or the workflow ID of a child.
        attempt: the number of the attempt, from 1.
        reason: why it ended, in a few words.
        details: more about it; after an exception in an activity, the remote traceback.
    """

    verb = "ended without a result"

    def __init__(
        self, type: str, task_id: str, attempt: int, reason: str = "", details: str = ""
    ) -> None:
        sentence = f"{type} ({task_id}) {self.verb}"
        super().__init__(f"{sentence}: {reason}" if reason else sentence)
        self.type = type
        self.task_id = task_id
        self.attempt = attempt
        self.reason = reason
        self.details = details

    def __reduce__(self) -> tuple[type, tuple[str, str, int, str, str]]:
        arguments = (self.type, self.task_id, self.attempt, self.reason, self.details)
        return self.__class__, arguments


class TaskFailed(TaskError):
    """The call failed: it raised an exception, or its result cannot be read."""

    verb = "failed"

    @property
    def remote_traceback(self) -> str:
        """The traceback of the exception, as the worker recorded it; empty if it recorded none."""
        return self.details


class TaskTimedOut(TaskError):
    """The call exceeded a time-out.

    ``reason`` names it: ``SCHEDULE_TO_START``, ``SCHEDULE_TO_CLOSE``, ``START_TO_CLOSE`` or
    ``HEARTBEAT`` of an activity, ``START_TO_CLOSE`` of a child workflow. ``details`` are those of
    the activity's last heartbeat.
    """

    verb = "timed out"

    @property
    def timeout_type(self) -> str:
        """The time-out that was exceeded, such as ``HEARTBEAT``."""
        return self.reason


class TaskCanceled(TaskError):
    """The call was canceled; ``details`` are those that it reported."""

    verb = "was canceled"


class TaskTerminated(TaskError):
    """The child workflow was terminated; the service does not report why."""

    verb = "was terminated"


class TaskNotScheduled(TaskError):
    """The call was never scheduled.

    ``reason`` is the cause as Amazon SWF names it, such as ``ACTIVITY_TYPE_DOES_NOT_EXIST``, or
    what is wrong with the input.
    """

    verb = "was not scheduled"

    @property
    def cause(self) -> str:
        """The cause as Amazon SWF names it, or what is wrong with the input."""
        return self.reason


class NotDelivered(TaskError):
    """A signal or a cancel request found no open execution.

    ``type`` names what was sent and ``task_id`` the receiver. ``reason`` is the cause as Amazon
    SWF names it, such as ``UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION``.
    """

    verb = "was not delivered"


class DependencyFailed(TaskError):
    """The call was never scheduled, because a result among its arguments failed (``__cause__``)."""

    verb = "was not scheduled, as one of its arguments failed"
