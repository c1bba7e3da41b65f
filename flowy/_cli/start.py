"""``flowy start``: start executions."""

from __future__ import annotations

from typing import Any

import click

from flowy._cli.common import (
    CHILD_POLICY,
    as_json,
    in_domain,
    parse_argument,
    say,
    with_client,
    with_store,
)
from flowy._client import SwfClient
from flowy._start import start as start_execution
from flowy._workers.registration import load_workflow
from flowy.options import Default
from flowy.payloads import Payloads


@click.command()
@click.option("--workflow-id", help="Workflow id of the execution; random by default.")
@click.option("--task-list", help="Task list of its decision tasks; by default the registered one.")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    help="Tag by which it can be listed; can be given up to five times.",
)
@click.option(
    "--priority", type=int, help="Priority of its decision tasks; higher ones come first."
)
@click.option("--execution-start-to-close", type=int, help="Maximum duration, in seconds.")
@click.option("--task-start-to-close", type=int, help="Maximum time for a decision, in seconds.")
@click.option(
    "--child-policy",
    type=CHILD_POLICY,
    help="Policy for its open children when it ends.",
)
@click.option("--lambda-role", help="IAM role for Lambda functions.")
@click.argument("workflow", metavar="MODULE:CLASS")
@click.argument("arguments", metavar="[ARGUMENT]...", nargs=-1)
@with_store
@as_json
@in_domain
@with_client
def start(
    client: SwfClient,
    domain: str,
    workflow_id: str | None,
    task_list: str | None,
    tags: tuple[str, ...],
    workflow: str,
    arguments: tuple[str, ...],
    store: str | None,
    in_json: bool,
    **settings: Any,
) -> None:
    """Start an execution of the workflow MODULE:CLASS.

    Each ARGUMENT is read as JSON if it is JSON, else as text.
    """
    found = load_workflow(workflow)
    execution = start_execution(
        client,
        domain,
        found,
        *map(parse_argument, arguments),
        workflow_id=workflow_id,
        task_list=task_list or Default.REGISTERED,
        tags=tags or Default.REGISTERED,
        payloads=Payloads(store=store),
        **{name: value for name, value in settings.items() if value is not None},
    )
    say(
        in_json,
        {"workflow_id": execution.workflow_id, "run_id": execution.run_id},
        f"workflow id: {execution.workflow_id}",
        f"run id: {execution.run_id}",
    )
