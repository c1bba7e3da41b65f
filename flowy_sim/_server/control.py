"""What can be asked of a simulation beside Amazon SWF: its time, a new beginning, its health.

All of it lies under ``/_flowy``, for a simulation with a name under ``/NAME/_flowy``; no SWF
client uses such a path. ``?account=…`` chooses another account than the usual one. Requests and
responses are JSON objects.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flowy_sim._engine.faults import Fault
from flowy_sim._server.guard import Guard, NotAdmittedError
from flowy_sim._server.http import BodyTooLargeError, read_body, read_headers
from flowy_sim._server.metrics import Metrics
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import World, Worlds
from flowy_sim._simulation.clock import from_milliseconds
from flowy_sim._storage.journal import JournalError, SimulationKey
from flowy_sim._storage.restore import LoadedSimulation, StoredSimulation
from flowy_sim._storage.snapshot import snapshot_of

PREFIX = "/_flowy"
#: The media type of SQLite database files, as registered.
SNAPSHOT_TYPE = "application/vnd.sqlite3"
#: Real seconds between two looks at whether anything moves, and in how many of them, one after
#: the other, nothing has to move.
LOOK = 0.02
LOOKS = 6
#: Real seconds that `settle` waits if nothing else is said, and at most.
SETTLE_SECONDS = 30
MOST_SECONDS = 3600

Members = dict[str, Any]
Answer = Callable[[World, Members], Awaitable[Members]]


class Control:
    """Answers requests about simulations.

    Args:
        worlds: the simulations.
        settings: how the server is set up.
        guard: says who may ask.
        metrics: what is counted.
        is_ready: tells whether calls are taken.
    """

    def __init__(
        self,
        worlds: Worlds,
        settings: ServerSettings,
        guard: Guard,
        metrics: Metrics,
        is_ready: Callable[[], bool],
    ) -> None:
        """Be there."""
        self._worlds = worlds
        self._settings = settings
        self._guard = guard
        self._metrics = metrics
        self._is_ready = is_ready

    def routes(self) -> list[Route]:
        """Return what can be asked, and where."""
        routes = [
            Route(f"{PREFIX}/health", self._health, methods=["GET"]),
            Route(f"{PREFIX}/ready", self._ready, methods=["GET"]),
            Route(f"{PREFIX}/metrics", self._show_metrics, methods=["GET"]),
            Route(f"{PREFIX}/simulations", self._list, methods=["GET"]),
        ]
        for start in (PREFIX, f"/{{simulation}}{PREFIX}"):
            routes.append(Route(start, self._remove, methods=["DELETE"]))
            routes += [
                Route(f"{start}{path}", self._about(answer), methods=[method])
                for (method, path), answer in ANSWERS.items()
            ]
            routes.append(Route(f"{start}/reset", self._reset, methods=["POST"]))
            routes.append(Route(f"{start}/export", self._export, methods=["GET"]))
        return routes

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "healthy"})

    async def _ready(self, request: Request) -> Response:
        if self._is_ready():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, status_code=503)

    async def _show_metrics(self, request: Request) -> Response:
        async def text() -> Response:
            return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

        return await self._answered(request, text)

    async def _list(self, request: Request) -> Response:
        async def simulations() -> Response:
            return JSONResponse({"simulations": [describe(world) for world in self._worlds]})

        return await self._answered(request, simulations)

    async def _remove(self, request: Request) -> Response:
        async def remove() -> Response:
            world = self._worlds.remove(*self._key(request))
            if world is None:
                return _error(404, "There is no such simulation.")
            await world.journal.durable()
            return JSONResponse({})

        return await self._answered(request, remove)

    async def _reset(self, request: Request) -> Response:
        async def reset() -> Response:
            world = self._worlds.begin(*self._key(request), await _members(request))
            await world.journal.durable()
            return JSONResponse(describe(world))

        return await self._answered(request, reset)

    async def _export(self, request: Request) -> Response:
        async def export() -> Response:
            world = self._worlds.find(*self._key(request))
            if world is None:
                return _error(404, "There is no such simulation.")
            return Response(exported(world), media_type=SNAPSHOT_TYPE)

        return await self._answered(request, export)

    def _about(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers requests about one simulation."""

        async def endpoint(request: Request) -> Response:
            async def answered() -> Response:
                members = await _members(request)
                world = self._worlds.of(*self._key(request))
                reply = await answer(world, members)
                await world.journal.durable()
                return JSONResponse(reply)

            return await self._answered(request, answered)

        return endpoint

    async def _answered(
        self, request: Request, answer: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Answer a request, or say in a sentence why not."""
        try:
            self._guard.check_control(request.client.host if request.client else "")
            return await answer()
        except NotAdmittedError as error:
            return _error(403, str(error))
        except BodyTooLargeError:
            return _error(413, "The body is too large.")
        except Fault as fault:
            return _error(400, f"{fault.message}.")
        except ValueError as error:
            return _error(400, str(error))
        except JournalError as error:
            return _error(500, str(error))

    def _key(self, request: Request) -> tuple[str, str]:
        account = request.query_params.get("account", self._settings.account)
        return request.path_params.get("simulation", ""), account


def describe(world: World) -> Members:
    """Return how a simulation is and what goes on in it."""
    return {
        "simulation": world.name,
        "account": world.account,
        "settings": world.settings.written(),
        "clock": clock_of(world),
        "changes": world.journal.changes,
        "waitingPolls": len(world.polls),
        "heldTasks": [f"{each.caller} holds the {each.task}" for each in world.clients.held()],
    }


def exported(world: World) -> bytes:
    """Return a snapshot of a simulation, as `flowy-sim import` reads it."""
    now, mode = world.clock.milliseconds, world.clock.mode
    key = SimulationKey(world.name, world.account)
    stored = StoredSimulation(0, key, world.settings.written(), now, mode, now, {})
    return snapshot_of(LoadedSimulation(stored, {each.region: each for each in world.engines}))


def clock_of(world: World) -> Members:
    """Return what there is to tell of a simulation's time."""
    following = world.engines.next_instant()
    return {
        "mode": world.clock.mode,
        "now": _written(world.clock.milliseconds),
        "milliseconds": world.clock.milliseconds,
        "next": None if following is None else _written(following),
    }


async def read(world: World, members: Members) -> Members:
    """Tell how a simulation is."""
    return describe(world)


async def read_clock(world: World, members: Members) -> Members:
    """Tell the time."""
    return clock_of(world)


async def set_clock(world: World, members: Members) -> Members:
    """Make the clock another one, as ``mode`` says."""
    world.set_mode(members.get("mode", ""))
    return clock_of(world)


async def advance(world: World, members: Members) -> Members:
    """Let time pass, as many ``seconds`` as are given."""
    world.advance(members.get("seconds", ""))
    return clock_of(world)


async def jump(world: World, members: Members) -> Members:
    """Let time pass until the next thing happens; tell whether anything has."""
    jumped = world.jump()
    return {"jumped": jumped, **clock_of(world)}


async def settle(world: World, members: Members) -> Members:
    """Wait until nothing moves, for as many real ``seconds`` as are given; tell whether it does."""
    seconds = members.get("seconds", SETTLE_SECONDS)
    if not isinstance(seconds, int | float) or not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(f"seconds={seconds!r}: give a number from 0 to {MOST_SECONDS}.")
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    looks, changes = 0, world.journal.changes
    while looks < LOOKS and loop.time() < until:
        await asyncio.sleep(LOOK)
        looks = looks + 1 if world.is_still() and world.journal.changes == changes else 0
        changes = world.journal.changes
    return {"still": looks >= LOOKS, **clock_of(world)}


#: What can be asked about one simulation.
ANSWERS: dict[tuple[str, str], Answer] = {
    ("GET", ""): read,
    ("GET", "/clock"): read_clock,
    ("PUT", "/clock"): set_clock,
    ("POST", "/clock/advance"): advance,
    ("POST", "/clock/jump"): jump,
    ("POST", "/settle"): settle,
}


async def _members(request: Request) -> Members:
    body = await read_body(read_headers(request.scope), request.receive)
    try:
        members = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise ValueError("The body is no JSON object.")
    return members


def _written(instant: int) -> str:
    return from_milliseconds(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)
