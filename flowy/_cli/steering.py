"""``flowy start``, ``signal``, ``cancel`` and ``terminate``: what changes executions."""

from __future__ import annotations

from typing import Any

import click

from flowy import executions
from flowy._cli.common import (
    as_json,
    in_domain,
    of_one,
    parse_argument,
    say,
    with_client,
    with_store,
)
from flowy._client import SwfClient
from flowy._start import start as start_execution
from flowy._workers.registration import load_workflow
from flowy.options import CHILD_POLICIES, Default
from flowy.payloads import Payloads


@click.command()
@click.option("--workflow-id", help="The execution's id; made up if not given.")
@click.option("--task-list", help="The list for its decisions, if not the registered one.")
@click.option("--tag", "tags", multiple=True, help="A text to find it by; five at most.")
@click.option("--priority", type=int, help="Of its decision tasks; greater ones come first.")
@click.option("--execution-start-to-close", type=int, help="The longest it may last, in seconds.")
@click.option(
    "--task-start-to-close", type=int, help="The longest a decision may take, in seconds."
)
@click.option(
    "--child-policy",
    type=click.Choice(CHILD_POLICIES, case_sensitive=False),
    help="What becomes of open children when it ends.",
)
@click.option("--lambda-role", help="The IAM role for Lambda functions.")
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
    """Start an execution of a workflow.

    Each argument is read as JSON; one that is no JSON is text.
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


@click.command()
@of_one
@with_store
@click.argument("name")
@click.argument("value", required=False)
def signal(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    run_id: str | None,
    name: str,
    value: str | None,
    store: str | None,
    in_json: bool,
) -> None:
    """Send the signal NAME to the open execution WORKFLOW_ID.

    VALUE is read as JSON; if it is no JSON it is text.
    """
    executions.signal(
        client,
        domain,
        workflow_id,
        name,
        None if value is None else parse_argument(value),
        run_id=run_id,
        payloads=Payloads(store=store),
    )
    say(
        in_json,
        {"workflow_id": workflow_id, "signal": name},
        f"Sent the signal {name} to {workflow_id}.",
    )


@click.command()
@of_one
def cancel(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    run_id: str | None,
    in_json: bool,
) -> None:
    """Ask the open execution WORKFLOW_ID to cancel itself."""
    executions.request_cancel(client, domain, workflow_id, run_id=run_id)
    say(
        in_json,
        {"workflow_id": workflow_id, "cancel_requested": True},
        f"Asked {workflow_id} to cancel itself.",
    )


@click.command(short_help="End an open execution at once, without asking it.")
@click.option("--reason", default="", help="Why, in a few words.")
@click.option("--details", default="", help="More about it.")
@click.option(
    "--child-policy",
    type=click.Choice(CHILD_POLICIES, case_sensitive=False),
    help="What becomes of its open children, if not what it was started with.",
)
@of_one
def terminate(
    client: SwfClient,
    domain: str,
    workflow_id: str,
    run_id: str | None,
    reason: str,
    details: str,
    child_policy: str | None,
    in_json: bool,
) -> None:
    """End the open execution WORKFLOW_ID at once, without asking it."""
    executions.terminate(
        client,
        domain,
        workflow_id,
        run_id=run_id,
        reason=reason,
        details=details,
        child_policy=child_policy,
    )
    say(in_json, {"workflow_id": workflow_id, "terminated": True}, f"Terminated {workflow_id}.")
