"""Workflows in real time: at a service, or at a simulation on a real clock, with worker threads."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urlsplit

import click

from flowy._client import POLL_SECONDS, Execution, SwfClient, call, connect, fault_code, no_domain
from flowy._safe_text import safe_text
from flowy._start import start
from flowy._workers.loop import Worker
from flowy.workers import ActivityWorker, WorkflowWorker
from flowy_sim._cli.targets import Target
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.history import History
from flowy_sim._events.waits import Workers, explain, signals_of, times_out_at, waits_of
from flowy_sim._simulation.clock import RealClock, parse_instant
from flowy_sim.testing._registry import Registry
from flowy_sim.testing._run import OPEN, EventListener, Run, StuckError, history
from flowy_sim.testing._runner import DOMAIN

# Worker threads


_GRACE = 0.1
"""Seconds that workers have to stop before a message says that they are waited for."""

_PAUSE = 0.1
"""The minimum of seconds between two polls that find nothing."""


class _PollTracker:
    """The client of one worker, which knows whether the worker waits for a task.

    Attributes:
        polling: whether the worker is in a poll.
    """

    def __init__(self, client: SwfClient) -> None:
        self.polling = False
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return self._tracked(call) if name.startswith("poll_for_") else call

    def _tracked(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def poll(**request: Any) -> Any:
            began = time.monotonic()
            self.polling = True
            try:
                reply = call(**request)
                if not reply.get("taskToken") and time.monotonic() - began < _PAUSE:
                    # An emulator may answer empty polls at once.
                    time.sleep(_PAUSE)
            finally:
                self.polling = False
            return reply

        return poll


class WorkerThread:
    """A worker in a thread.

    Args:
        client: the client that it uses.
        create: makes the worker.

    Attributes:
        worker: the worker.
        error: the error that it ended with; None while it runs, and if it was stopped.
    """

    def __init__(self, client: SwfClient, create: Callable[[SwfClient], Worker]) -> None:
        self._client: Any = _PollTracker(client)
        self.worker = create(self._client)
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def idle(self) -> bool:
        """Whether the worker waits for a task."""
        polling: bool = self._client.polling
        return polling

    def start(self) -> None:
        """Start the worker."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the worker has not stopped yet."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait until the worker has stopped, at most for a number of seconds."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.worker.loop()
        except BaseException as error:
            self.error = error


class WorkerThreads:
    """Several workers in threads.

    They start when the context is entered. When it is left, they finish their tasks and stop.

    Args:
        threads: the workers.
        give_up_polls: whether a worker that waits for a task can be left behind. A task that its
            poll then returns is lost until it times out.

    Example:
        ``with WorkerThreads(threads, give_up_polls=False) as workers: workers.check()``
    """

    def __init__(self, threads: Iterable[WorkerThread], give_up_polls: bool) -> None:
        self._threads = list(threads)
        self._give_up_polls = give_up_polls

    @property
    def idle(self) -> bool:
        """Whether all workers wait for a task."""
        return all(thread.idle for thread in self._threads)

    def check(self) -> None:
        """Raise the error that a worker has ended with, if there is one."""
        for thread in self._threads:
            if thread.error is not None:
                raise thread.error

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the workers, and wait for those that cannot be left behind; Ctrl-C ends the wait."""
        for thread in self._threads:
            thread.worker.stop()
        with suppress(KeyboardInterrupt):
            time.sleep(_GRACE)
            remaining = [thread for thread in self._threads if self._is_busy(thread)]
            if remaining:
                click.echo(self._explanation(len(remaining)), err=True)
            for thread in remaining:
                while self._is_busy(thread):
                    thread.join(_GRACE)

    def _is_busy(self, thread: WorkerThread) -> bool:
        return thread.alive and not (self._give_up_polls and thread.idle)

    def _explanation(self, count: int) -> str:
        workers = "a worker" if count == 1 else f"{count} workers"
        if self._give_up_polls:
            return f"Waiting for {workers} to finish a task; press Ctrl-C to exit now."
        return (
            f"Waiting for {workers} to finish a task, or up to a minute for a poll: a poll that is "
            "abandoned may take the task of another execution. Press Ctrl-C to exit now."
        )


# Services and workflows


CreateWorker = Callable[[SwfClient], Worker]

RETENTION_DAYS = "7"
AMAZON_UPDATE_SECONDS = 1.0

_IDENTITY = f"{socket.gethostname()}:{os.getpid()}"

_QUIET_SECONDS = 1.0
"""Seconds without events and with idle workers after which a simulation may be stuck."""


@dataclass(frozen=True, slots=True)
class SwfService:
    """A service, and how to treat it.

    Attributes:
        client: an SWF client that threads can share.
        domain: the domain's name.
        update_seconds: the number of seconds between two requests for new events.
        is_amazon: whether this is Amazon SWF. Then polls are not abandoned, since the task that a
            poll returns would be lost, and no domain is registered without asking.
        simulation: the simulation behind the client, if it is in this process.
    """

    client: SwfClient
    domain: str
    update_seconds: float
    is_amazon: bool = False
    simulation: Simulation | None = None


def amazon(region: str | None, domain: str) -> SwfService:
    """Return Amazon SWF, with the credentials and the region that boto3 finds."""
    client = connect(None, region)
    return SwfService(client, domain, update_seconds=AMAZON_UPDATE_SECONDS, is_amazon=True)


def service_at(endpoint_url: str, region: str | None, domain: str) -> SwfService:
    """Return the service at a URL, usually a simulator or an emulator.

    Placeholders are used if no credentials or no region are configured.

    Raises:
        click.ClickException: it isn't a URL.
    """
    import boto3
    from botocore.config import Config

    session = boto3.Session(region_name=region)
    credentials: dict[str, Any] = {}
    if session.get_credentials() is None:
        credentials = {"aws_access_key_id": "simulated", "aws_secret_access_key": "simulated"}
    try:
        client = session.client(
            "swf",
            endpoint_url=endpoint_url,
            region_name=session.region_name or "us-east-1",
            config=Config(read_timeout=POLL_SECONDS + 10),
            **credentials,
        )
    except ValueError as error:
        raise click.ClickException(
            f"{endpoint_url!r} is not the URL of a service, such as http://127.0.0.1:4567"
        ) from error
    host = urlsplit(endpoint_url).hostname or ""
    is_amazon = host.endswith(".amazonaws.com")
    return SwfService(client, domain, update_seconds=0.1, is_amazon=is_amazon)


def in_real_time(seed: int) -> SwfService:
    """Return a new simulation on a real clock."""
    simulation = Simulation(seed=seed, clock=RealClock())
    client = simulation.client(poll_seconds=1)
    return SwfService(client, DOMAIN, update_seconds=0.05, simulation=simulation)


def prepare_domain(service: SwfService) -> None:
    """Register the domain if it does not exist. At Amazon SWF, ask first.

    Raises:
        click.ClickException: it does not exist, or is deprecated.
    """
    name = service.domain
    try:
        reply = call(service.client, "describe_domain", {"name": name})
    except Exception as error:
        if fault_code(error) != "UnknownResourceFault":
            raise
        if service.is_amazon and not _confirm_registration(name):
            raise click.ClickException(no_domain(name)) from error
        service.client.register_domain(
            name=name, workflowExecutionRetentionPeriodInDays=RETENTION_DAYS
        )
    else:
        if reply["domainInfo"]["status"] != "REGISTERED":
            raise click.ClickException(
                f"the domain {name!r} is deprecated, so nothing can be started in it; choose "
                "another one with --domain"
            )


def _confirm_registration(name: str) -> bool:
    question = (
        f"The domain {name!r} does not exist. Register it, with a retention of {RETENTION_DAYS} "
        "days for closed executions? A domain can be deprecated later, but never deleted"
    )
    # A script cannot be asked; it gets the error.
    return sys.stdin.isatty() and click.confirm(question, err=True)


class RunInterrupted(Exception):
    """Ctrl-C was pressed while an execution was open.

    Attributes:
        run: the run, as far as it has got.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(f"interrupted while {run.workflow_id} was open")
        self.run = run


class LiveWorkflow:
    """A workflow at a service, with workers for all of its types.

    Making one registers the types that the domain does not have yet.

    Args:
        service: the service. Its domain exists.
        target: what is run.
        size: the number of workers on each task list.

    Raises:
        FlowyError: the domain has one of the types with other defaults.

    Attributes:
        workers: the workers; not started yet.

    Example:
        ``with live.workers: run = live.run(on_event)``
    """

    def __init__(self, service: SwfService, target: Target, size: int) -> None:
        self._service = service
        self._target = target
        self._registry = Registry(
            service.client,
            service.domain,
            dict.fromkeys((target.workflow, *target.workflows)),
            target.activities,
        )
        # In a simulation also what is not implemented, so that its tasks wait and can be explained.
        if service.simulation is not None:
            self._registry.register()
        else:
            for create in self._creators():
                create(service.client).register()
        threads = (
            WorkerThread(service.client, create) for _ in range(size) for create in self._creators()
        )
        self.workers = WorkerThreads(threads, give_up_polls=not service.is_amazon)

    def _creators(self) -> Iterator[CreateWorker]:
        """Yield a function that makes a worker, for each task list."""
        yield from map(self._decider, self._registry.decision_lists)
        yield from map(self._worker, self._registry.activity_lists)

    def _decider(self, task_list: str) -> CreateWorker:
        domain, workflows = self._service.domain, self._registry.workflows.values()
        return lambda client: WorkflowWorker(
            client, domain, task_list, workflows, identity=_IDENTITY
        )

    def _worker(self, task_list: str) -> CreateWorker:
        domain, activities = self._service.domain, self._registry.activities.values()
        return lambda client: ActivityWorker(
            client, domain, task_list, activities, identity=_IDENTITY
        )

    def run(self, on_event: EventListener) -> Run:
        """Start the execution and wait until it is closed.

        Args:
            on_event: called with the workflow ID and each event, soon after it was written.

        Raises:
            RunInterrupted: Ctrl-C was pressed.
            StuckError: nothing more will happen in a simulation, and the execution is open.
            FlowyError: the workflow cannot be started.
        """
        service = self._service
        run = self._start()
        quiet = 0.0
        try:
            while not run.history or run.status == OPEN:
                self.workers.check()
                news = self._new_events(run)
                for event in news:
                    on_event(run.workflow_id, event)
                # Stuck only after a while: between two polls, a worker may look idle.
                quiet = 0 if news or not self.workers.idle else quiet + service.update_seconds
                if quiet > _QUIET_SECONDS and service.simulation is not None:
                    self._check_not_stuck(run, service.simulation)
                if run.status == OPEN:
                    time.sleep(service.update_seconds)
        except KeyboardInterrupt:
            raise RunInterrupted(run) from None
        return run

    def _start(self) -> Run:
        service, workflow = self._service, self._target.workflow
        # At a service, it must differ from that of all other open executions.
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
                f"Started {safe_text(execution.workflow_id)}, run {execution.run_id}, {where}.",
                err=True,
            )
        return Run(execution.workflow_id, execution.run_id, History())

    def _new_events(self, run: Run) -> History:
        service, execution = self._service, Execution(run.workflow_id, run.run_id)
        news = history(service.client, service.domain, execution, after=len(run.history))
        run.history.extend(news)
        return news

    def _check_not_stuck(self, run: Run, simulation: Simulation) -> None:
        """Raise an error if nothing that the execution waits for will ever end."""
        happens = simulation.next_instant()
        if happens is not None and happens < parse_instant(times_out_at(run.history)):
            return
        registry = self._registry
        workers = Workers(
            registry.decision_lists,
            registry.activity_lists,
            list(registry.activities),
            registry.workflows,
            registry.payloads,
        )
        found = waits_of(run, workers)
        if not any(wait.ends for wait in found):
            message = explain(run, (), workers, simulation.clock.now)
            raise StuckError(message, replace(run, awaited=signals_of(found)))
