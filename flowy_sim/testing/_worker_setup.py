"""Prepares the workers of a runner: registers types, and starts the workers that serve them.

By default, workers implement the activities that the workflows' proxies name, and those in the
workflows' modules. So each workflow that is started may need more of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowy._checks import whole_number
from flowy._client import fault_code
from flowy.activity import Activity
from flowy.errors import ConfigurationError
from flowy.payloads import Payloads
from flowy.workflow import Workflow
from flowy_sim._clients.simulation import Simulation
from flowy_sim.testing._registry import (
    Registry,
    activities_in,
    families,
    implementations,
    module_of,
)
from flowy_sim.testing._scheduler import Scheduler
from flowy_sim.testing._stub_dispatch import StubDispatch


class WorkerSetup:
    """Registers the domain and the types of a runner, and starts workers on their task lists.

    Args:
        scheduler: gives turns to the workers.
        stub_dispatch: chooses the answers of stubs.
        payloads: those of the workers.
        activities: the activities that workers implement; None for those of the workflows.
        workflows: the workflows that deciders implement in addition to those that are added.
        task_lists: task lists to poll in addition to those that types and proxies name.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        stub_dispatch: StubDispatch,
        payloads: Payloads,
        activities: Sequence[type[Activity]] | None,
        workflows: Iterable[type[Workflow]],
        task_lists: Iterable[str],
    ) -> None:
        self._scheduler = scheduler
        self._client = scheduler.client
        self._domain = scheduler.domain
        self._stub_dispatch = stub_dispatch
        self._payloads = payloads
        self._activities = activities
        self._workflows = dict.fromkeys(workflows)
        self._task_lists = task_lists
        self._registered = False

    def add(self, workflow: type[Workflow]) -> None:
        """Let deciders implement another workflow, once they are prepared again."""
        self._workflows[workflow] = None

    def prepare(self) -> None:
        """Register all types, and start workers on their task lists."""
        is_new = self.register_domain()
        workflows = families(self._workflows)
        activities = self._activities
        if activities is None:
            modules = dict.fromkeys(map(module_of, workflows))
            named = implementations(workflows)
            activities = list(dict.fromkeys([*activities_in(modules), *named]))
        registry = Registry(
            self._client,
            self._domain,
            workflows,
            activities,
            self._stub_dispatch,
            self._payloads,
        )
        registry.register(is_new)
        self._scheduler.worker_pools.set_registry(registry, self._task_lists)

    def register_domain(self) -> bool:
        """Register the domain, if necessary; return whether it was."""
        if self._registered:
            return False
        self._registered = True
        try:
            self._client.register_domain(
                name=self._domain, workflowExecutionRetentionPeriodInDays="90"
            )
        except Exception as error:
            if fault_code(error) != "DomainAlreadyExistsFault":
                raise
            return False
        return True


def number_of_workers(simulation: Simulation, workers: object) -> int | None:
    """Return the number of workers, chosen by the schedule if there are several."""
    __tracebackhide__ = True
    if isinstance(workers, tuple):
        numbers = [number_of_workers(simulation, each) for each in workers]
        if not numbers:
            raise ConfigurationError("workers must not be an empty tuple; leave it out, or None")
        count = len(numbers)
        index = simulation.schedule.choose("the number of workers", count) if count > 1 else 0
        return numbers[index]
    return None if workers is None else whole_number("workers", workers, least=1)
