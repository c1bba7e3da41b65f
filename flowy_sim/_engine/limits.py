"""Quotas and rates of the service, as documented unless said otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy_sim._engine.faults import ThrottlingException, ValidationException

if TYPE_CHECKING:
    from flowy_sim._engine.execution import WorkflowExecution


@dataclass(frozen=True)
class Limits:
    """Quotas of the service, as documented unless said otherwise; a test may set them lower.

    Attributes:
        domains: domains of an account in one region, deprecated ones included.
        workflow_types: workflow types of a domain, deprecated ones included.
        activity_types: activity types of a domain, deprecated ones included.
        open_executions: open executions of a domain, children included.
        events: events of one history; an execution that reaches them is terminated.
        open_activities: open activity tasks of one execution.
        open_timers: open timers of one execution.
        open_children: open child executions of one execution.
        open_lambda_functions: open Lambda tasks of one execution.
        tags: tags of a domain.
        polls: polls that wait on one task list at the same time.
        counted: the number up to which the Count operations count before they report ``truncated``.
        page: results on a page of any list.
        decision_poll_page: events on a page of PollForDecisionTask; 100 in every recording.
        unretained_days: days that closed executions are kept in a domain whose retention period is
            ``NONE`` or ``0``; 0 to forget them at once, as the API reference documents.
        payload: characters of an input, a result, details, a control or an execution context.
        throttling: whether calls and decisions are limited to the service's rates.
        rates: the percentage of these rates that is allowed if `throttling` is set.

    Raises:
        ValueError: a limit is not a whole number, or too low.
    """

    domains: int = 100
    workflow_types: int = 10_000
    activity_types: int = 10_000
    open_executions: int = 100_000
    events: int = 25_000
    open_activities: int = 1_000
    open_timers: int = 1_000
    open_children: int = 1_000
    # Assumption: lambda-limit: the same as for other open tasks; the service documents none.
    open_lambda_functions: int = 1_000
    tags: int = 50
    polls: int = 1_000
    # Assumption: count-maximum: the service documents that there is one, not which.
    counted: int = 100_000
    # Assumption: page-sizes: the documented maximum for all lists and histories, the recorded
    # one for decision tasks.
    page: int = 1_000
    decision_poll_page: int = 100
    # Assumption: unretained-executions: the API reference says that they are gone at once, but a
    # client's test of 2012 reads the history of one, and the CLI guide takes 0 as the maximum.
    unretained_days: int = 1
    payload: int = 32_768
    throttling: bool = False
    rates: int = 100

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name == "unretained_days" else 1
            if name != "throttling" and (not isinstance(value, int) or value < least):
                raise ValueError(
                    f"Limits({name}={value!r}): a limit is a whole number of at least {least}."
                )

    def check_payloads(self, request: Any, place: str = "") -> None:
        """Check the length of all payloads of a call, or of a part of it.

        Raises:
            ValidationException: one is too long.
        """
        if isinstance(request, list):
            for number, each in enumerate(request, 1):
                self.check_payloads(each, f"{place}.{number}.member")
        elif isinstance(request, dict):
            for name, value in request.items():
                at = f"{place}.{name}".removeprefix(".")
                if name in _PAYLOADS and isinstance(value, str) and len(value) > self.payload:
                    raise ValidationException(
                        f"1 validation error detected: Value at '{at}' failed to satisfy "
                        f"constraint: Member must have length less than or equal to {self.payload}"
                    )
                self.check_payloads(value, at)


_PAYLOADS = frozenset({"control", "details", "executionContext", "input", "result"})

LIMIT_PRESETS = {
    "small": Limits(
        events=200,
        open_activities=10,
        open_timers=10,
        open_children=10,
        open_lambda_functions=10,
        payload=2_000,
    ),
    "slow": Limits(throttling=True, rates=1),
}
"""Limits that are scaled down, by name, so that small tests reach them."""


def limits_named(given: Limits | str) -> Limits:
    """Return limits, or those of a preset.

    Raises:
        ValueError: there is no preset of that name.
    """
    if isinstance(given, Limits):
        return given
    if given not in LIMIT_PRESETS:
        raise ValueError(
            f"there are no limits {given!r}; give a Limits, such as Limits(events=200), or one of "
            f"{', '.join(map(repr, LIMIT_PRESETS))}"
        )
    return LIMIT_PRESETS[given]


class Rate(NamedTuple):
    """A bucket's size, and the number of tokens that it gains in a second."""

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


#: Rates of decisions; a decision above its rate fails with a cause that names the rate.
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


#: Rates of calls about the same execution.
EXECUTION_RATES = {
    "GetWorkflowExecutionHistory": Rate(400, 200),
    "RecordActivityTaskHeartbeat": Rate(1000, 1000),
    "RequestCancelWorkflowExecution": Rate(200, 200),
    "SignalWorkflowExecution": Rate(1000, 1000),
}


class Throttle:
    """Token buckets, created when they are first used.

    A bucket holds a burst and refills at a steady rate, as AWS documents its API throttling. It is
    refilled when it is used, from the time that has passed, so no timer runs for it.

    Args:
        enabled: whether calls and decisions are limited at all.
        percent: the percentage of the service's rates that is allowed.
    """

    def __init__(self, enabled: bool, percent: int = 100) -> None:
        self._enabled = enabled
        self._share = percent / 100
        self._buckets: dict[str, dict[str, tuple[float, int]]] = {}

    def check(self, operation: str, now: int) -> None:
        """Take a token for a call.

        Raises:
            ThrottlingException: there is none left.
        """
        if self._enabled and not self._take(operation, "", OPERATION_RATES[operation], now):
            raise ThrottlingException("Rate exceeded")

    def check_execution(self, operation: str, execution: WorkflowExecution, now: int) -> None:
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

    def forget(self, execution: WorkflowExecution) -> None:
        """Delete the buckets of an execution."""
        self._buckets.pop(execution.run_id, None)

    def _take(self, name: str, owner: str, rate: Rate, now: int) -> bool:
        buckets = self._buckets.setdefault(owner, {})
        burst = max(1.0, rate.burst * self._share)
        tokens, since = buckets.get(name, (burst, now))
        tokens = min(burst, tokens + (now - since) * rate.refill * self._share / 1000)
        taken = tokens >= 1
        buckets[name] = (tokens - taken, now)
        return taken
