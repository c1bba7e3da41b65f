"""Which requests are let in at all: by where they come from and under which name they call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from flowy_sim._server.settings import ServerSettings

ANY = "*"


class NotAdmittedError(Exception):
    """A request is not let in; the message says why, and what would let it in."""


class Guard:
    """Lets requests in.

    A web page in somebody's browser must not reach a server on their machine. Pages that call
    from another origin say so in ``Origin``; pages whose own name was made to point to this
    machine (DNS rebinding) call under that name.

    Args:
        settings: say who may call.
    """

    def __init__(self, settings: ServerSettings) -> None:
        """Know who may call."""
        self._settings = settings
        self._hosts = frozenset(host.lower() for host in settings.hosts)

    def check(self, peer: str, headers: Mapping[str, str]) -> None:
        """Let a request in.

        Args:
            peer: the address that it comes from.
            headers: by their names in lower case.

        Raises:
            NotAdmittedError: it may not come in.
        """
        settings = self._settings
        if not (settings.allow_remote or settings.secrets or is_loopback(peer)):
            raise NotAdmittedError(
                f"The request comes from another machine ({peer}); start the server with "
                "--allow-remote to let in everybody who can reach it, or with --keys to let in "
                "who signs with a key."
            )
        host = _host_name(headers.get("host", ""))
        if not self._knows_host(host):
            if not host:
                raise NotAdmittedError(
                    "The request does not say which host it calls; send a Host header."
                )
            raise NotAdmittedError(
                f"The server does not go by the name {host!r}; start it with --allow-host {host}."
            )
        origin = headers.get("origin")
        if origin is not None and not {origin, ANY} & set(settings.origins):
            raise NotAdmittedError(
                f"Web pages of {origin} may not call; start the server with --allow-origin "
                f"{origin}."
            )

    def check_control(self, peer: str) -> None:
        """Let a request in that is about the simulation itself, its time say.

        Raises:
            NotAdmittedError: it may not come in.
        """
        if not (self._settings.allow_remote or is_loopback(peer)):
            raise NotAdmittedError(
                f"The request comes from another machine ({peer}), which may call Amazon SWF "
                "only; start the server with --allow-remote to let it do all that this one may."
            )

    def _knows_host(self, host: str) -> bool:
        if ANY in self._hosts or host in self._hosts:
            return True
        return host == "localhost" or host.endswith(".localhost") or _is_address(host)


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


@lru_cache(maxsize=1024)
def _host_name(header: str) -> str:
    """Return the name or address of a Host header, in lower case, without the port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


@lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    # Nobody can make an address point to another machine than its own.
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
