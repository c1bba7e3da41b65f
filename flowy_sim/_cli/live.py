"""Running a workflow in real time: with worker threads, at a service."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator

import click

from flowy._client import SwfClient
from flowy._start import start
from flowy._workers.activity_worker import ActivityWorker
from flowy._workers.worker import Worker
from flowy._workers.workflow_worker import WorkflowWorker
from flowy_sim._cli.services import SwfService
from flowy_sim._cli.targets import Target
from flowy_sim._cli.worker_threads import WorkerThread, WorkerThreads
from flowy_sim._events.history import History
from flowy_sim._simulation.clock import parse_instant
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.testing._registry import Registry
from flowy_sim.testing._run import OPEN, EventListener, Run, history
from flowy_sim.testing._waiting import StuckError, Workers, explain, times_out_at, waits

Hire = Callable[[SwfClient], Worker]

_WHO = f"{socket.gethostname()}:{os.getpid()}"

_QUIET_SECONDS = 1.0
"""For so long nothing may happen, with nobody at work, before it is asked whether it ever will."""


class RunInterrupted(Exception):
    """Somebody pressed Ctrl-C while an execution was open.

    Attributes:
        run: what had become of it by then.
    """

    def __init__(self, run: Run) -> None:
        """Keep the run."""
        super().__init__(f"interrupted while {run.workflow_id} was open")
        self.run = run


class LiveWorkflow:
    """A workflow at a service, with workers for all that it needs.

    Args:
        service: where; its domain is there.
        target: what is to be run.
        size: how many workers wait on each task list.

    Raises:
        FlowyError: the domain knows one of the types with other defaults.

    Attributes:
        staff: the workers.

    Example:
        ``with company.staff: run = company.run(on_event)``
    """

    def __init__(self, service: SwfService, target: Target, size: int) -> None:
        """Register the types that the domain does not know; nobody works yet."""
        self._service = service
        self._target = target
        self._can = Registry(
            service.client,
            service.domain,
            dict.fromkeys((target.workflow, *target.workflows)),
            target.activities,
        )
        if service.simulation is not None:
            self._can.register()
        else:
            for hire in self._places():
                hire(service.client).register()
        members = (
            WorkerThread(service.client, hire) for _ in range(size) for hire in self._places()
        )
        self.staff = WorkerThreads(members, give_up_polls=not service.patient)

    def _places(self) -> Iterator[Hire]:
        """Yield what hires a worker, for each task list."""
        yield from map(self._decider, self._can.decision_lists)
        yield from map(self._worker, self._can.activity_lists)

    def _decider(self, task_list: str) -> Hire:
        domain, workflows = self._service.domain, self._can.workflows.values()
        return lambda client: WorkflowWorker(client, domain, task_list, workflows, identity=_WHO)

    def _worker(self, task_list: str) -> Hire:
        domain, activities = self._service.domain, self._can.activities.values()
        return lambda client: ActivityWorker(client, domain, task_list, activities, identity=_WHO)

    def run(self, on_event: EventListener) -> Run:
        """Start the execution and wait for its end.

        Args:
            on_event: called with the workflow id and each event, soon after it was written.

        Raises:
            RunInterrupted: somebody pressed Ctrl-C.
            StuckError: in a simulation, nothing will ever happen any more.
            FlowyError: the workflow cannot be started.
        """
        service, workflow = self._service, self._target.workflow
        workflow_id = f"{workflow.flowy_type.name}-1" if service.simulation else None
        execution = start(
            service.client,
            service.domain,
            workflow,
            *self._target.arguments,
            workflow_id=workflow_id,
        )
        if service.simulation is None:
            where = f"in the domain {service.domain}"
            click.echo(
                f"Started {execution.workflow_id}, run {execution.run_id}, {where}.", err=True
            )
        events = History()
        run = Run(execution.workflow_id, execution.run_id, events)
        quiet = 0.0
        try:
            while not events or run.status == OPEN:
                self.staff.check()
                news = history(service.client, service.domain, execution, after=len(events))
                events += news
                for event in news:
                    on_event(run.workflow_id, event)
                quiet = 0 if news or not self.staff.idle else quiet + service.look_seconds
                if quiet > _QUIET_SECONDS and service.simulation is not None:
                    self._check_that_something_ends(run, service.simulation)
                if run.status == OPEN:
                    time.sleep(service.look_seconds)
        except KeyboardInterrupt:
            raise RunInterrupted(run) from None
        return run

    def _check_that_something_ends(self, run: Run, simulation: Simulation) -> None:
        """Raise an error if the execution waits for nothing that ends by itself."""
        happens = simulation.next_instant()
        if happens is not None and happens < parse_instant(times_out_at(run.history)):
            return
        can = self._can
        workers = Workers(
            can.decision_lists,
            can.activity_lists,
            list(can.activities),
            can.workflows,
            can.payloads,
        )
        if not any(wait.ends for wait in waits(run.history, workers)):
            raise StuckError(explain(run, (), workers, simulation.clock.now), run)
