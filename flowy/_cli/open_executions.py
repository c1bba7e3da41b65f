"""``flowy signal``, ``flowy cancel`` and ``flowy terminate``: act on open executions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import click

from flowy import executions
from flowy._cli.common import (
    CHILD_POLICY,
    WorkflowType,
    as_json,
    examples,
    in_domain,
    parse_argument,
    say,
    type_option,
    with_client,
    with_store,
)
from flowy._client import SwfClient
from flowy._safe_text import safe_lines, safe_text
from flowy.errors import UnknownExecutionError
from flowy.payloads import Payloads

F = TypeVar("F", bound=Callable[..., Any])

_SHOWN = 10
"""The number of executions that a question names."""


def _on_several(command: F) -> F:
    """Add the options that choose the executions, and give the command an SWF client."""
    for option in (
        click.option("-y", "--yes", is_flag=True, help="Act on several executions without asking."),
        click.option("--tag", help="Act on all open executions with this tag."),
        type_option("Act on all open executions of this type, in all versions or in one."),
        click.option("--run-id", help="Run ID; by default that of the open run."),
    ):
        command = option(command)
    return as_json(in_domain(with_client(command)))


class _Targets(NamedTuple):
    """The executions that a command acts on."""

    ids: Sequence[tuple[str, str | None]]
    """Their workflow IDs and run IDs."""
    ask: bool
    """Whether to ask before acting."""


def _targets(
    client: SwfClient,
    domain: str,
    ids: Sequence[str],
    of_type: WorkflowType | None,
    tag: str | None,
    run_id: str | None,
    yes: bool,
) -> _Targets:
    """Return the executions that are named, or that are open and match the filters."""
    if of_type is None and tag is None:
        if not ids:
            raise click.UsageError("Give a WORKFLOW_ID, or choose executions by --type or --tag.")
        if run_id is not None and len(ids) > 1:
            raise click.UsageError("--run-id is for one execution; give one WORKFLOW_ID.")
        return _Targets([(each, run_id) for each in ids], ask=False)
    if ids or run_id is not None:
        raise click.UsageError("--type and --tag choose executions; leave IDs out.")
    name, version = of_type or (None, None)
    found = executions.list_executions(
        client, domain, status="OPEN", type_name=name, type_version=version, tag=tag
    )
    named = [info["execution"] for info in found]
    if not named:
        raise click.ClickException(f"no open execution in the domain {domain!r} matches")
    # With their run IDs: one that is closed and started again meanwhile was not meant.
    return _Targets([(each["workflowId"], each["runId"]) for each in named], ask=not yes)


def _act(
    targets: _Targets,
    act: Callable[[str, str | None], None],
    question: Callable[[str], str],
    report: Callable[[str], str],
    answer: dict[str, Any],
    in_json: bool,
) -> None:
    """Act on executions, after a question if they were not named, and report on each.

    Args:
        targets: the executions.
        act: acts on one of them, given its workflow ID and run ID.
        question: what is asked, given their number in words.
        report: what is reported, given a workflow ID.
        answer: the same in JSON, apart from the ID.
        in_json: whether to report in JSON.
    """
    count = len(targets.ids)
    if targets.ask:
        for workflow_id, _ in targets.ids[:_SHOWN]:
            click.echo(f"  {safe_text(workflow_id)}", err=True)
        if count > _SHOWN:
            click.echo(f"  and {count - _SHOWN:,} more", err=True)
        number = "this execution" if count == 1 else f"these {count:,} executions"
        _confirm(question(number))
    failed = False
    for workflow_id, run_id in targets.ids:
        try:
            act(workflow_id, run_id)
        except UnknownExecutionError as error:
            # Of several, the others are still acted on.
            if count == 1:
                raise
            failed = True  # Such as one that was closed meanwhile.
            click.echo(f"Error: {safe_lines(error)}", err=True)
        else:
            say(in_json, {"workflow_id": workflow_id, **answer}, report(workflow_id))
    if failed:
        raise click.exceptions.Exit(1)


def _confirm(question: str) -> None:
    """Ask a question, and end the command unless the answer is yes."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:  # There is no one to answer.
        click.echo(err=True)
        raise click.ClickException(
            "nothing was done; to act without being asked, give --yes"
        ) from None
    if not agreed:
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(1)


@click.command(
    short_help="Send a signal to open executions.",
    **examples(
        "flowy signal --domain photos lake approve",
        'flowy signal --domain photos lake approve \'{"by": "me"}\'',
        "flowy signal --domain photos --type imagecateg --tag holiday approve",
    ),
)
@_on_several
@with_store
@click.argument("words", metavar="[WORKFLOW_ID] NAME [VALUE]", nargs=-1, required=True)
def signal(
    client: SwfClient,
    domain: str,
    words: tuple[str, ...],
    of_type: WorkflowType | None,
    tag: str | None,
    run_id: str | None,
    store: str | None,
    yes: bool,
    in_json: bool,
) -> None:
    """Send the signal NAME to the open execution WORKFLOW_ID.

    With --type or --tag, leave out WORKFLOW_ID: the signal goes to all open executions that match.
    VALUE is read as JSON, or as text if it isn't JSON.
    """
    by_id = of_type is None and tag is None
    ids, (name, *values) = (words[:1], words[1:] or ("",)) if by_id else ((), words)
    if by_id and len(words) == 1:
        raise click.UsageError("Missing argument 'NAME'.")
    if len(values) > 1:
        raise click.UsageError(
            f"Give one VALUE, not {len(values)}; write a value with spaces in quotes."
        )
    value = parse_argument(values[0]) if values else None
    payloads = Payloads(store=store)

    def send(workflow_id: str, run_id: str | None) -> None:
        executions.signal(
            client, domain, workflow_id, name, value, run_id=run_id, payloads=payloads
        )

    _act(
        _targets(client, domain, ids, of_type, tag, run_id, yes),
        send,
        lambda those: f"Send the signal {safe_text(name)} to {those}?",
        lambda one: f"Sent the signal {name} to {one}.",
        {"signal": name},
        in_json,
    )


@click.command(
    short_help="Ask open executions to cancel themselves.",
    **examples(
        "flowy cancel --domain photos lake",
        "flowy cancel --domain photos lake river",
        "flowy cancel --domain photos --tag holiday --yes",
    ),
)
@_on_several
@click.argument("workflow_ids", metavar="[WORKFLOW_ID]...", nargs=-1)
def cancel(
    client: SwfClient,
    domain: str,
    workflow_ids: tuple[str, ...],
    of_type: WorkflowType | None,
    tag: str | None,
    run_id: str | None,
    yes: bool,
    in_json: bool,
) -> None:
    """Ask open executions to cancel themselves: those named, or all that match --type and --tag."""

    def request(workflow_id: str, run_id: str | None) -> None:
        executions.request_cancel(client, domain, workflow_id, run_id=run_id)

    _act(
        _targets(client, domain, workflow_ids, of_type, tag, run_id, yes),
        request,
        lambda those: f"Request the cancellation of {those}?",
        lambda one: f"Asked {one} to cancel itself.",
        {"cancel_requested": True},
        in_json,
    )


@click.command(
    short_help="Close open executions at once.",
    **examples(
        'flowy terminate --domain photos lake --reason "wrong photograph"',
        "flowy terminate --domain photos --type imagecateg --child-policy TERMINATE",
    ),
)
@click.option("--reason", default="", help="Reason, up to 256 characters.")
@click.option("--details", default="", help="Details, up to 32,768 characters.")
@click.option(
    "--child-policy",
    type=CHILD_POLICY,
    help="Policy for its open children; by default the one it was started with.",
)
@_on_several
@click.argument("workflow_ids", metavar="[WORKFLOW_ID]...", nargs=-1)
def terminate(
    client: SwfClient,
    domain: str,
    workflow_ids: tuple[str, ...],
    of_type: WorkflowType | None,
    tag: str | None,
    run_id: str | None,
    reason: str,
    details: str,
    child_policy: str | None,
    yes: bool,
    in_json: bool,
) -> None:
    """Close open executions at once: those named, or all that match --type and --tag.

    The executions cannot clean up; to let them clean up, use 'flowy cancel' instead.
    """

    def close(workflow_id: str, run_id: str | None) -> None:
        executions.terminate(
            client,
            domain,
            workflow_id,
            run_id=run_id,
            reason=reason,
            details=details,
            child_policy=child_policy,
        )

    _act(
        _targets(client, domain, workflow_ids, of_type, tag, run_id, yes),
        close,
        lambda those: f"Terminate {those}?",
        lambda one: f"Terminated {one}.",
        {"terminated": True},
        in_json,
    )
