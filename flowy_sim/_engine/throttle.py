"""Rates: how many calls and decisions the service takes in a given time, as documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flowy_sim._engine.faults import ThrottlingException

if TYPE_CHECKING:
    from flowy_sim._engine.execution import Execution


class Rate(NamedTuple):
    """A bucket's size, and how many tokens it gains in a second."""

    burst: int
    refill: int


def _rates(table: dict[str, Rate]) -> dict[str, Rate]:
    return {operation: rate for names, rate in table.items() for operation in names.split()}


OPERATION_RATES = _rates(
    {
        "CountClosedWorkflowExecutions CountOpenWorkflowExecutions": Rate(2000, 6),
        "CountPendingActivityTasks CountPendingDecisionTasks": Rate(200, 6),
        "DeleteActivityType DeleteWorkflowType": Rate(200, 6),
        "DeprecateActivityType DeprecateWorkflowType": Rate(200, 6),
        "DeprecateDomain RegisterDomain ListDomains UndeprecateDomain": Rate(100, 6),
        "DescribeActivityType DescribeWorkflowType DescribeWorkflowExecution": Rate(2000, 6),
        "DescribeDomain": Rate(200, 6),
        "GetWorkflowExecutionHistory": Rate(2000, 60),
        "ListActivityTypes ListClosedWorkflowExecutions ListWorkflowTypes": Rate(200, 6),
        "ListOpenWorkflowExecutions": Rate(200, 48),
        "ListTagsForResource TagResource UntagResource": Rate(50, 30),
        "PollForActivityTask PollForDecisionTask": Rate(2000, 200),
        "RecordActivityTaskHeartbeat": Rate(2000, 160),
        "RegisterActivityType RegisterWorkflowType": Rate(200, 60),
        "RequestCancelWorkflowExecution SignalWorkflowExecution": Rate(2000, 30),
        "RespondActivityTaskCanceled RespondActivityTaskCompleted": Rate(2000, 200),
        "RespondActivityTaskFailed RespondDecisionTaskCompleted": Rate(2000, 200),
        "StartWorkflowExecution": Rate(2000, 200),
        "TerminateWorkflowExecution": Rate(2000, 60),
        "UndeprecateActivityType UndeprecateWorkflowType": Rate(200, 6),
    }
)

#: Rates of decisions; past them a decision fails with a cause that says so.
DECISION_RATES = {
    "RequestCancelExternalWorkflowExecution": Rate(1200, 120),
    "ScheduleActivityTask": Rate(1000, 200),
    "SignalExternalWorkflowExecution": Rate(1200, 120),
    "StartChildWorkflowExecution": Rate(500, 12),
    "StartTimer": Rate(2000, 200),
    # Assumption: unlisted-decision-rates: as StartChildWorkflowExecution; the service
    # documents that these two are limited, not how.
    "ContinueAsNewWorkflowExecution": Rate(500, 12),
    "ScheduleLambdaFunction": Rate(500, 12),
}

#: Rates that each execution has for itself.
EXECUTION_RATES = {
    "GetWorkflowExecutionHistory": Rate(400, 200),
    "RecordActivityTaskHeartbeat": Rate(1000, 1000),
    "RequestCancelWorkflowExecution": Rate(200, 200),
    "SignalWorkflowExecution": Rate(1000, 1000),
}


class Throttle:
    """Token buckets, made as they are first used; without `enabled` everything is allowed."""

    def __init__(self, enabled: bool) -> None:
        """Start with full buckets."""
        self._enabled = enabled
        self._buckets: dict[str, dict[str, tuple[float, int]]] = {}

    def check(self, operation: str, now: int) -> None:
        """Take a token for a call.

        Raises:
            ThrottlingException: there is none left.
        """
        if self._enabled and not self._take(operation, "", OPERATION_RATES[operation], now):
            raise ThrottlingException("Rate exceeded")

    def check_execution(self, operation: str, execution: Execution, now: int) -> None:
        """Take a token for a call about one execution.

        Raises:
            ThrottlingException: there is none left.
        """
        rate = EXECUTION_RATES[operation]
        if self._enabled and not self._take(operation, execution.run_id, rate, now):
            raise ThrottlingException("Rate exceeded")

    def allows(self, decision: str, now: int) -> bool:
        """Take a token for a decision; return whether there was one."""
        return not self._enabled or self._take(decision, "", DECISION_RATES[decision], now)

    def forget(self, execution: Execution) -> None:
        """Let go of the buckets that an execution has for itself."""
        self._buckets.pop(execution.run_id, None)

    def _take(self, name: str, owner: str, rate: Rate, now: int) -> bool:
        buckets = self._buckets.setdefault(owner, {})
        tokens, since = buckets.get(name, (float(rate.burst), now))
        tokens = min(rate.burst, tokens + (now - since) * rate.refill / 1000)
        taken = tokens >= 1
        buckets[name] = (tokens - taken, now)
        return taken
