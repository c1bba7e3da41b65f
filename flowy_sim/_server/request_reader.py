"""Requests of a connection, read as their bytes come.

httptools parses them. A request is judged by its head, before its body is read, and all bodies of
requests that are not answered count against one total.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httptools

from flowy_sim._clients.wire import Response
from flowy_sim._server.http import MAX_BODY, MAX_HEAD, HttpRequest, text_response, unavailable

#: Bytes of all bodies together that may be in memory until their requests are answered.
MAX_BODIES = 256 * 1024 * 1024
#: A number of bytes that is never reached in one read.
_MUCH = 1 << 30

_TOO_MANY_BODIES = unavailable(
    f"The requests that are being sent to the server exceed {MAX_BODIES} bytes together; try again."
)
_NO_PROXY = text_response(400, "This server is not a proxy; it does not support CONNECT.")
_MALFORMED = text_response(400, "The request is not valid HTTP.")
_HEAD_TOO_LARGE = Response(431, {"Content-Length": "0"}, b"")

#: How clients spell the names of headers, and how they are looked up.
_NAMES = {
    spelled.encode(): name
    for name in (
        "accept",
        "accept-encoding",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-target",
        "x-amz-user-agent",
    )
    for spelled in (name, name.title())
}

#: Headers that have one value: in a request that repeats one, the parts of the server, or a proxy
#: before it, could each follow another value. RFC 9112 demands the refusal for ``Host``.
_HAVE_ONE_VALUE = frozenset(
    {
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "origin",
        "sec-fetch-site",
        "smithy-protocol",
        "transfer-encoding",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-target",
    }
)


class Judging(Protocol):
    """What judges requests before they are complete."""

    def judge(self, request: HttpRequest) -> Response | None:
        """Return why a request is refused, judging by its head; None if it is not."""
        ...

    def too_large(self, request: HttpRequest) -> Response:
        """Return the response to a request whose body is too large."""
        ...


class Bodies:
    """All bodies of requests that are not answered.

    Attributes:
        size: their size together, in bytes.
    """

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0


class RequestReader:
    """Reads the requests of a connection, one after the other.

    Args:
        host: the address that they come from.
        judging: judges them.
        bodies: the bodies of all connections.
        complete: receives requests that are complete; code that takes one from there also takes its
            body from the total.

    Attributes:
        host: as given.
        request: the request that is not finished; None if there is none.
        invites_body: whether the client waits to be told to send the body of its request.
    """

    __slots__ = (
        "_bodies",
        "_complete",
        "_declined",
        "_headers",
        "_in_head",
        "_is_idle",
        "_is_malformed",
        "_judging",
        "_parser",
        "_unfinished_head",
        "_url",
        "host",
        "invites_body",
        "request",
    )

    def __init__(
        self, host: str, judging: Judging, bodies: Bodies, complete: deque[HttpRequest]
    ) -> None:
        self.host = host
        self.request: HttpRequest | None = None
        self.invites_body = False
        self._judging = judging
        self._bodies = bodies
        self._complete = complete
        self._is_malformed = False
        self._parser: Any = httptools.HttpRequestParser(self)
        self._is_idle = False
        self._unfinished_head = 0
        self._declined = b""
        self._in_head = False
        self._url = b""
        self._headers: dict[str, str] = {}

    @property
    def is_reading(self) -> bool:
        """Whether it has not been stopped."""
        return self._parser is not None

    def feed(self, data: bytes, *, is_idle: bool) -> Response | None:
        """Parse bytes.

        Args:
            data: the bytes.
            is_idle: whether no request of the connection is being answered.

        Returns:
            Why the unfinished request, and all that follows, is refused; None if it is not.
        """
        self._is_idle = is_idle
        self.invites_body = False
        self._unfinished_head += len(data)
        refusal = None
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._parse_declined(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            refusal = _MALFORMED
        else:
            if self._in_head and self._unfinished_head > MAX_HEAD:
                refusal = _HEAD_TOO_LARGE
            elif self.request is not None:
                # Its body is not there yet, and is not waited for if it is refused.
                refusal = self.request.refusal
        self._unfinished_head = max(0, self._unfinished_head) if self._in_head else 0
        return refusal

    def drop_request(self) -> HttpRequest | None:
        """Return the request that is not finished, if there is one; read it no further."""
        request, self.request = self.request, None
        if request is not None:
            self._bodies.size -= len(request.body)
        return request

    def stop(self) -> None:
        """Stop reading, and forget the parser, which refers to this reader."""
        self._parser = None

    def _parse_declined(self, rest: bytes) -> None:
        """Parse a request that has offered another protocol again, such as HTTP/2.

        To decline it, the request is parsed without that offer: the parser has taken its body for
        the other protocol.

        Args:
            rest: what has come after its head.
        """
        while self._declined:
            head, self._declined = self._declined, b""
            self._parser = httptools.HttpRequestParser(self)
            try:
                self._parser.feed_data(head + rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = (head + rest)[upgrade.args[0] :]
            else:
                return
        self.stop()

    # Called by the parser

    def on_message_begin(self) -> None:
        """Begin the head of a request."""
        self._in_head = True
        self._is_malformed = False
        self._url = b""
        self.request = request = HttpRequest(self.host)
        self._headers = request.headers

    def on_url(self, url: bytes) -> None:
        """Add to the target of a request."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, unless it comes after the body."""
        if not self._in_head:
            return
        known = _NAMES.get(name) or name.decode("latin-1").lower()
        value = value.rstrip(b" \t")  # The parser keeps blanks, which are not part of the value.
        headers = self._headers
        if known not in headers:
            headers[known] = value.decode("latin-1")
        elif known in _HAVE_ONE_VALUE:
            self._is_malformed = True
        else:
            headers[known] += f", {value.decode('latin-1')}"

    def on_headers_complete(self) -> None:
        """Judge a request by its head."""
        self._in_head = False
        request, parser, url = self.request, self._parser, self._url
        assert request is not None
        headers = request.headers
        request.method = parser.get_method().decode()
        if parser.should_upgrade() and not self._is_malformed:
            self._decline(request)
            return
        request.version = parser.get_http_version()
        request.keeps_alive = parser.should_keep_alive()
        if url == b"/":
            request.target = request.path = "/"
        else:
            request.target, request.path = url.decode("latin-1"), _path_of(url)
            if _host_of(url) not in (None, headers.get("host", "").lower()):
                self._is_malformed = True
        length = headers.get("content-length", "0")
        if not 0 <= self._unfinished_head <= MAX_HEAD and self._is_head_too_large():
            request.refusal = _HEAD_TOO_LARGE
        elif self._is_malformed:
            request.refusal = _MALFORMED
        elif not length.isdecimal() or len(length) > 9 or int(length) > MAX_BODY:
            request.refusal = self._judging.too_large(request)
        else:
            request.refusal = self._judging.judge(request)
        if (
            "expect" in headers
            and headers["expect"].lower() == "100-continue"
            and request.refusal is None
            and self._is_idle
            and not self._complete
        ):
            self.invites_body = True

    def _is_head_too_large(self) -> bool:
        """Return whether its lines are too large; the data may hold other requests as well."""
        lines = self.request.headers.items()  # type: ignore[union-attr]
        return len(self._url) + sum(len(name) + len(value) for name, value in lines) > MAX_HEAD

    def _decline(self, request: HttpRequest) -> None:
        """Prepare to parse a request again, without the offer of another protocol."""
        if request.method == "CONNECT":
            request.refusal, request.keeps_alive = _NO_PROXY, False
            return
        lines = [f"{request.method} {self._url.decode('latin-1')} HTTP/1.1"]
        for name, value in request.headers.items():
            if name not in ("connection", "http2-settings", "upgrade"):
                lines.append(f"{name}: {value}")
        self._declined = "\r\n".join([*lines, "", ""]).encode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Add to the body of a request."""
        request, bodies = self.request, self._bodies
        assert request is not None
        if request.refusal is not None:
            return
        request.body += body
        bodies.size += len(body)
        if len(request.body) > MAX_BODY:
            request.refusal = self._judging.too_large(request)
        elif bodies.size > MAX_BODIES:
            request.refusal = _TOO_MANY_BODIES

    def on_message_complete(self) -> None:
        """Note that a request is complete."""
        request = self.request
        assert request is not None
        if self._declined and request.refusal is None:
            return
        # What follows in the same data is not counted.
        self._unfinished_head = -_MUCH
        self.request = None
        self._complete.append(request)


def _host_of(url: bytes) -> str | None:
    """Return the host that a request's target names, as only requests to proxies do; None if none.

    RFC 9112 lets it override ``Host``; so that no part of a server or proxy follows the other one,
    they have to be the same.
    """
    if url.startswith(b"/") or b"://" not in url:
        return None
    try:
        return urlsplit(url.decode("latin-1")).netloc.lower()
    except ValueError:
        return ""


def _path_of(url: bytes) -> str:
    """Return the path of a request's target, with escapes decoded."""
    try:
        path: bytes = httptools.parse_url(url).path or b"/"
    except httptools.HttpParserError:
        path = url.partition(b"?")[0]
    text = path.decode("latin-1")
    return unquote(text) if "%" in text else text
