"""Access to pages: sessions of browsers, credentials exchanged for a cookie, and forged actions.

1. A server without keys and without a token for control requests shows its pages to whoever may
   send it control requests, as `flowy_sim._server.request_guard` decides.
2. With either, a person enters the token, or a key with its secret, once. A browser cannot sign
   requests, and an event stream cannot have headers, so the browser receives a cookie instead. No
   script can read it, and browsers do not send it with requests of other sites. A key opens only
   the simulations of its account.
3. An action is a POST of a page of this server, by its ``Origin`` and ``Sec-Fetch-Site``. It needs
   the token that the page contains, which belongs to the cookie.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import Response

from flowy_sim._server.auth import SignedRequest
from flowy_sim._server.http import read_headers
from flowy_sim._server.request_guard import ActionTokens, ForbiddenError, Guard, is_own_origin
from flowy_sim._server.settings import ServerSettings

_MANY = 1_000
"""The number of browsers that may have exchanged credentials; the first ones are forgotten."""


class LoginNeededError(Exception):
    """The pages need credentials, and the browser has not sent any."""


class Access:
    """Decides what a browser may see and do.

    Args:
        settings: how the server is set up.
        guard: checks the credentials of control requests.
    """

    def __init__(self, settings: ServerSettings, guard: Guard) -> None:
        self._settings = settings
        self._guard = guard
        self._actions = ActionTokens()
        self._accounts: OrderedDict[str, str] = OrderedDict()

    @property
    def needs_login(self) -> bool:
        """Whether pages need credentials."""
        return bool(self._settings.secrets or self._settings.control_token)

    def check(self, request: Request, account: str, body: bytes = b"") -> None:
        """Check that a browser may see the simulations of an account.

        Args:
            request: the request.
            account: the account; empty for the server's own.
            body: the body of the request, if it has one.

        Raises:
            LoginNeededError: it has to exchange credentials first.
            ForbiddenError: it may not.
        """
        headers = read_headers(request.scope)
        origin = headers.get("origin")
        if origin is not None and not is_own_origin(origin, headers.get("host", "")):
            raise ForbiddenError("Web pages of other origins may not use the console.")
        account = account or self._settings.account
        if not self.needs_login or "authorization" in headers:
            peer = request.client.host if request.client else ""
            self._guard.check_control(peer, SignedRequest.of(request.scope, headers, body), account)
            return
        opened = self._accounts.get(self.session(request))
        if opened is None:
            raise LoginNeededError
        if opened not in ("", account):
            raise ForbiddenError(
                f"The key belongs to account {opened}, but the page shows account {account}; "
                "use a key of that account, or the token of --control-token."
            )

    def check_action(self, request: Request, account: str, body: bytes) -> None:
        """Check that a browser may change the simulations of an account.

        Raises:
            LoginNeededError: it has to exchange credentials first.
            ForbiddenError: it may not, or another page may have forged the request.
        """
        self.check(request, account, body)
        headers = read_headers(request.scope)
        session = self.session(request)
        if not session or not self._actions.is_valid(session, headers):
            raise ForbiddenError(
                "The action was not sent by a page of this server, or the server has restarted "
                "since the page was opened; reload the page."
            )

    def log_in(self, token: str, key: str, secret: str) -> str:
        """Exchange credentials for a session; return its cookie.

        Args:
            token: the token for control requests; empty if a key is given.
            key: an access key ID.
            secret: its secret.

        Raises:
            ForbiddenError: they are wrong.
        """
        settings = self._settings
        if token:
            if not settings.control_token or not _equal(token, settings.control_token):
                raise ForbiddenError("The token is wrong; enter the server's control token.")
            opened = ""
        else:
            expected = settings.secrets.get(key)
            if expected is None or not _equal(secret, expected):
                raise ForbiddenError(
                    "The access key ID or its secret is wrong; enter one of the server's keys."
                )
            opened = settings.accounts.get(key, settings.account)
        session = secrets.token_urlsafe(32)
        self._accounts[session] = opened
        if len(self._accounts) > _MANY:
            self._accounts.popitem(last=False)
        return session

    def account_of(self, request: Request) -> str:
        """Return the account that a browser's key belongs to; empty for no restriction."""
        return self._accounts.get(self.session(request), "")

    def session(self, request: Request) -> str:
        """Return the session of a browser; empty if it has none."""
        return request.cookies.get(_cookie_name(request), "")

    def action_token(self, session: str) -> str:
        """Return the token for the actions of a session."""
        return self._actions.issue(session)

    def set_cookie(self, request: Request, response: Response, session: str) -> None:
        """Let a response give a browser its session."""
        response.set_cookie(_cookie_name(request), session, httponly=True, samesite="strict")


def _cookie_name(request: Request) -> str:
    # Browsers send cookies to all ports of a host.
    return f"flowy_sim_{request.url.port or 80}"


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
