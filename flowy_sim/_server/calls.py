"""Calls of Amazon SWF over HTTP: every POST to the root or to a simulation's name."""

from __future__ import annotations

from asyncio import CancelledError, Future, get_running_loop
from collections.abc import Callable
from typing import Any

from flowy._safe_text import safe_logger
from flowy_sim._clients import wire
from flowy_sim._clients.wire import Response
from flowy_sim._engine.faults import Fault, UnknownOperationException
from flowy_sim._engine.model import operation_names
from flowy_sim._engine.tokens import request_ids
from flowy_sim._server.auth import Authenticator, Identity
from flowy_sim._server.connections import ClientIdentity, Connection, Later
from flowy_sim._server.http import HttpRequest, RequestEntityTooLargeException
from flowy_sim._server.metrics import OK
from flowy_sim._server.served_simulation import ServedSimulation
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.polls import Poll
from flowy_sim._simulation.regions import POLLS
from flowy_sim._storage.journal import JournalError

_log = safe_logger("flowy_sim")
_MAX_IDENTITY = 256
_ANONYMOUS = Identity("", "", "")


class InternalFailure(Fault):
    """Something went wrong in the server; whether the call was carried out is unknown."""

    namespace = "com.amazon.coral.service"


class HttpCall:
    """A call while it is being answered.

    Attributes:
        request: the request.
        simulation: the simulation's name, from the path.
        request_id: a UUID.
        operation: such as ``StartWorkflowExecution``; empty until that is known.
        identity: the caller; empty until it is known.
        bytes_in: the size of its body.
    """

    __slots__ = ("bytes_in", "identity", "operation", "request", "request_id", "simulation")

    def __init__(self, request: HttpRequest, simulation: str, request_id: str) -> None:
        self.request = request
        self.simulation = simulation
        self.request_id = request_id
        self.operation = ""
        self.identity = _ANONYMOUS
        self.bytes_in = len(request.body)

    def client_identity(self, members: dict[str, Any]) -> ClientIdentity:
        """Return the identity of the client that polls."""
        identity = members.get("identity")
        if not isinstance(identity, str):
            identity = ""
        request = self.request
        return ClientIdentity(
            request.client, self.identity.access_key, request.program, identity[:_MAX_IDENTITY]
        )


class CallHandler:
    """Answers calls.

    Args:
        simulations: the simulations.
        authenticator: determines the identity of callers.
        seed: request IDs follow from it.
        observe: called for every call once it is answered; see `Application.observe`.
    """

    def __init__(
        self,
        simulations: Simulations,
        authenticator: Authenticator,
        seed: int,
        observe: Callable[..., object],
    ) -> None:
        self._simulations = simulations
        self._authenticator = authenticator
        self._observe = observe
        self._request_ids = request_ids(seed)

    def judge(self, request: HttpRequest) -> None:
        """Refuse a call by its head, before its body is read.

        Raises:
            Fault: it is not signed with a known key, for this service and at this time.
        """
        self._authenticator.judge(request.headers)

    def refusal(self, request: HttpRequest, fault: Fault) -> Response:
        """Return the response to a call that is refused by its head."""
        return wire.refusal(fault, next(self._request_ids), request.headers)

    def too_large(self, request: HttpRequest) -> Response:
        """Return the response to a request whose body is too large."""
        fault = RequestEntityTooLargeException()
        return self.refusal(request, fault)._replace(status=413)

    def answer(
        self, simulation: str, request: HttpRequest, connection: Connection
    ) -> Response | Later:
        """Return the response to a call, or what returns it later.

        Args:
            simulation: the simulation's name, from the path.
            request: the request, complete.
            connection: where it came from.
        """
        call = HttpCall(request, simulation, next(self._request_ids))
        try:
            members = self._read(call)
        except Exception as error:
            return self._failure(call, error)
        if call.operation in POLLS:
            connection.client_identity = call.client_identity(members)
            request.release_memory()
            return self._answer_poll(call, members, connection)
        return self._carry_out(call, members, connection)

    def _carry_out(
        self, call: HttpCall, members: dict[str, Any], connection: Connection
    ) -> Response | Later:
        served: ServedSimulation | None = None
        try:
            served = self._simulations.of(call.simulation, call.identity.account)
            answer = served.call(call.operation, members, call.identity.region, connection)
        except Exception as error:
            # No variable may keep the error: its traceback refers to this frame, and such a cycle
            # would keep the connection until the garbage collector runs.
            if served is None:
                return self._failure(call, error)
            if isinstance(error, Fault):
                self._simulations.warn_of(error, members, served, call.identity.region)
            if served.journal.is_durable:
                return self._failure(call, error)
            return self._answer_when_durable(call, served, error)
        if isinstance(answer, Poll):
            return self._wait(call, served, answer, connection)
        if served.journal.is_durable:
            return self._reply(call, answer)
        return self._answer_when_durable(call, served, answer)

    async def _answer_poll(
        self, call: HttpCall, members: dict[str, Any], connection: Connection
    ) -> Response | None:
        """Poll when the loop comes round: a client that hangs up at once has then been noticed."""
        answer = self._carry_out(call, members, connection)
        return answer if isinstance(answer, Response) else await answer

    def _read(self, call: HttpCall) -> dict[str, Any]:
        """Determine the operation and the caller; return the members."""
        request = call.request
        wire.check_encoding(request.headers)
        operation = wire.read_target(request.headers)
        if operation not in operation_names():
            raise UnknownOperationException
        call.operation = operation
        call.identity = self._authenticator.identify(request)
        return wire.read_body(request.body)

    async def _wait(
        self, call: HttpCall, simulation: ServedSimulation, poll: Poll, connection: Connection
    ) -> Response:
        """Wait for a poll, and until everything that its answer shows is durable."""
        try:
            try:
                answer = await simulation.wait(poll, connection)
            finally:
                await simulation.journal.durable()
            return self._reply(call, answer)
        except CancelledError:
            # The server stops, and its grace period is over.
            return self._answered(call, InternalFailure.__name__, _internal_failure(call))
        except Exception as error:
            return self._failure(call, error)

    def _answer_when_durable(
        self, call: HttpCall, simulation: ServedSimulation, answer: dict[str, Any] | Exception
    ) -> Future[Response | None]:
        """Answer as soon as everything that the answer shows is durable.

        Most calls that change something wait for that; a task for each would cost much.
        """
        later: Future[Response | None] = get_running_loop().create_future()

        def answer_now(durable: Future[None]) -> None:
            outcome = durable.exception() or answer
            if later.cancelled():
                # The server stops, and its grace period is over.
                self._answered(call, InternalFailure.__name__, _internal_failure(call))
            else:
                later.set_result(self._reply(call, outcome))

        simulation.journal.when_durable(answer_now)
        return later

    def _reply(self, call: HttpCall, answer: dict[str, Any] | BaseException) -> Response:
        if isinstance(answer, BaseException):
            return self._failure(call, answer)
        return self._answered(call, OK, wire.reply(answer, call.request_id, call.request.headers))

    def _failure(self, call: HttpCall, error: BaseException) -> Response:
        if isinstance(error, Fault):
            response = wire.refusal(error, call.request_id, call.request.headers)
            return self._answered(call, error.code, response)
        # The journal has said once why nothing can be made durable.
        if not isinstance(error, JournalError):
            _log.error("%s failed", call.operation or "A request", exc_info=error)
        return self._answered(call, InternalFailure.__name__, _internal_failure(call))

    def _answered(self, call: HttpCall, outcome: str, response: Response) -> Response:
        bytes_out = len(response.body)
        self._observe(call.request, call.operation, outcome, response.status, bytes_out, call)
        return response


def _internal_failure(call: HttpCall) -> Response:
    refusal = wire.refusal(InternalFailure(), call.request_id, call.request.headers)
    return refusal._replace(status=500)
