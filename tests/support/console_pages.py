"""Requests of a browser to the console, without a browser."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin

from flowy_sim._cli.write_test import zipped_test
from flowy_sim._console.application import console
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import Settings

VIRTUAL = Settings(clock="virtual", start="2024-01-01T00:00:00Z", patience=0.3)


@contextmanager
def console_server(
    settings: ServerSettings | None = None, packages: Sequence[str] = ()
) -> Iterator[Endpoint]:
    """Serve simulations with their console, on a virtual clock by default."""
    pages = partial(console, packages=packages, make_test=zipped_test)
    with serving(settings or ServerSettings(simulation=VIRTUAL), pages) as endpoint:
        yield endpoint


class Page(HTMLParser):
    """A page as a browser gets it.

    Attributes:
        status: of the response.
        headers: by their names in lower case.
        source: its HTML.
        text: what is visible of it, with single blanks.
        links: the targets of its links by their texts.
        attributes: all attributes of all elements, in order.
    """

    def __init__(self, status: int, headers: dict[str, str], source: str) -> None:
        super().__init__()
        self.status = status
        self.headers = headers
        self.source = source
        self.links: dict[str, str] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self._words: list[str] = []
        self._link: tuple[str, list[str]] | None = None
        self.feed(source)
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        target = dict(attrs).get("href")
        if tag == "a" and target is not None:
            self._link = (target, [])

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link is not None:
            self.links.setdefault(" ".join("".join(self._link[1]).split()), self._link[0])
            self._link = None

    def handle_data(self, data: str) -> None:
        self._words.append(data)
        if self._link is not None:
            self._link[1].append(data)

    def values(self, tag: str, name: str) -> list[str]:
        """Return the values of an attribute of all elements of a kind."""
        return [value for kind, each, value in self.attributes if (kind, each) == (tag, name)]

    def meta(self, name: str) -> str:
        """Return the content of a ``meta`` element."""
        _, _, rest = self.source.partition(f'<meta name="{name}" content="')
        return unescape(rest.partition('"')[0])


class Browser:
    """Sends requests as a browser does, and keeps cookies.

    Args:
        endpoint: the simulation whose console is opened.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = endpoint.url
        self.cookies: dict[str, str] = {}
        self.token = ""

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request, and return status, headers and body of the response."""
        url = urljoin(f"{self.url}/", path)
        host, _, rest = url.removeprefix("http://").partition("/")
        sent = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
        if method == "POST":
            sent["Origin"] = f"http://{host}"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection(host, timeout=120)
        try:
            connection.request(method, f"/{rest}", body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.headers.items()}
            name, _, value = found.get("set-cookie", "").partition(";")[0].partition("=")
            if name:
                self.cookies[name] = value
            return response.status, found, response.read()
        finally:
            connection.close()

    def open(self, path: str = "", **query: Any) -> Page:
        """Open a page below the simulation's URL, and follow redirections."""
        path += f"?{urlencode(query, errors='surrogatepass')}" if query else ""
        for _ in range(3):
            status, headers, body = self.ask("GET", path)
            if status not in (303, 307):
                break
            path = urljoin(urljoin(f"{self.url}/", path), headers["location"])
        page = Page(status, headers, body.decode())
        self.token = page.meta("action-token") or self.token
        return page
