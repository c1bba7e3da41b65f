"""Calls of Amazon SWF as they come over HTTP: every POST to the root or to a simulation's name."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from flowy_sim._clients import wire
from flowy_sim._engine.faults import Fault, UnknownOperationException
from flowy_sim._engine.model import operation_names
from flowy_sim._engine.tokens import request_ids
from flowy_sim._server.connections import Caller, Connection
from flowy_sim._server.http import (
    BodyTooLargeError,
    HungUpError,
    Receive,
    Scope,
    Send,
    read_body,
    respond,
    too_large,
)
from flowy_sim._server.observing import OK, Observation
from flowy_sim._server.recording import RecordingError
from flowy_sim._server.signatures import Identification, Identity, Request
from flowy_sim._server.worlds import Worlds
from flowy_sim._simulation.polls import POLLS

Observe = Callable[[Observation], object]

_log = logging.getLogger("flowy_sim")
_MAX_IDENTITY = 256
_NOBODY = Identity("", "", "")


class InternalFailure(Fault):
    """Something went wrong in the server; the call was carried out, or not."""

    namespace = "com.amazon.coral.service"


class Call:
    """A call while it is being answered.

    Attributes:
        simulation: the simulation's name, from the path.
        scope: the request as the server interface describes it.
        headers: its headers by their names in lower case.
        request_id: a UUID.
        began: when its head was complete, on some clock of the machine.
        operation: what it asks for; empty until that is known.
        identity: who calls; nobody until that is known.
        bytes_in: the size of its body; 0 until that is known.
    """

    __slots__ = (
        "began",
        "bytes_in",
        "headers",
        "identity",
        "operation",
        "request_id",
        "scope",
        "simulation",
    )

    def __init__(
        self, simulation: str, scope: Scope, headers: dict[str, str], request_id: str
    ) -> None:
        """Begin with the head of a request."""
        self.simulation = simulation
        self.scope = scope
        self.headers = headers
        self.request_id = request_id
        self.began = perf_counter()
        self.operation = ""
        self.identity = _NOBODY
        self.bytes_in = 0

    @property
    def program(self) -> str:
        """The name and version of the calling program or its SDK."""
        return self.headers.get("user-agent", "").partition(" ")[0]

    @property
    def client(self) -> str:
        """The address it comes from."""
        return str((self.scope.get("client") or ("",))[0])

    def caller(self, members: dict[str, Any]) -> Caller:
        """Return who polls."""
        identity = members.get("identity")
        if not isinstance(identity, str):
            identity = ""
        return Caller(self.client, self.identity.access_key, self.program, identity[:_MAX_IDENTITY])

    def let_go(self) -> None:
        """Let go of what is not needed for the response: a poll may wait long, beside many."""
        kept = {name: self.headers.get(name, "") for name in ("content-type", "user-agent")}
        self.headers.clear()
        self.headers.update(kept)
        self.scope["headers"].clear()

    def observed(self, response: wire.Response, outcome: str) -> Observation:
        """Return what there is to tell of it once it is answered."""
        return Observation(
            self.request_id,
            self.simulation,
            self.identity.account,
            self.identity.region,
            self.operation,
            response.status,
            outcome,
            round((perf_counter() - self.began) * 1000, 3),
            self.bytes_in,
            len(response.body),
            self.client,
            self.program,
        )


class Calls:
    """Answers calls.

    Args:
        worlds: the simulations.
        identification: tells who calls.
        seed: request ids follow from it.
        observers: are told of every call once it is answered.
    """

    def __init__(
        self,
        worlds: Worlds,
        identification: Identification,
        seed: int,
        observers: Iterable[Observe],
    ) -> None:
        """Have answered nothing yet."""
        self._worlds = worlds
        self._identification = identification
        self._observers = tuple(observers)
        self._request_ids = request_ids(seed)

    async def answer(
        self, simulation: str, headers: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a call.

        Args:
            simulation: the simulation's name, from the path.
            headers: the request's headers by their names in lower case.
            scope: the request as the server interface describes it.
            receive: returns the next part of its body.
            send: takes the next part of the response.
        """
        call = Call(simulation, scope, headers, next(self._request_ids))
        outcome = OK
        try:
            reply = await self._reply(call, receive)
            response = wire.reply(reply, call.request_id, headers)
        except HungUpError:
            return
        except BodyTooLargeError:
            outcome, response = "RequestEntityTooLarge", too_large(call.request_id)
        except Fault as fault:
            outcome, response = fault.code, wire.refusal(fault, call.request_id, headers)
        except CancelledError:
            # The server stops, and has waited for this as long as it waits.
            outcome, response = InternalFailure.__name__, _internal_failure(call)
        except Exception as error:
            outcome = InternalFailure.__name__
            response = self._failure(call, error)
        await respond(send, response)
        for observe in self._observers:
            observe(call.observed(response, outcome))

    async def _reply(self, call: Call, receive: Receive) -> dict[str, Any]:
        body = await read_body(call.headers, receive)
        call.bytes_in = len(body)
        operation = wire.read_target(call.headers)
        if operation not in operation_names():
            raise UnknownOperationException
        call.operation = operation
        call.identity = self._identify(call, body)
        members = wire.read_body(body)
        del body
        connection: Connection = call.scope["state"]["connection"]
        if operation in POLLS:
            connection.caller = call.caller(members)
            call.let_go()
        world = self._worlds.of(call.simulation, call.identity.account)
        return await world.call(operation, members, call.identity.region, connection)

    def _identify(self, call: Call, body: bytes) -> Identity:
        scope = call.scope
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        return self._identification.identify(
            Request(scope["method"], target.decode("latin-1"), call.headers, body)
        )

    def _failure(self, call: Call, error: Exception) -> wire.Response:
        if isinstance(error, RecordingError):
            _log.error("%s was not recorded: %s", call.operation, error)
        else:
            _log.error("%s failed", call.operation or "A request", exc_info=error)
        return _internal_failure(call)


def _internal_failure(call: Call) -> wire.Response:
    refusal = wire.refusal(InternalFailure(), call.request_id, call.headers)
    return refusal._replace(status=500)
