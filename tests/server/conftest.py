from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import Settings
from tests.support.http_clients import Program


@pytest.fixture(scope="session")
def virtual_server() -> Iterator[Endpoint]:
    settings = ServerSettings(
        simulation=Settings(
            clock="virtual", start="2024-01-01T00:00:00Z", patience=0.3, latency="none"
        ),
    )
    with serving(settings) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def real_server() -> Iterator[Endpoint]:
    with serving(ServerSettings()) as endpoint:
        yield endpoint


@pytest.fixture
def virtual(virtual_server: Endpoint) -> Iterator[Endpoint]:
    """A simulation on a virtual clock, in which calls take no time."""
    yield from _fresh(virtual_server)


@pytest.fixture
def real(real_server: Endpoint) -> Iterator[Endpoint]:
    """A simulation on a real clock."""
    yield from _fresh(real_server)


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """Make programs, which end with the test: ``program(endpoint, agent="aws-cli/2")``."""
    with ExitStack() as programs:

        def make(endpoint: Endpoint, **options: str) -> Program:
            made = Program(endpoint.url, **options)
            programs.callback(made.hang_up)
            return made

        yield make


_NUMBERS = iter(range(1, 1_000_000))


def _fresh(server: Endpoint) -> Iterator[Endpoint]:
    endpoint = server.named(f"test-{next(_NUMBERS)}")
    endpoint.reset()
    yield endpoint
    endpoint.remove()
