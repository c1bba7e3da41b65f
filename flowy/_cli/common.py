"""What the commands have in common: where the service is, what is said, and how it goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast

import click

from flowy._cli import completion
from flowy._client import connect, fault_code
from flowy.errors import FlowyError

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended."""


class Commands(click.Group):
    """Commands that Ctrl-C ends alike."""

    def invoke(self, context: click.Context) -> Any:
        """Do what the command line says."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            interrupted(context)


def interrupted(context: click.Context) -> NoReturn:
    """End as a program that somebody has ended by Ctrl-C: with a word, and status 130."""
    click.echo("Interrupted.", err=True)
    context.exit(INTERRUPTED)


def connection(command: F) -> F:
    """Add the options that say where the service is."""
    region = click.option("--region", help="AWS region, if the environment does not say it.")
    endpoint = click.option("--endpoint-url", help="Where another service than AWS's answers.")
    return endpoint(region(command))


def with_client(command: F) -> F:
    """Give a command an SWF client, by options that say where the service is.

    What goes wrong with the service ends the command with a sentence.
    """

    @wraps(command)
    def connected(endpoint_url: str | None, region: str | None, **others: Any) -> None:
        with one_sentence():
            command(client=connect(endpoint_url, region), **others)

    return connection(cast(F, connected))


def in_domain(command: F) -> F:
    """Add the option that says in which domain things are."""
    return click.option(
        "--domain",
        required=True,
        envvar="FLOWY_DOMAIN",
        show_envvar=True,
        shell_complete=completion.domains,
        help="The domain.",
    )(command)


def as_json(command: F) -> F:
    """Add the option to answer in JSON."""
    return click.option(
        "--json", "in_json", is_flag=True, help="Answer in JSON, on one line for each answer."
    )(command)


def of_one(command: F) -> F:
    """Add what names one execution, and give the command an SWF client."""
    run_id = click.option("--run-id", help="Which run; by default the open or the latest one.")
    return click.argument("workflow_id")(run_id(as_json(in_domain(with_client(command)))))


def with_store(command: F) -> F:
    """Add the option that says where long values are kept."""
    return click.option(
        "--store",
        envvar="FLOWY_STORE",
        show_envvar=True,
        help="Where values too long for SWF are kept: a folder, or s3://bucket/prefix.",
    )(command)


def say(in_json: bool, answer: Mapping[str, Any], *lines: str) -> None:
    """Answer in JSON or in lines for people."""
    if in_json:
        click.echo(written(answer))
    else:
        for line in lines:
            click.echo(line)


def written(value: Any, indent: int | None = None) -> str:
    """Write what the service answers as JSON, with instants as ISO 8601 text."""
    return json.dumps(value, default=_text_of, indent=indent)


def _text_of(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


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
            EndpointConnectionError,
            NoCredentialsError,
            NoRegionError,
        )

        if not isinstance(error, BotoCoreError | ClientError):
            raise
        mend = ""
        if isinstance(error, NoRegionError):
            mend = " Give --region or set AWS_DEFAULT_REGION."
        elif isinstance(error, EndpointConnectionError):
            mend = "; is a service running there?"
        elif isinstance(error, NoCredentialsError):
            mend = "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        elif fault_code(error) in ("OperationNotPermittedFault", "AccessDeniedException"):
            mend = "; let the IAM policy of these credentials allow the action."
        raise click.ClickException(f"{error}{mend}") from error
