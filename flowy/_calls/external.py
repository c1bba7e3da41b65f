"""Signals and cancel requests that are sent to other executions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from flowy._calls.tasks import LIMIT_RETRY_SECONDS, over_limit
from flowy._decisions import Decision, start_timer
from flowy.errors import NotDelivered, TaskError
from flowy.result import Call

if TYPE_CHECKING:
    from flowy._calls.children import ChildCall
    from flowy._client import Execution
    from flowy._decider.decider import Decider


class ExternalCall(Call):
    """A message to another execution.

    Args:
        decider: the decider.
        receiver: an execution (without a run id, its open run), or a child of this workflow.
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
