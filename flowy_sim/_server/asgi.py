"""Runs an ASGI application on a connection: the control API, and the pages."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp

from flowy._safe_text import safe_logger
from flowy_sim._clients.wire import Response
from flowy_sim._server.connections import Connection
from flowy_sim._server.http import HttpRequest, Scope, head_of, text_response

_log = safe_logger("flowy_sim")
_FAILED = text_response(500, "Internal Server Error")
_NO_BODY = (204, 304)


class AsgiCycle:
    """A request to an ASGI application, and its response.

    Args:
        request: the request, complete.
        connection: where it came from.

    Attributes:
        status: of the response; 0 until that is known.
        bytes_out: number of bytes of the body that were sent.
    """

    def __init__(self, request: HttpRequest, connection: Connection) -> None:
        self.status = 0
        self.bytes_out = 0
        self._request = request
        self._connection = connection
        # Asked for at once: of a connection that was closed it cannot be.
        self._server = connection.transport.get_extra_info("sockname")[:2]
        self._body: bytes | None = bytes(request.body)
        self._is_chunked = False
        self._is_over = False

    async def run(self, application: ASGIApp) -> Response | None:
        """Run an application; return None, or a response if it has sent none."""
        try:
            await application(self._scope(), self._receive, self._send)
        except Exception as error:
            _log.error("%s failed", self._request.method, exc_info=error)
        if self._is_over or self._connection.transport.is_closing():
            return None
        if self.status:
            self._connection.transport.abort()
            return None
        self.status = 500
        return _FAILED

    def _scope(self) -> Scope:
        request = self._request
        path, _, query = request.target.encode("latin-1").partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.version,
            "server": self._server,
            "client": (request.client, 0),
            "scheme": "http",
            "root_path": "",
            "method": request.method,
            "path": request.path,
            "raw_path": path,
            "query_string": query,
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in request.headers.items()
            ],
            "state": {},
        }

    async def _receive(self) -> MutableMapping[str, Any]:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        if not self._is_over:
            await self._connection.until_lost()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            await self._connection.send(self._begin(message["status"], message.get("headers", ())))
            return
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        parts = []
        if body and self._request.method != "HEAD" and self.status not in _NO_BODY:
            self.bytes_out += len(body)
            parts = [b"%x\r\n" % len(body), body, b"\r\n"] if self._is_chunked else [body]
        if is_last and self._is_chunked:
            parts.append(b"0\r\n\r\n")
        self._is_over = is_last
        await self._connection.send(b"".join(parts))

    def _begin(self, status: int, given: Any) -> bytes:
        """Return the head of the response, which says where it ends."""
        request = self._request
        self.status = status
        headers: list[tuple[str, str]] = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in given
        ]
        names = {name.lower() for name, _ in headers}
        if "content-length" not in names and request.method != "HEAD" and status not in _NO_BODY:
            if request.version == "1.1":
                self._is_chunked = True
                headers.append(("transfer-encoding", "chunked"))
            else:
                request.keeps_alive = False
        return head_of(status, headers, closes=not request.keeps_alive)
