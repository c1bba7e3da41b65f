"""A bare uvicorn that answers every request with the same body; run as ``python -m bench.bare``."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

BODY = b'{"count":0,"truncated":false}'
HEADERS = [
    (b"content-type", b"application/x-amz-json-1.0"),
    (b"content-length", str(len(BODY)).encode()),
]


async def answer(
    scope: Any,
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Read a request, and answer it."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        answer,
        port=int(sys.argv[-1]),
        loop="asyncio" if "asyncio" in sys.argv else "auto",
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
    )
