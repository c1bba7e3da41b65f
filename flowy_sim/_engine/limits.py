"""The service's quotas and its settings that a test may want smaller."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Quotas, as documented unless said otherwise. Each can be set lower for a test.

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
        polls: polls that wait on one task list at a time.
        counted: what the Count operations count up to before they say ``truncated``.
        page: results on a page of any list.
        decision_poll_page: events on a page of PollForDecisionTask; 100 in every recording.
        throttling: whether calls and decisions are limited to the service's rates.
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
    throttling: bool = False

    def __post_init__(self) -> None:
        """Refuse a limit below one."""
        for name, value in vars(self).items():
            if name != "throttling" and (not isinstance(value, int) or value < 1):
                raise ValueError(
                    f"Limits({name}={value!r}): a limit is a whole number of at least 1."
                )


DOCUMENTED = Limits()
"""The quotas of the real service."""
