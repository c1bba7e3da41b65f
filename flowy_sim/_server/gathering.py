"""Transports that send in one piece what is written bit by bit."""

from __future__ import annotations

import asyncio
from typing import Any


class Gathering(asyncio.Transport):
    """Sends what is written in one turn of the event loop in one piece.

    uvicorn writes head and body of a response one after the other; to send them one by one would
    cost server and client a system call more each, a sixth of all that a short call takes.

    Args:
        transport: what is written to.
        loop: its event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Hold nothing yet."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data soon, with what else is written meanwhile."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def _send(self) -> None:
        if self._parts:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._transport.write(whole)

    def close(self) -> None:
        """End the connection when all is sent."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._parts.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Return whether the connection is ending, or has ended."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport knows, such as its ``socket``."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read nothing for a while."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._transport.resume_reading()
