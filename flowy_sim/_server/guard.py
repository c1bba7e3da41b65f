"""Which requests are accepted at all, by their origin and the host name they use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from flowy_sim._server.settings import ServerSettings

ANY = "*"


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
        self._hosts = frozenset(host.lower() for host in settings.hosts)

    def check(self, peer: str, headers: Mapping[str, str]) -> None:
        """Check a request.

        Args:
            peer: the address that it comes from.
            headers: by their names in lower case.

        Raises:
            ForbiddenError: it is not accepted.
        """
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
                f"--allow-host {host}."
            )
        origin = headers.get("origin")
        if origin is not None and not {origin, ANY} & set(settings.origins):
            raise ForbiddenError(
                f"Web pages of {origin} may not call; start the server with --allow-origin "
                f"{origin}."
            )

    def check_control(self, peer: str) -> None:
        """Check a request that controls a simulation, such as its clock.

        Raises:
            ForbiddenError: it is not accepted.
        """
        if not (self._settings.allow_remote or is_loopback(peer)):
            raise ForbiddenError(
                f"The request comes from another machine ({peer}), which may only call Amazon SWF; "
                "start the server with --allow-remote to accept all its requests."
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
    # Unlike a name, an address cannot be made to point to another machine.
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
