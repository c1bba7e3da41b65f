"""The application: it judges requests, and routes them to Amazon SWF or to the control API."""

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
from flowy_sim._engine.faults import Fault
from flowy_sim._server.asgi import AsgiCycle
from flowy_sim._server.auth import Authenticator
from flowy_sim._server.calls import Call, CallHandler
from flowy_sim._server.connections import Connection, Later
from flowy_sim._server.control import Control
from flowy_sim._server.guard import ANY, ForbiddenError, Guard, with_page_headers
from flowy_sim._server.http import PREFIX, HttpRequest, text_response
from flowy_sim._server.metrics import OK, AccessLogEntry, Metrics, entry_of
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations

#: The paths to which SWF clients post: the root, or the name of a simulation. Those that send CBOR
#: add a path of their own.
Observe = Callable[[AccessLogEntry], object]

_CALLS = re.compile(r"/(?:([A-Za-z0-9][A-Za-z0-9._-]{0,63})/?)?(?:service/[^/]+/operation/[^/]+)?")
#: Part of the paths of everything that belongs to pages, apart from the first page itself, which is
#: at the root or at the name of a simulation, for programs that accept HTML.
_PAGES = "/_console/"
_HTML = "text/html"
#: The headers of replies that web pages may read.
_EXPOSED = ["x-amzn-RequestId", "x-amzn-ErrorType"]


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
        observers: called for every request once it is answered.
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
        self._settings = settings
        self._guard = Guard(settings)
        self._pages = None if pages is None else with_page_headers(pages.application(self._guard))
        self._metrics = metrics
        self._observers: tuple[Observe, ...] = tuple(observers)
        self._calls = CallHandler(
            simulations, Authenticator(settings), settings.simulation.seed, self.observe
        )
        control = Control(simulations, settings, self._guard, metrics, is_ready)
        self._control = _with_origins(
            with_page_headers(
                Starlette(routes=control.routes(), exception_handlers={HTTPException: _not_found})
            ),
            settings,
        )

    def judge(self, request: HttpRequest) -> Response | None:
        """Return why a request is refused, judging by its head; None if it is not."""
        try:
            self._guard.check(request.client, request.headers)
            if _simulation_called(request) is not None:
                self._calls.judge(request)
            elif PREFIX in request.path:
                self._guard.judge_control(request.headers)
        except ForbiddenError as error:
            return _forbidden(str(error))
        except Fault as fault:
            return self._shown(request, self._calls.refusal(request, fault))
        return None

    def too_large(self, request: HttpRequest) -> Response:
        """Return the response to a request whose body is too large."""
        return self._calls.too_large(request)

    def answer(self, request: HttpRequest, connection: Connection) -> Response | Later:
        """Return the response to a complete request, or what returns it later."""
        simulation = _simulation_called(request)
        if simulation is None:
            return self._answer_control(request, AsgiCycle(request, connection))
        answer = self._calls.answer(simulation, request, connection)
        if "origin" not in request.headers:
            return answer
        if isinstance(answer, Response):
            return self._shown(request, answer)
        return self._shown_later(request, answer)

    def refused(self, request: HttpRequest, response: Response) -> None:
        """Note that a request was refused before `answer` was called."""
        self.observe(request, "", _outcome_of(response), response.status, len(response.body))

    def observe(
        self,
        request: HttpRequest,
        operation: str,
        outcome: str,
        status: int,
        bytes_out: int,
        call: Call | None = None,
    ) -> None:
        """Count and log a request that is answered.

        Args:
            request: the request.
            operation: its name, if it is known; empty otherwise.
            outcome: ``OK``, the code of the fault, or the status.
            status: the status of the response.
            bytes_out: the size of its body.
            call: what else is known of it, if it was read as a call.
        """
        self._metrics.count(request, operation, outcome)
        if self._observers:
            entry = entry_of(request, operation, outcome, status, bytes_out)
            if call is not None:
                entry = entry._replace(
                    request_id=call.request_id,
                    simulation=call.simulation,
                    account=call.identity.account,
                    region=call.identity.region,
                    bytes_in=call.bytes_in,
                )
            for observe in self._observers:
                observe(entry)

    async def _answer_control(self, request: HttpRequest, cycle: AsgiCycle) -> Response | None:
        is_page = self._pages is not None and (
            _PAGES in request.path
            or (_HTML in request.headers.get("accept", "") and bool(_CALLS.fullmatch(request.path)))
        )
        pages = self._pages if is_page else None
        response = await cycle.run(pages or self._control)
        outcome = OK if cycle.status == 200 else str(cycle.status)
        self.observe(request, "", outcome, cycle.status, cycle.bytes_out)
        return response

    def _shown(self, request: HttpRequest, response: Response) -> Response:
        """Let a web page read the response to a call, if its origin is allowed."""
        origin, allowed = request.headers.get("origin"), self._settings.origins
        if origin is not None and (ANY in allowed or origin in allowed):
            response.headers["Access-Control-Allow-Origin"] = ANY if ANY in allowed else origin
            response.headers["Access-Control-Expose-Headers"] = ", ".join(_EXPOSED)
            response.headers["Vary"] = "Origin"
        return response

    async def _shown_later(self, request: HttpRequest, answer: Later) -> Response | None:
        response = await answer
        return None if response is None else self._shown(request, response)


def _simulation_called(request: HttpRequest) -> str | None:
    """Return the name of the simulation that a request calls; None if it is not such a call."""
    if request.method != "POST":
        return None
    if request.path == "/":
        return ""
    found = _CALLS.fullmatch(request.path)
    return None if found is None else found[1] or ""


def _with_origins(application: ASGIApp, settings: ServerSettings) -> ASGIApp:
    """Return an application that answers the web pages that the settings allow."""
    if not settings.origins:
        return application
    return CORSMiddleware(
        application,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )


def _outcome_of(refusal: Response) -> str:
    """Return the code of the fault in a response; its status if it has none."""
    try:
        return str(json.loads(refusal.body)["__type"]).rpartition("#")[2]
    except (ValueError, LookupError, TypeError):
        return str(refusal.status)


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    """Answer a request for an unknown path."""
    sentence = (
        f"There is no {request.method} {request.url.path}. SWF clients post to / or to the name of "
        "a simulation; everything else is under /_flowy."
    )
    status = error.status_code if isinstance(error, HTTPException) else 404
    return JSONResponse({"error": sentence}, status_code=status)


def _forbidden(sentence: str) -> Response:
    name = "com.amazon.coral.service#AccessDeniedException"
    body = json.dumps({"__type": name, "message": sentence})
    return text_response(403, body, "application/x-amz-json-1.0")
