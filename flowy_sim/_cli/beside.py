"""A command that runs beside a server: it is told where that is, and the server ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

#: What could make a client call somebody else, or as somebody else.
_FOREIGN = frozenset(
    {
        "AWS_ENDPOINT_URL",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
    }
)


def run_beside(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end.

    SIGTERM is handed on to it; SIGINT, which a terminal sends to both, is left to it.

    Args:
        command: its name and its arguments.
        environment: what it is told beside the environment of this process.

    Returns:
        Its exit status; for one that a signal has ended, 128 and the signal's number.

    Raises:
        click.ClickException: there is no such command.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    try:
        process = subprocess.Popen(command, env={**kept, **_past_proxies(), **environment})
    except OSError as error:
        raise click.ClickException(f"cannot run {command[0]}: {error.strerror}") from error
    with process, _handing_on(process):
        status = process.wait()
    return status if status >= 0 else 128 - status


def _past_proxies() -> dict[str, str]:
    """Return the environment variables that keep calls to this machine from going elsewhere."""
    others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = f"{others},127.0.0.1" if others else "127.0.0.1"
    return {"no_proxy": hosts, "NO_PROXY": hosts}


@contextmanager
def _handing_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    former = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
