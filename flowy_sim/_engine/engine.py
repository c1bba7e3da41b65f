"""Amazon SWF of one account in one region, as a state machine.

`Engine.call` takes an operation, a request and the present instant, and returns a reply or raises
a fault. `Engine.next_instant` returns when the next effect is due, such as a timer or a time-out,
and `Engine.run_until` lets effects happen. Nothing here reads a clock, uses randomness from
outside, waits, or opens anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from flowy_sim._engine import (
    activity_tasks,
    children,
    closing,
    decision_tasks,
    decisions,
    domains,
    external,
    lambda_functions,
    queries,
    registered_types,
    start,
    visibility,
)
from flowy_sim._engine.changes import ChangeLog
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.execution import WorkflowExecution, describe
from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._engine.latency import FOLLOWING, TIME_OUTS, Latency
from flowy_sim._engine.limits import Limits, Throttle
from flowy_sim._engine.queues import ACTIVITY, DECISION, Arrivals, ListName, TimerQueue
from flowy_sim._engine.tokens import PageTokens, TaskToken, Tokens
from flowy_sim._engine.validation import CheckedRequest, checked

Operation = Callable[["Engine", dict[str, Any]], dict[str, Any]]

#: The function that carries out each of the service's operations.
OPERATIONS: dict[str, Operation] = {
    "CountClosedWorkflowExecutions": visibility.count_closed_workflow_executions,
    "CountOpenWorkflowExecutions": visibility.count_open_workflow_executions,
    "CountPendingActivityTasks": queries.count_pending_activity_tasks,
    "CountPendingDecisionTasks": queries.count_pending_decision_tasks,
    "DeleteActivityType": registered_types.delete_activity_type,
    "DeleteWorkflowType": registered_types.delete_workflow_type,
    "DeprecateActivityType": registered_types.deprecate_activity_type,
    "DeprecateDomain": domains.deprecate_domain,
    "DeprecateWorkflowType": registered_types.deprecate_workflow_type,
    "DescribeActivityType": registered_types.describe_activity_type,
    "DescribeDomain": domains.describe_domain,
    "DescribeWorkflowExecution": queries.describe_workflow_execution,
    "DescribeWorkflowType": registered_types.describe_workflow_type,
    "GetWorkflowExecutionHistory": queries.get_workflow_execution_history,
    "ListActivityTypes": queries.list_activity_types,
    "ListClosedWorkflowExecutions": visibility.list_closed_workflow_executions,
    "ListDomains": queries.list_domains,
    "ListOpenWorkflowExecutions": visibility.list_open_workflow_executions,
    "ListTagsForResource": domains.list_tags_for_resource,
    "ListWorkflowTypes": queries.list_workflow_types,
    "PollForActivityTask": activity_tasks.poll_for_activity_task,
    "PollForDecisionTask": decision_tasks.poll_for_decision_task,
    "RecordActivityTaskHeartbeat": activity_tasks.record_activity_task_heartbeat,
    "RegisterActivityType": registered_types.register_activity_type,
    "RegisterDomain": domains.register_domain,
    "RegisterWorkflowType": registered_types.register_workflow_type,
    "RequestCancelWorkflowExecution": external.request_cancel_workflow_execution,
    "RespondActivityTaskCanceled": activity_tasks.respond_activity_task_canceled,
    "RespondActivityTaskCompleted": activity_tasks.respond_activity_task_completed,
    "RespondActivityTaskFailed": activity_tasks.respond_activity_task_failed,
    "RespondDecisionTaskCompleted": decisions.respond_decision_task_completed,
    "SignalWorkflowExecution": external.signal_workflow_execution,
    "StartWorkflowExecution": start.start_workflow_execution,
    "TagResource": domains.tag_resource,
    "TerminateWorkflowExecution": external.terminate_workflow_execution,
    "UndeprecateActivityType": registered_types.undeprecate_activity_type,
    "UndeprecateDomain": domains.undeprecate_domain,
    "UndeprecateWorkflowType": registered_types.undeprecate_workflow_type,
    "UntagResource": domains.untag_resource,
}

#: The function that carries out each kind of effect.
EFFECTS: dict[str, Callable[..., Any]] = {
    # At an instant that a request or a decision has set
    "timer": decisions.fire_timer,
    "activity task time-out": activity_tasks.time_out,
    "decision task time-out": decision_tasks.time_out,
    "execution time-out": closing.time_out,
    "lambda time-out": lambda_functions.end,
    "retention": closing.forget,
    # A little after their cause; see flowy_sim._engine.latency
    "zero timer": decisions.fire_timer,
    "activity cancel": activity_tasks.cancel_unstarted,
    "external request": external.deliver,
    "external confirmation": external.confirm,
    "child start": children.start,
    "child started": children.report_start,
    "child close": children.report_close,
    "child policy": closing.apply_child_policy,
    "lambda start": lambda_functions.start,
    "lambda close": lambda_functions.end,
}

#: Kinds of effects that may outlive the execution or task that they concern, and then do nothing:
#: those that follow their cause in a separate transaction. A timer of zero seconds is still a
#: timer: it can be canceled, and like all other effects it is canceled with its execution.
OUTLIVING = FOLLOWING - {"zero timer"}


def first(kind: str, count: int) -> int:
    """Choose the first of several possibilities, always.

    Args:
        kind: what is chosen, such as ``decision task``.
        count: the number of possibilities.
    """
    return 0


class Engine:
    """The service, with everything that it holds.

    Args:
        account: twelve digits; part of the names of its resources.
        region: such as ``us-east-1``; tokens of another region are refused.
        seed: determines run IDs and tokens.
        choose: chooses wherever the service leaves an order or a delay open: takes what is
            chosen and the number of possibilities, and returns the index of one.
        limits: the quotas.
        latency: how late effects happen.
        lambdas: the Lambda functions that executions can call, by name.
        no_task: what an empty poll returns beside the IDs of events, which are 0.
        route: returns the name of the list that a task waits on instead of the one in its history;
            None if tasks wait where their histories show.

    Attributes:
        now: the latest instant of any call, in milliseconds since 1970.
        in_function: whether a Lambda function is being called. It may call the service itself,
            at this instant; no effect happens in the meantime.
        changes: notes what changes, if `track_changes` was called; else None.
        written: the run ID of the execution of each event, in the order in which they are written,
            for a component that set this to a list; else None.
        domains: by name.
        expected_domains: names of domains that are registered when a request names them.
        executions: open and closed, by run ID.
        effects: the pending effects.
        retentions: when closed executions will be forgotten.
        arrivals: the task lists to which tasks have come.
        full: executions whose histories have reached the limit in this transaction.

    Example:
        >>> engine = Engine()
        >>> request = {"name": "shop", "workflowExecutionRetentionPeriodInDays": "7"}
        >>> engine.call("RegisterDomain", request, now=0)
        {}
    """

    def __init__(
        self,
        *,
        account: str = "123456789012",
        region: str = "us-east-1",
        seed: int = 0,
        choose: Callable[[str, int], int] = first,
        limits: Limits | None = None,
        latency: Latency = Latency.DEFAULT,
        lambdas: Mapping[str, Any] | None = None,
        empty_poll_token: bool = False,
    ) -> None:
        self.account = account
        self.region = region
        self.seed = seed
        self.choose = choose
        self.limits = limits or Limits()
        self.latency = latency
        self.lambdas: Mapping[str, Any] = {} if lambdas is None else lambdas
        self.no_task: dict[str, Any] = {"taskToken": ""} if empty_poll_token else {}
        self.route: Callable[[Any], str] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything and start again from the seed; changes are no longer noted."""
        self.now = 0
        self.changes: ChangeLog | None = None
        self.written: list[str] | None = None
        self.in_function = False
        self.domains: dict[str, Domain] = {}
        self.expected_domains: set[str] = set()
        self.executions: dict[str, WorkflowExecution] = {}
        self.effects = TimerQueue(self.choose, (FOLLOWING, TIME_OUTS))
        self.retentions = TimerQueue(first)
        self.full: set[WorkflowExecution] = set()
        self.arrivals: Arrivals = {}
        self.throttle = Throttle(self.limits.throttling, self.limits.rates)
        random = Random(f"{self.seed}/{self.account}/{self.region}")
        self.tokens = Tokens(random, self.region)
        self.page_tokens = PageTokens(random)

    def track_changes(self) -> ChangeLog:
        """Note what changes from now on; return the log, which is also `changes`."""
        self.changes = self.effects.listener = ChangeLog()
        return self.changes

    # The interface: call, next_instant, run_until

    def call(self, operation: str, request: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Carry out one call, after everything that is due before it.

        Args:
            operation: such as ``StartWorkflowExecution``.
            request: its members, as boto3 takes them. It is neither kept nor changed.
            now: milliseconds since 1970. An instant before the last one counts as that one.

        Returns:
            The reply as boto3 gives it, without ``ResponseMetadata``: keys in alphabetical
            order, times as aware datetimes, all of it fresh. A poll never waits.

        Raises:
            Fault: the call is refused and has changed nothing.
        """
        if now != self.now or self.effects.none_before <= now or self.retentions.none_before <= now:
            self.run_until(now)
        # Assumption: order-of-checks: types, constraints in the model's order, rules between
        # members, rates, and only then what the engine holds.
        members = request if type(request) is CheckedRequest else checked(operation, request)
        if self.limits.payload < Limits.payload:
            self.limits.check_payloads(members)
        self.throttle.check(operation, self.now)
        reply = OPERATIONS[operation](self, members)
        if self.full:
            self._terminate_full()
        return reply

    def next_instant(self, group: frozenset[str] | None = None) -> int | None:
        """Return when the next effect is due, in milliseconds since 1970.

        The end of a closed execution's retention does not count. None if no effect is pending, or
        if a Lambda function is being called, which has to return first.

        Args:
            group: `flowy_sim._engine.latency.FOLLOWING` or `TIME_OUTS`, to consider only those
                kinds of effects.
        """
        return None if self.in_function else self.effects.next_instant(group)

    def run_until(self, now: int) -> None:
        """Let all effects happen that are due up to an instant in milliseconds, in due order."""
        if self.in_function:
            return
        # Most calls find nothing due, and `none_before` tells by one comparison.
        effects = self.effects
        while effects.none_before <= now:
            instant = effects.next_instant()
            if instant is None or instant > now:
                break
            self.now = max(self.now, instant)
            kind, arguments = effects.pop(instant)
            EFFECTS[kind](*arguments)
            if self.full:
                self._terminate_full()
        if now > self.now:  # noqa: PLR1730 - `max` takes three times as long.
            self.now = now
        retentions = self.retentions
        while retentions.none_before <= now:
            expiry = retentions.next_instant()
            if expiry is None or expiry > now:
                break
            kind, arguments = retentions.pop(expiry)
            EFFECTS[kind](*arguments)

    def lists_with_tasks(self, domain: str) -> list[ListName]:
        """Return the task lists of a domain on which a poll would find a task."""
        return [
            ListName(kind, domain, name)
            for kind in (DECISION, ACTIVITY)
            for name in self.domains[domain].task_lists(kind).names()
        ]

    def has_task(self, task_list: ListName) -> bool:
        """Return whether a poll of the list would find a task."""
        lists = self.domains[task_list.domain].task_lists(task_list.kind)
        return lists.count(task_list.name) > 0

    def drain_arrivals(self) -> list[ListName]:
        """Return the task lists to which tasks have come since the last call."""
        arrived = list(self.arrivals)
        self.arrivals.clear()
        return arrived

    # What operations and effects use

    def domain(self, name: str) -> Domain:
        """Return a domain, registered or deprecated.

        Raises:
            UnknownResourceFault: there is no domain of that name.
        """
        found = self.domains.get(name)
        if found is not None:
            return found
        if name not in self.expected_domains:
            raise UnknownResourceFault(f"Unknown domain: {name}")
        domains.register_domain(self, domains.request_to_register(name))
        return self.domains[name]

    def execution(self, domain: str, structure: Mapping[str, str]) -> WorkflowExecution:
        """Return an execution, open or closed, by its workflow ID and run ID.

        Raises:
            UnknownResourceFault: there is no such domain or execution.
        """
        in_domain = self.domain(domain)
        workflow_id, run_id = structure["workflowId"], structure["runId"]
        found = self.executions.get(run_id)
        if found is None or found.domain is not in_domain or found.workflow_id != workflow_id:
            raise UnknownResourceFault(f"Unknown execution: {describe(workflow_id, run_id)}")
        return found

    def open_execution(
        self, domain: str, workflow_id: str, run_id: str | None
    ) -> WorkflowExecution:
        """Return the open execution of a workflow ID.

        Args:
            domain: the domain's name.
            workflow_id: its workflow ID.
            run_id: if given, it has to be its run ID.

        Raises:
            UnknownResourceFault: there is no such domain, or no such execution is open.
        """
        found = self.domain(domain).open_executions.get(workflow_id)
        if found is not None and (not run_id or found.run_id == run_id):
            return found
        if run_id:
            raise UnknownResourceFault(f"Unknown execution: {describe(workflow_id, run_id)}")
        raise UnknownResourceFault(f"Unknown execution, workflowId = {workflow_id}")

    def open_execution_of(self, token: TaskToken) -> WorkflowExecution:
        """Return the execution of the task that a token was made for.

        Raises:
            UnknownResourceFault: it is closed or no longer retained.
        """
        found = self.executions.get(token.run_id)
        if found is None or not found.is_open:
            raise UnknownResourceFault(
                f"Unknown execution: {describe(token.workflow_id, token.run_id)}"
            )
        return found

    def later(self, kind: str, execution: WorkflowExecution, event_id: int, *arguments: Any) -> int:
        """Schedule an effect as a transaction of its own; return the key that cancels it.

        Args:
            kind: one of `flowy_sim._engine.latency.KINDS`.
            execution: the execution whose event is the cause.
            event_id: that event.
            arguments: what the effect is about.
        """
        return self.at(self.now, kind, execution, event_id, *arguments)

    def at(
        self, due: int, kind: str, execution: WorkflowExecution, event_id: int, *arguments: Any
    ) -> int:
        """Schedule an effect at an instant, plus the service's latency; return its key.

        Args:
            due: the instant, in milliseconds since 1970.
            kind: one of `flowy_sim._engine.latency.KINDS`.
            execution: the execution whose event is the cause.
            event_id: that event.
            arguments: what the effect is about.
        """
        delays = self.latency.delays(kind, execution.workflow_id, event_id, due)
        due += delays[self.choose(f"{kind} delay", len(delays)) if len(delays) > 1 else 0]
        return self.effects.set(max(self.now, due), kind, *arguments)

    def duration_of_call(self) -> int:
        """Return how many milliseconds the next call of a client takes."""
        delays = self.latency.delays("call", "", 0, self.now)
        return delays[self.choose("call", len(delays)) if len(delays) > 1 else 0]

    def _terminate_full(self) -> None:
        """Terminate the executions whose histories have reached the limit in this transaction."""
        # Assumption: event-limit: at the end of the transaction that reaches it, so a history can
        # be a little longer than the limit, as reported; the child policy is applied.
        full = sorted(self.full, key=lambda execution: execution.run_id)
        self.full.clear()
        for execution in full:
            if execution.is_open:
                closing.terminate_full(execution)
        self.full.clear()
