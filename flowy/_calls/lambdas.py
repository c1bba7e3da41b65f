"""AWS Lambda functions that a workflow asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flowy._calls.attempts import WAITS, TaskCall
from flowy._decider.decisions import Decision
from flowy.errors import TaskNotScheduled


class LambdaFunction(NamedTuple):
    """A Lambda function, as a workflow names it."""

    name: str
    """Its name or ARN."""

    def __str__(self) -> str:
        """The name; it has no version."""
        return self.name


class LambdaCall(TaskCall):
    """A Lambda function that was asked for, through all its attempts.

    It has one argument, its event.
    """

    __slots__ = ()

    meanings = WAITS | {
        "LambdaFunctionCompleted": "completed",
        "LambdaFunctionFailed": "failed",
        "LambdaFunctionTimedOut": "timed_out",
        "StartLambdaFunctionFailed": "not_started",
        "ScheduleLambdaFunctionFailed": "refused",
    }

    def prepare(self) -> None:
        """Write the function's event; Lambda reads it as JSON."""
        (event,) = self.args
        self.input = self.decider.payloads.encode_value(
            f"the input of {self.declared}", event, self.decider.encode
        )

    def decision(self, key: str) -> Decision:
        """Schedule the present attempt."""
        attributes = {"id": key, "name": self.declared.name, "input": self.input}
        return Decision("ScheduleLambdaFunction", {**attributes, **self.choices.members})

    def stop_attempt(self) -> None:
        """Nothing can be done: the service takes no request to cancel a Lambda function."""

    def not_started(self, attributes: Mapping[str, Any]) -> None:
        """Take in that Lambda was not reached, for want of a role or of the function."""
        reason, details = attributes.get("cause", ""), attributes.get("message", "")
        self.decider.settle(self, error=self.failure(TaskNotScheduled, reason, details))
