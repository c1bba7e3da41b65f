"""What protects web pages of the server: response headers, and tokens against forged requests.

Every response to a browser has the headers, so that even a JSON text that contains HTML is never
shown as a page. Actions of pages also need a token: `Guard` already refuses requests that a browser
marks as another origin's, but old browsers and extensions omit the marks.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.types import ASGIApp

from flowy_sim._server.http import Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
"""Everything comes from files of this server: no inline scripts or styles, no other host."""

PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The headers of all responses that a browser could show."""

ACTION_HEADER = "x-flowy-action"
"""The header in which scripts of pages send the token."""


class ActionTokens:
    """Tokens that pages receive and send back with each action.

    A page of another origin can send a form here, but it can neither read a token nor set a header.
    A token is valid for one session of a browser until the server restarts.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, session: str) -> str:
        """Return the token of a browser's session.

        Args:
            session: what identifies the session, such as the value of its cookie.
        """
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def is_valid(self, session: str, headers: Mapping[str, str]) -> bool:
        """Return whether an action has the token of its session.

        Args:
            session: as for `issue`.
            headers: the request's headers by their names in lower case.
        """
        given = headers.get(ACTION_HEADER, "")
        return hmac.compare_digest(self.issue(session).encode(), given.encode())


def with_page_headers(application: ASGIApp) -> ASGIApp:
    """Return an application whose responses have `PAGE_HEADERS`."""
    added = [(name.lower().encode(), value.encode()) for name, value in PAGE_HEADERS.items()]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await application(scope, receive, send_with_headers)

    return answer
