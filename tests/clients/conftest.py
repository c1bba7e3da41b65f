from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.client_programs import Programs

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Endpoint]:
    """A server with polls of one second, because programs end their polls before they stop."""
    command = [sys.executable, "-m", "flowy_sim", "serve", "--port", "0", "--poll-seconds", "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        _, _, url = process.stdout.readline().strip().partition("=")
        yield Endpoint(url)
        process.terminate()
    assert process.returncode == 0


@pytest.fixture
def real(server: Endpoint) -> Endpoint:
    """A simulation on the real clock."""
    return _fresh(server, "real")


@pytest.fixture
def virtual(server: Endpoint) -> Endpoint:
    """A simulation on the virtual clock."""
    return _fresh(server, "virtual")


def _fresh(server: Endpoint, clock: str) -> Endpoint:
    endpoint = server.named(f"test-{next(_NUMBERS)}")
    endpoint.reset(clock=clock)
    return endpoint


@pytest.fixture
def at_real(real: Endpoint, tmp_path: Path) -> Programs:
    """Programs that call the simulation `real`."""
    return Programs(real, tmp_path)


@pytest.fixture
def at_virtual(virtual: Endpoint, tmp_path: Path) -> Programs:
    """Programs that call the simulation `virtual`."""
    return Programs(virtual, tmp_path)
