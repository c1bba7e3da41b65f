"""What faults do to the workers of a runner, to Lambda functions, and to the service they call."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowy._client import Execution
from flowy.payloads import PLAIN
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.lambda_functions import DeferredFunction, LambdaFunction, takes_context
from flowy_sim._events.schema import attributes_of
from flowy_sim._simulation.regions import POLLS
from flowy_sim.faults._fault import INJECTED, DeployedCode, Killed, WorkerCall
from flowy_sim.faults._functions import TAKES
from flowy_sim.faults._injector import FaultInjector
from flowy_sim.testing._delayed_calls import DelayedCalls
from flowy_sim.testing._possible import raised, signal_inputs, signals
from flowy_sim.testing._run import history, open_executions
from flowy_sim.testing._stubbed_types import StubbedActivity, StubbedWorkflow
from flowy_sim.testing._worker_client import WorkerClient
from flowy_sim.testing._worker_pools import WorkerPools

PATCH = "patched: "
"""The beginning of the names of markers that `flowy.Workflow.patched` records."""

_MOST_OPEN = 5
_NO_TASK: Reply = {"startedEventId": 0, "previousStartedEventId": 0}
_DEFAULT_TIMEOUT = 3600
"""Seconds after which a task without a time-out counts as lost."""


class FaultEffects:
    """The target of faults.

    Args:
        simulation: the service.
        domain: the domain of the executions.
        client: a client whose calls no fault strikes.
        worker_client: the client of the workers.
        delayed_calls: the calls that workers make later.
        worker_pools: the deciders and workers.
        choose: chooses one of several possibilities, or the only one.

    Attributes:
        simulation, domain, client: as given.
        on_delay: called with the number of seconds by which something is delayed.
    """

    def __init__(
        self,
        simulation: Simulation,
        domain: str,
        client: Client,
        worker_client: WorkerClient,
        delayed_calls: DelayedCalls,
        worker_pools: WorkerPools,
        choose: Callable[[str, int], int],
    ) -> None:
        self.simulation = simulation
        self.domain = domain
        self.client = client
        self._worker_client = worker_client
        self._delayed_calls = delayed_calls
        self._worker_pools = worker_pools
        self._choose = choose
        self.on_delay: Callable[[float], None] = _do_nothing

    def put_off(self, call: WorkerCall, seconds: float) -> Reply:
        """Deliver a task, or send an answer, later."""
        self.on_delay(seconds)
        if call.operation not in POLLS:
            self._worker_client.delay_answer(call, seconds)
            return {}
        task = call.task or {}
        polled = call.operation, call.request["taskList"]["name"]
        late = self._worker_client.late.setdefault(polled, deque())
        self._delayed_calls.add_delivery(seconds, task, lambda: late.append(task))
        return dict(_NO_TASK)

    def seconds_until_timeout(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the task of a call has certainly timed out."""
        task = call.task
        if task is None:
            return _DEFAULT_TIMEOUT
        ids = task["workflowExecution"]
        events = history(self.client, self.domain, Execution(ids["workflowId"], ids["runId"]))
        started = attributes_of(events[task["startedEventId"] - 1])
        scheduled = attributes_of(events[started["scheduledEventId"] - 1])
        names = ["startToCloseTimeout", "scheduleToCloseTimeout"]
        # With heartbeats that a worker sends on its own, it does not time out for lack of them.
        if self._worker_client.heartbeat is None:
            names.append("heartbeatTimeout")
        limits = [scheduled[name] for name in names if scheduled.get(name, "NONE") != "NONE"]
        # A second later: at the same instant, it would be open which comes first.
        return 1 + min(map(int, limits)) if limits else _DEFAULT_TIMEOUT

    def choose(self, kind: str, count: int) -> int:
        """Choose one of several possibilities."""
        return self._choose(kind, count)

    def failure_reason(self, call: WorkerCall) -> str:
        """Return a reason for which the task of a call can fail, found in the activity's code."""
        found: tuple[str, ...] = ()
        named, registry = (call.task or {}).get("activityType"), self._worker_pools.registry
        if named is not None and registry is not None:
            cls = registry.activities.get((named["name"], named["version"]))
            owner: Any = cls
            if cls is not None and issubclass(cls, StubbedActivity):
                owner = cls.original
            if owner is not None:
                found = raised(owner.run, owner)
        names = found or ("RuntimeError",)
        return f"{names[self.choose('error', len(names))]}: {INJECTED}"

    def seconds_past_timer(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the next timer has fired.

        Infinity if no timer fires before the task of the call times out.
        """
        return self._seconds_past(self._timers(), call)

    def seconds_past_next(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the next thing that is due has happened.

        That is a timer that fires, or a delayed call of a worker or the test. Infinity if none of
        these happens before the task of the call times out.
        """
        due, later = self._timers(), self._delayed_calls.next_instant()
        if later is not None:
            due.append(later)
        return self._seconds_past(due, call)

    def _timers(self) -> list[int]:
        effects = self.simulation.engine().effects
        return [at for at, effect in effects if effect.kind == "timer"]

    def _seconds_past(self, instants: list[int], call: WorkerCall) -> float:
        if not instants:
            return math.inf
        seconds = (min(instants) - self.simulation.clock.milliseconds) / 1000 + 1
        return seconds if seconds < self.seconds_until_timeout(call) else math.inf

    def can_leave_untaken(self, call: WorkerCall) -> bool:
        """Return whether a poll may return a task that times out if no worker takes it."""
        return bool(self._waiting_with_limit(call))

    def leave_untaken(self, call: WorkerCall) -> None:
        """Never hand out the first task that `can_leave_untaken` has found."""
        task = self._waiting_with_limit(call)[0]
        task.execution.domain.activity_lists.withdraw(task)

    def _waiting_with_limit(self, call: WorkerCall) -> list[Any]:
        engine, request = self.simulation.engine(), call.request
        lists = engine.domains[request["domain"]].activity_lists
        # Without a time-out that is pending, a task would wait forever.
        return [each for each in lists.waiting(request["taskList"]["name"]) if each.effect]

    def is_of_stubbed_child(self, call: WorkerCall) -> bool:
        """Return whether the task of a call belongs to a stubbed child workflow."""
        named, registry = (call.task or {}).get("workflowType"), self._worker_pools.registry
        if named is None or registry is None:
            return False
        workflow = registry.workflows.get((named["name"], named["version"]))
        return workflow is not None and issubclass(workflow, StubbedWorkflow)

    def received_signals(self) -> list[tuple[str, str, str | None]]:
        """Return the signals that open executions have received: workflow ID, name and input."""
        return [
            (each.workflow_id, attributes["signalName"], attributes.get("input"))
            for each in self.simulation.engine().executions.values()
            if each.is_open and each.domain.name == self.domain
            for event_id in range(1, len(each) + 1)
            if each.event_type(event_id) == "WorkflowExecutionSignaled"
            for attributes in [each.attributes(event_id)]
        ]

    def signal_inputs(self, workflow_id: str, name: str) -> list[str | None]:
        """Return inputs that a signal can have, according to its type in the workflow."""
        hint, payloads, registry = Any, PLAIN, self._worker_pools.registry
        for each in self.simulation.engine().executions.values():
            if each.is_open and each.workflow_id == workflow_id and registry is not None:
                key = each.workflow_type
                deployed = self._worker_pools.deployed.workflows
                workflow = deployed.get(key) or registry.workflows.get(key)
                payloads = registry.payloads
                if workflow is not None:
                    hint = signals(workflow).get(name, Any)
        return signal_inputs(hint, payloads)

    def open_executions(self, workflow_id: str | None) -> list[str]:
        """Return the workflow IDs of the oldest open executions, or only the given one."""
        found = open_executions(self.client, self.domain, _MOST_OPEN)
        return [each.workflow_id for each in found if workflow_id in (None, each.workflow_id)]

    def restart(self) -> None:
        """Kill all workers and start new ones."""
        self._delayed_calls.clear()
        self._worker_client.late.clear()
        self._worker_pools.restart()
        # The worker that has a turn dies with the others.
        if self._worker_client.worker:
            raise Killed("all workers are restarted")

    def deploy_gradually(self, code: DeployedCode) -> None:
        """Run old and new code side by side; if both already run, choose which of them stays.

        The old code stays only if no open execution has met a patch of the new code.

        Raises:
            ConfigurationError, RegistrationError: the new code does not fit the old one.
        """
        if not self._worker_pools.has_newer:
            self._worker_pools.add_newer(code)
            return
        # A new decider that is about to answer may have met one.
        can_go_back = not self._worker_client.worker and not any(
            event_type == "MarkerRecorded" and str(name).startswith(PATCH)
            for each in self.simulation.engine().executions.values()
            if each.is_open
            for event_id in range(1, len(each) + 1)
            for event_type in [each.event_type(event_id)]
            for name in [each.attributes(event_id).get("markerName")]
        )
        goes_back = self.choose("which code stays", 2 if can_go_back else 1)
        self._worker_pools.end_side_by_side(newer_stay=not goes_back)

    def deploy(self, code: DeployedCode) -> None:
        """Restart all workers with new code.

        Raises:
            ConfigurationError, RegistrationError: the new code does not fit the old one.
        """
        self._worker_pools.deploy(code)
        self.restart()


def _do_nothing(seconds: float) -> None:
    """Ignore that something is delayed."""


class StrikableFunctions(Mapping[str, Any]):
    """The Lambda functions of a simulation, which faults can strike.

    Args:
        functions: the functions, by name; more may be added.
        injector: injects faults into calls of them.
    """

    def __init__(self, functions: Mapping[str, Any], injector: FaultInjector) -> None:
        self._functions = functions
        self._injector = injector

    def __getitem__(self, name: str) -> Any:
        """Return a function; a fault may strike when it is called."""
        known = self._functions[name]
        if isinstance(known, DeferredFunction):
            return known
        function = known if isinstance(known, LambdaFunction) else LambdaFunction(known)
        return _StrikableFunction(name, function, self._injector)

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._functions)

    def __len__(self) -> int:
        """Return the number of functions."""
        return len(self._functions)


class _StrikableFunction(LambdaFunction):
    """A Lambda function that is called through a fault injector."""

    def __init__(self, name: str, function: LambdaFunction, injector: FaultInjector) -> None:
        call: Callable[..., Any] = self._one
        if not function.text and takes_context(function.function):
            call = self._two
        super().__init__(call, function.takes, function.text)
        self._name = name
        self._inner = function
        self._injector = injector

    def _one(self, event: Any) -> Any:
        return self._strike(event)

    def _two(self, event: Any, context: Any) -> Any:
        return self._strike(event, context)

    def _strike(self, *given: Any) -> Any:
        def send() -> Reply:
            result = self._inner.function(*given)
            self.takes = self._inner.takes
            return {"result": result}

        call = WorkerCall(f"lambda {self._name}", self._name, {"payload": given[0]}, send)
        reply = self._injector.function(call)
        self.takes = self._inner.takes + reply.get(TAKES, 0)
        return reply["result"]
