"""Pages in a real browser: Chromium from the PATH, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
"""The names of the browser, of which the first that is found is used."""

PHONE = (380, 800)
LAPTOP = (1280, 800)
DESK = (2560, 1400)


def chromium() -> str | None:
    """Return the path of the browser; None if there is none."""
    return next(filter(None, map(shutil.which, COMMANDS)), None)


@contextmanager
def running() -> Iterator[Browser]:
    """Run the browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            # Containers and root have no sandbox; their shared memory is small.
            args=["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"],
        )
        try:
            yield browser
        finally:
            browser.close()


class Tabs:
    """Opens pages, and remembers what no page may do.

    Args:
        browser: the browser.

    Attributes:
        expected: parts of complaints that are no problem, such as those of a server that is killed.
    """

    def __init__(self, browser: Browser) -> None:
        self.expected: list[str] = []
        self._complaints: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def open(
        self,
        address: str | Path,
        *,
        size: tuple[int, int] = LAPTOP,
        dark: bool = False,
        scripts: bool = True,
        before: Callable[[Page], None] | None = None,
    ) -> Page:
        """Open a page as a new visitor.

        Args:
            address: a URL, or the path of a file.
            size: width and height of the window in pixels.
            dark: whether the visitor prefers dark pages.
            scripts: whether scripts run.
            before: what to do with the page before it opens its address.
        """
        url = address.as_uri() if isinstance(address, Path) else address
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            locale="en-GB",
            timezone_id="Europe/Berlin",
        )
        # Longer than any page needs, however busy the machine is.
        context.set_default_timeout(120_000)
        self._contexts.append(context)
        page = context.new_page()
        self.watch(page, url)
        if before is not None:
            before(page)
        page.goto(url)
        return page

    def watch(self, page: Page, url: str) -> None:
        """Collect what a page complains about.

        These are errors that it writes to the console or does not catch, and its requests to hosts
        other than the URL's.
        """
        own = urlsplit(url)[:2]
        page.on("pageerror", lambda error: self._complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning")
                and self._complaints.append(f"{message.type}: {message.text}")
            ),
        )
        page.on(
            "request",
            lambda request: (
                urlsplit(request.url)[:2] != own
                and self._complaints.append(f"request: {request.url}")
            ),
        )

    @property
    def complaints(self) -> list[str]:
        """What pages have complained about and no test has expected."""
        return [
            each for each in self._complaints if not any(part in each for part in self.expected)
        ]

    def close(self) -> None:
        """Close all pages."""
        while self._contexts:
            self._contexts.pop().close()


def violations(page: Page) -> list[str]:
    """Return what axe finds on a page, as sentences."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for each in found
        for node in each["nodes"][:3]
    ]
