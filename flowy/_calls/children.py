"""Calls of child workflows."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from flowy._calls.external import ExternalCall, RequestCancelCall
from flowy._calls.tasks import DELAY_HANDLERS, TaskCall
from flowy._decisions import Decision
from flowy._payloads.text import beginning, ending
from flowy.options import CallOptions

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy.workflow import WorkflowType

_PARENT_LIMIT, _KEY_LIMIT = 150, 90  # An id may have 256 characters.


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
        """The workflow id of the current attempt.

        Unless it was given as an option, it is made from the parent's workflow id, a digest of its
        run id, and the number of the call in ``run``: unique, and the same at each replay.
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
        """The name of the current attempt in errors: its workflow id, if given or in use."""
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
        """Note the id under which the child runs, and send the messages that wait for it."""
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
        self.decider.begin(RequestCancelCall(self.decider, self, error_handling=True))

    def ended(self) -> None:
        """Settle the messages that could not be sent because the child never started."""
        messages, self._messages = self._messages, []
        for message in messages:
            message.undelivered("UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
