"""Every error of flowy, under one base class.

The tree::

    FlowyError
    ├── ConfigurationError        a decorator, proxy, worker or starter was given something wrong
    ├── RegistrationError         the service holds a type with other defaults, or no such domain
    ├── StartError                the service refused to start an execution
    ├── SerializationError        a value cannot be sent, or a text cannot be read
    ├── HistoryError              what was given as a history is none
    ├── NonDeterminismError       the workflow's code decides otherwise than its history shows
    ├── UnrepeatableError         the workflow's code does what is not the same at each replay
    ├── DecisionRefusedError      the service refuses to close the execution
    ├── UnknownExecutionError     there is no such execution, or it is not open
    ├── NotAwaitedError           an activity to be finished elsewhere has ended already
    ├── ActivityCanceled          raised by an activity that stops as it was asked to
    ├── ExecutionCanceled         raised in ``run`` when the execution is asked to cancel itself
    └── TaskError                 what was asked of the service ended without a result
        ├── TaskFailed            the activity raised an exception, or the child workflow failed
        ├── TaskTimedOut          one of the time-outs of an activity or a child passed
        ├── TaskCanceled          the activity or the child was canceled
        ├── TaskTerminated        the child was terminated
        ├── TaskNotScheduled      it was never scheduled: the decision failed, or its input
        ├── NotDelivered          a signal or a request to cancel found no open execution
        └── DependencyFailed      it was never scheduled: a result among its arguments is an error
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowy._determinism.differences import Difference


class FlowyError(Exception):
    """The base of all errors that flowy raises."""


class ConfigurationError(FlowyError):
    """A decorator, proxy, worker or starter was given something it cannot work with."""


class RegistrationError(FlowyError):
    """The domain is unknown, or it holds a type with other defaults than the code has."""


class StartError(FlowyError):
    """The service refused to start an execution."""


class SerializationError(FlowyError):
    """A value cannot be sent as JSON, is too long for Amazon SWF, or a text cannot be read."""


class HistoryError(FlowyError):
    """What was given as the history of an execution is not one, or not all of it."""


class DecisionRefusedError(FlowyError):
    """The service refuses to close the execution, for another reason than news meanwhile."""


class UnknownExecutionError(FlowyError):
    """There is no such execution, or none that is open."""


class NotAwaitedError(FlowyError):
    """An activity that was to be finished elsewhere has ended already, or its execution has."""


class ActivityCanceled(FlowyError):
    """Raised by an activity that stops, once a heartbeat has said that it is to be canceled.

    Args:
        details: what the workflow is to know, such as what was undone.

    Example:
        ``if not self.heartbeat(): raise ActivityCanceled("nothing was sent")``
    """

    def __init__(self, details: str = "") -> None:
        super().__init__(details or "the activity was canceled")
        self.details = details


class ExecutionCanceled(FlowyError):
    """Raised in ``run``, where it waits, when the execution has been asked to cancel itself.

    It is raised once; what handles it can clean up, with activities, timers and all else, and
    raise it again. If it leaves ``run``, all that is open is asked to cancel too, and when that
    has ended the execution is closed as canceled.

    Args:
        details: what is kept as the details of the cancellation; at most 32,768 characters.

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
    """A workflow's code decides otherwise than the history of the execution shows.

    Nothing is answered to the service then, so that going back to the code which wrote the
    history saves the execution.

    Args:
        difference: where history and code part, why most likely, and what to do.
    """

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference

    @property
    def event_id(self) -> int:
        """The event at which history and code part."""
        return self.difference.event_id

    @property
    def expected(self) -> str:
        """What the history holds there."""
        return self.difference.expected

    @property
    def got(self) -> str:
        """What the code decided instead."""
        return self.difference.got

    def __reduce__(self) -> tuple[type, tuple[Difference]]:
        return type(self), (self.difference,)


class UnrepeatableError(FlowyError):
    """The code of a workflow does what is not the same at each replay, or is done again.

    The decision task is not answered, so that mended code goes on with the execution.

    Args:
        what: what it does, such as ``time.time()``.
        file: the file where the author's code does so.
        line: the line.
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
    """Something the workflow asked for ended without a result.

    Args:
        type: name and version of its type, such as ``resize 1``; or what it is.
        task_id: its id in the history, such as ``resize-1``, or the workflow id of a child.
        attempt: which attempt it was, from 1.
        reason: why, in a few words.
        details: more about it; after an exception in an activity the remote traceback.
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
    """It failed: it raised an exception, or what it returned cannot be read."""

    verb = "failed"

    @property
    def remote_traceback(self) -> str:
        """The traceback of the exception, as the worker wrote it; empty if it wrote none."""
        return self.details


class TaskTimedOut(TaskError):
    """A time-out passed.

    ``reason`` says which: ``SCHEDULE_TO_START``, ``SCHEDULE_TO_CLOSE``, ``START_TO_CLOSE`` or
    ``HEARTBEAT`` of an activity, ``START_TO_CLOSE`` of a child workflow; ``details`` are those of
    an activity's last heartbeat.
    """

    verb = "timed out"

    @property
    def timeout_type(self) -> str:
        """Which time-out passed."""
        return self.reason


class TaskCanceled(TaskError):
    """It was canceled; ``details`` are what it gave."""

    verb = "was canceled"


class TaskTerminated(TaskError):
    """The child workflow was terminated; the service does not say why."""

    verb = "was terminated"


class TaskNotScheduled(TaskError):
    """It was never scheduled.

    ``reason`` is the cause as Amazon SWF names it, such as ``ACTIVITY_TYPE_DOES_NOT_EXIST``, or
    says what is wrong with the input.
    """

    verb = "was not scheduled"

    @property
    def cause(self) -> str:
        """The cause as Amazon SWF names it, or what is wrong with the input."""
        return self.reason


class NotDelivered(TaskError):
    """A signal or a request to cancel found no open execution.

    ``type`` says what was to be delivered, ``task_id`` to whom; ``reason`` is the cause as Amazon
    SWF names it, such as ``UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION``.
    """

    verb = "was not delivered"


class DependencyFailed(TaskError):
    """It was never scheduled, as a result among its arguments is an error (``__cause__``)."""

    verb = "was not scheduled, as one of its arguments failed"
