"""Real boto3 clients, answered in process.

A client passes each call, checked and serialized, to its method ``_make_request``, unless a handler
of its ``before-call`` event has answered already. That method is replaced here: on one client, or
for a while on the class of all clients. So this reaches clients that exist already, comes before
other fakes of AWS such as moto, and leaves no handler behind.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSResponse

from flowy_sim._clients import wire
from flowy_sim._clients.in_process import metadata, parsed_fault
from flowy_sim._engine.faults import Fault
from flowy_sim._simulation.polls import waiting_time

if TYPE_CHECKING:
    from flowy_sim._clients.simulation import Simulation

#: Credentials of clients that are given none, so that those of the user are never read.
CREDENTIALS = {"aws_access_key_id": "simulated", "aws_secret_access_key": "simulated"}

_session_lock = Lock()


class Responder:
    """Answers the calls of boto3 clients from a simulation, in place of ``_make_request``.

    Args:
        simulation: the simulation that is called.
        wire: whether the bytes of request and response are really made and parsed.
        poll_seconds: for how many simulated seconds polls wait for a task.

    Attributes:
        region: the region of clients that are given none.
        threads: the threads that call the simulation.

    Raises:
        ValueError: `poll_seconds` is not a number of at least 0.
    """

    def __init__(self, simulation: Simulation, wire: bool, poll_seconds: float) -> None:
        self.region = simulation.region
        self.threads = simulation.threads
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
        try:
            parsed = self._call(client, operation_model.name, json.loads(request["body"]))
        except Fault as fault:
            return _refusal(request, fault, request_id)
        return _reply(request, parsed, request_id)

    async def make_request_in_event_loop(
        self, client: Any, operation_model: Any, request: dict[str, Any], context: Any = None
    ) -> tuple[AWSResponse, dict[str, Any]]:
        """Return HTTP response and parsed reply, as aiobotocore's method ``_make_request`` does.

        A poll suspends only the coroutine. Arguments are those of `make_request`.
        """
        request_id = self._simulation.request_id()
        try:
            parsed = await self._call_in_event_loop(
                client, operation_model.name, json.loads(request["body"])
            )
        except Fault as fault:
            return _refusal(request, fault, request_id)
        return _reply(request, parsed, request_id)

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

    async def _call_in_event_loop(
        self, client: Any, operation: str, members: dict[str, Any]
    ) -> dict[str, Any]:
        threads, region = self._simulation.threads, client.meta.region_name
        return await threads.call_in_event_loop(operation, members, region, self._poll_seconds)


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


@cache
def _session() -> boto3.Session:
    return boto3.Session()


def _reply(
    request: dict[str, Any], parsed: dict[str, Any], request_id: str
) -> tuple[AWSResponse, dict[str, Any]]:
    parsed["ResponseMetadata"] = metadata(request_id)
    headers = parsed["ResponseMetadata"]["HTTPHeaders"]
    return _response(request["url"], 200, headers, b""), parsed


def _refusal(
    request: dict[str, Any], fault: Fault, request_id: str
) -> tuple[AWSResponse, dict[str, Any]]:
    parsed = parsed_fault(fault, request_id)
    headers = parsed["ResponseMetadata"]["HTTPHeaders"]
    return _response(request["url"], 400, headers, b""), parsed


def _response(url: str, status: int, headers: Any, body: bytes) -> AWSResponse:
    return AWSResponse(url, status, headers, _Body(body))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
