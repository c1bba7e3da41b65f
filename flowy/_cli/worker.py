"""``flowy worker``: run workers."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

from flowy._cli.common import (
    WholeNumber,
    connection,
    errors_as_messages,
    examples,
    in_domain,
    with_store,
)
from flowy._client import connect
from flowy._decider.suspended import DEFAULT_LIMIT
from flowy._safe_text import log_to_stderr
from flowy._workers.loop import Worker, run_workers
from flowy._workers.processes import run_processes
from flowy._workers.registration import scan
from flowy.errors import ConfigurationError
from flowy.payloads import Payloads
from flowy.workers import ActivityWorker, WorkflowWorker


class WorkerSet(NamedTuple):
    """The workers of one process, as specified on the command line."""

    domain: str
    task_list: str
    packages: tuple[str, ...]
    activities: bool
    workflows: bool
    threads: int
    suspended: int
    store: str | None
    endpoint_url: str | None
    region: str | None

    def workers(self) -> list[Worker]:
        """Create them.

        Raises:
            ConfigurationError: there is nothing to work on.
        """
        found = scan(*self.packages)
        client = connect(self.endpoint_url, self.region, connections=max(10, 2 * self.threads + 2))
        payloads = Payloads(store=self.store)
        workers: list[Worker] = []
        for thread in range(1, self.threads + 1):
            identity = f"{socket.gethostname()}:{os.getpid()}"
            if self.threads > 1:
                identity += f":{thread}"
            if self.activities or (found.activities and not self.workflows):
                workers.append(
                    ActivityWorker(
                        client,
                        self.domain,
                        self.task_list,
                        found.activities,
                        identity=identity,
                        payloads=payloads,
                    )
                )
            if self.workflows or (found.workflows and not self.activities):
                workers.append(
                    WorkflowWorker(
                        client,
                        self.domain,
                        self.task_list,
                        found.workflows,
                        identity=identity,
                        payloads=payloads,
                        suspended=self.suspended,
                    )
                )
        if not workers:
            raise ConfigurationError(
                f"there are no activities and no workflows in {', '.join(self.packages)}"
            )
        return workers


@click.command(
    short_help="Run activities and workflows until SIGINT or SIGTERM.",
    **examples(
        "flowy worker --domain photos --task-list image_processing flowy.tutorial",
        "flowy worker --domain shop --task-list cards --processes 4 shop.cards",
        "flowy worker --domain shop --task-list decisions --workflows shop.orders",
    ),
)
@click.option("--task-list", required=True, help="Task list to poll.")
@click.option("--activities", is_flag=True, help="Run activities only.")
@click.option("--workflows", is_flag=True, help="Run workflows only.")
@click.option(
    "--processes",
    type=WholeNumber(min=1),
    default=1,
    show_default=True,
    help="Number of worker processes; one that dies is replaced.",
)
@click.option(
    "--threads",
    type=WholeNumber(min=1),
    default=1,
    show_default=True,
    help="Number of tasks of each kind that a process works on at once.",
)
@click.option(
    "--suspended",
    type=WholeNumber(min=0),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Number of executions that each thread keeps suspended instead of replaying them.",
)
@click.option(
    "--no-wait",
    is_flag=True,
    help="End with an error if the service does not answer at the start, instead of waiting.",
)
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True)
@with_store
@in_domain
@connection
def worker(
    domain: str,
    task_list: str,
    activities: bool,
    workflows: bool,
    processes: int,
    threads: int,
    suspended: int,
    no_wait: bool,
    packages: tuple[str, ...],
    store: str | None,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Run the activities and workflows of packages or modules until SIGINT or SIGTERM.

    The command registers types that the domain does not have yet. If a type is registered with
    other defaults, the command ends with an error. If the service cannot be reached, the command
    waits for it.

    On SIGINT or SIGTERM, each worker first finishes its current poll, which takes up to 60 seconds,
    and its task. A second signal ends all workers at once.
    """
    set_up_logging()
    worker_set = WorkerSet(
        domain,
        task_list,
        packages,
        activities,
        workflows,
        threads,
        suspended,
        store,
        endpoint_url,
        region,
    )
    with errors_as_messages():
        workers = worker_set.workers()
        for each in workers[:2]:  # One of each kind; the others have the same types.
            each.register(wait=not no_wait)
        if processes == 1:
            run_workers(workers, handle_signals=True)
        else:
            run_processes(processes, one_process, worker_set)


def one_process(worker_set: WorkerSet) -> Sequence[Worker]:
    """Create the workers of one worker process."""
    sys.path.insert(0, os.getcwd())
    set_up_logging()
    return worker_set.workers()


def set_up_logging() -> None:
    """Log what workers do to standard error."""
    log_to_stderr("%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
