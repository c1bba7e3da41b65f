"""Page tokens: where the next page of a list begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from random import Random
from typing import Any

from flowy_sim.engine.faults import ValidationException

#: How long a page token is good for, in milliseconds, as documented.
LIFETIME = 24 * 60 * 60 * 1000

_HEADER = bytes.fromhex("0000002a000000020000000000000002")
_DIGEST_LENGTH = 8


class PageTokens:
    """Makes page tokens, and reads the tokens of its own."""

    def __init__(self, random: Random) -> None:
        """Draw the secret that tells its own tokens from others."""
        self._secret = random.randbytes(32)

    def write(self, operation: str, now: int, position: list[Any]) -> str:
        """Return a token for the next page.

        Args:
            operation: the operation that may use it.
            now: milliseconds since 1970; its lifetime begins.
            position: where the next page begins: strings and numbers.
        """
        content = json.dumps([operation, now, *position], ensure_ascii=False, separators=(",", ":"))
        body = _HEADER + content.encode("utf-8", "surrogatepass")
        return base64.b64encode(body + self._digest(body)).decode()

    def read(self, operation: str, now: int, text: str) -> list[Any]:
        """Return the position that a token of this operation was made with.

        Raises:
            ValidationException: it is no such token, or older than `LIFETIME`.
        """
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValidationException("Invalid token") from None
        body, digest = content[:-_DIGEST_LENGTH], content[-_DIGEST_LENGTH:]
        if self._digest(body) != digest:
            raise ValidationException("Invalid token")
        made_for, made_at, *rest = json.loads(body[len(_HEADER) :])
        position: list[Any] = rest
        if made_for != operation:
            raise ValidationException("Invalid token")
        if now - made_at > LIFETIME:
            raise ValidationException("Specified token has exceeded its maximum lifetime")
        return position

    def _digest(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=_DIGEST_LENGTH, key=self._secret).digest()


def page_size(request: dict[str, Any], most: int) -> int:
    """Return how many results a page may hold; ``maximumPageSize`` 0 or absent means `most`."""
    return min(request.get("maximumPageSize") or most, most)
