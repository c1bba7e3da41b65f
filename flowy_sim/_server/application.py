"""The ASGI application: it checks requests, and routes them to Amazon SWF or to the control API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from flowy_sim._clients.wire import Response
from flowy_sim._server.auth import Authenticator
from flowy_sim._server.calls import CallHandler, Observe
from flowy_sim._server.control import Control
from flowy_sim._server.guard import ForbiddenError, Guard, with_page_headers
from flowy_sim._server.http import HeadTooLargeError, Receive, Scope, Send, read_headers, respond
from flowy_sim._server.metrics import Metrics
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations

#: The paths to which SWF clients post: the root, or the name of a simulation. Those that send CBOR
#: add a path of their own.
_CALLS = re.compile(r"/(?:([A-Za-z0-9][A-Za-z0-9._-]{0,63})/?)?(?:service/[^/]+/operation/[^/]+)?")

#: Part of the paths of everything that belongs to pages, apart from the first page itself, which is
#: at the root or at the name of a simulation, for programs that accept HTML.
_PAGES = "/_console/"
_HTML = "text/html"

_HEAD_TOO_LARGE = Response(431, {"Content-Length": "0", "Connection": "close"}, b"")


class Pages(Protocol):
    """Web pages that a server shows besides answering calls."""

    def application(self, guard: Guard) -> ASGIApp:
        """Return the application that answers browsers.

        Args:
            guard: has accepted all requests; checks the credentials of those that need some.
        """
        ...

    def close(self) -> None:
        """End the responses that would not end by themselves."""
        ...


class Application:
    """Answers HTTP requests.

    Args:
        simulations: the simulations.
        settings: how the server is set up.
        metrics: counts requests.
        observers: called for every call once it is answered, as `metrics` is.
        is_ready: returns whether the server accepts calls.
        pages: answers browsers; None if there are no pages for them.
    """

    def __init__(
        self,
        simulations: Simulations,
        settings: ServerSettings,
        metrics: Metrics,
        observers: Iterable[Observe],
        is_ready: Callable[[], bool],
        pages: Pages | None = None,
    ) -> None:
        self._guard = Guard(settings)
        self._pages = None if pages is None else with_page_headers(pages.application(self._guard))
        seed = settings.simulation.seed
        self._calls = CallHandler(simulations, Authenticator(settings), seed, (metrics, *observers))
        control = Control(simulations, settings, self._guard, metrics, is_ready)
        self._control = with_page_headers(
            Starlette(routes=control.routes(), exception_handlers={HTTPException: _not_found})
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            headers = read_headers(scope)
            self._guard.check((scope.get("client") or ("",))[0], headers)
        except HeadTooLargeError:
            await respond(send, _HEAD_TOO_LARGE)
            return
        except ForbiddenError as error:
            await respond(send, _refusal(str(error)))
            return
        found = _CALLS.fullmatch(scope["path"])
        if found is not None and scope["method"] == "POST":
            await self._calls.answer(found[1] or "", headers, scope, receive, send)
        elif self._pages is not None and (
            _PAGES in scope["path"] or (found is not None and _HTML in headers.get("accept", ""))
        ):
            await self._pages(scope, receive, send)
        else:
            await self._control(scope, receive, send)


def with_origins(
    application: Application, settings: ServerSettings
) -> Application | CORSMiddleware:
    """Return an application that answers the web pages that the settings allow."""
    if not settings.origins:
        return application
    return CORSMiddleware(
        application,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        expose_headers=["x-amzn-RequestId", "x-amzn-ErrorType"],
    )


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    """Answer a request for an unknown path."""
    sentence = (
        f"There is no {request.method} {request.url.path}. SWF clients post to / or to the name of "
        "a simulation; everything else is under /_flowy."
    )
    status = error.status_code if isinstance(error, HTTPException) else 404
    return JSONResponse({"error": sentence}, status_code=status)


def _refusal(sentence: str) -> Response:
    body = json.dumps(
        {"__type": "com.amazon.coral.service#AccessDeniedException", "message": sentence}
    ).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "Content-Length": str(len(body))}
    return Response(403, headers, body)
