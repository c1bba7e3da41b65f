from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim._report.page import page
from flowy_sim._report.run_view import ReportedRun
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from tests.support.browser import Tabs, chromium, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = []
    if chromium() is None:
        missing.append("Chromium, of apt-get install chromium")
    missing += [name for name in ("playwright", "axe_playwright_python") if find_spec(name) is None]
    if missing:
        skipped = pytest.mark.skip(reason=f"needs {' and '.join(missing)}")
        for item in items:
            if item.nodeid.startswith("tests/browser/"):
                item.add_marker(skipped)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with running() as started:
        yield started


@pytest.fixture
def tabs(browser: Browser) -> Iterator[Tabs]:
    """Open pages; the test fails if one complains or makes a request to another host."""
    opened = Tabs(browser)
    yield opened
    opened.close()
    assert opened.complaints == []


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., Path]:
    """Write a page about runs: ``report(ReportedRun(events))``."""

    def write(*runs: ReportedRun, title: str = "Orders", **options: Any) -> Path:
        path = tmp_path / "report.html"
        path.write_text(page(runs, title, **options), encoding="utf-8")
        return path

    return write


@pytest.fixture
def serve() -> Iterator[Callable[..., Endpoint]]:
    """Serve simulations until the test ends: ``serve(ServerSettings(…))``."""
    with ExitStack() as servers:
        yield lambda *settings: servers.enter_context(serving(*settings or (ServerSettings(),)))
