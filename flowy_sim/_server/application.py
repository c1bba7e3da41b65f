"""The application: it judges requests, and routes them to Amazon SWF or to the control API.

The control API and the pages are ASGI applications, which it runs on the connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp

from flowy._safe_text import safe_logger
from flowy_sim._clients.wire import Response
from flowy_sim._engine.faults import Fault
from flowy_sim._server.auth import Authenticator
from flowy_sim._server.calls import CallHandler, HttpCall
from flowy_sim._server.connections import Connection, Later
from flowy_sim._server.control import Control
from flowy_sim._server.http import PREFIX, HttpRequest, JsonReply, Scope, head_of, text_response
from flowy_sim._server.metrics import OK, AccessLogEntry, Metrics, entry_of
from flowy_sim._server.request_guard import ANY, ForbiddenError, Guard, with_page_headers
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations

_log = safe_logger("flowy_sim")
_FAILED = text_response(500, "Internal Server Error")
_NO_BODY = (204, 304)


class AsgiCycle:
    """A request to an ASGI application, and its response.

    Args:
        request: the request, complete.
        connection: where it came from.

    Attributes:
        status: of the response; 0 until that is known.
        bytes_out: number of bytes of the body that were sent.
    """

    def __init__(self, request: HttpRequest, connection: Connection) -> None:
        self.status = 0
        self.bytes_out = 0
        self._request = request
        self._connection = connection
        # Read now, because a closed connection no longer has it.
        self._server = connection.transport.get_extra_info("sockname")[:2]
        self._body: bytes | None = bytes(request.body)
        self._is_chunked = False
        self._is_over = False

    async def run(self, application: ASGIApp) -> Response | None:
        """Run an application; return None, or a response if it has sent none."""
        try:
            await application(self._scope(), self._receive, self._send)
        except Exception as error:
            _log.error("%s failed", self._request.method, exc_info=error)
        if self._is_over or self._connection.transport.is_closing():
            return None
        if self.status:
            self._connection.transport.abort()
            return None
        self.status = 500
        return _FAILED

    def _scope(self) -> Scope:
        request = self._request
        path, _, query = request.target.encode("latin-1").partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.version,
            "server": self._server,
            "client": (request.client, 0),
            "scheme": "http",
            "root_path": "",
            "method": request.method,
            "path": request.path,
            "raw_path": path,
            "query_string": query,
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in request.headers.items()
            ],
            "state": {},
        }

    async def _receive(self) -> MutableMapping[str, Any]:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        if not self._is_over:
            await self._connection.until_lost()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            await self._connection.send(self._begin(message["status"], message.get("headers", ())))
            return
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        parts = []
        if body and self._request.method != "HEAD" and self.status not in _NO_BODY:
            self.bytes_out += len(body)
            parts = [b"%x\r\n" % len(body), body, b"\r\n"] if self._is_chunked else [body]
        if is_last and self._is_chunked:
            parts.append(b"0\r\n\r\n")
        self._is_over = is_last
        await self._connection.send(b"".join(parts))

    def _begin(self, status: int, given: Any) -> bytes:
        """Return the head of the response, which says where it ends."""
        request = self._request
        self.status = status
        headers: list[tuple[str, str]] = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in given
        ]
        names = {name.lower() for name, _ in headers}
        if "content-length" not in names and request.method != "HEAD" and status not in _NO_BODY:
            if request.version == "1.1":
                self._is_chunked = True
                headers.append(("transfer-encoding", "chunked"))
            else:
                request.keeps_alive = False
        return head_of(status, headers, closes=not request.keeps_alive)


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
        call: HttpCall | None = None,
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


async def _not_found(request: Request, error: Exception) -> JsonReply:
    """Answer a request for an unknown path."""
    sentence = (
        f"There is no {request.method} {request.url.path}. SWF clients post to / or to the name of "
        "a simulation; everything else is under /_flowy."
    )
    status = error.status_code if isinstance(error, HTTPException) else 404
    return JsonReply({"error": sentence}, status_code=status)


def _forbidden(sentence: str) -> Response:
    name = "com.amazon.coral.service#AccessDeniedException"
    body = json.dumps({"__type": name, "message": sentence})
    return text_response(403, body, "application/x-amz-json-1.0")
