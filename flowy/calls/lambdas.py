"""AWS Lambda functions that a workflow asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowy.calls.attempts import WAITS, TaskCall
from flowy.decisions import Decision
from flowy.errors import TaskNotScheduled
from flowy.options import Choices

if TYPE_CHECKING:
    from flowy.decider import Decider


class LambdaCall(TaskCall):
    """A Lambda function that was asked for, through all its attempts."""

    __slots__ = ("_payload",)

    meanings = WAITS | {
        "LambdaFunctionCompleted": "completed",
        "LambdaFunctionFailed": "failed",
        "LambdaFunctionTimedOut": "timed_out",
        "StartLambdaFunctionFailed": "not_started",
        "ScheduleLambdaFunctionFailed": "refused",
    }

    def __init__(self, decider: Decider, name: str, choices: Choices, payload: object) -> None:
        """Keep the call; nothing is asked for yet."""
        super().__init__(decider, name, None, choices, (), {})
        self._payload = payload

    @property
    def first_key(self) -> str:
        """The id of the first attempt."""
        return f"{self.label}-{self.number}"

    def prepare(self) -> None:
        """Write the function's event; Lambda reads it as JSON."""
        self.input = self.decider.payloads.encode_value(
            f"the input of {self.label}", self._payload, self.decider.encode
        )

    def decision(self) -> Decision:
        """Schedule the present attempt."""
        attributes = {"id": self.key, "name": self.label, "input": self.input}
        return Decision("ScheduleLambdaFunction", {**attributes, **self.choices.members})

    def stop_attempt(self) -> None:
        """Nothing can be done: the service takes no request to cancel a Lambda function."""

    def not_started(self, attributes: Mapping[str, Any]) -> None:
        """Take in that Lambda was not reached, for want of a role or of the function."""
        reason, details = attributes.get("cause", ""), attributes.get("message", "")
        self.decider.settle(self, error=self.failure(TaskNotScheduled, reason, details))
