"""Requests made from the service model that mostly make sense.

There are few names, few task lists and short times, so that calls interact, and one seed for each
request.
"""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from flowy_sim._engine import LambdaError, LambdaFunction
from flowy_sim._engine.model import enum, input_shape, service_model
from tests.support.engine_driver import START


def echo(payload: Any) -> Any:
    return payload


def fail(payload: Any) -> Any:
    raise ValueError(payload)


def fail_as_told(payload: Any) -> Any:
    raise LambdaError("Told", "so")


LAMBDAS: dict[str, Any] = {
    "echo": echo,
    "fail": fail,
    "fail as told": fail_as_told,
    "slow": LambdaFunction(echo, takes=3),
    "never": LambdaFunction(echo, takes=float("inf")),
}

IDS = ("1", "2", "3")
SECONDS = (*["3600"] * 6, "60", "5", "0")
TIMEOUTS = ("NONE", "NONE", "NONE", "NONE", "60", "5", "1", "0")
TEXTS = ("", "text", "é")
TYPES = [{"name": "A", "version": "1"}] * 8 + [{"name": "A", "version": "2"}]
TYPES += [{"name": "B", "version": "1"}]

#: Values of members, by structure and member, by member, or by the name of the shape.
POOLS: dict[str, Any] = {
    "ActivityId": IDS,
    "ActivityType": TYPES,
    "Arn": ("arn:aws:iam::123456789012:role/r",),
    "Data": TEXTS,
    "Description": TEXTS,
    "DomainName": ("a",) * 9 + ("b", "none"),
    "DurationInDays": ("0", "NONE", "1", "7"),
    "DurationInSeconds": SECONDS,
    "DurationInSecondsOptional": TIMEOUTS,
    "FailureReason": TEXTS,
    "FunctionId": IDS,
    "FunctionInput": ("{}", "5", "not JSON", ""),
    "FunctionName": (*LAMBDAS, "none"),
    "Identity": TEXTS,
    "LimitedData": TEXTS,
    "MarkerName": IDS,
    "Name": ("A", "A", "B"),
    "PageSize": (0, 1, 2, 5, 1000),
    "ResourceTagKey": IDS,
    "ResourceTagValue": TEXTS,
    "ScheduleLambdaFunctionDecisionAttributes.startToCloseTimeout": ("1", "5"),
    "SignalName": IDS,
    "Tag": ("t", "u"),
    "TagList": ([], ["t"], ["t", "u"], ["t", "t", None]),
    "TaskList": [{"name": name} for name in "llllm"],
    "TaskPriority": ("0", "1", "-5"),
    "TerminateReason": TEXTS,
    "TimerId": IDS,
    "Timestamp": (0, START / 1000, START / 1000 + 60),
    "Version": ("1", "1", "2"),
    "VersionOptional": ("", "1", "1", "2"),
    "WorkflowId": ("w", "w", "v", "x", "y:"),
    "WorkflowRunId": ("none",),
    "WorkflowRunIdOptional": ("", "", "none"),
    "WorkflowType": TYPES,
    "defaultExecutionStartToCloseTimeout": SECONDS,
    "executionStartToCloseTimeout": SECONDS,
    "resourceArn": tuple(f"arn:aws:swf:us-east-1:123456789012:/domain/{d}" for d in "aaab"),
}
CLOSING = [f"{verb}WorkflowExecution" for verb in ("Complete", "Fail", "Cancel", "ContinueAsNew")]
GOING_ON = [kind for kind in enum("DecisionType") if kind not in CLOSING]
#: Operations that open things are tried more often than those that end them.
GOING_ON += ["ScheduleActivityTask", "ScheduleActivityTask", "StartTimer"]
TOKENS = ("TaskToken", "PageToken")
JUNK = (None, True, -1, 5, 1.5, "", "1", "NONE", "x" * 300, [], [None], ["x"], {}, {"name": 5})


class Requests:
    """Requests that follow from one seed."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)

    def request(self, operation: str, **told: Any) -> dict[str, Any]:
        """A request with all required members except tokens, some others, and the given ones."""
        made: dict[str, Any] = self.structure(input_shape(operation))
        return {**made, **told}

    def answer(self) -> dict[str, Any]:
        """An answer of a decider, without its token."""
        told = {"decisions": self.decisions()}
        request = self.request("RespondDecisionTaskCompleted", **told)
        if self.random.random() < 0.7:
            request.pop("taskList", None)
        return request

    def decisions(self) -> list[dict[str, Any]]:
        """A batch of decisions, mostly valid ones."""
        kinds = self.random.choices(GOING_ON, k=self.random.randrange(5))
        chance = self.random.random()
        if chance < 0.2:
            fit = [kind for kind in kinds if kind not in ("ScheduleActivityTask", "StartTimer")]
            kinds = [*fit, self.random.choice(CLOSING)]
        elif chance < 0.25:
            kinds.insert(0, self.random.choice(CLOSING))
        return [self.decision(kind) for kind in kinds]

    def decision(self, kind: str) -> dict[str, Any]:
        name = f"{kind[0].lower()}{kind[1:]}DecisionAttributes"
        shape = service_model().shape_for("Decision").members[name]
        attributes = self.structure(shape)
        return {"decisionType": kind, name: attributes} if attributes else {"decisionType": kind}

    def nonsense(self, operation: str) -> dict[str, Any]:
        """A request with junk in some of its members."""
        request = self.request(operation)
        for name in self.random.sample(sorted(input_shape(operation).members), k=1):
            request[name] = deepcopy(self.random.choice(JUNK))
        return request

    def structure(self, shape: Any) -> dict[str, Any]:
        return {
            name: self.value(member, f"{shape.name}.{name}", name)
            for name, member in shape.members.items()
            if member.name not in TOKENS
            and (name in shape.required_members or self.random.random() < 0.3)
        }

    def value(self, shape: Any, *keys: str) -> Any:
        for key in (*keys, shape.name):
            if key in POOLS:
                return deepcopy(self.random.choice(POOLS[key]))
        if shape.type_name == "structure":
            return self.structure(shape)
        if shape.type_name == "list":
            return [self.value(shape.member) for _ in range(self.random.randrange(3))]
        if shape.type_name == "boolean":
            return self.random.random() < 0.5
        return self.random.choice(shape.enum)
