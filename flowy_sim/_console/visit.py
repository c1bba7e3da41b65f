"""Visits: a request for a page, with the source it is about and the links of the page.

All links are relative, so pages work below any prefix that a reverse proxy puts in front. IDs may
contain anything, lone surrogates included, and come back in links as exactly what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request

from flowy_sim._console.commands import CallTarget
from flowy_sim._console.source import Place, Source

PAGES = "_console"
"""The folder of everything but the first page, relative to a simulation's URL."""


class Visit:
    """A request for a page.

    Args:
        request: the request.
        source: what the page is about.
        query: the parameters of the URL.
        defaults: the region and account that links need not name.
        depth: the number of folders between the page and the simulation's URL.

    Attributes:
        request, source, query: as given.
        here: the simulation's URL, relative to the page.
    """

    def __init__(
        self,
        request: Request,
        source: Source,
        query: Mapping[str, str],
        defaults: Place,
        depth: int,
    ) -> None:
        self.request = request
        self.source = source
        self.query = query
        self.here = "." if depth == 0 else "/".join([".."] * depth)
        self._defaults = defaults
        self._starts: dict[tuple[str, Place], str] = {}

    def link(self, page: str = "", place: Place | None = None, /, **members: Any) -> str:
        """Return the relative URL of a page.

        Args:
            page: such as ``task-lists``; empty for the list of executions.
            place: what it is about; by default, what this page is about.
            members: its parameters; those that are empty are left out.
        """
        place = place or self.source.place
        start = self._starts.get((page, place)) or self._start(page, place)
        given = {name: value for name, value in members.items() if value != ""}
        return start + ("&" * (start[-1] != "?") + encoded(given) if given else "")

    def _start(self, page: str, place: Place) -> str:
        """Return the URL of a page without its own parameters; lists link to it very often."""
        start = self.here
        if place.simulation != self.source.place.simulation:
            start = "/".join(filter(None, (self.root, place.simulation)))
        names = {
            "account": place.account if place.account != self._defaults.account else "",
            "region": place.region if place.region != self._defaults.region else "",
            "domain": place.domain,
        }
        path = f"{start}/{PAGES}/{page}" if page else f"{start}/"
        query = encoded({name: value for name, value in names.items() if value})
        self._starts[page, place] = url = f"{path}?{query}"
        return url

    @property
    def root(self) -> str:
        """The URL of the server, relative to the page."""
        if not self.source.place.simulation:
            return self.here
        return ".." if self.here == "." else f"{self.here}/.."

    @property
    def endpoint(self) -> str:
        """The URL that SWF clients call, as this request reached the server."""
        name = self.source.place.simulation
        return f"{self.request.url.scheme}://{self.request.url.netloc}" + (f"/{name}" * bool(name))

    @property
    def target(self) -> CallTarget:
        """Where commands go that do what the page does."""
        endpoint = self.source.endpoint
        return CallTarget(self.endpoint if endpoint is None else endpoint, self.source.place.region)


def encoded(query: Mapping[str, Any]) -> str:
    """Return parameters as the query of a URL."""
    return urlencode(query, errors="surrogatepass")


def query_of(request: Request) -> dict[str, str]:
    """Return the parameters of a request's URL."""
    text = request.scope["query_string"].decode("latin-1")
    try:
        return dict(parse_qsl(text, errors="surrogatepass"))
    except UnicodeDecodeError:
        return dict(parse_qsl(text))
