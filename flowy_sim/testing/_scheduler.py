"""A scheduler for the deciders and workers of a runner: one thread, one turn after the other.

The simulation's schedule chooses which worker takes the next turn, among those that may find a
task.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from flowy._client import Execution, fault_code
from flowy._decider.decider import decide
from flowy._decider.suspended import SuspendedExecutions
from flowy.errors import ConfigurationError, NonDeterminismError
from flowy.payloads import PLAIN
from flowy.workers import ActivityWorker, WorkflowWorker
from flowy.workflow import Workflow
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.history import Event
from flowy_sim._events.schema import attributes_of
from flowy_sim._events.waits import Workers
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL, POLLS
from flowy_sim._simulation.stubs import STUBS_LIST
from flowy_sim._simulation.thread_sleep import threads_sleep_virtually
from flowy_sim._simulation.virtual_sleep import really_sleep, virtual_sleep
from flowy_sim.faults._fault import (
    INJECTED,
    FaultInjector,
    InjectedFault,
    Killed,
    OnStrike,
    WorkerCall,
    is_injected,
)
from flowy_sim.testing._async_loops import AsyncLoops
from flowy_sim.testing._coroutines import is_async
from flowy_sim.testing._delayed_calls import DelayedCalls
from flowy_sim.testing._function_faults import StrikableFunctions
from flowy_sim.testing._histories import ReplayingDeciders
from flowy_sim.testing._loops import LoopPool, LoopWorker, PollingCode
from flowy_sim.testing._possible import raised, signal_inputs, signals
from flowy_sim.testing._registry import Registry
from flowy_sim.testing._run import history, open_executions
from flowy_sim.testing._stub_dispatch import StubbedActivity
from flowy_sim.testing._worker_pool import (
    GRACE,
    LOOK,
    PollingWorker,
    WorkerClient,
    WorkerPool,
)

_MOST_OPEN = 5
_NO_TASK: Reply = {"startedEventId": 0, "previousStartedEventId": 0}
_DEFAULT_TIMEOUT = 3600
"""Seconds after which a task without a time-out counts as lost."""

_LONGEST_WAIT = 32
"""Seconds that workers wait at most between two tries."""


_PATCH = "patched: "
"""The beginning of the names of markers that `flowy.Workflow.patched` records."""


def _has_patch(events: Iterable[Event]) -> bool:
    """Return whether a history has met a patch."""
    markers = (each for each in events if each["eventType"] == "MarkerRecorded")
    return any(attributes_of(each)["markerName"].startswith(_PATCH) for each in markers)


class Scheduler:
    """Gives turns to deciders and workers. It is also the target of faults.

    Args:
        simulation: the service.
        domain: the domain of the executions.
        size: the number of workers on each task list; None for as many as there are tasks.
        faults: the faults that may strike.
        most_faults: the number of faults that may strike in total.
        on_task: called when a worker has received a task.
        on_answer: called after a task was answered.
        on_fault: called with a description when a fault strikes, or a worker crashes.

    Attributes:
        simulation, domain: as given.
        client: a client whose calls no fault strikes.
        worker_client: the client of the workers.
        delayed_calls: the calls that workers make later.
        fault_injector: injects faults into calls of workers, and between turns.
        registry: the types that flowy's own workers can work on; None before there are any.
        suspended: the executions that deciders keep in memory.
        deployed: the classes that have replaced others, by the name and version of their types.
        deployed_loops: the code that polls by itself and has replaced other code, by its name.
        disturbed_at: when the last fault struck, or the last action of the test was called.
        log: the tasks whose work may have had effects that no history shows, with their workers,
            in order. Unless the test watches these effects, exploring compares them by this.
    """

    def __init__(
        self,
        simulation: Simulation,
        domain: str,
        size: int | None,
        faults: Sequence[InjectedFault],
        most_faults: int,
        on_task: Callable[[], None],
        on_answer: Callable[[], None],
        on_fault: OnStrike,
    ) -> None:
        self.simulation = simulation
        self.client: Client = simulation.client(poll_seconds=0)
        self.domain = domain
        self.registry: Registry | None = None
        self.log: list[tuple[object, ...]] = []
        self._choose = simulation.schedule.choose
        self._size = size
        self.worker_client = WorkerClient(simulation, domain, on_task, on_answer)
        self.delayed_calls = DelayedCalls(simulation.clock, self.worker_client, self._choose)
        self.disturbed_at = datetime.min.replace(tzinfo=UTC)
        self.fault_injector = FaultInjector(faults, most_faults, self._choose, self, self._struck)
        self.worker_client.fault_injector = self.fault_injector
        if self.fault_injector.strikes_functions:
            functions = StrikableFunctions(simulation.lambdas, self.fault_injector)
            simulation.engine().lambdas = functions
        self.delayed_calls.on_action = self.note_disturbance
        self.worker_client.wake_after = self.delayed_calls.add_sleep
        self.worker_client.cancel_sleep = self.delayed_calls.cancel_sleep
        self.suspended: SuspendedExecutions = ReplayingDeciders()
        self._on_fault = on_fault
        self.deployed: dict[tuple[str, str], type[Workflow]] = {}
        self._flowy_pools: list[WorkerPool] = []
        self._newer_pools: list[WorkerPool] = []
        self._loop_pools: list[LoopPool] = []
        self._loop_names: dict[str, bool] = {}
        self._async_loops: AsyncLoops | None = None
        self.deployed_loops: dict[str, PollingCode] = {}
        self._next = 0
        self._newer: dict[tuple[str, str], type[Workflow]] = {}
        self._thread = threading.get_ident()

    def _struck(self, description: str) -> None:
        self.note_disturbance()
        self._on_fault(description)

    def note_disturbance(self) -> None:
        """Note that a fault has struck, or the test has done something, at this time."""
        self.disturbed_at = self.simulation.clock.now

    # Workers

    def set_registry(self, registry: Registry, task_lists: Iterable[str] = ()) -> None:
        """Start workers on the task lists of all types that they can serve, and on others.

        Other lists are not polled if a proxy schedules tasks there of a type that they cannot
        serve: they would take the tasks of another worker, and fail them.
        """
        self.registry = registry
        more = list(task_lists)
        others = registry.other_decision_lists, registry.other_activity_lists
        decision_lists = dict.fromkeys(
            [*registry.decision_lists, *(name for name in more if name not in others[0])]
        )
        activity_lists = [
            *registry.activity_lists,
            *(name for name in more if registry.activities and name not in others[1]),
        ]
        self._flowy_pools = [
            *(self._pool("decider", DECISION_POLL, name) for name in decision_lists),
            *(self._pool("worker", ACTIVITY_POLL, name) for name in dict.fromkeys(activity_lists)),
        ]

    def add_loop(self, code: PollingCode, name: str) -> None:
        """Give turns to code that polls with its own loop; coroutines share one worker."""
        from flowy_sim._clients.mock_swf import mock_swf  # It imports boto3.

        self._loop_names[name] = is_async(code)
        with mock_swf(self.simulation):  # A class may make its client when it is instantiated.
            if not is_async(code):
                self._add_loop_pool(lambda: self.deployed_loops.get(name, code), name)
                return
            if self._async_loops is None:
                self._async_loops = AsyncLoops(self.worker_client, self.deployed_loops)
                main = self._async_loops.main
                self._add_loop_pool(lambda: main, "asyncio loops")
            self._async_loops.add(name, code)

    def _add_loop_pool(self, current: Callable[[], PollingCode], role: str) -> None:
        self._loop_pools.append(LoopPool(current, self.worker_client, role))
        threads = self.simulation.threads
        threads.intercept = self.worker_client.intercept
        threads.intercept_in_event_loop = self.worker_client.intercept_in_event_loop

    def discard_loops(self) -> None:
        """Never let poll loops go on, so that they can be freed."""
        for pool in self._loop_pools:
            pool.discard()

    @contextmanager
    def loop_environment(self) -> Iterator[None]:
        """Let every boto3 client call the simulation, and poll loops sleep in simulated time."""
        if not self._loop_pools:
            yield
            return
        from flowy_sim._clients.mock_swf import mock_swf

        client, threads = self.worker_client, self.simulation.threads
        runner = threading.current_thread()
        sleeps = threads_sleep_virtually(threads, runner) if client.virtual_sleep else nullcontext()
        with mock_swf(self.simulation), sleeps, virtual_sleep(client), client.watchdog.watching():
            yield

    @property
    def pools(self) -> list[WorkerPool]:
        """All worker pools."""
        return [*self._flowy_pools, *self._newer_pools, *self._loop_pools]

    @property
    def can_call(self) -> frozenset[str]:
        """The names of everything that workflows can call; empty if that is not known.

        It isn't known if code with its own poll loop decides.
        """
        return frozenset() if self._loop_pools else self._known.names

    def workers(self) -> Workers:
        """Describe the workers, for the explanation of what executions wait for."""
        lists = dict.fromkeys(each for pool in self.pools for each in pool.lists)
        polled = [each for each in lists if each[1] != STUBS_LIST]
        return Workers(
            [name for poll, name in polled if poll == DECISION_POLL],
            [name for poll, name in polled if poll == ACTIVITY_POLL],
            list(self._known.activities),
            self._known.workflows,
            self._known.payloads,
        )

    def polled_for_activities(self) -> set[str]:
        """Return the names of all lists that workers have polled for activity tasks."""
        abandoned = [each for pool in self._loop_pools for each in pool.abandoned]
        before = {name for poll, name in abandoned if poll == ACTIVITY_POLL}
        return before.union(self.workers().activity_lists or ())

    def _pool(self, role: str, poll: str, name: str) -> WorkerPool:
        create = self._decider if poll == DECISION_POLL else self._worker
        return WorkerPool(partial(create, name), role, self._size, [(poll, name)])

    def _newer_decider(self, task_list: str, name: str) -> PollingWorker:
        return self._decider(task_list, name, self._newer)

    def _decider(
        self,
        task_list: str,
        name: str,
        newer: Mapping[tuple[str, str], type[Workflow]] = MappingProxyType({}),
    ) -> PollingWorker:
        workflows = {**self._known.workflows, **self.deployed, **newer}.values()
        return WorkflowWorker(
            self.worker_client,
            self.domain,
            task_list,
            workflows,
            identity=name,
            payloads=self._known.payloads,
            suspended=self.suspended,
            wait=self._wait,
        )

    def _worker(self, task_list: str, name: str) -> PollingWorker:
        activities = self._known.activities.values()
        return ActivityWorker(
            self.worker_client,
            self.domain,
            task_list,
            activities,
            identity=name,
            payloads=self._known.payloads,
            wait=self._wait,
        )

    @property
    def _known(self) -> Registry:
        assert self.registry is not None
        return self.registry

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        """Let a worker wait before it tries again. All others wait too: there is one thread."""
        if threading.get_ident() != self._thread:
            # Automatic heartbeats: time stands still while an activity works.
            return event.wait()
        # The wait of a worker is random up to a power of two, which is not random. The longest wait
        # can be as short as the one before it, so both are rounded to the same.
        rounded = 2 ** math.ceil(math.log2(max(seconds, 1e-3)))
        self.simulation.clock.advance(min(rounded, _LONGEST_WAIT))
        return event.is_set()

    # Turns

    def take_turn(self) -> bool:
        """Give a turn to a worker that may find a task; return whether there was one."""
        pools = self.pools
        changes = self.simulation.host.time_skipping.changes  # Threads change things meanwhile.
        waiting = self.worker_client.waiting()
        order = [(self._next + offset) % len(pools) for offset in range(len(pools))]
        ready = [index for index in order if pools[index].is_ready(waiting)]
        if not ready and self._loop_pools:
            unknown = waiting.difference(*(pool.lists for pool in pools))
            ready = [
                index
                for index in order
                if isinstance(pool := pools[index], LoopPool)
                and pool.is_ready_for_strangers(unknown)
            ]
        if not ready:
            return self._wait_for_threads(changes) and self.take_turn()
        chosen = ready[self._choose("turn", len(ready)) if len(ready) > 1 else 0]
        self._next = (chosen + 1) % len(pools)
        self._run_once(pools[chosen])
        return True

    def _wait_for_threads(self, changes: int) -> bool:
        """Wait while threads that poll loops have started compute; return whether one has called.

        A thread gets a moment to begin. One that then waits for something does not hold up time.

        Args:
            changes: the number of changes before the lists of tasks were looked at.
        """
        threads, time_skipping = self.simulation.threads, self.simulation.host.time_skipping
        looks = 0
        while self._loop_pools and looks < GRACE and threads.another_can_call():
            if time_skipping.changes != changes:
                return True
            really_sleep(LOOK)
            # A thread that waits for the interpreter's lock does not seem to compute.
            looks = 0 if threads.another_computes() else looks + 1
        return time_skipping.changes != changes

    def _run_once(self, pool: WorkerPool) -> None:
        client = self.worker_client
        name, worker = pool.take()
        client.begin_turn(name)
        try:
            worker.run_once()
        except BaseException as error:
            if not self._kills_worker(error):
                self._note_other_domain(error)
                raise
            self._replace(pool, name, error)
            return
        finally:
            client.worker = ""
            self._log_effects(name, worker)
        free = partial(pool.put_back, name, worker)
        if client.held is None:
            free()
        else:
            self.delayed_calls.hold_answer(
                client.held, free, partial(self._replace, pool, name, None)
            )
        if isinstance(worker, LoopWorker):
            return
        if client.refusal is not None:
            raise client.refusal
        if client.task is not None:
            self._decide_again(client.task, pool in self._newer_pools)

    def _note_other_domain(self, error: BaseException) -> None:
        """Say what to do about a poll in a domain that does not exist."""
        polls = getattr(error, "operation_name", None) in POLLS
        if polls and isinstance(error, Exception) and fault_code(error) == "UnknownResourceFault":
            error.add_note(
                f"executions run in the domain {self.domain!r} here; for code that polls another "
                "one, use @pytest.mark.swf(domain=…), Runner(domain=…) or --domain"
            )

    def _log_effects(self, name: str, worker: PollingWorker) -> None:
        """Log work that may have had effects that no history shows: not decisions by flowy."""
        if isinstance(worker, WorkflowWorker) or not self.worker_client.has_effects:
            return
        for task in self.worker_client.received:
            about = task.get("activityId") or task["startedEventId"]
            self.log.append((name, task["workflowExecution"]["workflowId"], about))

    def _kills_worker(self, error: BaseException) -> bool:
        """Return whether an error kills only the worker, so that another one takes its place."""
        late = isinstance(error, Exception) and fault_code(error) == "UnknownResourceFault"
        is_answer = getattr(error, "operation_name", None) not in POLLS
        return is_injected(error) or (late and is_answer and bool(self.worker_client.polled))

    def _replace(self, pool: WorkerPool, name: str, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._on_fault(f"{name} crashes: {type(error).__name__}")
        pool.replace(name)
        self.suspended.clear()
        self._log_restart(name)

    def _log_restart(self, name: str) -> None:
        """Log that what a worker kept in memory is lost. Flowy's own workers keep nothing."""
        if self._loop_pools:
            self.log.append((name, "restarted"))

    def _decide_again(self, task: Reply, is_newer: bool = False) -> None:
        """Raise the error that kept a decider from answering.

        The worker has logged it and left the task to other workers. Here there are none: the task
        would time out again and again.
        """
        named = task.get("workflowType")
        if named is None:
            return
        key = named["name"], named["version"]
        workflow = self.deployed.get(key) or self._known.workflows[key]
        workflow = (self._newer.get(key) if is_newer else None) or workflow
        ids = task["workflowExecution"]
        execution = Execution(ids["workflowId"], ids["runId"])
        events = history(self.client, self.domain, execution)[: task["startedEventId"]]
        try:
            decide(workflow, events, self._known.payloads, execution)
        except NonDeterminismError:
            if is_newer or not self._newer_pools or not _has_patch(events):
                raise
            # Not the workflow is to blame, but that old deciders still run. Its task times out,
            # until a new decider takes it.
            self._on_fault(f"{self.worker_client.worker or 'an old decider'} meets a new patch")

    # What faults do

    def put_off(self, call: WorkerCall, seconds: float) -> Reply:
        """Deliver a task, or send an answer, later."""
        if call.operation not in POLLS:
            self.worker_client.delay_answer(call, seconds)
            return {}
        task = call.task or {}
        polled = call.operation, call.request["taskList"]["name"]
        late = self.worker_client.late.setdefault(polled, deque())
        self.delayed_calls.add_delivery(seconds, task, lambda: late.append(task))
        return dict(_NO_TASK)

    def seconds_until_timeout(self, call: WorkerCall) -> float:
        """Return the number of seconds after which the task of a call has timed out for sure."""
        task = call.task
        if task is None:
            return _DEFAULT_TIMEOUT
        ids = task["workflowExecution"]
        events = history(self.client, self.domain, Execution(ids["workflowId"], ids["runId"]))
        started = attributes_of(events[task["startedEventId"] - 1])
        scheduled = attributes_of(events[started["scheduledEventId"] - 1])
        names = ["startToCloseTimeout", "scheduleToCloseTimeout"]
        if self.worker_client.heartbeat is None:
            names.append("heartbeatTimeout")
        limits = [scheduled[name] for name in names if scheduled.get(name, "NONE") != "NONE"]
        return 1 + min(map(int, limits)) if limits else _DEFAULT_TIMEOUT

    def choose(self, kind: str, count: int) -> int:
        """Choose one of several possibilities."""
        return self._choose(kind, count) if count > 1 else 0

    def failure_reason(self, call: WorkerCall) -> str:
        """Return a reason for which the task of a call can fail, as its code can be seen to."""
        found: tuple[str, ...] = ()
        named = (call.task or {}).get("activityType")
        if named is not None and self.registry is not None:
            cls = self.registry.activities.get((named["name"], named["version"]))
            owner: Any = cls
            if cls is not None and issubclass(cls, StubbedActivity):
                owner = cls.stub.cls
            if owner is not None:
                found = raised(owner.run, owner)
        names = found or ("RuntimeError",)
        return f"{names[self.choose('error', len(names))]}: {INJECTED}"

    def received_signals(self) -> list[tuple[str, str, str | None]]:
        """Return the signals of open executions: the workflow ID, the name and the input."""
        return [
            (each.workflow_id, attributes["signalName"], attributes.get("input"))
            for each in self.simulation.engine().executions.values()
            if each.is_open and each.domain.name == self.domain
            for event_id in range(1, len(each) + 1)
            if each.event_type(event_id) == "WorkflowExecutionSignaled"
            for attributes in [each.attributes(event_id)]
        ]

    def signal_inputs(self, workflow_id: str, name: str) -> list[str]:
        """Return inputs that a signal can have, by the type that the workflow gives it."""
        hint, payloads = Any, PLAIN
        for each in self.simulation.engine().executions.values():
            if each.is_open and each.workflow_id == workflow_id and self.registry is not None:
                key = each.workflow_type
                workflow = self.deployed.get(key) or self.registry.workflows.get(key)
                payloads = self.registry.payloads
                if workflow is not None:
                    hint = signals(workflow).get(name, Any)
        return signal_inputs(hint, payloads)

    def open_executions(self, workflow_id: str | None) -> list[str]:
        """Return the workflow IDs of the oldest open executions, or only the given one."""
        found = open_executions(self.client, self.domain, _MOST_OPEN)
        return [each.workflow_id for each in found if workflow_id in (None, each.workflow_id)]

    def restart(self) -> None:
        """Kill all workers and start new ones."""
        self.delayed_calls.clear()
        self.worker_client.late.clear()
        self.suspended.clear()
        self._log_restart("all workers")
        for pool in self.pools:
            pool.restart()
        if self.worker_client.worker:
            raise Killed("all workers are restarted")

    def deploy_gradually(self, workflows: Iterable[type[Workflow]]) -> None:
        """Run old and new deciders side by side; or if they do, choose which of them stay.

        The old ones stay only if no open execution has met a patch of the new ones.
        """
        if not self._newer_pools:
            self._newer = {
                (each.flowy_type.name, each.flowy_type.version): each for each in workflows
            }
            self._newer_pools = [
                WorkerPool(partial(self._newer_decider, name), "new decider", self._size, [polled])
                for pool in self._flowy_pools
                for polled in pool.lists
                for poll, name in [polled]
                if poll == DECISION_POLL
            ]
            return
        can_go_back = not any(
            event_type == "MarkerRecorded" and str(name).startswith(_PATCH)
            for each in self.simulation.engine().executions.values()
            if each.is_open
            for event_id in range(1, len(each) + 1)
            for event_type in [each.event_type(event_id)]
            for name in [each.attributes(event_id).get("markerName")]
        )
        goes_back = self.choose("which deciders stay", 2 if can_go_back else 1)
        newer, self._newer, self._newer_pools = self._newer, {}, []
        if not goes_back:
            self.deployed.update(newer)
        self.restart()

    def deploy(self, workflows: Iterable[type[Workflow]], loops: Mapping[str, PollingCode]) -> None:
        """Restart all workers, with other classes for some types, and other code for some loops.

        Raises:
            ConfigurationError: there is no loop of a name.
        """
        for name, code in loops.items():
            if name not in self._loop_names:
                raise ConfigurationError(
                    f"Deploy names the loop {name!r}; the loops of this test are "
                    f"{', '.join(self._loop_names) or 'none'}"
                )
            if is_async(code) != self._loop_names[name]:
                raise ConfigurationError(
                    f"Deploy gives {code!r} for the loop {name!r}; an async function can only be "
                    "replaced by another one"
                )
        self.deployed_loops.update(loops)
        for workflow in workflows:
            declared = workflow.flowy_type
            self.deployed[declared.name, declared.version] = workflow
        self.restart()
