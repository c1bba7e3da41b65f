from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.console_pages import Browser, console_server
from tests.support.console_shop import Shop

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def served_console() -> Iterator[Endpoint]:
    with console_server() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(served_console: Endpoint) -> Iterator[Endpoint]:
    """A simulation on a virtual clock, with a name of its own."""
    endpoint = served_console.named(f"console-{next(_NUMBERS)}")
    endpoint.reset()
    yield endpoint
    endpoint.remove()


@pytest.fixture
def browser(endpoint: Endpoint) -> Browser:
    """A browser that shows the simulation."""
    return Browser(endpoint)


@pytest.fixture
def shop(endpoint: Endpoint) -> Shop:
    """A shop in the simulation, whose clock stands still until it is moved."""
    endpoint.set_clock("paused")
    return Shop(endpoint.client())
