"""The command ``flowy-sim serve``."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from flowy_sim._cli.options import Integer, Number, code, host, port, read_stubs, stub
from flowy_sim._cli.server_process import (
    allow_connections,
    collecting_rarely,
    listener_at,
    run_beside,
)
from flowy_sim._cli.write_test import zipped_test

if TYPE_CHECKING:
    from flowy_sim._server.server import Server
    from flowy_sim._server.settings import ServerSettings

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]+")

_EXAMPLE = """\b
Examples:
  flowy-sim serve --clock virtual
  AWS_ENDPOINT_URL_SWF=http://127.0.0.1:4567 python my_workers.py
  flowy-sim serve --clock virtual -- npm test
  flowy-sim serve --stub 'charge:1=result:"paid"' --stub stubs.json"""


def _start(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    from flowy._cli.common import read_instant

    instant = read_instant(context, option, text)
    return None if instant is None else instant.isoformat()


def _clocks(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    usual = ("real", "virtual", "paused", "x10", "x60", "x3600")
    return [clock for clock in usual if clock.startswith(incomplete)]


class _FromEnvironment(click.Command):
    """A command whose every option can also be set as an environment variable.

    Help lists the variables: ``--max-polls`` is ``FLOWY_SIM_MAX_POLLS``.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for option in self.params:
            if isinstance(option, click.Option):
                name = option.opts[0].removeprefix("--").replace("-", "_").upper()
                option.envvar, option.show_envvar = f"FLOWY_SIM_{name}", True


# Options after COMMAND belong to it.
@click.command(
    cls=_FromEnvironment, epilog=_EXAMPLE, context_settings={"allow_interspersed_args": False}
)
@click.argument("command", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@host
@port(4567, ", which is the default with COMMAND")
@click.option(
    "--clock",
    default="real",
    show_default=True,
    metavar="real|virtual|paused|xN",
    shell_complete=_clocks,
    help="How time passes: in real time, by jumps when no client has anything to do, only on "
    "request, or N times as fast as real time.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of run IDs and tokens.")
@click.option(
    "--start",
    metavar="TIME",
    callback=_start,
    help="Time at which a clock that is not real begins, in ISO 8601, in UTC unless it says "
    "otherwise; default: now.",
)
@click.option(
    "--latency",
    default="default",
    show_default=True,
    type=click.Choice(["default", "none", "recorded"]),
    help="Delays of effects that follow a call, and of calls on a virtual clock.",
)
@click.option(
    "--db",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File in which to keep everything, and from which to continue.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Serve a file that has less than was acknowledged, and report what is missing.",
)
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="Quota to change.")
@click.option(
    "--account",
    default="123456789012",
    show_default=True,
    help="Account of clients whose access key is not an account of twelve digits.",
)
@click.option(
    "--region", default="us-east-1", show_default=True, help="Region of requests that name none."
)
@click.option(
    "--poll-seconds",
    default=60.0,
    show_default=True,
    type=Number(min=0),
    help="Number of seconds that a poll waits for a task: simulated seconds or, on a virtual "
    "clock, real seconds, at most 50.",
)
@click.option(
    "--hold-seconds",
    default=300.0,
    show_default=True,
    type=Number(min=0),
    help="Number of real seconds that a virtual clock waits for a client that holds a task and "
    "sends neither an answer nor a heartbeat.",
)
@click.option(
    "--patience",
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    type=Number(min=0),
    help="Number of real seconds that a virtual clock waits for a client that may be about to "
    "take a task, or to prevent a time-out.",
)
@click.option(
    "--empty-poll-token",
    is_flag=True,
    help="Give the reply to a poll that finds no task an empty taskToken, as documented.",
)
@click.option(
    "--while-held",
    default="still",
    show_default=True,
    type=click.Choice(["still", "real"]),
    help="How time passes on a virtual clock while a client holds a task: not at all, or in real "
    "time.",
)
@stub
@click.option(
    "--lambda",
    "functions",
    multiple=True,
    metavar="NAME=WHAT",
    help="Lambda function: module:function, the URL of a server that implements Lambda's Invoke, "
    "result:JSON, error:REASON or timeout.",
)
@click.option(
    "--lambda-takes",
    multiple=True,
    metavar="NAME=SECONDS",
    help="Number of simulated seconds that a Lambda function takes.",
)
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with secret keys by access key ID. Requests must then be signed, also control "
    "requests, except for health and readiness.",
)
@click.option(
    "--control-token",
    default="",
    metavar="TOKEN",
    envvar="FLOWY_SIM_CONTROL_TOKEN",
    show_envvar=True,
    help="Token that control requests, such as those that move the clock, must send, unless they "
    "are signed with one of --keys. Set it in the environment to hide it from other users.",
)
@click.option("--allow-remote", is_flag=True, help="Accept all requests from other machines.")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="Host name under which clients may call."
)
@click.option(
    "--allow-origin", multiple=True, metavar="URL", help="Origin of web pages that may call."
)
@click.option(
    "--request-seconds",
    default=60.0,
    show_default=True,
    type=Number(min=0, min_open=True),
    help="Number of seconds after which the server gives up an incomplete request.",
)
@click.option(
    "--max-connections",
    default=10_000,
    show_default=True,
    type=Integer(1),
    help="Number of connections that may be open.",
)
@click.option(
    "--max-polls",
    default=10_000,
    show_default=True,
    type=Integer(1),
    help="Number of polls that may wait.",
)
@click.option(
    "--max-simulations",
    default=1_000,
    show_default=True,
    type=Integer(1),
    help="Number of simulations: pairs of a path and an account.",
)
@click.option(
    "--grace",
    default=10,
    show_default=True,
    type=Integer(0),
    help="Number of seconds to wait for requests in progress when the server stops.",
)
@code
@click.option("--no-console", is_flag=True, help="Switch off the console, the pages for browsers.")
@click.option("--log", is_flag=True, help="Log every request to stderr, as one line of JSON.")
def serve(
    command: tuple[str, ...],
    host: str,
    port: int,
    log: bool,
    db: Path | None,
    accept_loss: bool,
    grace: int,
    no_console: bool,
    packages: tuple[str, ...],
    **options: Any,
) -> None:
    """Serve Amazon SWF to any client, in any language.

    With COMMAND, serve on a free port while that command runs. The environment of COMMAND contains
    the URL, credentials and a region. The server ends with its exit status.

    Without --db, all state is lost when the server stops. With --db, the effects of every answered
    call are still there when the server starts again, even if it was killed. A file keeps the
    settings that it was created with, so you need not repeat --clock, --seed, --start, --latency
    and --limit.
    """
    try:
        from flowy_sim._console.application import console
        from flowy_sim._server.metrics import AccessLog, to_logger
        from flowy_sim._server.server import Server, url_of
        from flowy_sim._storage.file_journal import journal_in
        from flowy_sim._storage.files import FileRefusedError
        from flowy_sim._storage.journal import open_nothing
    except ModuleNotFoundError as error:
        from flowy._installation import install_command

        raise click.ClickException(
            f"serving needs {error.name}; install it: {install_command('serve')}"
        ) from error
    if accept_loss and db is None:
        raise click.UsageError("--accept-loss is for the file of --db; add --db FILE.")
    settings = _settings(**options)
    # Several commands may run at the same time, each with a server of its own.
    if command and _source("port") is ParameterSource.DEFAULT:
        port = 0
    listener = listener_at(host, port)
    _warn(host, settings)
    allow_connections(settings.max_connections)
    observers = [AccessLog(to_logger(_access_logger()))] if log else []
    open_journal = (
        open_nothing
        if db is None
        else journal_in(db, _given(settings), url=url_of(listener), accept_loss=accept_loss)
    )
    server = Server(
        listener,
        settings,
        open_journal,
        observers,
        grace,
        None if no_console else partial(console, packages=packages, make_test=zipped_test),
    )
    try:
        _run(server, url_of(listener), host, command, settings)
    except FileRefusedError as error:
        raise click.ClickException(str(error)) from error
    # Even if the server never started.
    finally:
        listener.close()


def _run(
    server: Server, url: str, host: str, command: Sequence[str], settings: ServerSettings
) -> None:
    """Serve until a signal comes, or while a command runs, whose exit status ends the program."""
    from flowy_sim._server.endpoint import ENVIRONMENT_VARIABLE, Endpoint
    from flowy_sim._server.server import new_event_loop, serving_in_thread

    if not command:
        with collecting_rarely(), asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(server.serve(lambda: _greet(url, host)))
        return
    with serving_in_thread(server):
        token = {ENVIRONMENT_VARIABLE: settings.control_token} if settings.control_token else {}
        there = Endpoint(url).environment
        status = run_beside(command, {**there, **_credentials(settings), **token})
    sys.exit(status)


def _settings(
    clock: str,
    seed: int,
    start: str | None,
    latency: str,
    patience: float,
    empty_poll_token: bool,
    limits: Iterable[str],
    keys: Path | None,
    allow_host: tuple[str, ...],
    allow_origin: tuple[str, ...],
    stubs: tuple[str, ...],
    functions: tuple[str, ...],
    lambda_takes: tuple[str, ...],
    **others: Any,
) -> ServerSettings:
    from flowy_sim._server.auth import read_keys
    from flowy_sim._server.settings import ServerSettings
    from flowy_sim._server.stub_definitions import read_lambdas
    from flowy_sim._simulation.settings import Settings, read_limit

    _check_access(others["control_token"], allow_host, allow_origin)
    given = {} if start is None else {"start": start}
    try:
        simulation = Settings(
            seed=seed,
            clock=clock,
            limits=dict(map(read_limit, limits)),
            latency=latency,
            patience=patience,
            empty_poll_token=empty_poll_token,
            **given,
        )
        secrets, accounts = ({}, {}) if keys is None else read_keys(keys)
        return ServerSettings(
            simulation=simulation,
            stubs=(
                *read_stubs(stubs),
                *read_lambdas(functions, lambda_takes),
            ),
            secrets=secrets,
            accounts=accounts,
            hosts=allow_host,
            origins=allow_origin,
            **others,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _check_access(
    control_token: str | None, hosts: tuple[str, ...], origins: tuple[str, ...]
) -> None:
    """Refuse options that would let in no client, or other clients than intended."""
    if not control_token and _source("control_token") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--control-token is empty; give a token, or leave the option out.")
    if "" in hosts:
        raise click.UsageError("--allow-host is empty; give a host name, or leave the option out.")
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise click.UsageError(
                f"{origin!r} is not an origin; write one such as http://localhost:3000, without a "
                "path, or * for any."
            )


def _given(settings: ServerSettings) -> dict[str, Any]:
    """Return the settings of the simulation that the command line or the environment gives."""
    return {
        name: value
        for name, value in settings.simulation.written().items()
        # A file keeps the settings that it was created with; only what is given can contradict
        # them.
        if _source(name) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    }


def _source(name: str) -> ParameterSource | None:
    """Return where the value of an option comes from."""
    return click.get_current_context().get_parameter_source(name)


def _credentials(settings: ServerSettings) -> dict[str, str]:
    """Return the environment variables with credentials and the region."""
    region = {"AWS_DEFAULT_REGION": settings.region, "AWS_REGION": settings.region}
    if not settings.secrets:
        return region
    # Any of the keys will do for a command that runs beside the server.
    access_key, secret = next(iter(settings.secrets.items()))
    return {**region, "AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret}


def _warn(host: str, settings: ServerSettings) -> None:
    """Print a warning if other machines can reach the server."""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if loopback:
        return
    if settings.secrets:
        effect = "requests signed with a key are accepted"
    elif settings.allow_remote and settings.control_token:
        effect = "all their calls are accepted, and requests under /_flowy need the token"
    elif settings.allow_remote:
        effect = "all their requests are accepted"
    else:
        effect = "their requests are refused unless you give --keys or --allow-remote"
    click.echo(f"Warning: other machines can reach this server; {effect}.", err=True)


def _greet(url: str, host: str) -> None:
    click.echo(f"Amazon SWF is served at {url}; Ctrl-C stops it. For clients:")
    click.echo(f"export AWS_ENDPOINT_URL_SWF={url}")
    if address := _address_for_others(host):
        port = urlsplit(url).port
        click.echo(f"export AWS_ENDPOINT_URL_SWF=http://{address}:{port}  # from other machines")


def _address_for_others(host: str) -> str | None:
    """Return an address of this machine for others, if the server listens on all addresses."""
    try:
        version = ip_address(host).version if ip_address(host).is_unspecified else None
    except ValueError:
        return None
    # Connecting a datagram socket sends nothing; it only looks up the route. The addresses are
    # reserved for documentation.
    routes = {4: (socket.AF_INET, "192.0.2.1"), 6: (socket.AF_INET6, "2001:db8::1")}
    if version not in routes:
        return None
    family, elsewhere = routes[version]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as route:
            route.connect((elsewhere, 9))
            address = route.getsockname()[0]
    except OSError:  # It has no route to other machines.
        return None
    return f"[{address}]" if ":" in address else str(address)


def _access_logger() -> logging.Logger:
    logger = logging.getLogger("flowy_sim.access")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(sys.stderr))
    return logger
