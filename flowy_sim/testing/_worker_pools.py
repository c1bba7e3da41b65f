"""The deciders and workers of a runner, in pools, and the code that they run.

They run the classes of a registry, or code that polls with its own loop, unless other code was
deployed.
Old and new code may run side by side for a while, in pools of their own.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from flowy._client import Execution
from flowy._decider.decider import decide
from flowy._decider.suspended import SuspendedExecutions
from flowy._decisions import Decision
from flowy._workers.registration import register
from flowy.errors import ConfigurationError
from flowy.payloads import PLAIN, Payloads
from flowy.workers import ActivityWorker, WorkflowWorker
from flowy.workflow import Workflow
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.waits import Workers
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL
from flowy_sim._simulation.stubs import STUBS_LIST, NameAndVersion
from flowy_sim._simulation.thread_sleep import threads_sleep_virtually
from flowy_sim._simulation.virtual_sleep import virtual_sleep
from flowy_sim.faults._fault import DeployedCode
from flowy_sim.testing._loop_pools import AsyncLoops, LoopPool
from flowy_sim.testing._polling_code import PollingCode, is_async
from flowy_sim.testing._registry import Registry, proxies, task_lists
from flowy_sim.testing._worker_client import WorkerClient
from flowy_sim.testing._worker_pool import PolledList, PollingWorker, WorkerPool

ASYNC_LOOPS = "asyncio loops"
"""The name of the worker that runs all loops that are coroutines."""

SHORT = 100
"""The number of events below which an execution is replayed for each decision."""


GROWTH = 3
"""The factor by which a longer execution has to grow before it is replayed again."""

_LONGEST_WAIT = 32
"""Seconds that workers wait at most between two tries."""


class WorkerPools:
    """All deciders and workers of a runner.

    Args:
        simulation: the service.
        domain: the domain of the executions.
        size: the number of workers on each task list; None for as many as there are tasks.
        client: the client of the workers.

    Attributes:
        size: as given.
        registry: the types that flowy's own workers can work on; None before there are any.
        suspended: the executions that deciders keep in memory.
        deployed: the code that has replaced other code.
        has_redeployed: whether deciders may have run other classes than those of the registry.
        on_code: called with each class of the registry, and all other code that deciders run or
            that polls with its own loop, before it runs.
        log: the tasks whose work may have had effects that no history shows, with their workers,
            in order. Unless the test watches these effects, exploring compares them by this.
    """

    def __init__(
        self, simulation: Simulation, domain: str, size: int | None, client: WorkerClient
    ) -> None:
        self._simulation = simulation
        self._domain = domain
        self.size = size
        self._client = client
        self.registry: Registry | None = None
        self.suspended: SuspendedExecutions = ReplayingDeciders()
        self.deployed = DeployedCode()
        self.has_redeployed = False
        self.on_code: Callable[[object], object] = _ignore
        self.log: list[tuple[object, ...]] = []
        self._newer = DeployedCode()
        self._flowy_pools: list[WorkerPool] = []
        self._newer_pools: list[WorkerPool] = []
        self._stopped: list[WorkerPool] = []
        self._task_lists: list[str] = []
        self._loop_pools: list[LoopPool] = []
        self._loop_names: dict[str, bool] = {}
        self._async_loops: AsyncLoops | None = None
        self._thread = threading.get_ident()

    def set_registry(self, registry: Registry, task_lists: Iterable[str] = ()) -> None:
        """Start workers on the task lists of all types that they can serve, and on others.

        Other lists are not polled if a proxy schedules tasks there of a type that they cannot
        serve: they would take the tasks of another worker, and fail them.
        """
        self.registry = registry
        self._task_lists = list(task_lists)
        self._report_code(registry.workflows.values())
        self._flowy_pools = self._flowys("", DeployedCode())

    def _flowys(self, prefix: str, newer: DeployedCode) -> list[WorkerPool]:
        """Return pools of flowy's own workers, one for each task list.

        Args:
            prefix: the beginning of their names; without one, they are all that there are.
            newer: code that they run in place of what was deployed.
        """
        registry, more = self.registry, self._task_lists
        if registry is None:
            return []
        workflows = {**self.deployed.workflows, **newer.workflows}
        activities = {**self.deployed.activities, **newer.activities}
        called = [proxy for each in workflows.values() for proxy in proxies(each)]
        others = registry.other_decision_lists, registry.other_activity_lists
        decision_lists = [
            *registry.decision_lists,
            *(name for name in more if name not in others[0]),
            *task_lists(workflows, ()),
        ]
        activity_lists = [
            *registry.activity_lists,
            *(name for name in more if registry.activities and name not in others[1]),
            *task_lists(activities, called),
        ]
        deciders = [(DECISION_POLL, name) for name in dict.fromkeys(decision_lists)]
        workers = [(ACTIVITY_POLL, name) for name in dict.fromkeys(activity_lists)]
        # New activities alone need no new deciders, and new workflows no new workers.
        if prefix and not newer.workflows:
            deciders = []
        if prefix and not newer.activities:
            workers = []
        return [
            *(self._pool(f"{prefix}decider", each, newer) for each in deciders),
            *(self._pool(f"{prefix}worker", each, newer) for each in workers),
        ]

    def _report_code(self, codes: Iterable[object]) -> None:
        for each in codes:
            self.on_code(each)

    def add_loop(self, code: PollingCode, name: str) -> None:
        """Give turns to code that polls with its own loop; coroutines share one worker."""
        from flowy_sim._clients.mock_swf import mock_swf  # It imports boto3.

        self._report_code([code])
        self._loop_names[name] = is_async(code)
        self._client.loops += 1
        with mock_swf(self._simulation):  # A class may make its client when it is instantiated.
            if not is_async(code):
                # Looked up at each start, so that a loop that is restarted runs what was deployed.
                self._add_loop_pool(lambda: self.deployed.loops.get(name, code), name)
                return
            if self._async_loops is None:
                self._async_loops = AsyncLoops(self._client, self.deployed.loops)
                main = self._async_loops.main
                self._add_loop_pool(lambda: main, ASYNC_LOOPS)
            self._async_loops.add(name, code)

    def _add_loop_pool(self, current: Callable[[], PollingCode], role: str) -> None:
        self._loop_pools.append(LoopPool(current, self._client, role))
        threads = self._simulation.threads
        threads.intercept = self._client.intercept
        threads.intercept_in_event_loop = self._client.intercept_in_event_loop

    def _newer_loops(self, newer: DeployedCode) -> Iterator[LoopPool]:
        """Yield pools that run newer code beside the loops of the same names."""
        current = ChainMap(newer.loops, self.deployed.loops)
        for name in newer.loops:
            if not self._loop_names[name]:
                get = partial(current.__getitem__, name)
                yield LoopPool(get, self._client, name, "new ")
        if self._async_loops is not None and any(self._loop_names[each] for each in newer.loops):
            main = self._async_loops.beside(current).main
            yield LoopPool(lambda: main, self._client, ASYNC_LOOPS, "new ")

    def discard_loops(self) -> None:
        """Never let poll loops go on, so that they can be freed."""
        for pool in (*self.pools, *self._stopped):
            if isinstance(pool, LoopPool):
                pool.discard()
        self._client.loop_threads.end()
        self._client.processes.end()
        self._simulation.threads.release()

    @contextmanager
    def test_environment(self, *, mocked: bool = True) -> Iterator[None]:
        """Let the SWF clients of the test itself call the simulation, never AWS; end its loops.

        Args:
            mocked: whether to let them, if boto3 is imported. Otherwise there are none yet.
        """
        mock: AbstractContextManager[object] = nullcontext()
        if mocked and "botocore.client" in sys.modules:
            from flowy_sim._clients.mock_swf import mock_swf

            mock = mock_swf(self._simulation)
        with mock:
            try:
                yield
            finally:
                self.discard_loops()

    @contextmanager
    def loop_environment(self) -> Iterator[None]:
        """Let every boto3 client call the simulation, and poll loops sleep in simulated time."""
        if not self._loop_pools:
            yield
            return
        from flowy_sim._clients.mock_swf import mock_swf

        client, threads = self._client, self._simulation.threads
        runner = threading.current_thread()
        sleeps = threads_sleep_virtually(threads, runner) if client.virtual_sleep else nullcontext()
        with (
            mock_swf(self._simulation),
            sleeps,
            virtual_sleep(client),
            client.watchdog.watching(),
            client.loop_threads.used(),
        ):
            yield

    @property
    def pools(self) -> list[WorkerPool]:
        """All worker pools."""
        if not (self._newer_pools or self._loop_pools):
            return self._flowy_pools
        pools = [*self._flowy_pools, *self._newer_pools, *self._loop_pools]
        threads = [each for pool in pools if isinstance(pool, LoopPool) for each in pool.threads]
        return [*pools, *threads]

    @property
    def has_loops(self) -> bool:
        """Whether code that polls with its own loop is among the workers."""
        return bool(self._loop_pools)

    def advice(self) -> str:
        """Return what to do about loops that make no call; may be empty."""
        return "\n".join(advice for pool in self._loop_pools if (advice := pool.advice()))

    @property
    def can_call(self) -> frozenset[str]:
        """The names of everything that workflows can call; empty if that is not known.

        It isn't known if code with its own poll loop decides.
        """
        return frozenset() if self._loop_pools else self.known.names

    def workers(self) -> Workers:
        """Describe the workers, for the explanation of what executions wait for."""
        lists = dict.fromkeys(each for pool in self.pools for each in pool.lists)
        polled = [each for each in lists if each[1] != STUBS_LIST]
        return Workers(
            [name for poll, name in polled if poll == DECISION_POLL],
            [name for poll, name in polled if poll == ACTIVITY_POLL],
            list(self.known.activities),
            self.known.workflows,
            self.known.payloads,
        )

    def polled_for_activities(self) -> set[str]:
        """Return the names of all lists that workers have polled for activity tasks."""
        abandoned = [each for pool in self._loop_pools for each in pool.abandoned]
        before = {name for poll, name in abandoned if poll == ACTIVITY_POLL}
        return before.union(self.workers().activity_lists or ())

    @property
    def known(self) -> Registry:
        """The registry, when there is one."""
        assert self.registry is not None
        return self.registry

    # Restarts and deployments

    def replace(self, pool: WorkerPool, name: str) -> None:
        """Replace a worker that has died. What it kept in memory is lost."""
        # All deciders share what is suspended, so all of it is lost.
        pool.replace(name)
        self.suspended.clear()
        self._log_restart(name)

    def restart(self) -> None:
        """Replace all workers by new ones."""
        self.suspended.clear()
        self._log_restart("all workers")
        for pool in self.pools:
            pool.restart()

    def _log_restart(self, name: str) -> None:
        """Log that what a worker kept in memory is lost. Flowy's own workers keep nothing."""
        if self._loop_pools:
            self.log.append((name, "restarted"))

    @property
    def has_newer(self) -> bool:
        """Whether old and new code run side by side."""
        return bool(self._newer_pools)

    def is_newer(self, pool: WorkerPool) -> bool:
        """Return whether the workers of a pool run the newer one of two kinds of code."""
        return pool in self._newer_pools

    def implementation(self, key: NameAndVersion, is_newer: bool) -> type[Workflow]:
        """Return the class that deciders run for a type, given its name and version."""
        workflow = self.deployed.workflows.get(key) or self.known.workflows[key]
        return (self._newer.workflows.get(key) if is_newer else None) or workflow

    def add_newer(self, code: DeployedCode) -> None:
        """Start deciders and workers with newer code, beside those that there are.

        Raises:
            ConfigurationError, RegistrationError: the new code does not fit the old one.
        """
        self._check(code)
        self._newer = code
        self._newer_pools = [*self._flowys("new ", code), *self._newer_loops(code)]

    def end_side_by_side(self, newer_stay: bool) -> None:
        """Give no more turns either to the old deciders and workers, or to the newer ones.

        A worker of flowy that works on a task still answers it.
        """
        newer, self._newer_pools = self._newer_pools, []
        if not newer_stay:
            # Kept, because one that works on a task still answers it.
            self._stopped += newer
            return
        self.deployed.update(self._newer)
        self._newer.clear()  # The newer pools run what is deployed from now on.
        loops = [each for each in newer if isinstance(each, LoopPool)]
        flowys = [each for each in newer if each not in loops]
        names, lists = [each.name for each in loops], [each.lists for each in flowys]
        self._stopped += [each for each in self._loop_pools if each.name in names]
        self._loop_pools = [*(each for each in self._loop_pools if each.name not in names), *loops]
        self._flowy_pools = [
            *(each for each in self._flowy_pools if each.lists not in lists),
            *flowys,
        ]

    def newer_implementation(self, key: NameAndVersion) -> type[Workflow] | None:
        """Return the class of the newer code for a type, also after going back; None if none."""
        return self._newer.workflows.get(key)

    def deploy_newer_again(self) -> None:
        """Deploy the newer code after all, after going back."""
        self._replace_code(self._newer)
        self._newer = DeployedCode()
        self.restart()

    def deploy(self, code: DeployedCode) -> None:
        """Let new workers run other code.

        Raises:
            ConfigurationError, RegistrationError: the new code does not fit the old one.
        """
        self._check(code)
        self._replace_code(code)

    def _replace_code(self, code: DeployedCode) -> None:
        self.deployed.update(code)
        polled = [pool.lists for pool in self._flowy_pools]
        more = self._flowys("", DeployedCode())
        added = [pool for pool in more if pool.lists not in polled]
        self._flowy_pools = [*self._flowy_pools, *added]

    def _check(self, code: DeployedCode) -> None:
        """Check that code can replace other code, and register its types."""
        for name, loop in code.loops.items():
            if name not in self._loop_names:
                raise ConfigurationError(
                    f"Deploy names the loop {name!r}; the loops of this test are "
                    f"{', '.join(self._loop_names) or 'none'}"
                )
            if is_async(loop) != self._loop_names[name]:
                raise ConfigurationError(
                    f"Deploy gives {loop!r} for the loop {name!r}; an async function can only be "
                    "replaced by another one"
                )
        workflows = [each.flowy_type for each in code.workflows.values()]
        activities = [each.flowy_type for each in code.activities.values()]
        register(self._simulation.client(), self._domain, [*workflows, *activities])
        self._report_code([*code.workflows.values(), *code.loops.values()])
        self.has_redeployed = self.has_redeployed or bool(code.workflows)

    # Flowy's own workers

    def _pool(self, role: str, polled: PolledList, newer: DeployedCode) -> WorkerPool:
        create = self._decider if polled[0] == DECISION_POLL else self._worker
        return WorkerPool(partial(create, polled[1], newer), role, self.size, [polled])

    def _decider(self, task_list: str, newer: DeployedCode, name: str) -> PollingWorker:
        workflows = {**self.known.workflows, **self.deployed.workflows, **newer.workflows}
        return WorkflowWorker(
            self._client,
            self._domain,
            task_list,
            workflows.values(),
            identity=name,
            payloads=self.known.payloads,
            suspended=self.suspended,
            wait=self._wait,
        )

    def _worker(self, task_list: str, newer: DeployedCode, name: str) -> PollingWorker:
        activities = {**self.known.activities, **self.deployed.activities, **newer.activities}
        return ActivityWorker(
            self._client,
            self._domain,
            task_list,
            activities.values(),
            identity=name,
            payloads=self.known.payloads,
            wait=self._wait,
        )

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        """Let a worker wait before it tries again. All others wait too: there is one thread."""
        if threading.get_ident() != self._thread:
            # Automatic heartbeats: time stands still while an activity works.
            return event.wait()
        # The wait of a worker is random up to a power of two, which is not random. The longest wait
        # can be as short as the one before it, so both are rounded to the same.
        rounded = 2 ** math.ceil(math.log2(max(seconds, 1e-3)))
        self._simulation.clock.advance(min(rounded, _LONGEST_WAIT))
        return event.is_set()


def _ignore(code: object) -> None:
    """Ignore what code there is."""


class ReplayingDeciders(SuspendedExecutions):
    """Executions that are replayed from time to time, and kept suspended in between.

    Only replaying finds code that is not deterministic. Replaying for each decision takes
    quadratic time, so a long execution is replayed when it has grown by the factor `GROWTH`. All
    these replays together cost less than one of the complete history.

    Without greenlet, nothing can be suspended, and everything is replayed for each decision.
    """

    def __init__(self) -> None:
        super().__init__()
        self._replayed: dict[str, int] = {}

    def decide(
        self,
        workflow: type[Workflow],
        execution: Execution,
        previous_started_event_id: int,
        news: Iterable[Mapping[str, Any]],
        history: Callable[[], Iterable[Mapping[str, Any]]],
        payloads: Payloads = PLAIN,
    ) -> list[Decision]:
        """Decide what an execution does next; see `SuspendedExecutions.decide`."""
        news = list(news)
        length: int = news[-1]["eventId"] if news else 0
        if length < SHORT:  # It will be replayed the next time, too: suspending it saves nothing.
            return decide(workflow, history(), payloads, execution)
        if length >= GROWTH * self._replayed.get(execution.run_id, 0):
            self.forget(execution)
            self._replayed[execution.run_id] = length
        return super().decide(
            workflow, execution, previous_started_event_id, news, history, payloads
        )
