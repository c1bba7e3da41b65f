"""``flowy register-domain`` and ``flowy start``: make a domain, and start executions in it."""

from __future__ import annotations

import re
from typing import Any

import click

from flowy import _checks
from flowy._cli.common import (
    CHILD_POLICY,
    WholeNumber,
    as_json,
    examples,
    in_domain,
    parse_argument,
    say,
    with_client,
    with_store,
)
from flowy._cli.follow import follow
from flowy._cli.show import show_execution
from flowy._client import SwfClient, call, fault_code
from flowy._safe_text import safe_text
from flowy._start import RawInput
from flowy._start import start as start_execution
from flowy._workers.registration import load_workflow
from flowy.errors import ConfigurationError
from flowy.options import Default
from flowy.payloads import Payloads

_CLASS = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")
"""``MODULE:CLASS``; other texts with a colon are a name and a version."""


@click.command(
    "register-domain",
    short_help="Register a domain.",
    **examples("flowy register-domain photos", "flowy register-domain photos --retention 30"),
)
@click.argument("name")
@click.option(
    "--retention",
    type=WholeNumber(1, 90),
    default=7,
    show_default=True,
    help="Number of days for which closed executions are kept.",
)
@as_json
@with_client
def register_domain(client: SwfClient, name: str, retention: int, in_json: bool) -> None:
    """Register the domain NAME. A domain that exists already is left unchanged."""
    _checks.text("the name of a domain", name)
    try:
        request = {"name": name, "workflowExecutionRetentionPeriodInDays": str(retention)}
        call(client, "register_domain", request)
    except Exception as error:
        if fault_code(error) != "DomainAlreadyExistsFault":
            raise
        configuration = call(client, "describe_domain", {"name": name})["configuration"]
        period = configuration["workflowExecutionRetentionPeriodInDays"]
        kept = int(period) if period.isdecimal() else 0  # It may be NONE.
        text = f"The domain {name} exists already; it keeps closed executions for {kept} days."
        registered = False
    else:
        kept, registered = retention, True
        text = f"Registered {name}; it keeps closed executions for {kept} days."
    say(in_json, {"domain": name, "registered": registered, "retention_days": kept}, text)


@click.command(
    short_help="Start an execution of a workflow.",
    **examples(
        "flowy start --domain photos flowy.tutorial:ImageCategorization lake.jpg 150",
        "flowy start --domain shop --wait shop.orders:Order 42",
        "flowy start --domain shop order:1.0 --input '{\"number\": 42}'",
        "flowy start --domain shop shop.orders:Refund -- -5    a negative argument",
    ),
)
@click.option("--workflow-id", help="Workflow ID of the execution; random by default.")
@click.option("--input", "text", metavar="TEXT", help="Input for NAME:VERSION, sent unchanged.")
@click.option(
    "--wait",
    is_flag=True,
    help="Show progress until the execution is closed, then its outcome. The exit status is 1 "
    "unless it completed.",
)
@click.option("--task-list", help="Task list of its decision tasks; by default the registered one.")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    help="Tag by which to list the execution; can be given up to five times.",
)
@click.option(
    "--priority", type=int, help="Priority of its decision tasks; higher ones come first."
)
@click.option(
    "--execution-start-to-close", type=int, help="Number of seconds that the execution may take."
)
@click.option("--task-start-to-close", type=int, help="Number of seconds that a decision may take.")
@click.option(
    "--child-policy",
    type=CHILD_POLICY,
    help="Policy for open children when the execution ends.",
)
@click.option("--lambda-role", help="IAM role with which Lambda functions are called.")
@click.argument("workflow", metavar="MODULE:CLASS|NAME:VERSION")
@click.argument("arguments", metavar="[ARGUMENT]...", nargs=-1)
@with_store
@as_json
@in_domain
@with_client
def start(
    client: SwfClient,
    domain: str,
    workflow_id: str | None,
    text: str | None,
    wait: bool,
    task_list: str | None,
    tags: tuple[str, ...],
    workflow: str,
    arguments: tuple[str, ...],
    store: str | None,
    in_json: bool,
    **settings: Any,
) -> None:
    """Start an execution of a workflow: a class, or a type whose code is elsewhere.

    Each ARGUMENT is read as JSON, or as text if it isn't JSON. Arguments are sent in the format of
    flowy's workflows; for a decider that does not use flowy, give the input with --input.
    """
    if text is not None and arguments:
        raise click.UsageError("Give either arguments or --input.")
    payloads = Payloads(store=store)
    execution = start_execution(
        client,
        domain,
        _found(workflow, text),
        *([RawInput(text)] if text is not None else map(parse_argument, arguments)),
        workflow_id=workflow_id,
        task_list=Default.REGISTERED if task_list is None else task_list,
        tags=tags or Default.REGISTERED,
        payloads=payloads,
        **{name: value for name, value in settings.items() if value is not None},
    )
    if not wait:
        say(
            in_json,
            {"workflow_id": execution.workflow_id, "run_id": execution.run_id},
            f"workflow ID: {execution.workflow_id}",
            f"run ID: {execution.run_id}",
        )
    else:
        if not in_json:
            click.echo(f"Started {safe_text(execution.workflow_id)}.", err=True)
        execution, status = follow(client, domain, execution, quiet=in_json)
        show_execution(client, domain, execution, payloads, in_json=in_json)
        raise click.exceptions.Exit(status)


def _found(workflow: str, text: str | None) -> Any:
    """Return a workflow's class, or its name and version."""
    name, colon, version = workflow.rpartition(":")
    if text is None and (not colon or name.endswith(".py") or _CLASS.fullmatch(workflow)):
        try:
            return load_workflow(workflow)
        except ConfigurationError as error:
            if colon and not isinstance(error.__cause__, ModuleNotFoundError):
                raise
            raise ConfigurationError(
                f"{error}; to start a type without its code, give NAME:VERSION and --input"
            ) from error
    if not (name and version):
        raise click.UsageError(f"--input needs NAME:VERSION, such as order:1.0, not {workflow!r}.")
    return name, version
