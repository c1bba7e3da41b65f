"""Faults that strike when an execution calls a Lambda function."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flowy import _checks
from flowy_sim._clients.in_process import Reply
from flowy_sim._engine.lambda_functions import LambdaError
from flowy_sim.faults._fault import INJECTED, FaultTarget, InjectedFault, Moment, WorkerCall

TAKES = "takes"
"""The member of what `strike` returns that holds the seconds by which a call lasts longer."""


@dataclass(frozen=True)
class _OfFunction(InjectedFault):
    """A fault that strikes when a Lambda function is called."""

    moment = Moment.FUNCTION


@dataclass(frozen=True)
class LambdaFails(_OfFunction):
    """A Lambda function fails without having done its work."""

    title = "the Lambda function fails"

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Raise the error of a function that Lambda cannot run."""
        raise LambdaError("ServiceException", INJECTED)


@dataclass(frozen=True)
class LambdaOutage(LambdaFails):
    """A Lambda function fails repeatedly without doing its work.

    Attributes:
        times: how many calls fail in a row.
    """

    times: int = 10

    title = "the Lambda function keeps failing"

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.whole_number("times of LambdaOutage", self.times, least=1)

    def in_a_row(self) -> int:
        """Return how many calls fail."""
        return self.times


@dataclass(frozen=True)
class LambdaTimesOut(_OfFunction):
    """A Lambda function does its work, and does not return before the call times out."""

    title = "the Lambda function times out"

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Call the function, which then takes forever."""
        return {**call.send(), TAKES: math.inf}


@dataclass(frozen=True)
class LambdaSlow(_OfFunction):
    """A Lambda function is slow.

    Attributes:
        seconds: how many simulated seconds longer the function takes.
    """

    seconds: float = 60

    title = "the Lambda function is slow"

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("seconds of LambdaSlow", self.seconds)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Call the function, which then takes longer."""
        return {**call.send(), TAKES: self.seconds}


@dataclass(frozen=True)
class LambdaTwice(_OfFunction):
    """A Lambda function runs twice for one call, as when Lambda retries it.

    The second result is used.
    """

    title = "the Lambda function runs twice"

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        """Call the function twice."""
        call.send()
        return call.send()
