"""Responses of the console besides its pages: long ones in parts, files, and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from flowy_sim._console.access import LoginNeededError
from flowy_sim._console.renderer import render
from flowy_sim._console.source import SourceError
from flowy_sim._console.visit import PAGES
from flowy_sim._server.http import JsonReply
from flowy_sim._server.request_guard import ForbiddenError

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_ASSETS = (("flowy_sim._console", "assets"), ("flowy_sim._report", "assets"))
"""Where the files are that pages load; the style sheet of reports is one of them."""


class UnknownSimulationError(LookupError):
    """A page is about a simulation that does not exist."""


class InParts(Response):
    """A response that may be long: calls are answered between its parts.

    Args:
        parts: its body.
        status: its status.
        headers: its headers, besides its length.
        media_type: its media type.
    """

    def __init__(
        self, parts: Sequence[bytes], status: int, headers: Mapping[str, str], media_type: str
    ) -> None:
        length = {"Content-Length": str(sum(map(len, parts)))}
        super().__init__(None, status, {**length, **headers}, media_type)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


async def asset_response(request: Request) -> Response:
    """Return a file that pages load."""
    found = asset(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    body, media_type = found
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-cache"})


@cache
def asset(name: str) -> tuple[bytes, str] | None:
    """Return a file that pages load, and its media type; None if there is none of that name."""
    kind = name.rpartition(".")[2]
    if kind not in _TYPES or not name.replace("-", "").replace(".", "").replace("_", "").isalnum():
        return None
    for package, folder in _ASSETS:
        file = resources.files(package) / folder / name
        if file.is_file():
            return file.read_bytes(), _TYPES[kind]
    return None


async def no_page(request: Request, error: Exception) -> Response:
    """Return the page for a path at which there is none."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    depth = 1 if f"/{PAGES}/" in request.url.path else 0
    return refusal(status, f"There is no page {request.url.path}.", depth)


def with_errors_as_json(
    answer: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler of requests by the scripts of pages, whose errors are JSON."""

    async def handle(request: Request) -> Response:
        try:
            return await answer(request)
        except (LoginNeededError, ForbiddenError) as error:
            return _failure(403, str(error) or "Log in first.")
        except UnknownSimulationError as error:
            return _failure(404, str(error))
        except SourceError as error:
            return _failure(status_of(error), str(error), error.code)

    return handle


def status_of(error: SourceError) -> int:
    """Return the HTTP status of an error of a source."""
    return 404 if error.code == "UnknownResourceFault" else 400


def _failure(status: int, sentence: str, code: str = "") -> Response:
    return JsonReply({"error": sentence, "code": code}, status)


def refusal(status: int, sentence: str, depth: int, home: str = "") -> Response:
    """Return a page that says only what is wrong.

    Args:
        status: the HTTP status.
        sentence: what is wrong.
        depth: the number of folders between the page and the simulation's URL.
        home: where its link leads; by default to the list of executions.
    """
    here = "." if depth == 0 else ".."
    context = {"here": here, "sentence": sentence, "home": home or f"{here}/"}
    return HTMLResponse(render("refused.html", context), status)
