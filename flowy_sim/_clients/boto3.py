"""Real boto3 clients, answered in process.

A client passes each call, checked and serialized, to its method ``_make_request``, unless a handler
of its ``before-call`` event has answered already. That method is replaced here: on one client, or
for a while on the class of all clients. So this reaches clients that exist already, comes before
other fakes of AWS such as moto, and leaves no handler behind.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, overload

import boto3
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.session import Session

from flowy_sim._clients import wire
from flowy_sim._clients.in_process import metadata, parsed_fault
from flowy_sim._engine.faults import Fault
from flowy_sim._simulation.polls import waiting_time

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager

    from flowy_sim._simulation.simulation import Simulation

Function = TypeVar("Function", bound=Callable[..., Any])

#: Credentials of clients that are given none, so that those of the user are never read.
CREDENTIALS = {"aws_access_key_id": "simulated", "aws_secret_access_key": "simulated"}

_session_lock = Lock()


class Responder:
    """Responder the calls of boto3 clients from a simulation.

    Args:
        simulation: the simulation that is called.
        wire: whether the bytes of request and response are really made and parsed.
        poll_seconds: for how many simulated seconds polls wait for a task.

    Raises:
        ValueError: `poll_seconds` is not a number of at least 0.
    """

    def __init__(self, simulation: Simulation, wire: bool, poll_seconds: float) -> None:
        self._simulation = simulation
        self._wire = wire
        self._poll_seconds = waiting_time(poll_seconds)

    def make_request(
        self, client: Any, operation_model: Any, request: dict[str, Any], context: Any = None
    ) -> tuple[AWSResponse, dict[str, Any]]:
        """Return HTTP response and parsed reply, as botocore's method of that name does.

        Args:
            client: the boto3 client that calls.
            operation_model: the operation.
            request: the serialized request.
            context: botocore's own data about the call; not used.
        """
        if self._wire:
            return self._over_the_wire(client, operation_model, request)
        request_id = self._simulation.request_id()
        status = 200
        try:
            members = json.loads(request["body"])
            parsed = self._call(client, operation_model.name, members)
            parsed["ResponseMetadata"] = metadata(request_id)
        except Fault as fault:
            status = 400
            parsed = parsed_fault(fault, request_id)
        headers = parsed["ResponseMetadata"]["HTTPHeaders"]
        return _response(request["url"], status, headers, b""), parsed

    def _over_the_wire(
        self, client: Any, operation_model: Any, request: dict[str, Any]
    ) -> tuple[AWSResponse, dict[str, Any]]:
        """Let botocore do everything except sending the request."""
        if client._get_credentials() is None:
            request["context"]["auth_type"] = "none"
        endpoint = copy.copy(client._endpoint)
        endpoint._event_emitter = _SendingEvents(
            endpoint._event_emitter, partial(self._send, client)
        )
        answer: tuple[AWSResponse, dict[str, Any]] = endpoint.make_request(operation_model, request)
        return answer

    def _send(self, client: Any, request: Any) -> AWSResponse:
        request_id = self._simulation.request_id()
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        try:
            operation = wire.read_target(headers)
            members = self._call(client, operation, wire.read_body(request.body))
            response = wire.reply(members, request_id, headers)
        except Fault as fault:
            response = wire.refusal(fault, request_id, headers)
        return _response(request.url, *response)

    def _call(self, client: Any, operation: str, members: dict[str, Any]) -> dict[str, Any]:
        region = client.meta.region_name
        return self._simulation.threads.call(operation, members, region, self._poll_seconds)


class _SendingEvents:
    """botocore's events, except the one before sending, which is answered here."""

    def __init__(self, emitter: Any, send: Callable[[Any], AWSResponse]) -> None:
        self._emitter = emitter
        self._send = send

    def emit(self, event_name: str, **arguments: Any) -> Any:
        if event_name.startswith("before-send."):
            return [(self, self._send(arguments["request"]))]
        return self._emitter.emit(event_name, **arguments)


class _Body(BytesIO):
    """The body of a response as botocore reads it."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def boto3_client(
    simulation: Simulation, wire: bool, poll_seconds: float, arguments: Mapping[str, Any]
) -> Any:
    """Return a boto3 client that a simulation answers; see `Simulation.boto3_client`."""
    given = {"region_name": simulation.region, **CREDENTIALS, **arguments}
    with _session_lock:
        client = _session().client("swf", **given)
    client._make_request = partial(Responder(simulation, wire, poll_seconds).make_request, client)
    return client


@overload
def mock_swf(simulation: Function) -> Function: ...


@overload
def mock_swf(
    simulation: Simulation | None = None, wire: bool = False, poll_seconds: float = 60
) -> _GeneratorContextManager[Simulation]: ...


def mock_swf(simulation: Any = None, wire: bool = False, poll_seconds: float = 60) -> Any:
    """Answer every boto3 SWF client of this process from a simulation, for a while.

    Use it in a ``with`` statement, or as a decorator with or without parentheses. Clients may be
    made before or inside; other services are not affected, so it works inside moto's ``mock_aws``
    and around it. If several are nested, the innermost answers. If several threads use one each,
    each answers its own thread, and the clients made there wherever they are used.

    Args:
        simulation: the simulation that responder; a new one each time by default.
        wire: whether every byte of request and response is really made and parsed.
        poll_seconds: for how many simulated seconds polls wait for a task.

    Example:
        >>> with mock_swf() as simulation:
        ...     client = boto3.client("swf", region_name="us-east-1")
        ...     client.list_domains(registrationStatus="REGISTERED")["domainInfos"]
        []
    """
    if callable(simulation):
        return _mocked(None, wire, poll_seconds)(simulation)
    return _mocked(simulation, wire, poll_seconds)


@contextmanager
def _mocked(simulation: Simulation | None, wire: bool, poll_seconds: float) -> Iterator[Simulation]:
    from flowy_sim._simulation.simulation import Simulation

    answering = Simulation() if simulation is None else simulation
    responder = Responder(answering, wire, poll_seconds)
    _mocks.enter(responder)
    try:
        yield answering
    finally:
        _mocks.leave(responder)


class _Mocks:
    """The mocks that are active, in any number of threads.

    A call is answered by the mock that its thread entered last. In a thread that has entered none,
    it is answered by the mock that was active when the client was made, or else by the one that any
    thread entered last.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._entered: list[tuple[int, Responder]] = []
        self._real: tuple[Any, Any] = (None, None)

    def enter(self, responder: Responder) -> None:
        clients: Any = BaseClient
        sessions: Any = Session
        with self._lock:
            if not self._entered:
                self._real = clients._make_request, sessions.create_client
                clients._make_request = self._maker(clients._make_request)
                sessions.create_client = self._creator(sessions.create_client)
            self._entered.append((threading.get_ident(), responder))

    def leave(self, responder: Responder) -> None:
        clients: Any = BaseClient
        sessions: Any = Session
        with self._lock:
            self._entered = [entry for entry in self._entered if entry[1] is not responder]
            if not self._entered:
                clients._make_request, sessions.create_client = self._real

    def _answering(self, client: Any = None) -> Responder | None:
        entered = self._entered
        own = [responder for thread, responder in entered if thread == threading.get_ident()]
        if own:
            return own[-1]
        bound = getattr(client, _BOUND, None)
        if any(responder is bound for _, responder in entered):
            return bound
        return entered[-1][1] if entered else None

    def _maker(self, make_request: Any) -> Any:
        def make_request_here(client: Any, operation_model: Any, *arguments: Any) -> Any:
            if operation_model.service_model.service_name == "swf":
                responder = self._answering(client)
                if responder is not None:
                    return responder.make_request(client, operation_model, *arguments)
            return make_request(client, operation_model, *arguments)

        return make_request_here

    def _creator(self, create_client: Any) -> Any:
        def create_client_here(
            session: Any, service_name: str, *arguments: Any, **given: Any
        ) -> Any:
            responder = self._answering() if service_name == "swf" else None
            if responder is None:
                return create_client(session, service_name, *arguments, **given)
            if not arguments and not given.get("aws_access_key_id"):
                given |= CREDENTIALS
            client = create_client(session, service_name, *arguments, **given)
            setattr(client, _BOUND, responder)
            return client

        return create_client_here


_BOUND = "_flowy_sim_answers"
_mocks = _Mocks()


@cache
def _session() -> boto3.Session:
    return boto3.Session()


def _response(url: str, status: int, headers: Any, body: bytes) -> AWSResponse:
    return AWSResponse(url, status, headers, _Body(body))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
