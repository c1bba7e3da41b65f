"""The control API: a simulation's clock, reset and snapshot, and the server's health and metrics.

It is under ``/_flowy``, or ``/NAME/_flowy`` for a simulation with a name; no SWF client uses such a
path. ``?account=…`` selects another account than the default. Requests and responses are JSON
objects. With keys or a token for control requests, all but health and readiness need a signature
or that token.

A simulation is created by SWF calls, by resets, and by requests that set or advance a clock or plan
a call. Requests that only read, which an image in a web page could send, create none: they describe
the simulation that would be created.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flowy_sim._engine.faults import Fault
from flowy_sim._server.auth import SignedRequest
from flowy_sim._server.http import PREFIX, JsonReply, read_body, read_headers
from flowy_sim._server.metrics import Metrics
from flowy_sim._server.request_guard import ForbiddenError, Guard
from flowy_sim._server.served_simulation import ServedSimulation
from flowy_sim._server.served_stubs import StubCall
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations
from flowy_sim._server.stub_definitions import read_key, shown
from flowy_sim._simulation.clock import from_milliseconds
from flowy_sim._storage.file_reader import LoadedSimulation, StoredSimulation
from flowy_sim._storage.journal import JournalError, SimulationKey
from flowy_sim._storage.snapshot import snapshot_of

#: The OpenAPI document that describes it.
DOCUMENT = Path(__file__).with_name("openapi.json")
#: The media type of SQLite database files, as registered.
SNAPSHOT_TYPE = "application/vnd.sqlite3"
#: Real seconds between two checks of whether anything moves, and the number of successive checks in
#: which nothing has to move.
LOOK = 0.02
LOOKS = 6
#: Real seconds that `settle` waits by default, and at most.
SETTLE_SECONDS = 30
MOST_SECONDS = 3600

Members = dict[str, Any]
Answer = Callable[[ServedSimulation, Members], Awaitable[Members]]


class Control:
    """Answers the requests of the control API.

    Args:
        simulations: the simulations.
        settings: how the server is set up.
        guard: checks requests.
        metrics: what is counted.
        is_ready: returns whether the server accepts calls.
    """

    def __init__(
        self,
        simulations: Simulations,
        settings: ServerSettings,
        guard: Guard,
        metrics: Metrics,
        is_ready: Callable[[], bool],
    ) -> None:
        self._simulations = simulations
        self._settings = settings
        self._guard = guard
        self._metrics = metrics
        self._is_ready = is_ready

    def routes(self) -> list[Route]:
        """Return the routes of all requests."""
        routes = [
            Route(f"{PREFIX}/health", self._health, methods=["GET"]),
            Route(f"{PREFIX}/ready", self._ready, methods=["GET"]),
            Route(f"{PREFIX}/metrics", self._show_metrics, methods=["GET"]),
            Route(f"{PREFIX}/openapi.json", self._show_document, methods=["GET"]),
            Route(f"{PREFIX}/simulations", self._list, methods=["GET"]),
            Route(f"{PREFIX}/simulations/snapshot", self._snapshot_all, methods=["GET"]),
        ]
        for start in (PREFIX, f"/{{simulation}}{PREFIX}"):
            routes.append(Route(start, self._remove, methods=["DELETE"]))
            routes += [
                Route(f"{start}{path}", self._handler(answer, find), methods=[method])
                for answers, find in (
                    (READING, self._simulations.find_or_preview),
                    (CHANGING, self._simulations.of),
                )
                for (method, path), answer in answers.items()
            ]
            routes.append(Route(f"{start}/reset", self._reset, methods=["POST"]))
            routes.append(Route(f"{start}/snapshot", self._snapshot, methods=["GET"]))
        return routes

    async def _health(self, request: Request) -> Response:
        return JsonReply({"status": "healthy"})

    async def _ready(self, request: Request) -> Response:
        if self._is_ready():
            return JsonReply({"status": "ready"})
        return JsonReply({"status": "not ready"}, status_code=503)

    async def _show_metrics(self, request: Request) -> Response:
        async def text(body: bytes) -> Response:
            return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

        return await self._checked(request, text, account="")

    async def _show_document(self, request: Request) -> Response:
        async def document(body: bytes) -> Response:
            return Response(DOCUMENT.read_bytes(), media_type="application/json")

        return await self._checked(request, document, account="")

    async def _list(self, request: Request) -> Response:
        async def simulations(body: bytes) -> Response:
            return JsonReply(
                {"simulations": [describe(simulation) for simulation in self._simulations]}
            )

        return await self._checked(request, simulations, account="")

    async def _remove(self, request: Request) -> Response:
        async def remove(body: bytes) -> Response:
            simulation = self._simulations.remove(*self._key(request))
            if simulation is None:
                return _error(404, "There is no such simulation.")
            await simulation.journal.durable()
            return JsonReply({})

        return await self._checked(request, remove)

    async def _reset(self, request: Request) -> Response:
        async def reset(body: bytes) -> Response:
            simulation = self._simulations.begin(*self._key(request), _members(body))
            await simulation.journal.durable()
            return JsonReply(describe(simulation))

        return await self._checked(request, reset)

    async def _snapshot_all(self, request: Request) -> Response:
        async def snapshot(body: bytes) -> Response:
            content = snapshot_of(map(loaded, self._simulations))
            return Response(content, media_type=SNAPSHOT_TYPE)

        return await self._checked(request, snapshot, account="")

    async def _snapshot(self, request: Request) -> Response:
        async def snapshot(body: bytes) -> Response:
            simulation = self._simulations.find(*self._key(request))
            if simulation is None:
                return _error(404, "There is no such simulation.")
            return Response(snapshot_of([loaded(simulation)]), media_type=SNAPSHOT_TYPE)

        return await self._checked(request, snapshot)

    def _handler(
        self, answer: Answer, find: Callable[[str, str], ServedSimulation]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler of requests about one simulation.

        Args:
            answer: answers a request.
            find: returns the simulation by its name and account.
        """

        async def endpoint(request: Request) -> Response:
            async def answered(body: bytes) -> Response:
                members = _in_query(request) | _members(body)
                simulation = find(*self._key(request))
                reply = await answer(simulation, members)
                await simulation.journal.durable()
                return JsonReply(reply)

            return await self._checked(request, answered)

        return endpoint

    async def _checked(
        self,
        request: Request,
        answer: Callable[[bytes], Awaitable[Response]],
        account: str | None = None,
    ) -> Response:
        """Answer a request, or return the reason for refusing it as a sentence.

        Args:
            request: the request.
            answer: answers it, given its body.
            account: the account that it is about, if its URL does not tell; empty for all.
        """
        try:
            headers = read_headers(request.scope)
            body = await read_body(request.receive)
            if account is None:
                _, account = self._key(request)
            self._guard.check_control(
                request.client.host if request.client else "",
                SignedRequest.of(request.scope, headers, body),
                account,
            )
            return await answer(body)
        except ForbiddenError as error:
            return _error(403, str(error))
        except Fault as fault:
            return _error(400, f"{fault.message}.")
        except ValueError as error:
            return _error(400, str(error))
        except JournalError as error:
            return _error(500, str(error))

    def _key(self, request: Request) -> tuple[str, str]:
        account = request.query_params.get("account", self._settings.account)
        return request.path_params.get("simulation", ""), account


def describe(simulation: ServedSimulation) -> Members:
    """Return the settings and the status of a simulation."""
    return {
        "simulation": simulation.name,
        "account": simulation.account,
        "settings": simulation.settings.written(),
        "clock": clock_of(simulation),
        "changes": simulation.journal.changes,
        "waitingPolls": len(simulation.polls),
        "heldTasks": [
            f"{each.holder} holds the {each.task}" for each in simulation.presence.held_tasks.all()
        ],
    }


def loaded(simulation: ServedSimulation) -> LoadedSimulation:
    """Return a simulation as snapshots take it."""
    now, mode = simulation.clock.milliseconds, simulation.clock.mode
    key = SimulationKey(simulation.name, simulation.account)
    stored = StoredSimulation(0, key, simulation.settings.written(), now, mode, now, {})
    return LoadedSimulation(stored, {each.region: each for each in simulation.engines})


def clock_of(simulation: ServedSimulation) -> Members:
    """Return a simulation's time, and when something happens next."""
    following = simulation.engines.next_instant()
    return {
        "mode": simulation.clock.mode,
        "now": _written(simulation.clock.milliseconds),
        "milliseconds": simulation.clock.milliseconds,
        "next": None if following is None else _written(following),
    }


async def read(simulation: ServedSimulation, members: Members) -> Members:
    """Answer with settings and status."""
    return describe(simulation)


async def read_clock(simulation: ServedSimulation, members: Members) -> Members:
    """Answer with the time."""
    return clock_of(simulation)


async def set_clock(simulation: ServedSimulation, members: Members) -> Members:
    """Set the mode of the clock to ``mode``."""
    simulation.set_mode(members.get("mode", ""))
    return clock_of(simulation)


async def advance(simulation: ServedSimulation, members: Members) -> Members:
    """Let ``seconds`` of simulated time pass."""
    simulation.advance(members.get("seconds", ""))
    return clock_of(simulation)


async def jump(simulation: ServedSimulation, members: Members) -> Members:
    """Let time pass until the next thing happens; answer whether anything has."""
    jumped = simulation.jump()
    return {"jumped": jumped, **clock_of(simulation)}


async def after(simulation: ServedSimulation, members: Members) -> Members:
    """Make a call when ``seconds`` of simulated time have passed; answer when that will be."""
    request, region = members.get("parameters", {}), members.get("region", simulation.region)
    if not isinstance(request, dict) or not isinstance(region, str):
        raise ValueError("Give parameters as an object, and the region as a string.")
    instant = simulation.after(
        members.get("seconds", ""), str(members.get("operation", "")), request, region
    )
    return {"at": _written(instant), **clock_of(simulation)}


async def settle(simulation: ServedSimulation, members: Members) -> Members:
    """Wait at most ``seconds`` real seconds until nothing moves; answer whether nothing does."""
    seconds = members.get("seconds", SETTLE_SECONDS)
    if not isinstance(seconds, int | float) or not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(f"seconds={seconds!r}: give a number from 0 to {MOST_SECONDS}.")
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    looks, changes = 0, simulation.journal.changes
    while looks < LOOKS and loop.time() < until:
        await asyncio.sleep(LOOK)
        looks = looks + 1 if simulation.is_still() and simulation.journal.changes == changes else 0
        changes = simulation.journal.changes
    return {"still": looks >= LOOKS, **clock_of(simulation)}


async def add_stub(simulation: ServedSimulation, members: Members) -> Members:
    """Add the stub that the members define, in place of an older one of the same type."""
    simulation.engines.stubs.add(members)
    return stubs_of(simulation)


async def read_stubs(simulation: ServedSimulation, members: Members) -> Members:
    """Answer with the definitions of all stubs."""
    return stubs_of(simulation)


async def remove_stubs(simulation: ServedSimulation, members: Members) -> Members:
    """Remove the stub that the members name; all, if they name none."""
    simulation.engines.stubs.remove(members)
    return stubs_of(simulation)


async def read_calls(simulation: ServedSimulation, members: Members) -> Members:
    """Answer with the calls of the stub that the members name; of all, if they name none."""
    key = read_key(members) if members else None
    calls = [each for each in simulation.engines.stubs.calls if key in (None, each.key)]
    return {"calls": [_call(each) for each in calls]}


def stubs_of(simulation: ServedSimulation) -> Members:
    """Return the definitions of the stubs of a simulation."""
    return {"stubs": [shown(each) for each in simulation.engines.stubs]}


def _call(call: StubCall) -> Members:
    ids = {"workflowId": call.workflow_id, "runId": call.run_id}
    task = {"id": call.task_id} if call.task_id else {}
    return {**call.key.members(), "input": call.input, **ids, **task, "at": _written(call.at)}


#: Requests about one simulation, by method and path: those that never let it begin …
READING: dict[tuple[str, str], Answer] = {
    ("GET", ""): read,
    ("GET", "/clock"): read_clock,
    ("POST", "/clock/jump"): jump,
    ("POST", "/settle"): settle,
    ("GET", "/stubs"): read_stubs,
    ("DELETE", "/stubs"): remove_stubs,
    ("GET", "/stubs/calls"): read_calls,
}
#: … and those that do. In a simulation that has not begun, there is nothing to jump to.
CHANGING: dict[tuple[str, str], Answer] = {
    ("PUT", "/clock"): set_clock,
    ("POST", "/clock/advance"): advance,
    ("POST", "/after"): after,
    ("POST", "/stubs"): add_stub,
}


def _in_query(request: Request) -> Members:
    """Return the members that a request without a body has in its query."""
    if request.method not in ("GET", "DELETE"):
        return {}
    return {name: value for name, value in request.query_params.items() if name != "account"}


def _members(body: bytes) -> Members:
    try:
        members = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise ValueError("The body is not a JSON object.")
    return members


def _written(instant: int) -> str:
    return from_milliseconds(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, sentence: str) -> JsonReply:
    return JsonReply({"error": sentence}, status_code=status)
