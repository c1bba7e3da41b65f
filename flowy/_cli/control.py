"""``flowy signal``, ``flowy cancel`` and ``flowy terminate``: act on open executions."""

from __future__ import annotations

import click

from flowy import executions
from flowy._cli.common import CHILD_POLICY, of_one, parse_argument, say, with_store
from flowy._client import SwfClient
from flowy.payloads import Payloads


@click.command(short_help="Send a signal to an open execution.")
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

    VALUE is read as JSON if it is JSON, else as text.
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


@click.command(short_help="Ask an open execution to cancel itself.")
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


@click.command(short_help="Close an open execution at once.")
@click.option("--reason", default="", help="Reason, up to 256 characters.")
@click.option("--details", default="", help="Details, up to 32,768 characters.")
@click.option(
    "--child-policy",
    type=CHILD_POLICY,
    help="Policy for its open children; by default the one it was started with.",
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
    """Close the open execution WORKFLOW_ID at once, without letting it clean up.

    To let it clean up, use `flowy cancel`.
    """
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
