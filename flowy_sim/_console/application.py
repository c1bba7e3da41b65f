"""The console as a web application: its routes, errors, and what all pages have in common."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp

from flowy._safe_text import safe_text
from flowy.errors import FlowyError
from flowy_sim._console import actions, views
from flowy_sim._console.access import Access, LoginNeededError
from flowy_sim._console.drawer import Drawer
from flowy_sim._console.renderer import render, rendered, sliced
from flowy_sim._console.responses import (
    InParts,
    UnknownSimulationError,
    asset_response,
    no_page,
    refusal,
    status_of,
    with_errors_as_json,
)
from flowy_sim._console.served import ServedSources
from flowy_sim._console.source import IsGone, Place, Source, SourceError
from flowy_sim._console.stream import Streams
from flowy_sim._console.views import Elsewhere, MakeTest
from flowy_sim._console.visit import PAGES, Visit, encoded, query_of
from flowy_sim._console.workflow_code import WorkflowCode
from flowy_sim._server.http import JsonReply, read_body
from flowy_sim._server.request_guard import ForbiddenError, Guard
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations

Gather = Callable[[Visit], Awaitable[dict[str, Any]]]

_PAGES = ("execution", "task-lists")
"""The paths of the pages besides the list of executions."""


class Sources(Protocol):
    """Finds sources."""

    def find(self, place: Place, is_gone: IsGone) -> Source | None:
        """Return the source of a place, with defaults for what is empty in it.

        None if there is no such simulation.

        Args:
            place: what a page is about.
            is_gone: returns whether the browser waits for the page no longer.

        Raises:
            SourceError: there is no such region or domain.
        """
        ...


class Console:
    """The pages of a server; see `flowy_sim._server.application.Pages`.

    Args:
        sources: what the pages show.
        settings: how the server is set up.
        streams: sends changes to pages; None if pages have to look for them.
        packages: the names of packages with the code of workflows.
        make_test: makes a test of a run; None if pages offer none.
    """

    def __init__(
        self,
        sources: Sources,
        settings: ServerSettings,
        streams: Streams | None = None,
        packages: Sequence[str] = (),
        make_test: MakeTest | None = None,
    ) -> None:
        self._sources = sources
        self._settings = settings
        self._streams = streams
        self._drawer = Drawer()
        self._code = WorkflowCode(packages)
        self._make_test = make_test
        self._access: Access

    def application(self, guard: Guard) -> ASGIApp:
        """Return the application that answers browsers."""
        self._access = Access(self._settings, guard)
        routes = []
        draw = partial(views.execution, drawer=self._drawer, code=self._code)
        for start in ("", "/{simulation}"):
            routes += [
                Route(f"{start}/", self._page(views.executions, "executions.html", 0)),
                Route(f"{start}/{PAGES}/execution", self._page(draw, "execution.html")),
                Route(
                    f"{start}/{PAGES}/task-lists",
                    self._page(views.task_lists, "task-lists.html"),
                ),
                Route(f"{start}/{PAGES}/data", self._text(views.execution_data)),
                Route(f"{start}/{PAGES}/stamp", self._text(_stamp)),
                Route(f"{start}/{PAGES}/history", self._text(views.execution_history)),
                Route(f"{start}/{PAGES}/test", self._answer(self._test), methods=["POST"]),
                Route(f"{start}/{PAGES}/assets/{{name}}", asset_response),
                Route(f"{start}/{PAGES}/login", self._log_in, methods=["POST"]),
                Route(f"{start}/{PAGES}/stream", self._stream),
                Route(f"{start}/{PAGES}/act/{{name}}", self._action(_acted), methods=["POST"]),
                Route(f"{start}/{PAGES}/copy/{{name}}", self._action(_copied), methods=["POST"]),
            ]
        routes.append(Route("/{simulation}", _with_slash))
        return Starlette(routes=routes, exception_handlers={HTTPException: no_page})

    def close(self) -> None:
        """End the streams, and the processes beside the server."""
        self._drawer.close()
        self._code.close()
        if self._streams is not None:
            self._streams.close()

    async def _stream(self, request: Request) -> Response:
        query = query_of(request)
        try:
            if self._streams is None:
                raise HTTPException(404)
            self._access.check(request, self._place(request, query).account)
        except (LoginNeededError, ForbiddenError) as error:
            return PlainTextResponse(safe_text(error) or "Log in first.", 403)
        account = self._access.account_of(request)
        last_id = request.headers.get("last-event-id", "")
        return StreamingResponse(
            self._streams.follow(account, last_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    def _page(
        self, gather: Gather, template: str, depth: int = 1
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler of requests for a page.

        Args:
            gather: returns what the page shows.
            template: the name of its template.
            depth: the number of folders between the page and the simulation's URL.
        """
        return self._answer(partial(self._shown, gather=gather, template=template), depth)

    def _answer(
        self, respond: Callable[[Visit], Awaitable[Response]], depth: int = 1
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler of requests that shows errors as pages.

        Args:
            respond: returns the response.
            depth: see `_page`.
        """

        async def answer(request: Request) -> Response:
            query = query_of(request)
            place = self._place(request, query)
            try:
                self._access.check(request, place.account)
                visit = self._visit(request, self._known(request, place), query, depth)
                return await respond(visit)
            except UnknownSimulationError:
                return await self._unknown_simulation(request, place, depth)
            except LoginNeededError:
                return self._login_page(request, depth)
            except Elsewhere as elsewhere:
                return RedirectResponse(elsewhere.url, 303)
            except ForbiddenError as error:
                return refusal(403, str(error), depth)
            except SourceError as error:
                source = None
                with suppress(SourceError):
                    source = self._sources.find(
                        Place(place.simulation, place.account), request.is_disconnected
                    )
                if source is None:
                    return refusal(404, str(error), depth)
                visit = self._visit(request, source, {}, depth)
                return await self._error_page(visit, error)

        return answer

    def _text(
        self, gather: Callable[[Visit, Drawer, WorkflowCode], Awaitable[str]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler of requests for JSON about an execution.

        Args:
            gather: returns the JSON.
        """

        async def answer(request: Request) -> Response:
            query = query_of(request)
            place = self._place(request, query)
            self._access.check(request, place.account)
            visit = self._visit(request, self._known(request, place), query, 1)
            headers = {"Cache-Control": "no-store"}
            if query.get("download"):
                headers["Content-Disposition"] = 'attachment; filename="history.json"'
            text = await gather(visit, self._drawer, self._code)
            parts = [part.encode() for part in sliced(text)]
            return InParts(parts, 200, headers, "application/json")

        return with_errors_as_json(answer)

    def _action(
        self, answer: Callable[[Visit, str, dict[str, str]], Awaitable[dict[str, Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler of requests to act, which forms of pages send.

        Args:
            answer: acts, given the name of the action and the fields of its form.
        """

        async def handle(request: Request) -> Response:
            query = query_of(request)
            place = self._place(request, query)
            body = await read_body(request.receive)
            self._access.check_action(request, place.account, body)
            visit = self._visit(request, self._known(request, place), query, 1)
            name = request.path_params["name"]
            return JsonReply(await answer(visit, name, _fields(body)))

        return with_errors_as_json(handle)

    def _known(self, request: Request, place: Place) -> Source:
        """Return the source of a place.

        Raises:
            UnknownSimulationError: there is no such simulation.
            SourceError: there is no such region or domain.
        """
        source = self._sources.find(place, request.is_disconnected)
        if source is None:
            raise UnknownSimulationError(f"There is no simulation {place.simulation!r} yet.")
        return source

    async def _shown(self, visit: Visit, gather: Gather, template: str) -> Response:
        """Return a page, or the error of its source where its content would be."""
        # What changes from here on, the page may not show yet.
        stamp = visit.source.stamp()
        try:
            content = await gather(visit)
        except SourceError as error:
            return await self._error_page(visit, error)
        return await self._rendered(visit, template, {**content, "stamp": stamp})

    async def _test(self, visit: Visit) -> Response:
        if self._make_test is None:
            raise HTTPException(404)
        try:
            fields = await _form(visit.request)
            name, content = await views.execution_test(visit, self._drawer, self._make_test, fields)
        except (SourceError, FlowyError) as error:
            refusal = error if isinstance(error, SourceError) else SourceError(str(error))
            return await self._error_page(visit, refusal)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/zip", headers=headers)

    async def _error_page(self, visit: Visit, error: SourceError) -> Response:
        content = {"message": str(error), "code": error.code, "stamp": ""}
        return await self._rendered(visit, "error.html", content, status_of(error))

    async def _rendered(
        self, visit: Visit, template: str, content: dict[str, Any], status: int = 200
    ) -> Response:
        session = self._access.session(visit.request)
        is_new = not session
        session = session or secrets.token_urlsafe(32)
        parts = await rendered(
            template,
            {
                **content,
                "visit": visit,
                "link": visit.link,
                "here": visit.here,
                "place": visit.source.place,
                "places": await self._places(visit),
                "unnamed": visit.source.unnamed,
                "clock": visit.source.clock(),
                "live": "stream" if self._streams is not None else "poll",
                "can_act": visit.source.can_act,
                "makes_tests": self._make_test is not None,
                "unknown": visit.source.unknown,
                "action_token": self._access.action_token(session),
                "current": template.removesuffix(".html"),
            },
        )
        response = InParts(parts, status, {"Cache-Control": "no-store"}, "text/html")
        if is_new:
            self._access.set_cookie(visit.request, response, session)
        return response

    async def _places(self, visit: Visit) -> list[Place]:
        """Return the places that a browser may see."""
        account = self._access.account_of(visit.request)
        return [each for each in await visit.source.places() if account in ("", each.account)]

    def _place(self, request: Request, query: dict[str, str]) -> Place:
        account = query.get("account") or self._access.account_of(request)
        return Place(
            request.path_params.get("simulation", ""),
            account or self._settings.account,
            query.get("region", ""),
            query.get("domain", ""),
        )

    def _visit(self, request: Request, source: Source, query: dict[str, str], depth: int) -> Visit:
        defaults = Place("", self._settings.account, self._settings.region, "")
        return Visit(request, source, query, defaults, depth)

    async def _unknown_simulation(self, request: Request, place: Place, depth: int) -> Response:
        sentence = (
            f"There is no simulation {place.simulation!r} yet. It begins with the first call of "
            "an SWF client to its URL."
        )
        return refusal(404, sentence, depth, home="../" * (depth + 1))

    # Credentials

    def _login_page(self, request: Request, depth: int, message: str = "") -> Response:
        here = "." if depth == 0 else ".."
        query = request.url.query
        to = request.url.path.rpartition("/")[2] if depth else ""
        context = {
            "here": here,
            "message": message,
            "has_keys": bool(self._settings.secrets),
            "has_token": bool(self._settings.control_token),
            "query": encoded({"page": to, "query": query}),
        }
        return HTMLResponse(render("login.html", context), 403 if message else 401)

    async def _log_in(self, request: Request) -> Response:
        try:
            form = await _form(request)
            session = self._access.log_in(
                form.get("token", ""), form.get("key", ""), form.get("secret", "")
            )
        except ForbiddenError as error:
            return self._login_page(request, 1, str(error))
        to = query_of(request)
        page = to.get("page", "")
        path = f"../{PAGES}/{page}" if page in _PAGES else "../"
        # It is a part of a URL already; only what cannot be in one is quoted.
        rest = quote(to.get("query", ""), ":/%?=@[]!$&'()*+,;", errors="surrogatepass")
        query = f"?{rest}" if rest else ""
        response = RedirectResponse(path + query, 303)
        self._access.set_cookie(request, response, session)
        return response


def console(
    simulations: Simulations,
    settings: ServerSettings,
    *,
    can_act: bool = True,
    packages: Sequence[str] = (),
    make_test: MakeTest | None = None,
) -> Console:
    """Return the console of a server; see `flowy_sim._server.server.MakePages`.

    Args:
        simulations: what it shows.
        settings: how the server is set up.
        can_act: whether pages may change something.
        packages: see `Console`.
        make_test: see `Console`.
    """
    sources = ServedSources(simulations, settings.account, can_act)
    return Console(sources, settings, Streams(simulations), packages, make_test)


async def _stamp(visit: Visit, drawer: Drawer, code: WorkflowCode) -> str:
    return json.dumps(visit.source.stamp())


async def _acted(visit: Visit, name: str, fields: dict[str, str]) -> dict[str, Any]:
    return (await actions.act(visit, name, fields))._asdict()


async def _copied(visit: Visit, name: str, fields: dict[str, str]) -> dict[str, Any]:
    return (await actions.copied(visit, name, fields))._asdict()


def _fields(body: bytes) -> dict[str, str]:
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not all(isinstance(each, str) for each in fields.values()):
        raise SourceError("The body is not a JSON object of strings.")
    return fields


async def _form(request: Request) -> dict[str, str]:
    from urllib.parse import parse_qsl

    body = await read_body(request.receive)
    return dict(parse_qsl(body.decode("utf-8", "replace")))


async def _with_slash(request: Request) -> Response:
    name = request.path_params["simulation"]
    query = request.url.query
    return RedirectResponse(f"{name}/" + (f"?{query}" if query else ""), 307)
