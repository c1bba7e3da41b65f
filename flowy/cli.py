"""The command line: ``flowy register-domain``, ``flowy worker``, ``flowy start``."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click

from flowy.client import connect, fault_code
from flowy.errors import ConfigurationError, FlowyError
from flowy.options import Default
from flowy.registry import load_workflow, scan
from flowy.running import run_workers
from flowy.starter import start
from flowy.worker import ActivityWorker, Worker, WorkflowWorker

F = TypeVar("F", bound=Callable[..., Any])


def connection(command: F) -> F:
    """Add the options that say where the service is."""
    region = click.option("--region", help="AWS region, if the environment does not say it.")
    endpoint = click.option("--endpoint-url", help="Where another service than AWS's answers.")
    return endpoint(region(command))


@click.group()
@click.version_option(package_name="flowy-sim")
def cli() -> None:
    """Workflows for Amazon SWF in plain Python."""
    # Modules are named as seen from here, also by an installed script.
    sys.path.insert(0, os.getcwd())


@cli.command()
@click.argument("name")
@click.option(
    "--retention",
    type=click.IntRange(1, 90),
    default=7,
    show_default=True,
    help="Days for which closed executions are kept.",
)
@connection
def register_domain(
    name: str, retention: int, endpoint_url: str | None, region: str | None
) -> None:
    """Register the domain NAME; one that exists is left as it is."""
    with one_sentence():
        client = connect(endpoint_url, region)
        try:
            client.register_domain(name=name, workflowExecutionRetentionPeriodInDays=str(retention))
        except Exception as error:
            if fault_code(error) != "DomainAlreadyExistsFault":
                raise
            configuration = client.describe_domain(name=name)["configuration"]
            kept = configuration["workflowExecutionRetentionPeriodInDays"]
            click.echo(f"The domain {name} exists; it keeps closed executions for {kept} days.")
        else:
            click.echo(f"Registered {name}; it keeps closed executions for {retention} days.")


@cli.command()
@click.option("--domain", required=True, help="The domain to work in.")
@click.option("--task-list", required=True, help="The task list to wait on.")
@click.option("--activities", is_flag=True, help="Work on activities only.")
@click.option("--workflows", is_flag=True, help="Work on workflows only.")
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True)
@connection
def worker(
    domain: str,
    task_list: str,
    activities: bool,
    workflows: bool,
    packages: tuple[str, ...],
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Work on what is found in packages or modules, until SIGINT or SIGTERM.

    Types that the domain does not know are registered. If one is registered with other defaults,
    nothing starts.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
    with one_sentence():
        found = scan(*packages)
        client = connect(endpoint_url, region)
        identity = f"{socket.gethostname()}:{os.getpid()}"
        workers: list[Worker] = []
        if activities or (found.activities and not workflows):
            workers.append(
                ActivityWorker(client, domain, task_list, found.activities, identity=identity)
            )
        if workflows or (found.workflows and not activities):
            workers.append(
                WorkflowWorker(client, domain, task_list, found.workflows, identity=identity)
            )
        if not workers:
            raise ConfigurationError(
                f"there are neither activities nor workflows in {', '.join(packages)}"
            )
        for each in workers:
            each.register()
        run_workers(workers, handle_signals=True)


@cli.command("start")
@click.option("--domain", required=True, help="The domain to start it in.")
@click.option("--workflow-id", help="The execution's id; made up if not given.")
@click.option("--task-list", help="The list for its decisions, if not the registered one.")
@click.argument("workflow", metavar="MODULE:CLASS")
@click.argument("arguments", metavar="[ARGUMENT]...", nargs=-1)
@connection
def start_(
    domain: str,
    workflow_id: str | None,
    task_list: str | None,
    workflow: str,
    arguments: tuple[str, ...],
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Start an execution of a workflow.

    Each argument is read as JSON; one that is no JSON is text.
    """
    with one_sentence():
        found = load_workflow(workflow)
        execution = start(
            connect(endpoint_url, region),
            domain,
            found,
            *map(argument, arguments),
            workflow_id=workflow_id,
            task_list=task_list or Default.REGISTERED,
        )
    click.echo(f"workflow id: {execution.workflow_id}")
    click.echo(f"run id: {execution.run_id}")


def argument(text: str) -> Any:
    """Read an argument: as JSON where it is JSON, else as text."""
    try:
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return text


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


@contextmanager
def one_sentence() -> Iterator[None]:
    """End with a sentence and status 1, not a traceback, on errors that are not flowy's own."""
    try:
        yield
    except FlowyError as error:
        raise click.ClickException(str(error)) from error
    except Exception as error:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            NoRegionError,
        )

        if not isinstance(error, BotoCoreError | ClientError):
            raise
        mend = ""
        if isinstance(error, NoRegionError):
            mend = " Give --region or set AWS_DEFAULT_REGION."
        elif isinstance(error, NoCredentialsError):
            mend = "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        raise click.ClickException(f"{error}{mend}") from error
