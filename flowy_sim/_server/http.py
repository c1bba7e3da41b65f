"""HTTP messages over ASGI: reading requests, sending responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from flowy_sim._clients.wire import Response
from flowy_sim._engine.faults import Fault

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: The maximum size of the head of a request, in bytes.
MAX_HEAD = 65_536
#: The maximum size of the body of a request in bytes, as the service's front end counts them.
MAX_BODY = 1_049_600


class HeadTooLargeError(Exception):
    """The head of a request is too large."""


class BodyTooLargeError(Exception):
    """The body of a request is too large."""


class DisconnectedError(Exception):
    """The client closed the connection before its request was complete."""


def read_headers(scope: Scope) -> dict[str, str]:
    """Return the headers of a request, by their names in lower case.

    Raises:
        HeadTooLargeError: they are larger than `MAX_HEAD`.
    """
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEAD:
        raise HeadTooLargeError
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        BodyTooLargeError: it is larger than `MAX_BODY`; no more than that was read.
        DisconnectedError: the client closed the connection before its end.
    """
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise BodyTooLargeError
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise DisconnectedError
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_BODY:
            raise BodyTooLargeError
        if not message.get("more_body"):
            return body


async def respond(send: Send, response: Response) -> None:
    """Send a response."""
    headers = [(name.encode("latin-1"), value.encode()) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


class RequestEntityTooLargeException(Fault):
    """The body of a request is too large."""

    namespace = "com.amazon.coral.service"

    def __init__(self) -> None:
        # Assumption: oversized-body: the sentence of another service behind the same front end,
        # as a fault, so that SDKs show it.
        super().__init__(f"HTTP content length exceeded {MAX_BODY} bytes.")
