"""Calls of Amazon SWF over HTTP: every POST to the root or to a simulation's name."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from flowy._safe_text import safe_logger
from flowy_sim._clients import wire
from flowy_sim._engine.faults import Fault, UnknownOperationException
from flowy_sim._engine.model import operation_names
from flowy_sim._engine.tokens import request_ids
from flowy_sim._server.auth import Authenticator, Identity, SignedRequest
from flowy_sim._server.connections import ClientIdentity, Connection
from flowy_sim._server.http import (
    BodyTooLargeError,
    DisconnectedError,
    Receive,
    RequestEntityTooLargeException,
    Scope,
    Send,
    read_body,
    respond,
)
from flowy_sim._server.metrics import OK, AccessLogEntry
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.regions import POLLS
from flowy_sim._storage.journal import JournalError

Observe = Callable[[AccessLogEntry], object]

_log = safe_logger("flowy_sim")
_MAX_IDENTITY = 256
_ANONYMOUS = Identity("", "", "")


class InternalFailure(Fault):
    """Something went wrong in the server; whether the call was carried out is unknown."""

    namespace = "com.amazon.coral.service"


class SwfRequest:
    """A request to Amazon SWF while it is being answered.

    Attributes:
        simulation: the simulation's name, from the path.
        scope: its ASGI scope.
        headers: its headers by their names in lower case.
        request_id: a UUID.
        began: when its head was complete, as `perf_counter` counts.
        operation: such as ``StartWorkflowExecution``; empty until that is known.
        identity: the caller; empty until it is known.
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
        self.simulation = simulation
        self.scope = scope
        self.headers = headers
        self.request_id = request_id
        self.began = perf_counter()
        self.operation = ""
        self.identity = _ANONYMOUS
        self.bytes_in = 0

    @property
    def program(self) -> str:
        """The name and version of the calling program or its SDK."""
        return self.headers.get("user-agent", "").partition(" ")[0]

    @property
    def client(self) -> str:
        """The address it comes from."""
        return str((self.scope.get("client") or ("",))[0])

    def client_identity(self, members: dict[str, Any]) -> ClientIdentity:
        """Return the identity of the client that polls."""
        identity = members.get("identity")
        if not isinstance(identity, str):
            identity = ""
        return ClientIdentity(
            self.client, self.identity.access_key, self.program, identity[:_MAX_IDENTITY]
        )

    def release_memory(self) -> None:
        """Forget what the response does not need: thousands of polls may wait for a long time."""
        kept = {name: self.headers.get(name, "") for name in ("content-type", "user-agent")}
        self.headers.clear()
        self.headers.update(kept)
        self.scope["headers"].clear()

    def log_entry(self, response: wire.Response, outcome: str) -> AccessLogEntry:
        """Return what is logged and counted once it is answered."""
        return AccessLogEntry(
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


class CallHandler:
    """Answers calls.

    Args:
        simulations: the simulations.
        authenticator: determines the identity of callers.
        seed: request IDs follow from it.
        observers: called with an entry for every call once it is answered.
    """

    def __init__(
        self,
        simulations: Simulations,
        authenticator: Authenticator,
        seed: int,
        observers: Iterable[Observe],
    ) -> None:
        self._simulations = simulations
        self._authenticator = authenticator
        self._observers = tuple(observers)
        self._request_ids = request_ids(seed)

    async def answer(
        self, simulation: str, headers: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a request.

        Args:
            simulation: the simulation's name, from the path.
            headers: the request's headers by their names in lower case.
            scope: the request's ASGI scope.
            receive: returns the next part of its body.
            send: sends the next part of the response.
        """
        request = SwfRequest(simulation, scope, headers, next(self._request_ids))
        outcome = OK
        try:
            reply = await self._reply(request, receive)
            response = wire.reply(reply, request.request_id, headers)
        except DisconnectedError:
            return
        except BodyTooLargeError:
            fault = RequestEntityTooLargeException()
            outcome = fault.code
            response = wire.refusal(fault, request.request_id, headers)._replace(status=413)
        except Fault as fault:
            outcome, response = fault.code, wire.refusal(fault, request.request_id, headers)
        except CancelledError:
            # The server stops, and its grace period is over.
            outcome, response = InternalFailure.__name__, _internal_failure(request)
        except Exception as error:
            outcome = InternalFailure.__name__
            response = self._failure(request, error)
        await respond(send, response)
        for observe in self._observers:
            observe(request.log_entry(response, outcome))

    async def _reply(self, request: SwfRequest, receive: Receive) -> dict[str, Any]:
        body = await read_body(request.headers, receive)
        request.bytes_in = len(body)
        wire.check_encoding(request.headers)
        operation = wire.read_target(request.headers)
        if operation not in operation_names():
            raise UnknownOperationException
        request.operation = operation
        request.identity = self._identify(request, body)
        members = wire.read_body(body)
        del body
        connection: Connection = request.scope["state"]["connection"]
        if operation in POLLS:
            connection.client_identity = request.client_identity(members)
            request.release_memory()
        simulation = self._simulations.of(request.simulation, request.identity.account)
        region = request.identity.region
        try:
            return await simulation.call(operation, members, region, connection)
        except Fault as fault:
            self._simulations.warn_of(fault, members, simulation, region)
            raise

    def _identify(self, request: SwfRequest, body: bytes) -> Identity:
        return self._authenticator.identify(SignedRequest.of(request.scope, request.headers, body))

    def _failure(self, request: SwfRequest, error: Exception) -> wire.Response:
        if isinstance(error, JournalError):
            _log.error("%s was not made durable: %s", request.operation, error)
        else:
            _log.error("%s failed", request.operation or "A request", exc_info=error)
        return _internal_failure(request)


def _internal_failure(request: SwfRequest) -> wire.Response:
    refusal = wire.refusal(InternalFailure(), request.request_id, request.headers)
    return refusal._replace(status=500)
