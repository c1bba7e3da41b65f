"""HTTP messages: requests, responses as bytes, and what the ASGI application needs of both."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from flowy_sim._clients.wire import Response
from flowy_sim._engine.faults import Fault

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: What the paths of the control API, and of pages, begin with.
PREFIX = "/_flowy"
#: The maximum size of the head of a request, in bytes.
MAX_HEAD = 65_536
#: The maximum size of the body of a request in bytes, as the service's front end counts them.
MAX_BODY = 1_049_600
_JSON = "application/x-amz-json-1.0"

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}


#: Number of beginnings of responses that are remembered.
_MANY = 100
#: The headers that the response to a poll and its line in the log need.
_KEPT = ("authorization", "content-type", "origin", "user-agent", "x-amz-target")


class HttpRequest:
    """A request, while it arrives and until it is answered.

    Attributes:
        client: the address it comes from.
        began: when its first byte came, as `time.perf_counter` counts.
        method: such as ``POST``.
        path: the path, with escapes decoded.
        target: path and query, as received.
        version: ``1.1`` or ``1.0``.
        headers: by their names in lower case.
        body: as much of the body as has come.
        keeps_alive: whether the connection may stay open after the response.
        refusal: the response that it gets whatever else comes; None if there is none.
    """

    __slots__ = (
        "began",
        "body",
        "client",
        "headers",
        "keeps_alive",
        "method",
        "path",
        "refusal",
        "target",
        "version",
    )

    def __init__(self, client: str) -> None:
        self.client = client
        self.began = time.perf_counter()
        self.method = ""
        self.path = ""
        self.target = ""
        self.version = "1.1"
        self.headers: dict[str, str] = {}
        self.body = b""
        self.keeps_alive = True
        self.refusal: Response | None = None

    @property
    def program(self) -> str:
        """The name and version of the calling program or its SDK."""
        return self.headers.get("user-agent", "").partition(" ")[0]

    def release_memory(self) -> None:
        """Forget what the response does not need: thousands of polls may wait for a long time."""
        self.body = b""
        headers = self.headers
        self.headers = {name: headers[name] for name in _KEPT if name in headers}


def head_of(status: int, headers: Iterable[tuple[str, str]], *, closes: bool) -> bytes:
    """Return the head of a response.

    Args:
        status: its status code.
        headers: the names and values of its headers.
        closes: whether the connection is closed after it.
    """
    begin = _begin(status)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    end = "connection: close\r\n\r\n" if closes else "\r\n"
    return f"{begin}{lines}{end}".encode("latin-1")


_begins: dict[tuple[int, int], str] = {}


def _begin(status: int) -> str:
    """Return the first line of a response, and the one with the date."""
    key = status, int(time.time())
    begin = _begins.get(key)
    if begin is None:
        if len(_begins) >= _MANY:
            _begins.clear()
        line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status}\r\n"
        begin = _begins[key] = f"{line}date: {formatdate(key[1], usegmt=True)}\r\n"
    return begin


def text_response(status: int, text: str, kind: str = "text/plain; charset=utf-8") -> Response:
    """Return a response with a text."""
    body = text.encode()
    return Response(status, {"Content-Type": kind, "Content-Length": str(len(body))}, body)


class JsonReply(JSONResponse):
    """A reply of the control API or of a page, in JSON.

    IDs may hold lone surrogates, which cannot be encoded; JSON has escapes for everything.
    """

    def render(self, content: Any) -> bytes:
        """Return its body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def unavailable(message: str) -> Response:
    """Return the response of a service that cannot carry out a request now."""
    name = "com.amazon.coral.availability#ServiceUnavailableException"
    return text_response(503, json.dumps({"__type": name, "message": message}), _JSON)


class RequestEntityTooLargeException(Fault):
    """The body of a request is too large."""

    namespace = "com.amazon.coral.service"

    def __init__(self) -> None:
        # Assumption: oversized-body: the sentence of another service behind the same front end,
        # as a fault, so that SDKs show it.
        super().__init__(f"HTTP content length exceeded {MAX_BODY} bytes.")


def read_headers(scope: Scope) -> dict[str, str]:
    """Return the headers of a request to the ASGI application, by their names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(receive: Receive) -> bytes:
    """Return the body of a request to the ASGI application, which has come completely."""
    body: bytes = (await receive()).get("body", b"")
    return body
