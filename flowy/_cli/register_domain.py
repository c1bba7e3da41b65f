"""``flowy register-domain``: register domains."""

from __future__ import annotations

import click

from flowy._cli.common import as_json, say, with_client
from flowy._client import SwfClient, fault_code


@click.command("register-domain", short_help="Register a domain.")
@click.argument("name")
@click.option(
    "--retention",
    type=click.IntRange(1, 90),
    default=7,
    show_default=True,
    help="Number of days for which closed executions are kept.",
)
@as_json
@with_client
def register_domain(client: SwfClient, name: str, retention: int, in_json: bool) -> None:
    """Register the domain NAME. A domain that exists already is left unchanged."""
    try:
        client.register_domain(name=name, workflowExecutionRetentionPeriodInDays=str(retention))
    except Exception as error:
        if fault_code(error) != "DomainAlreadyExistsFault":
            raise
        configuration = client.describe_domain(name=name)["configuration"]
        kept = int(configuration["workflowExecutionRetentionPeriodInDays"])
        text = f"The domain {name} exists already; it keeps closed executions for {kept} days."
        registered = False
    else:
        kept, registered = retention, True
        text = f"Registered {name}; it keeps closed executions for {kept} days."
    say(in_json, {"domain": name, "registered": registered, "retention_days": kept}, text)
