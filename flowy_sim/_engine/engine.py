"""Amazon SWF of one account in one region, as a state machine.

``call`` takes an operation, a request and the present instant, and returns a reply or raises a
fault; ``next_instant`` tells when something happens by itself, and ``run_until`` lets it happen.
Nothing here reads a clock, draws chance from outside, waits, or opens anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from flowy_sim._engine import closing
from flowy_sim._engine.actions import ACTIONS
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.events import Event
from flowy_sim._engine.execution import Execution, describe
from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._engine.latency import DEFAULT, Latency
from flowy_sim._engine.limits import DOCUMENTED, Limits, Throttle
from flowy_sim._engine.operations import OPERATIONS
from flowy_sim._engine.paging import PageTokens
from flowy_sim._engine.task_lists import ACTIVITY, DECISION, Arrivals, ListName
from flowy_sim._engine.timer_queue import Deadlines
from flowy_sim._engine.tokens import TaskToken, Tokens
from flowy_sim._engine.validation import checked


def first(kind: str, count: int) -> int:
    """Choose the first of several possibilities, always."""
    return 0


class Engine:
    """The service, with everything in it.

    Args:
        account: twelve digits; part of the names of its resources.
        region: such as ``us-east-1``; tokens of another region are refused.
        seed: run ids and tokens follow from it.
        choose: called with what is to be chosen and the number of possibilities wherever the
            service leaves an order or a delay open; returns the index of one.
        limits: the quotas that hold.
        latency: how long effects take that come after a call was answered.
        lambdas: the Lambda functions that executions can call, by name.

    Attributes:
        now: the latest instant that it was told of, in milliseconds since 1970.
        in_function: whether a Lambda function is being called. It may call the service itself:
            that happens at this instant, and nothing happens by itself in the meantime.
        observe: called with each event as it is written, and whose it is; None for nobody.

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
        limits: Limits = DOCUMENTED,
        latency: Latency = DEFAULT,
        lambdas: Mapping[str, Any] | None = None,
    ) -> None:
        """Start with nothing registered."""
        self.account = account
        self.region = region
        self.seed = seed
        self.choose = choose
        self.limits = limits
        self.latency = latency
        self.lambdas: Mapping[str, Any] = {} if lambdas is None else lambdas
        self.observe: Callable[[Execution, Event], None] | None = None
        self.begin()

    def begin(self) -> None:
        """Start with nothing registered, or start so anew: all that was there is gone."""
        self.now = 0
        self.in_function = False
        self.domains: dict[str, Domain] = {}
        self.executions: dict[str, Execution] = {}
        self.deadlines = Deadlines(self.choose)
        self.retentions = Deadlines(first)
        self.full: set[Execution] = set()
        self.arrivals: Arrivals = {}
        self.throttle = Throttle(self.limits.throttling)
        random = Random(f"{self.seed}/{self.account}/{self.region}")
        self.tokens = Tokens(random, self.region)
        self.page_tokens = PageTokens(random)

    # The three things that can be done from outside

    def call(self, operation: str, request: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Carry out one call, after all that fell due before it.

        Args:
            operation: such as ``StartWorkflowExecution``.
            request: its members, as boto3 takes them. Nothing of it is kept or changed.
            now: milliseconds since 1970. An instant before the last one counts as that one.

        Returns:
            The reply as boto3 gives it, without ``ResponseMetadata``: keys in alphabetical
            order, times as aware datetimes, all of it fresh. A poll never waits.

        Raises:
            Fault: the call is refused and has changed nothing.
        """
        self.run_until(now)
        # Assumption: order-of-checks: types, constraints in the model's order, rules between
        # members, rates, and only then what the engine holds.
        request = checked(operation, request)
        self.throttle.check(operation, self.now)
        reply = OPERATIONS[operation](self, request)
        if self.full:
            self._terminate_full()
        return reply

    def next_instant(self) -> int | None:
        """Return when something will next happen by itself, in milliseconds since 1970.

        The end of a closed execution's retention is not such a thing. None if nothing will, or
        if a Lambda function is being called: first that has to return.
        """
        return None if self.in_function else self.deadlines.next_instant()

    def run_until(self, now: int) -> None:
        """Let everything happen that falls due up to an instant, each at its own."""
        if self.in_function:
            return
        while (instant := self.deadlines.next_instant()) is not None and instant <= now:
            self.now = max(self.now, instant)
            kind, arguments = self.deadlines.pop(instant)
            ACTIONS[kind](*arguments)
            if self.full:
                self._terminate_full()
        self.now = max(self.now, now)
        while (expiry := self.retentions.next_instant()) is not None and expiry <= now:
            kind, arguments = self.retentions.pop(expiry)
            ACTIONS[kind](*arguments)

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
        """Return the lists to which tasks have come since this was last called."""
        arrived = list(self.arrivals)
        self.arrivals.clear()
        return arrived

    # What operations and effects use

    def domain(self, name: str) -> Domain:
        """Return a domain, registered or deprecated.

        Raises:
            UnknownResourceFault: there is none of that name.
        """
        found = self.domains.get(name)
        if found is None:
            raise UnknownResourceFault(f"Unknown domain: {name}")
        return found

    def execution(self, domain: str, structure: Mapping[str, str]) -> Execution:
        """Return an execution, open or closed, by its workflow id and run id.

        Raises:
            UnknownResourceFault: the domain or the execution is not there.
        """
        in_domain = self.domain(domain)
        workflow_id, run_id = structure["workflowId"], structure["runId"]
        found = self.executions.get(run_id)
        if found is None or found.domain is not in_domain or found.workflow_id != workflow_id:
            raise UnknownResourceFault(f"Unknown execution: {describe(workflow_id, run_id)}")
        return found

    def open_execution(self, domain: str, workflow_id: str, run_id: str | None) -> Execution:
        """Return the open execution of a workflow id, if its run id is the one given, if any.

        Raises:
            UnknownResourceFault: the domain is not there, or no such execution is open.
        """
        found = self.domain(domain).open_executions.get(workflow_id)
        if found is not None and (not run_id or found.run_id == run_id):
            return found
        if run_id:
            raise UnknownResourceFault(f"Unknown execution: {describe(workflow_id, run_id)}")
        raise UnknownResourceFault(f"Unknown execution, workflowId = {workflow_id}")

    def open_execution_of(self, token: TaskToken) -> Execution:
        """Return the execution whose task a token was handed out for.

        Raises:
            UnknownResourceFault: it is closed, or gone.
        """
        found = self.executions.get(token.run_id)
        if found is None or not found.is_open:
            raise UnknownResourceFault(
                f"Unknown execution: {describe(token.workflow_id, token.run_id)}"
            )
        return found

    def later(
        self,
        effect: str,
        execution: Execution,
        event_id: int,
        *arguments: Any,
    ) -> int:
        """Let an effect happen as a transaction of its own; return the key that cancels it.

        Args:
            effect: one of `flowy_sim._engine.latency.KINDS`.
            execution: the execution whose event is the cause.
            event_id: that event.
            arguments: what the effect is about.
        """
        return self.at(self.now, effect, execution, event_id, *arguments)

    def at(self, due: int, kind: str, execution: Execution, event_id: int, *arguments: Any) -> int:
        """Let something happen at an instant, or as late as the service is; return its key.

        Args:
            due: the instant, in milliseconds since 1970.
            kind: one of `flowy_sim._engine.latency.KINDS`.
            execution: the execution whose event is the cause.
            event_id: that event.
            arguments: what it is about.
        """
        delays = self.latency.delays(kind, execution.workflow_id, event_id, due)
        index = self.choose(f"{kind} delay", len(delays)) if len(delays) > 1 else 0
        return self.deadlines.set(max(self.now, due + delays[index]), kind, *arguments)

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
