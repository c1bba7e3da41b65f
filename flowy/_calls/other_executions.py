"""Calls that concern other executions: child workflows, signals and cancel requests."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from flowy._calls.tasks import DELAY_HANDLERS, LIMIT_RETRY_SECONDS, TaskCall, over_limit
from flowy._decisions import Decision, start_timer
from flowy._payloads.text import beginning, ending
from flowy.errors import NotDelivered, TaskError
from flowy.options import CallOptions
from flowy.result import Call

if TYPE_CHECKING:
    from flowy._client import Execution
    from flowy._decider.decider import Decider
    from flowy.workflow import WorkflowType


class ExternalCall(Call):
    """A message to another execution.

    Args:
        decider: the decider.
        receiver: an execution (without a run ID, its open run), or a child of this workflow.
        error_handling: whether the workflow handles its error.
    """

    __slots__ = ("_receiver", "_run_id", "_workflow_id")

    prefix: ClassVar[str]
    """The beginning of its key."""
    decision_type: ClassVar[str]
    """The type of the decision that sends it."""

    def __init__(
        self, decider: Decider, receiver: Execution | ChildCall, error_handling: bool
    ) -> None:
        super().__init__(decider, error_handling)
        self._receiver = receiver
        self._workflow_id = ""
        self._run_id = ""

    @property
    def label(self) -> str:
        """The message, as named in errors."""
        raise NotImplementedError

    @property
    def content(self) -> dict[str, str]:
        """The members of the decision that hold the message."""
        return {}

    @property
    def _key(self) -> str:
        return f"{self.prefix}-{self.number}"

    def start(self) -> None:
        """Send it, or leave that to a child that has not started."""
        if isinstance(self._receiver, Call):
            self._receiver.send(self)
        else:
            self.send_to(*self._receiver)

    def send_to(self, workflow_id: str, run_id: str = "") -> None:
        """Send it."""
        if not self.done:
            self._workflow_id, self._run_id = workflow_id, run_id
            self._send()

    def _send(self) -> None:
        run = {"runId": self._run_id} if self._run_id else {}
        # Its events repeat `control`, by which this call is found again.
        attributes = {"control": self._key, "workflowId": self._workflow_id, **run, **self.content}
        self.decider.outbox.begin(Decision(self.decision_type, attributes), self._key, self)

    def stop(self) -> None:
        """Drop it if it was not sent; one that is on its way will arrive."""
        if not self._workflow_id or self.decider.outbox.withdraw(self._key):
            self.end_canceled()

    def failure(self, kind: type[TaskError], reason: str = "", details: str = "") -> TaskError:
        """Create an error that names the message and its receiver."""
        to = "a child" if isinstance(self._receiver, Call) else self._receiver.workflow_id
        return kind(self.label, self._workflow_id or to, 1, reason, details)

    def undelivered(self, cause: str) -> None:
        """Settle it as not delivered."""
        if not self.done:
            self.decider.settle(self, error=self.failure(NotDelivered, cause))

    def apply(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Apply an event: delivered, failed, or the delay after an exceeded limit has passed."""
        if event_type == "TimerFired":
            self._send()
        elif not event_type.endswith("Failed"):
            self.decider.settle(self)
        elif over_limit(cause := attributes["cause"]):
            self.decider.outbox.lower_limit(cause)
            key = f"{self._key}-delay"
            self.decider.outbox.begin(start_timer(key, LIMIT_RETRY_SECONDS), key, self)
        else:
            self.undelivered(cause)


class SendSignalCall(ExternalCall):
    """A signal to another execution."""

    __slots__ = ("_name", "_text", "_value")

    prefix = "signal"
    decision_type = "SignalExternalWorkflowExecution"

    def __init__(
        self,
        decider: Decider,
        receiver: Execution | ChildCall,
        error_handling: bool,
        name: str,
        value: object,
    ) -> None:
        super().__init__(decider, receiver, error_handling)
        self._name = name
        self._value = value
        self._text: str | None = None

    @property
    def label(self) -> str:
        """The signal, as named in errors."""
        return f"the signal {self._name!r}"

    @property
    def content(self) -> dict[str, str]:
        """The signal's name and value."""
        value = {} if self._text is None else {"input": self._text}
        return {"signalName": self._name, **value}

    def prepare(self) -> None:
        """Encode the value."""
        if self._value is not None:
            self._text = self.decider.payloads.encode_value(
                self.label, self._value, self.decider.encode
            )


class RequestCancelCall(ExternalCall):
    """A cancel request to another execution."""

    __slots__ = ()

    prefix = "cancel"
    decision_type = "RequestCancelExternalWorkflowExecution"

    @property
    def label(self) -> str:
        """The request, as named in errors."""
        return "the request to cancel"


_PARENT_LIMIT, _KEY_LIMIT = 150, 90  # An ID may have 256 characters.


class ChildCall(TaskCall):
    """A call of a child workflow, through all its attempts."""

    __slots__ = ("_messages", "_started", "_workflow_id")

    declared: WorkflowType

    handlers = DELAY_HANDLERS | {
        "ChildWorkflowExecutionStarted": "started",
        "ChildWorkflowExecutionCompleted": "completed",
        "ChildWorkflowExecutionFailed": "failed",
        "ChildWorkflowExecutionTimedOut": "timed_out",
        "ChildWorkflowExecutionCanceled": "canceled",
        "ChildWorkflowExecutionTerminated": "terminated",
        "StartChildWorkflowExecutionFailed": "refused",
    }

    def __init__(
        self,
        decider: Decider,
        declared: WorkflowType,
        hinted: type | None,
        call_options: CallOptions,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        super().__init__(decider, declared, hinted, call_options, args, kwargs)
        self._workflow_id = ""
        self._started = False
        self._messages: list[ExternalCall] = []

    @property
    def workflow_id(self) -> str:
        """The workflow ID of the current attempt.

        Unless it was given as an option, it is made from the parent's workflow ID, a digest of its
        run ID, and the number of the call in ``run``: unique, and the same at each replay.
        """
        if self._workflow_id:
            return self._workflow_id
        if self.call_options.workflow_id is not None:
            return self.call_options.workflow_id
        workflow_id, run_id = self.decider.execution
        run = sha256(run_id.encode()).hexdigest()[:8]
        parent, key = beginning(workflow_id, _PARENT_LIMIT), ending(self.key, _KEY_LIMIT)
        return f"{parent}-{run}-{key}"

    @property
    def task_id(self) -> str:
        """The name of the current attempt in errors: its workflow ID, if given or in use."""
        return self._workflow_id or self.call_options.workflow_id or self.key

    def decision(self, key: str) -> Decision:
        """Start the current attempt; the parent's history records its key as ``control``."""
        return Decision(
            "StartChildWorkflowExecution",
            {
                "control": key,
                "input": self.input,
                "workflowId": self.workflow_id,
                "workflowType": {"name": self.declared.name, "version": self.declared.version},
                **self.call_options.members,
            },
        )

    def start(self) -> None:
        """Begin the current attempt."""
        self._forget()
        super().start()

    def send(self, message: ExternalCall) -> None:
        """Send a message to the child, as soon as it has started."""
        if self._started:
            message.send_to(self.workflow_id)
        elif self.done:
            message.undelivered("UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
        else:
            self._messages.append(message)

    def started(self, attributes: Mapping[str, Any]) -> None:
        """Note the ID under which the child runs, and send the messages that wait for it."""
        self._workflow_id = attributes["workflowExecution"]["workflowId"]
        self._started = True
        messages, self._messages = self._messages, []
        for message in messages:
            message.send_to(self._workflow_id)

    def refused(self, attributes: Mapping[str, Any]) -> None:
        """Handle a child that was not started."""
        self._workflow_id = attributes["workflowId"]
        super().refused(attributes)

    def _wait(self, seconds: int) -> None:
        self._forget()
        super()._wait(seconds)

    def _forget(self) -> None:
        """Forget the attempt that has ended."""
        self._started = False
        self._workflow_id = ""

    def stop_attempt(self) -> None:
        """Ask the child to cancel itself."""
        # The child may have ended meanwhile. Then nothing is left to cancel, and nothing has
        # failed.
        self.decider.begin(RequestCancelCall(self.decider, self, error_handling=True))

    def ended(self) -> None:
        """Settle the messages that could not be sent because the child never started."""
        messages, self._messages = self._messages, []
        for message in messages:
            message.undelivered("UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
