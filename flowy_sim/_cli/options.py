"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click


# `flowy._cli` has a type like this, but help and completion are fast without importing it.
class Integer(click.IntRange):
    """A whole number in a range, which messages call an integer and not an "integer range"."""

    name = "integer"


class Number(click.FloatRange):
    """A number in a range, which messages call a number and not a "float range"."""

    name = "number"


words = click.argument("words", metavar="[WORKFLOW] [ARGUMENT]...", nargs=-1)

activities = click.option(
    "--activities",
    metavar="MODULE",
    multiple=True,
    help="Another module with activities; can be given several times.",
)

decider = click.option(
    "--decider",
    metavar="MODULE:NAME",
    help="Decider that polls with its own loop, instead of a workflow.",
)

histories = click.argument(
    "paths",
    metavar="FILE-or-FOLDER...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

freeze = click.option(
    "--freeze",
    is_flag=True,
    help="Let datetime.now and time.time return the simulated time, with freezegun.",
)


def domain_option(help: str, default: str | None = None) -> Callable[[Any], Any]:
    """Return the option for a domain, which has a name.

    Args:
        help: the help text.
        default: the default, which the help shows; None for no value.
    """

    def checked(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        if value == "":
            raise click.BadParameter("it is empty; give the name of a domain.")
        return value

    return click.option(
        "--domain", default=default, show_default=default is not None, callback=checked, help=help
    )


def region_option(help: str) -> Callable[[Any], Any]:
    """Return the option for an AWS region, which is checked.

    Args:
        help: the help text.
    """

    def checked(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        from flowy_sim._simulation.settings import check_region

        try:
            return value if value is None else check_region(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return click.option("--region", callback=checked, help=help)


code = click.option(
    "--code",
    "packages",
    metavar="PACKAGE",
    multiple=True,
    callback=lambda _context, _option, packages: _importable(packages),
    help="Package with workflow classes, to show the signals that executions wait "
    "for; can be given several times.",
)


def _importable(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a package that does not exist, without running its code."""
    for package in packages:
        try:
            exists = find_spec(package.partition(".")[0]) is not None
        except ValueError:
            exists = False
        if not exists:
            raise click.BadParameter(
                f"there is no package {package!r}, neither in this folder nor installed."
            )
    return packages


host = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")

redact = click.option(
    "--redact", is_flag=True, help="Leave inputs, results and details out of the page."
)


def port(default: int, more: str = "") -> Callable[[Any], Any]:
    """Return the option for the port of a server.

    Args:
        default: the default.
        more: what the help adds about port 0.
    """
    return click.option(
        "--port",
        default=default,
        show_default=True,
        type=Integer(0, 65535),
        help=f"Port to listen on; 0 for a free one{more}.",
    )


def report(shown: str) -> Callable[[Any], Any]:
    """Return the option for a page about what a command has done.

    Args:
        shown: what the page shows.
    """
    return click.option(
        "--report",
        metavar="FILE",
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        help=f"File to write a page to, {shown}: HTML without other files.",
    )


stub = click.option(
    "--stub",
    "stubs",
    metavar="STUB",
    multiple=True,
    help="Stub that answers for an activity, a child workflow or a Lambda function: "
    "NAME:VERSION=result:JSON, =error:REASON or =timeout for an activity, a definition as JSON, or "
    "a file with definitions. Can be given several times.",
)


def read_stubs(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Return the definitions of the stubs that the option gives.

    Raises:
        click.UsageError: one is wrong.
    """
    from flowy_sim._server import stub_definitions

    try:
        return [each for text in texts for each in stub_definitions.read_stubs(text)]
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def whole_number(
    name: str, help: str, *, least: int, default: int | None = None
) -> Callable[[Any], Any]:
    """Return an option that takes a whole number.

    Args:
        name: the name, such as ``--workers``.
        help: the help text.
        least: the minimum.
        default: the default, which the help shows; None for no value.
    """
    return click.option(
        name,
        metavar="N",
        type=Integer(min=least),
        default=default,
        show_default=default is not None,
        help=help,
    )
