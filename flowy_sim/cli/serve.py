"""The command ``flowy-sim serve``."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flowy_sim.server.settings import ServerSettings

#: What the command needs beside click, with how it is installed.
_EXTRA = "flowy-sim[serve]"


_EXAMPLE = """\b
Example:
  flowy-sim serve --clock virtual
  AWS_ENDPOINT_URL_SWF=http://127.0.0.1:4567 python my_workers.py"""


@click.command(epilog=_EXAMPLE)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    default=4567,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 takes a free one.",
)
@click.option(
    "--clock",
    default="real",
    show_default=True,
    metavar="real|virtual|xN",
    help="How time passes: as it does, only when nobody has anything to do, or N times as fast.",
)
@click.option("--seed", default=0, show_default=True, help="Run ids and tokens follow from it.")
@click.option("--start", metavar="TIME", help="Where a clock that is not real begins, ISO 8601.")
@click.option(
    "--latency",
    default="default",
    show_default=True,
    type=click.Choice(["default", "none", "recorded"]),
    help="How late effects are that follow a call.",
)
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="Another quota.")
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file of secret keys by access key id; requests then have to be signed.",
)
@click.option("--allow-remote", is_flag=True, help="Let other machines call without signing.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="A name the server goes by.")
@click.option("--allow-origin", multiple=True, metavar="URL", help="Web pages that may call.")
@click.option("--log", is_flag=True, help="Log every request to stderr, as one line of JSON.")
def serve(host: str, port: int, log: bool, **options: Any) -> None:
    """Serve Amazon SWF to any client, in any language.

    Nothing is kept once the server has stopped.
    """
    try:
        from flowy_sim.server.observing import AccessLog, to_logger
        from flowy_sim.server.serving import Server, listen, url_of
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"serving needs {error.name}; install it: pip install '{_EXTRA}'"
        ) from error
    settings = _settings(**options)
    try:
        listener = listen(host, port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --host or --port"
        ) from error
    _warn(host, settings)
    observers = [AccessLog(to_logger(_access_logger()))] if log else []
    server = Server(listener, settings, observers=observers)
    asyncio.run(server.serve(lambda: _greet(url_of(listener))))


def _settings(
    clock: str,
    seed: int,
    start: str | None,
    latency: str,
    limits: Iterable[str],
    keys: Path | None,
    allow_remote: bool,
    allow_host: tuple[str, ...],
    allow_origin: tuple[str, ...],
) -> ServerSettings:
    from flowy_sim.server.settings import ServerSettings, Settings, read_limit

    given = {} if start is None else {"start": start}
    try:
        simulation = Settings(
            seed=seed,
            clock=clock,
            limits=dict(map(read_limit, limits)),
            latency=latency,
            **given,
        )
        return ServerSettings(
            simulation=simulation,
            secrets={} if keys is None else _secrets(keys),
            allow_remote=allow_remote,
            hosts=allow_host,
            origins=allow_origin,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _secrets(path: Path) -> dict[str, str]:
    try:
        secrets = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(secrets, dict) or not all(isinstance(s, str) for s in secrets.values()):
        raise ValueError(
            f'{path} holds no keys; write them as {{"ACCESS KEY ID": "SECRET KEY", …}}'
        )
    if not secrets:
        raise ValueError(f"{path} holds no key, so nobody could call")
    return secrets


def _warn(host: str, settings: ServerSettings) -> None:
    """Say who else can reach the server, if anybody can."""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if loopback:
        return
    if settings.secrets:
        who = "who signs with a key is let in"
    elif settings.allow_remote:
        who = "everybody who can reach it is let in"
    else:
        who = "their requests are refused; --keys or --allow-remote lets them in"
    click.echo(f"Warning: other machines can reach {host}; {who}.", err=True)


def _greet(url: str) -> None:
    click.echo(f"Amazon SWF is served at {url}; Ctrl-C stops it. For clients:")
    click.echo(f"export AWS_ENDPOINT_URL_SWF={url}")


def _access_logger() -> logging.Logger:
    logger = logging.getLogger("flowy_sim.access")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(sys.stderr))
    return logger
