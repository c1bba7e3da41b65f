"""The process of a server: its address and resources, and the command that it runs beside it."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

#: Variables that could make a client call another service, or with other credentials.
_FOREIGN = frozenset(
    {
        "AWS_ENDPOINT_URL",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
    }
)

#: The maximum number of files that a process has open besides its connections.
_OTHER_FILES = 256

#: The number of new objects after which the garbage collector examines the new ones, and the number
#: of such collections after which it examines older ones, and all.
_THRESHOLDS = (20_000, 10, 10)


def run_beside(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end.

    SIGTERM is passed on to it. A terminal sends SIGINT to both processes; only the command acts
    on it.

    Args:
        command: the program and its arguments.
        environment: variables to set in addition to those of this process.

    Returns:
        Its exit status; if a signal has ended it, 128 plus the number of the signal.

    Raises:
        click.ClickException: the program cannot be run.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    try:
        process = subprocess.Popen(command, env={**kept, **_without_proxy(), **environment})
    except OSError as error:
        raise click.ClickException(f"cannot run {command[0]}: {error.strerror}") from error
    with process, _passing_on_signals(process):
        status = process.wait()
    return status if status >= 0 else 128 - status


def _without_proxy() -> dict[str, str]:
    """Return the variables that make clients call this machine without a proxy."""
    others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = f"{others},127.0.0.1" if others else "127.0.0.1"
    return {"no_proxy": hosts, "NO_PROXY": hosts}


@contextmanager
def _passing_on_signals(process: subprocess.Popen[bytes]) -> Iterator[None]:
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listener_at(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address that the command line gives.

    Raises:
        click.ClickException: it is impossible to listen there.
    """
    from flowy_sim._server.server import listen

    try:
        return listen(host, port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --host or --port"
        ) from error


def allow_connections(count: int) -> None:
    """Raise the limit of open files for a number of connections, as far as the system allows.

    Args:
        count: the maximum number of connections.
    """
    try:
        import resource
    except ModuleNotFoundError:
        # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Run the garbage collector rarely, and never on the modules that are loaded already.

    Few objects of a server are garbage that only the collector finds, and all calls wait while it
    runs.
    """
    from flowy_sim._engine.model import service_model

    service_model()
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
