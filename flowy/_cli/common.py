"""What the commands share: the connection, common options, output, and errors as messages."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import click

from flowy._client import IncompleteReply, connect, fault_code
from flowy._safe_text import safe_lines, safe_text
from flowy.errors import FlowyError
from flowy.options import CHILD_POLICIES

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])

WorkflowType = tuple[str, str | None]
"""A name and a version; None for all versions."""


class WholeNumber(click.IntRange):
    """A whole number in a range, which messages call an integer and not an "integer range"."""

    name = "integer"


class Constant(click.Choice[str]):
    """One of the service's constants, such as TERMINATE, in capitals or not."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:
        """Write it in capitals; otherwise click shows it in lowercase."""
        return str(choice).upper()


CHILD_POLICY = Constant(CHILD_POLICIES)

_STDERR = 2
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EBADF)
"""Why output cannot be written; a closed pipe is no error."""

INTERRUPTED = 130
"""The exit status of a program that was ended by Ctrl-C."""


_COMPLETION_SECONDS = 2
"""How long a shell may wait for the service."""

_FIXES = {
    "OperationNotPermittedFault": "; allow the action in the IAM policy of these credentials.",
    "UnrecognizedClientException": "; the service does not know these credentials: check "
    "AWS_ACCESS_KEY_ID or AWS_PROFILE.",
    "ExpiredTokenException": "; renew these credentials, such as with `aws sso login`.",
}
"""How to fix what the service refuses, by the code of the fault."""

_SHOWN = 80
"""How many characters of an argument a warning shows."""


class Commands(click.Group):
    """A group of commands that all end in the same way: on Ctrl-C, or if output is not taken."""

    def main(self, *arguments: Any, **others: Any) -> Any:
        """Run the command line."""
        try:
            return super().main(*arguments, **others)
        except OSError as error:
            end_if_output_failed(error)

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except click.NoSuchOption as error:
            raise with_dash_explained(error) from error
        except KeyboardInterrupt:
            interrupted(context)


def with_dash_explained(error: click.NoSuchOption) -> click.UsageError:
    """Return an error that also says how to write a negative number, if one was given."""
    if not error.option_name[1:2].isdigit():
        return error
    # In these words, whatever the version of click says.
    no_option = f"No such option {error.option_name!r}."
    return click.UsageError(
        f"{no_option} Write -- before arguments that begin with a dash.", error.ctx
    )


def interrupted(context: click.Context) -> NoReturn:
    """End the program as after Ctrl-C: with a message, and status 130."""
    click.echo("Interrupted.", err=True)
    context.exit(INTERRUPTED)


def end_if_output_failed(error: OSError) -> NoReturn:
    """End the program with a message if its output cannot be written; raise any other error."""
    if error.filename is not None or error.errno not in _OUTPUT_ERRORS:
        raise error
    # What is still to be written would fail once more when Python ends.
    sys.stdout = _nowhere("w")
    sys.exit(f"Error: The output cannot be written: {error.strerror}.")


def open_missing_streams() -> None:
    """Open the null device in place of each standard stream that was closed at the start.

    Otherwise the next file that the program opens would take the place of one, and messages
    would be written into that file.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere("r" if name == "stdin" else "w"))


def _nowhere(mode: str) -> Any:
    return open(os.devnull, mode, encoding="utf-8")


def connection(command: F) -> F:
    """Add the options of the connection to the service."""
    region = click.option("--region", help="AWS region; by default from the environment.")
    endpoint = click.option("--endpoint-url", help="URL of the service; by default of Amazon SWF.")
    return endpoint(region(command))


def with_client(command: F) -> F:
    """Give a command an SWF client, and add the options of the connection.

    Errors of the service end the command with a message.
    """

    @wraps(command)
    def connected(endpoint_url: str | None, region: str | None, **others: Any) -> None:
        with errors_as_messages():
            command(client=connect(endpoint_url, region), **others)

    return connection(cast("F", connected))


def domains(context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a domain with those that are registered.

    A shell has no place for messages: without credentials, or if the service does not answer soon,
    there are no suggestions.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(
        connect_timeout=_COMPLETION_SECONDS,
        read_timeout=_COMPLETION_SECONDS,
        retries={"total_max_attempts": 1},
    )
    try:
        client = boto3.client(
            "swf",
            endpoint_url=context.params.get("endpoint_url"),
            region_name=context.params.get("region"),
            config=config,
        )
        reply = client.list_domains(registrationStatus="REGISTERED")
    except (BotoCoreError, ClientError, ValueError):
        return []
    names = (info["name"] for info in reply.get("domainInfos", ()))
    return [name for name in names if name.startswith(incomplete)]


def in_domain(command: F) -> F:
    """Add the option for the domain."""
    return click.option(
        "--domain",
        required=True,
        envvar="FLOWY_DOMAIN",
        show_envvar=True,
        shell_complete=domains,
        help="The domain's name.",
    )(command)


def type_option(help_text: str) -> Callable[[F], F]:
    """Add an option that chooses executions by the name of their type, and perhaps its version."""

    def parsed(
        _context: click.Context, _option: click.Parameter, value: str | None
    ) -> WorkflowType | None:
        if value is None:
            return None
        name, colon, version = value.partition(":")
        if not name or (colon and not version):
            raise click.BadParameter(
                f"{value!r} is not a workflow type; give NAME or NAME:VERSION, such as order:1.0."
            )
        return name, version or None

    return click.option(
        "--type", "of_type", metavar="NAME[:VERSION]", callback=parsed, help=help_text
    )


def as_json(command: F) -> F:
    """Add the option for output as JSON."""
    return click.option(
        "--json", "in_json", is_flag=True, help="Output as JSON, one object per line."
    )(command)


def of_one(command: F) -> F:
    """Add the argument and options that name an execution, and give the command an SWF client."""
    run_id = click.option("--run-id", help="Run ID; by default that of the open or latest run.")
    return click.argument("workflow_id")(run_id(as_json(in_domain(with_client(command)))))


def examples(*lines: str) -> dict[str, Any]:
    """Return the argument of a command for the examples at the end of its help.

    Args:
        *lines: commands; what follows the last one after a blank line is a paragraph.
    """
    return {"epilog": "\b\n" + "\n".join(["Examples:", *(f"  {line}".rstrip() for line in lines)])}


def with_store(command: F) -> F:
    """Add the option for the store of long values."""
    return click.option(
        "--store",
        envvar="FLOWY_STORE",
        show_envvar=True,
        help="Store for values too long for SWF: a folder, or s3://bucket/prefix.",
    )(command)


def say(in_json: bool, answer: Mapping[str, Any], *lines: str) -> None:
    """Print an answer as JSON, or as lines for a human reader; see `flowy._safe_text`."""
    if in_json:
        click.echo(json_text(answer))
    else:
        for line in lines:
            click.echo(safe_text(line))


def console(stderr: bool = False) -> Console:
    """Return the terminal: in color if it supports that, unless NO_COLOR is set.

    Args:
        stderr: whether it is standard error.
    """
    from rich.console import Console

    return Console(highlight=False, stderr=stderr)


def width_of(console: Console) -> int | None:
    """Return the number of columns of a terminal; None for a file or another program."""
    return console.width if console.is_terminal or "COLUMNS" in os.environ else None


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a reply of the service as JSON, with timestamps as ISO 8601 text."""
    return json.dumps(value, default=_default, indent=indent)


def _default(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def status_text(info: Mapping[str, Any]) -> str:
    """Return the status of an execution for a human reader."""
    status: str = info.get("closeStatus", info["executionStatus"])
    asked = status == "OPEN" and info.get("cancelRequested")
    return "OPEN, canceling" if asked else status


def instant_text(instant: datetime) -> str:
    """Return a timestamp in UTC, with milliseconds."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{instant.microsecond // 1000:03} UTC"


def read_instant(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> datetime | None:
    """Read the value of an option as a time, which is in UTC unless it says otherwise.

    Raises:
        click.BadParameter: it is not a time in ISO 8601.
    """
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time; write a date such as 2024-01-31, or 2024-01-31T09:30:00 "
            "in UTC."
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def parse_argument(text: str) -> Any:
    """Read an argument as JSON if it is JSON, else as text; warn if it looks like wrong JSON."""
    try:
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        if text.startswith(("{", "[")):
            shown = safe_text(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
            click.echo(
                f"Warning: {shown} is not JSON, so it is taken as text; JSON has double quotes.",
                err=True,
            )
        return text


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """End the program with a message and status 1, not a traceback, on expected errors."""
    try:
        yield
    except FlowyError as error:
        raise click.ClickException(safe_lines(error)) from error
    except Exception as error:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            EndpointConnectionError,
            NoCredentialsError,
            NoRegionError,
            ProfileNotFound,
        )

        if not isinstance(error, BotoCoreError | ClientError | IncompleteReply):
            raise
        fix = ""
        if isinstance(error, NoRegionError):
            fix = " Give --region or set AWS_DEFAULT_REGION."
        elif isinstance(error, EndpointConnectionError):
            fix = "; is a service running there?"
        elif isinstance(error, ProfileNotFound):
            fix = "; give the name of one in AWS_PROFILE, or unset it."
        elif isinstance(error, NoCredentialsError):
            fix = "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        elif "not authorized to perform" in str(error):  # A simulator words this differently.
            fix = _FIXES["OperationNotPermittedFault"]
        else:
            fix = _FIXES.get(fault_code(error) or "", "")
        said = str(error).replace("\n", " ")  # botocore reports each problem on its own line.
        said = said.rstrip(".") if fix.startswith(";") else said
        raise click.ClickException(safe_text(f"{said}{fix}")) from error
