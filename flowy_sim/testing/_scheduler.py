"""A scheduler for the deciders and workers of a runner: one thread, one turn after the other.

The simulation's schedule chooses which worker takes the next turn, among those that may find a
task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from flowy._client import Execution, fault_code
from flowy._decider.decider import decide
from flowy.errors import NonDeterminismError
from flowy.workers import WorkflowWorker
from flowy.workflow import Workflow
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.history import Event
from flowy_sim._events.schema import attributes_of
from flowy_sim._simulation.clock import from_milliseconds
from flowy_sim._simulation.regions import POLLS
from flowy_sim._simulation.virtual_sleep import really_sleep
from flowy_sim.faults._fault import is_injected
from flowy_sim.faults._injector import FaultInjector, FaultTable, OnStrike
from flowy_sim.testing._delayed_calls import DelayedCalls
from flowy_sim.testing._fault_effects import PATCH, FaultEffects, StrikableFunctions
from flowy_sim.testing._loop_pools import LoopPool
from flowy_sim.testing._loops import LoopWorker
from flowy_sim.testing._run import history
from flowy_sim.testing._worker_client import GRACE, LOOK, WorkerClient
from flowy_sim.testing._worker_pool import PollingWorker, WorkerPool
from flowy_sim.testing._worker_pools import WorkerPools

_LONGEST_DELAY = 366 * 86_400

_NEVER = datetime.min.replace(tzinfo=UTC)


def _has_patch(events: Iterable[Event]) -> bool:
    """Return whether a history has met a patch."""
    markers = (each for each in events if each["eventType"] == "MarkerRecorded")
    return any(attributes_of(each)["markerName"].startswith(PATCH) for each in markers)


class Scheduler:
    """Gives turns to deciders and workers.

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
        worker_pools: the deciders and workers.
        disturbances: how many faults have struck, and actions of the test were called.
    """

    def __init__(
        self,
        simulation: Simulation,
        domain: str,
        size: int | None,
        faults: FaultTable,
        most_faults: int,
        on_task: Callable[[], None],
        on_answer: Callable[[], None],
        on_fault: OnStrike,
    ) -> None:
        self.simulation = simulation
        self.client: Client = simulation.client(poll_seconds=0)
        self.domain = domain
        self._choose = simulation.schedule.choose
        self.worker_client = WorkerClient(simulation, domain, on_task, on_answer)
        self.delayed_calls = DelayedCalls(simulation.clock, self.worker_client, self._choose)
        self.worker_pools = WorkerPools(simulation, domain, size, self.worker_client)
        effects = FaultEffects(
            simulation,
            domain,
            self.client,
            self.worker_client,
            self.delayed_calls,
            self.worker_pools,
            self.choose,
        )
        self._disturbed_at = -math.inf
        self.disturbances = 0
        self.fault_injector = FaultInjector(
            faults, most_faults, self._choose, effects, self._struck
        )
        self.fault_injector.on_over = self._disturbed_until
        effects.on_delay = self._disturbed_until
        self.worker_client.fault_injector = self.fault_injector
        self.worker_client.note_accident = on_fault
        self.worker_client.can_others_go_on = self._can_others_go_on
        if self.fault_injector.strikes_functions:
            functions = StrikableFunctions(simulation.lambdas, self.fault_injector)
            simulation.engine().lambdas = functions
        self.delayed_calls.on_action = self.note_disturbance
        self.worker_client.wake_after = self.delayed_calls.add_sleep
        self.worker_client.cancel_sleep = self.delayed_calls.cancel_sleep
        self._on_fault = on_fault
        self._next = 0

    def _struck(self, description: str) -> None:
        self.note_disturbance()
        self._on_fault(description)

    def note_disturbance(self) -> None:
        """Note that a fault has struck, or the test has done something, at this time."""
        self.disturbances += 1
        self._disturbed_until()

    def _disturbed_until(self, seconds: float = 0) -> None:
        """Note that the effect of a fault lasts until now, or for some more seconds."""
        until = self.simulation.clock.milliseconds + 1000 * min(seconds, _LONGEST_DELAY)
        self._disturbed_at = max(self._disturbed_at, until)

    @property
    def disturbed_at(self) -> datetime:
        """When the last fault struck, or the last action of the test was called."""
        if self._disturbed_at == -math.inf:
            return _NEVER
        return from_milliseconds(round(self._disturbed_at))

    def choose(self, kind: str, count: int) -> int:
        """Choose one of several possibilities."""
        return self._choose(kind, count) if count > 1 else 0

    def take_turn(self) -> bool:
        """Give a turn to a worker that may find a task; return whether there was one."""
        time_skipping = self.simulation.host.time_skipping
        changes = time_skipping.changes  # Threads change things meanwhile.
        waiting, has_loops = self.worker_client.waiting(), self.worker_pools.has_loops
        if not waiting and not has_loops:
            return time_skipping.changes != changes and self.take_turn()
        pools = self.worker_pools.pools
        first = self._next % len(pools) if pools else 0
        # Round robin, if the schedule always chooses the first possibility.
        order = (*range(first, len(pools)), *range(first))
        ready = [index for index in order if pools[index].is_ready(waiting)]
        if not ready and has_loops:
            # The second rule of poll loops; the third one comes last (see `_loops`).
            unknown = waiting.difference(*(pool.lists for pool in pools))
            ready = [
                index
                for index in order
                if isinstance(pool := pools[index], LoopPool)
                and pool.is_ready_for_strangers(unknown)
            ]
        if not ready and self._wait_for_threads(changes):
            return self.take_turn()
        if not ready:
            ahead = (
                index
                for index in order
                if isinstance(pool := pools[index], LoopPool) and pool.is_ready_to_answer()
            )
            # No more than one: a loop is only asked once for each task that it holds.
            ready = list(islice(ahead, 1))
        if not ready:
            return False
        chosen = ready[self.choose("turn", len(ready))]
        self._next = chosen + 1  # It may start a thread, which comes next then.
        self._run_once(pools[chosen])
        return True

    def _can_others_go_on(self) -> bool:
        """Return whether there is a task to take, or code that could go on where it is.

        What else loops wait for must be looked at between two turns only.
        """
        pools = self.worker_pools.pools
        return bool(self.worker_client.waiting()) or any(
            isinstance(pool, LoopPool) and pool.wants_turn() for pool in pools
        )

    def _wait_for_threads(self, changes: int) -> bool:
        """Wait while threads that poll loops have started compute, and their processes work.

        A thread gets a moment to begin. One that then waits for something does not hold up time.

        Args:
            changes: the number of changes before the lists of tasks were looked at.

        Returns:
            Whether one has made a call, or has woken up a loop.
        """
        threads, time_skipping = self.simulation.threads, self.simulation.host.time_skipping
        processes, looks = self.worker_client.processes, 0
        while self.worker_pools.has_loops:
            if processes.are_at_work():
                looks = 0  # Afterwards, a thread needs a moment to see that one has ended.
            elif looks >= GRACE or not threads.another_can_call():
                break
            if time_skipping.changes != changes or self._is_loop_woken():
                return True
            really_sleep(LOOK)
            # A thread that waits for the interpreter's lock does not seem to compute.
            looks = 0 if threads.another_computes() else looks + 1
        return time_skipping.changes != changes or self._is_loop_woken()

    def _is_loop_woken(self) -> bool:
        pools = self.worker_pools.pools
        return any(isinstance(each, LoopPool) and each.is_ready(frozenset()) for each in pools)

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
        if client.held is None:
            pool.put_back(name, worker)
        else:
            free = partial(pool.put_back, name, worker)
            replace = partial(self._replace, pool, name, None)
            self.delayed_calls.hold_answer(client.held, free, replace)
        if isinstance(worker, LoopWorker):
            return
        if client.refusal is not None:
            raise client.refusal
        if client.task is not None:
            self._decide_again(client.task, self.worker_pools.is_newer(pool))

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
        for task in self.worker_client.delivered:
            about = task.get("activityId") or task["startedEventId"]
            self.worker_pools.log.append((name, task["workflowExecution"]["workflowId"], about))

    def _kills_worker(self, error: BaseException) -> bool:
        """Return whether an error kills only the worker, so that another one takes its place."""
        late = isinstance(error, Exception) and fault_code(error) == "UnknownResourceFault"
        is_answer = getattr(error, "operation_name", None) not in POLLS
        client = self.worker_client
        is_known = is_answer and (bool(client.polled) or client.is_late)
        # After a fault, the task may be gone. Its pages can't be read either, and that is a poll.
        return is_injected(error) or (late and (is_known or self.disturbances > 0))

    def _replace(self, pool: WorkerPool, name: str, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._on_fault(f"{name} crashes: {type(error).__name__}")
        self.worker_pools.replace(pool, name)

    def _decide_again(self, task: Reply, is_newer: bool = False) -> None:
        """Raise the error that kept a decider from answering.

        The worker has logged it and left the task to other workers. Here there are none: the task
        would time out again and again.
        """
        named = task.get("workflowType")
        if named is None:
            return
        key = named["name"], named["version"]
        workflow = self.worker_pools.implementation(key, is_newer)
        ids = task["workflowExecution"]
        execution = Execution(ids["workflowId"], ids["runId"])
        events = history(self.client, self.domain, execution)[: task["startedEventId"]]
        try:
            decide(workflow, events, self.worker_pools.known.payloads, execution)
        except NonDeterminismError:
            newer = self.worker_pools.newer_implementation(key)
            if is_newer or newer is None or not self._can_replay(newer, events, execution):
                raise
            # Not the workflow is to blame, but the order of the deployment: old deciders still run,
            # or run again. The task times out. If they went on, they could take it again and again.
            if self.worker_pools.has_newer:
                self._on_fault("an old decider meets a new patch: the old code stops")
                self.worker_pools.end_side_by_side(newer_stay=True)
            else:
                self._on_fault("an old decider meets a new patch: the new code is deployed again")
                self.worker_pools.deploy_newer_again()

    def _can_replay(
        self, newer: type[Workflow], events: Sequence[Event], execution: Execution
    ) -> bool:
        """Return whether a history has met a patch, and the newer code has made its decisions."""
        if not _has_patch(events):
            return False
        try:
            decide(newer, events, self.worker_pools.known.payloads, execution)
        except NonDeterminismError:
            return False
        return True
