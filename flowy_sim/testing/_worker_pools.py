"""The deciders and workers of a runner, in pools, and the code that they run.

Deciders of flowy run the classes of a registry, unless others were deployed. Old and new ones may
run side by side for a while.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from types import MappingProxyType

from flowy._decider.suspended import SuspendedExecutions
from flowy.errors import ConfigurationError
from flowy.workers import ActivityWorker, WorkflowWorker
from flowy.workflow import Workflow
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.waits import Workers
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL
from flowy_sim._simulation.stubs import STUBS_LIST, NameAndVersion
from flowy_sim._simulation.thread_sleep import threads_sleep_virtually
from flowy_sim._simulation.virtual_sleep import virtual_sleep
from flowy_sim.testing._coroutines import is_async
from flowy_sim.testing._histories import ReplayingDeciders
from flowy_sim.testing._loop_pools import AsyncLoops, LoopPool
from flowy_sim.testing._loops import PollingCode
from flowy_sim.testing._registry import Registry
from flowy_sim.testing._worker_client import WorkerClient
from flowy_sim.testing._worker_pool import PollingWorker, WorkerPool

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
        registry: the types that flowy's own workers can work on; None before there are any.
        suspended: the executions that deciders keep in memory.
        deployed: the classes that have replaced others, by the name and version of their types.
        deployed_loops: the code that polls by itself and has replaced other code, by its name.
        has_redeployed: whether deciders may have run other classes than those of the registry.
        on_code: called with each class of the registry, and all other code that deciders run or
            that polls by itself, before it runs.
        log: the tasks whose work may have had effects that no history shows, with their workers,
            in order. Unless the test watches these effects, exploring compares them by this.
    """

    def __init__(
        self, simulation: Simulation, domain: str, size: int | None, client: WorkerClient
    ) -> None:
        self._simulation = simulation
        self._domain = domain
        self._size = size
        self._client = client
        self.registry: Registry | None = None
        self.suspended: SuspendedExecutions = ReplayingDeciders()
        self.deployed: dict[NameAndVersion, type[Workflow]] = {}
        self.deployed_loops: dict[str, PollingCode] = {}
        self.has_redeployed = False
        self.on_code: Callable[[object], object] = _ignore
        self.log: list[tuple[object, ...]] = []
        self._newer: dict[NameAndVersion, type[Workflow]] = {}
        self._flowy_pools: list[WorkerPool] = []
        self._newer_pools: list[WorkerPool] = []
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
        self._report_code(registry.workflows.values())
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

    def _report_code(self, codes: Iterable[object]) -> None:
        for each in codes:
            self.on_code(each)

    def add_loop(self, code: PollingCode, name: str) -> None:
        """Give turns to code that polls with its own loop; coroutines share one worker."""
        from flowy_sim._clients.mock_swf import mock_swf  # It imports boto3.

        self._report_code([code])
        self._loop_names[name] = is_async(code)
        with mock_swf(self._simulation):  # A class may make its client when it is instantiated.
            if not is_async(code):
                self._add_loop_pool(lambda: self.deployed_loops.get(name, code), name)
                return
            if self._async_loops is None:
                self._async_loops = AsyncLoops(self._client, self.deployed_loops)
                main = self._async_loops.main
                self._add_loop_pool(lambda: main, "asyncio loops")
            self._async_loops.add(name, code)

    def _add_loop_pool(self, current: Callable[[], PollingCode], role: str) -> None:
        self._loop_pools.append(LoopPool(current, self._client, role))
        threads = self._simulation.threads
        threads.intercept = self._client.intercept
        threads.intercept_in_event_loop = self._client.intercept_in_event_loop

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

        client, threads = self._client, self._simulation.threads
        runner = threading.current_thread()
        sleeps = threads_sleep_virtually(threads, runner) if client.virtual_sleep else nullcontext()
        with mock_swf(self._simulation), sleeps, virtual_sleep(client), client.watchdog.watching():
            yield

    @property
    def pools(self) -> list[WorkerPool]:
        """All worker pools."""
        return [*self._flowy_pools, *self._newer_pools, *self._loop_pools]

    @property
    def has_loops(self) -> bool:
        """Whether code that polls with its own loop is among the workers."""
        return bool(self._loop_pools)

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
        """Whether old and new deciders run side by side."""
        return bool(self._newer_pools)

    def is_newer(self, pool: WorkerPool) -> bool:
        """Return whether the workers of a pool are the newer ones of two kinds of deciders."""
        return pool in self._newer_pools

    def implementation(self, key: NameAndVersion, is_newer: bool) -> type[Workflow]:
        """Return the class that deciders run for a type, given its name and version."""
        workflow = self.deployed.get(key) or self.known.workflows[key]
        return (self._newer.get(key) if is_newer else None) or workflow

    def add_newer(self, workflows: Iterable[type[Workflow]]) -> None:
        """Start deciders that run other classes for some types, beside those that there are."""
        workflows = list(workflows)
        self._report_code(workflows)
        self.has_redeployed = True
        self._newer = {(each.flowy_type.name, each.flowy_type.version): each for each in workflows}
        self._newer_pools = [
            WorkerPool(partial(self._newer_decider, name), "new decider", self._size, [polled])
            for pool in self._flowy_pools
            for polled in pool.lists
            for poll, name in [polled]
            if poll == DECISION_POLL
        ]

    def end_side_by_side(self, newer_stay: bool) -> None:
        """Let either the old deciders or the newer ones go."""
        newer, self._newer, self._newer_pools = self._newer, {}, []
        if newer_stay:
            self.deployed.update(newer)

    def deploy(self, workflows: Iterable[type[Workflow]], loops: Mapping[str, PollingCode]) -> None:
        """Let new workers run other classes for some types, and other code for some loops.

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
        workflows = list(workflows)
        self._report_code([*workflows, *loops.values()])
        self.deployed_loops.update(loops)
        for workflow in workflows:
            self.has_redeployed = True
            declared = workflow.flowy_type
            self.deployed[declared.name, declared.version] = workflow

    # Flowy's own workers

    def _pool(self, role: str, poll: str, name: str) -> WorkerPool:
        create = self._decider if poll == DECISION_POLL else self._worker
        return WorkerPool(partial(create, name), role, self._size, [(poll, name)])

    def _newer_decider(self, task_list: str, name: str) -> PollingWorker:
        return self._decider(task_list, name, self._newer)

    def _decider(
        self,
        task_list: str,
        name: str,
        newer: Mapping[NameAndVersion, type[Workflow]] = MappingProxyType({}),
    ) -> PollingWorker:
        workflows = {**self.known.workflows, **self.deployed, **newer}.values()
        return WorkflowWorker(
            self._client,
            self._domain,
            task_list,
            workflows,
            identity=name,
            payloads=self.known.payloads,
            suspended=self.suspended,
            wait=self._wait,
        )

    def _worker(self, task_list: str, name: str) -> PollingWorker:
        activities = self.known.activities.values()
        return ActivityWorker(
            self._client,
            self._domain,
            task_list,
            activities,
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
