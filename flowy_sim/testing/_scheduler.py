"""Deciders and workers that take turns in one thread, one step at a time.

Who takes the next turn is for the schedule to choose, among those for whom there is a task.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from flowy._client import Execution, SwfClient, fault_code
from flowy._decider.decider import decide
from flowy._decider.suspended import SuspendedExecutions
from flowy._workers.activity_worker import ActivityWorker
from flowy._workers.workflow_worker import WorkflowWorker
from flowy.workflow import Workflow
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._events.vocabulary import attributes_of
from flowy_sim._simulation.polls import ACTIVITY_POLL, DECISION_POLL, POLLS
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.faults._fault import InjectedFault, Killed, WorkerCall, is_injected
from flowy_sim.faults._injection import FaultInjector, OnStrike
from flowy_sim.testing._delayed_calls import DelayedCalls
from flowy_sim.testing._registry import Registry
from flowy_sim.testing._replay import ReplayingDeciders
from flowy_sim.testing._run import history, open_executions
from flowy_sim.testing._waiting import Workers
from flowy_sim.testing._worker_pool import Poller, TurnIsOverError, WorkerClient, WorkerPool

Code = Callable[[SwfClient], object]
"""What polls an SWF client and does what there is to do, once or in a loop."""

_MOST_OPEN = 5
_NO_TASK: Reply = {"startedEventId": 0, "previousStartedEventId": 0}
_LONG = 3600

_LONGEST_WAIT = 32
"""Seconds that workers wait at most between two tries."""


class Scheduler:
    """Everybody who takes turns, and what they have in hand.

    Attributes:
        simulation, client, domain: what they work on.
        can: what flowy's own workers can do; None before there are any.
        suspended: the executions that deciders keep in memory.
        deployed: the classes that have taken the place of others, by name and version.
        log: who was given which task, in order, where the work could have effects that no history
            shows; it is what the present state of the world may depend on.
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
        tell: OnStrike,
    ) -> None:
        """Start with nobody."""
        self.simulation = simulation
        self.client: Client = simulation.client(poll_seconds=0)
        self.domain = domain
        self.registry: Registry | None = None
        self.log: list[tuple[object, ...]] = []
        self._choose = simulation.schedule.choose
        self._size = size
        self.worker_client = WorkerClient(simulation, on_task, on_answer)
        self.delayed_calls = DelayedCalls(simulation.clock, self.worker_client, self._choose)
        self.fault_injector = FaultInjector(faults, most_faults, self._choose, self, tell)
        self.worker_client.fault_injector = self.fault_injector
        self.suspended: SuspendedExecutions = ReplayingDeciders()
        self._tell = tell
        self.deployed: dict[tuple[str, str], type[Workflow]] = {}
        self._pools: list[WorkerPool] = []
        self._others: list[WorkerPool] = []
        self._next = 0
        self._thread = threading.get_ident()

    # Who is there

    def staff(self, can: Registry, others: Iterable[str] = ()) -> None:
        """Put workers on all task lists of what they can do, and on others."""
        self.registry = can
        decision_lists = dict.fromkeys([*can.decision_lists, *others])
        activity_lists = dict.fromkeys([*can.activity_lists, *(others if can.activities else ())])
        self._pools = [
            *(self._pool("decider", DECISION_POLL, name) for name in decision_lists),
            *(self._pool("worker", ACTIVITY_POLL, name) for name in activity_lists),
        ]

    def add(self, code: Code | type[Code], name: str) -> None:
        """Let code take turns that polls by itself."""
        self._others.append(WorkerPool(lambda _: LoopWorker(code, self.worker_client), name, 1, []))

    @property
    def pools(self) -> list[WorkerPool]:
        """All pools."""
        return [*self._pools, *self._others]

    @property
    def can_call(self) -> frozenset[str]:
        """The names of all that workflows can call; none if others decide, who may know more."""
        return frozenset() if self._others else self._known.names

    def workers(self) -> Workers:
        """Return who is there to take tasks."""
        polled = list(dict.fromkeys(each for pool in self.pools for each in pool.lists))
        return Workers(
            [name for poll, name in polled if poll == DECISION_POLL],
            [name for poll, name in polled if poll == ACTIVITY_POLL],
            list(self._known.activities),
            self._known.workflows,
            self._known.payloads,
        )

    def _pool(self, role: str, poll: str, name: str) -> WorkerPool:
        hire = self._decider if poll == DECISION_POLL else self._worker
        return WorkerPool(partial(hire, name), role, self._size, [(poll, name)])

    def _decider(self, task_list: str, name: str) -> Poller:
        workflows = {**self._known.workflows, **self.deployed}.values()
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

    def _worker(self, task_list: str, name: str) -> Poller:
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
        """Let a worker wait: the others do as well, as there is one thread."""
        if threading.get_ident() != self._thread:
            # Automatic heartbeats: time stands still while an activity works.
            return event.wait()
        # A part of what a worker waits is left to chance; the power of two above is not. Only the
        # longest wait may be as short as the one before: both are taken for one.
        whole = 2 ** math.ceil(math.log2(max(seconds, 1e-3)))
        self.simulation.clock.advance(min(whole, _LONGEST_WAIT))
        return event.is_set()

    # Turns

    def take_turn(self) -> bool:
        """Let somebody take a turn who has something to do; return whether anybody had."""
        pools = self.pools
        waiting = self.simulation.lists_with_tasks(self.domain)
        waiting.update(polled for polled, tasks in self.worker_client.late.items() if tasks)
        ready = [
            index
            for offset in range(len(pools))
            if pools[index := (self._next + offset) % len(pools)].is_ready(waiting)
        ]
        if not ready:
            return False
        chosen = ready[self._choose("turn", len(ready)) if len(ready) > 1 else 0]
        self._next = (chosen + 1) % len(pools)
        self._let_work(pools[chosen])
        return True

    def _let_work(self, pool: WorkerPool) -> None:
        worker_client = self.worker_client
        name, worker = pool.leave()
        worker_client.clear(name)
        pool.untried = False
        try:
            worker.run_once()
        except BaseException as error:
            if not self._is_accident(error):
                raise
            self._lose(pool, name, error)
            return
        finally:
            pool.lists += [polled for polled in worker_client.polled if polled not in pool.lists]
            worker_client.worker = ""
            self._note(name, worker)
        come_back = partial(pool.come_back, name, worker)
        if worker_client.held is None:
            come_back()
        else:
            self.delayed_calls.hold(
                worker_client.held, come_back, partial(self._lose, pool, name, None)
            )
        if worker_client.refusal is not None and not isinstance(worker, LoopWorker):
            raise worker_client.refusal
        if worker_client.task is not None and not isinstance(worker, LoopWorker):
            self._decide_again(worker_client.task)

    def _note(self, name: str, worker: Poller) -> None:
        """Note work that may have effects which no history shows: not decisions by flowy."""
        if isinstance(worker, WorkflowWorker) or not self.worker_client.has_effects:
            return
        for task in self.worker_client.given:
            about = task.get("activityId") or task["startedEventId"]
            self.log.append((name, task["workflowExecution"]["workflowId"], about))

    def _is_accident(self, error: BaseException) -> bool:
        """Return whether an error is what a worker dies of, or may: then another begins."""
        late = isinstance(error, Exception) and fault_code(error) == "UnknownResourceFault"
        return is_injected(error) or (late and bool(self.worker_client.polled))

    def _lose(self, pool: WorkerPool, name: str, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._tell(f"{name} crashes: {type(error).__name__}")
        pool.lose(name)
        self.suspended.clear()
        self._forget(name)

    def _forget(self, name: str) -> None:
        """Note that what somebody kept in memory is gone; flowy's workers keep nothing."""
        if self._others:
            self.log.append((name, "begins anew"))

    def _decide_again(self, task: Reply) -> None:
        """Raise the error for which a decider did not answer.

        A worker logs it and leaves the task to others. Here are no others: the task would time
        out again and again.
        """
        named = task.get("workflowType")
        if named is None:
            return
        key = named["name"], named["version"]
        workflow = self.deployed.get(key) or self._known.workflows[key]
        ids = task["workflowExecution"]
        execution = Execution(ids["workflowId"], ids["runId"])
        past = history(self.client, self.domain, execution)[: task["startedEventId"]]
        decide(workflow, past, self._known.payloads, execution)

    # What faults do

    def put_off(self, call: WorkerCall, seconds: float) -> Reply:
        """Let a task be delivered, or an answer be given, later."""
        if call.operation not in POLLS:
            self.worker_client.put_off(call, seconds)
            return {}
        task = call.task or {}
        polled = call.operation, call.request["taskList"]["name"]
        came = self.worker_client.late.setdefault(polled, deque())
        self.delayed_calls.put_off(seconds, task, lambda: came.append(task))
        return dict(_NO_TASK)

    def seconds_until_timeout(self, call: WorkerCall) -> float:
        """Return after how many seconds the task of a call will certainly have timed out."""
        task = call.task
        if task is None:
            return _LONG
        ids = task["workflowExecution"]
        events = history(self.client, self.domain, Execution(ids["workflowId"], ids["runId"]))
        started = attributes_of(events[task["startedEventId"] - 1])
        scheduled = attributes_of(events[started["scheduledEventId"] - 1])
        names = ("heartbeatTimeout", "startToCloseTimeout", "scheduleToCloseTimeout")
        limits = [scheduled[name] for name in names if scheduled.get(name, "NONE") != "NONE"]
        return 1 + min(map(int, limits)) if limits else _LONG

    def open_executions(self, workflow_id: str | None) -> list[str]:
        """Return the ids of the open executions, the oldest first."""
        there = open_executions(self.client, self.domain, _MOST_OPEN)
        return [each.workflow_id for each in there if workflow_id in (None, each.workflow_id)]

    def restart(self) -> None:
        """Let all workers die and others begin in their place."""
        self.delayed_calls.clear()
        self.worker_client.late.clear()
        self.suspended.clear()
        self._forget("everybody")
        for pool in self.pools:
            pool.renew()
        if self.worker_client.worker:
            raise Killed("all workers are restarted")

    def deploy(self, workflows: Iterable[type[Workflow]]) -> None:
        """Restart all workers with other classes for some types."""
        for workflow in workflows:
            declared = workflow.flowy_type
            self.deployed[declared.name, declared.version] = workflow
        self.restart()


class LoopWorker:
    """Code that polls by itself, as somebody who takes turns.

    A turn ends when the code returns, or comes round to the list that it has polled in this turn.
    A class is instantiated for each worker, so what it keeps dies with the worker.
    """

    def __init__(self, code: Code | type[Code], client: WorkerClient) -> None:
        """Be hired."""
        self._code: Any = code() if isinstance(code, type) else code
        self._client = client

    def run_once(self) -> bool:
        """Let the code go round once."""
        with suppress(TurnIsOverError):
            self._code(self._client)
        return bool(self._client.polled)
