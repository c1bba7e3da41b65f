"""Servers that are compared, each an empty one in its own process on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

#: Real seconds in which a server starts and stops.
_SECONDS = 30


class Served(NamedTuple):
    """A server that runs.

    Attributes:
        port: where it listens, at 127.0.0.1.
        process: its process id.
    """

    port: int
    process: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> int:
        """Return the current memory of its process in bytes; works on Linux only."""
        status = Path(f"/proc/{self.process}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def processor_seconds(self) -> float:
        """Return the processor time of its process so far; works on Linux only."""
        status = Path(f"/proc/{self.process}/stat").read_text()
        # What comes after the name, which is in brackets: user and system time are the 12th and
        # 13th of these.
        user, system = status.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def flowy_sim(*options: str) -> AbstractContextManager[Served]:
    """Run ``flowy-sim serve`` with some options."""
    return _running("flowy_sim", "serve", *options)


def moto_server() -> AbstractContextManager[Served]:
    """Run moto's own server."""
    return _running("moto.server")


def bare_uvicorn(loop: str) -> AbstractContextManager[Served]:
    """Run uvicorn with an application that answers every request with the same body.

    Args:
        loop: ``asyncio``, or ``auto`` for uvloop's event loop.
    """
    return _running("bench.bare", loop)


@contextmanager
def _running(module: str, *arguments: str) -> Iterator[Served]:
    port = _free_port()
    command = [sys.executable, "-m", module, *arguments, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(process, port)
        yield Served(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(_SECONDS * 20):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server {process.args!r} does not answer")
