"""Which requests are accepted, judging by their origin, host name and credentials.

1. A request to the host name of another machine is refused.
2. So is a request of another origin's web page. Browsers name the origin in ``Origin``, and say in
   ``Sec-Fetch-Site`` whether a page of this server made the request. Images and links, which have
   no ``Origin``, have only that. Programs that are not browsers send neither.
3. A request from another machine is refused unless `allow_remote` is set or it is signed.
4. With keys, or a token for control requests, a control request needs a signature or the token, no
   matter where it comes from: behind a reverse proxy, all requests come from this machine.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from flowy._safe_text import safe_text
from flowy_sim._engine.faults import Fault
from flowy_sim._server.auth import ALGORITHM, Authenticator, SignedRequest
from flowy_sim._server.http import Receive, Scope, Send
from flowy_sim._server.settings import ServerSettings

ANY = "*"


#: The values of ``Sec-Fetch-Site`` of requests made by pages of this server, or by the user.
_OWN_SITE = ("same-origin", "none")


#: The headers by which requests are accepted.
_JUDGED = ("host", "origin", "sec-fetch-site")
#: Number of combinations of them that are remembered.
_MANY = 100
_BEARER = "Bearer "


class ForbiddenError(Exception):
    """A request is not accepted; the message says why, and how to have it accepted."""


class Guard:
    """Refuses requests that should not reach the server.

    A web page in a browser must not reach a server on the same machine. Pages that call from
    another origin say so in ``Origin``; pages whose own name was made to point to this machine
    (DNS rebinding) call it by that name.

    Args:
        settings: determine which clients may call.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._authenticator = Authenticator(settings)
        self._hosts = frozenset(host.lower() for host in settings.hosts)
        # Combinations that were accepted: clients send the same ones again and again.
        self._accepted: set[tuple[str | None, ...]] = set()

    def check(self, peer: str, headers: Mapping[str, str]) -> None:
        """Check a request.

        Args:
            peer: the address that it comes from.
            headers: by their names in lower case.

        Raises:
            ForbiddenError: it is not accepted.
        """
        judged = (peer, *map(headers.get, _JUDGED))
        if judged in self._accepted:
            return
        self._check(peer, headers)
        if len(self._accepted) >= _MANY:
            self._accepted.clear()
        self._accepted.add(judged)

    def _check(self, peer: str, headers: Mapping[str, str]) -> None:
        settings = self._settings
        if not (settings.allow_remote or settings.secrets or is_loopback(peer)):
            raise ForbiddenError(
                f"The request comes from another machine ({peer}); start the server with "
                "--allow-remote to accept every client that can reach it, or with --keys to accept "
                "clients that sign with a key."
            )
        host = _host_name(headers.get("host", ""))
        if not self._knows_host(host):
            if not host:
                raise ForbiddenError("The request names no host; send a Host header.")
            raise ForbiddenError(
                f"The server does not accept the host name {host!r}; start it with "
                f"--allow-host {safe_text(host)}."
            )
        self._check_page(headers)

    def _check_page(self, headers: Mapping[str, str]) -> None:
        """Refuse requests of other origins' web pages."""
        origin = headers.get("origin")
        if ANY in self._settings.origins or origin in self._settings.origins:
            return
        if origin is not None and not is_own_origin(origin, headers.get("host", "")):
            shown = safe_text(origin)
            raise ForbiddenError(
                f"Web pages of {shown} may not call; start the server with --allow-origin {shown}."
            )
        site = headers.get("sec-fetch-site", "none")
        if site not in _OWN_SITE:
            raise ForbiddenError(
                f"A web page of another origin made the request (Sec-Fetch-Site: "
                f"{safe_text(site)}); start the server with --allow-origin to accept pages, and "
                "call it with fetch(), which names the page's origin."
            )

    def judge_control(self, headers: Mapping[str, str]) -> None:
        """Check what the head of a control request says about its signature, if it has one.

        Raises:
            ForbiddenError: it cannot be accepted, whatever its body is.
        """
        if headers.get("authorization", "").startswith(ALGORITHM):
            try:
                self._authenticator.judge(headers)
            except Fault as fault:
                raise _unsigned(fault) from fault

    def check_control(self, peer: str, request: SignedRequest, account: str) -> None:
        """Check a request that controls simulations, such as their clocks.

        Args:
            peer: the address that it comes from.
            request: the request.
            account: the account whose simulations it is about; empty for the whole server.

        Raises:
            ForbiddenError: it is not accepted.
        """
        settings = self._settings
        if settings.secrets or settings.control_token:
            self._check_credentials(request, account)
        elif not (settings.allow_remote or is_loopback(peer)):
            raise ForbiddenError(
                f"The request comes from another machine ({peer}), which may only call Amazon SWF; "
                "start the server with --allow-remote to accept all its requests."
            )

    def _check_credentials(self, request: SignedRequest, account: str) -> None:
        """Check the token or the signature of a control request.

        The token opens the whole server, a key only the simulations of its account.
        """
        authorization = request.headers.get("authorization", "")
        token = self._settings.control_token
        if authorization.startswith(_BEARER):
            given = authorization.removeprefix(_BEARER).strip()
            if token and hmac.compare_digest(given.encode(), token.encode()):
                return
            raise ForbiddenError("The token is wrong; send the one that the server started with.")
        if not self._settings.secrets:
            raise ForbiddenError(
                "Control requests need the server's token: send 'Authorization: Bearer TOKEN'."
            )
        try:
            identity = self._authenticator.identify(request)
        except Fault as fault:
            raise _unsigned(fault) from fault
        if account != identity.account:
            whose = f"account {account}" if account else "all accounts"
            raise ForbiddenError(
                f"The key belongs to account {identity.account}, and the request is about "
                f"{safe_text(whose)}; use a key of that account, or the token of --control-token."
            )

    def _knows_host(self, host: str) -> bool:
        if ANY in self._hosts or host in self._hosts:
            return True
        return host == "localhost" or host.endswith(".localhost") or _is_address(host)


def _unsigned(fault: Fault) -> ForbiddenError:
    why = (fault.message or fault.code).rstrip(".")
    return ForbiddenError(
        f"Control requests need a signature ({safe_text(why)}): sign with a key of the server, "
        "such as with curl --aws-sigv4 aws:amz:us-east-1:swf, or send 'Authorization: Bearer "
        "TOKEN' with the token of --control-token."
    )


@lru_cache(maxsize=1024)
def is_loopback(peer: str) -> bool:
    """Return whether an address is one of the machine itself.

    >>> is_loopback("127.0.0.1"), is_loopback("::ffff:127.0.0.1"), is_loopback("10.0.0.1")
    (True, True, False)
    """
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def is_own_origin(origin: str, host: str) -> bool:
    """Return whether an origin is the server itself, under the name by which it is called."""
    scheme, separator, rest = origin.lower().partition("://")
    return bool(separator) and scheme in ("http", "https") and rest == host.lower()


@lru_cache(maxsize=1024)
def _host_name(header: str) -> str:
    """Return the name or address of a Host header, in lower case, without the port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


@lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    # Unlike a name, an address cannot be made to point to another machine.
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


# What protects web pages of the server: response headers, and tokens against forged requests.
#
# Every response to a browser has the headers, so that even a JSON text that contains HTML is never
# shown as a page. Actions of pages also need a token: `Guard` already refuses requests that a
# browser marks as another origin's, but old browsers and extensions omit the marks.

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
"""Everything comes from files of this server: no inline scripts or styles, no other host."""


PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    # Without a referrer, forms of pages would be sent with "Origin: null".
    "Referrer-Policy": "same-origin",
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
    """Return an application whose responses have `PAGE_HEADERS`.

    A response that does not say for how long it may be kept must not be kept at all: otherwise the
    next user of a browser would see what the last one was shown.
    """
    unkept = (b"cache-control", b"no-store")
    added = [(name.lower().encode(), value.encode()) for name, value in PAGE_HEADERS.items()]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *added]
                if all(name.lower() != unkept[0] for name, _ in headers):
                    headers.append(unkept)
                message["headers"] = headers
            await send(message)

        await application(scope, receive, send_with_headers)

    return answer
