"""Child workflows that a workflow asked for."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from flowy._calls.external import ExternalCall, RequestCancelCall
from flowy._calls.tasks import DELAY_HANDLERS, TaskCall
from flowy._decider.decisions import Decision
from flowy._payloads.text import beginning, ending
from flowy.options import CallOptions

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy.workflow import WorkflowType

_PARENT_LIMIT, _KEY_LIMIT = 150, 90  # of the 256 characters of an id


class ChildCall(TaskCall):
    """A child workflow that was asked for, through all its attempts."""

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
        """The workflow id of the present attempt.

        If none was chosen, it is made of the parent's workflow id, its run and the number of the
        call in ``run``.
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
        """What errors call the present attempt: its workflow id, if one was chosen or used."""
        return self._workflow_id or self.call_options.workflow_id or self.key

    def decision(self, key: str) -> Decision:
        """Start the present attempt; the parent's history has its key as ``control``."""
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
        """Begin the present attempt."""
        self._forget()
        super().start()

    def send(self, message: ExternalCall) -> None:
        """Send something to the child, as soon as it has started."""
        if self._started:
            message.send_to(self.workflow_id)
        elif self.done:
            message.undelivered("UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
        else:
            self._messages.append(message)

    def started(self, attributes: Mapping[str, Any]) -> None:
        """Take in that the child runs, under which id."""
        self._workflow_id = attributes["workflowExecution"]["workflowId"]
        self._started = True
        messages, self._messages = self._messages, []
        for message in messages:
            message.send_to(self._workflow_id)

    def refused(self, attributes: Mapping[str, Any]) -> None:
        """Take in that it was not started."""
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
        """Give back what could not be sent, as the child never started."""
        messages, self._messages = self._messages, []
        for message in messages:
            message.undelivered("UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
