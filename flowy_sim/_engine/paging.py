"""Page tokens: where the next page of a list begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from random import Random
from typing import Any

from flowy_sim._engine.faults import ValidationException

#: How long a page token is valid, in milliseconds, as documented.
LIFETIME = 24 * 60 * 60 * 1000

_HEADER = bytes.fromhex("0000002a000000020000000000000002")
_DIGEST_LENGTH = 8
#: What a part of a token begins with: a number, or the length of the text that follows.
_PART = re.compile(r"(-?[0-9]+)([;:])")


class PageTokens:
    """Makes page tokens, and reads the tokens that it has made.

    A token contains the position itself, so the service keeps nothing for a page that no client may
    ever ask for. A keyed digest shows whether a client has changed it.

    Args:
        random: the secret by which its own tokens are recognized comes from it.
    """

    def __init__(self, random: Random) -> None:
        self._secret = random.randbytes(32)

    def write(self, operation: str, now: int, position: Iterable[str | int]) -> str:
        """Return a token for the next page.

        Args:
            operation: the operation that may use it.
            now: when its lifetime begins, in milliseconds since 1970.
            position: where the next page begins. Texts of up to 320 characters in all, such as
                the name and the version of a type, make a token that requests can carry.
        """
        # Nothing is escaped, so no character takes more bytes than it has in UTF-8.
        content = "".join(map(_part, (operation, now, *position)))
        body = _HEADER + content.encode("utf-8", "surrogatepass")
        return base64.b64encode(body + self._digest(body)).decode()

    def read(self, operation: str, now: int, text: str) -> list[Any]:
        """Return the position that a token of this operation was made with.

        Raises:
            ValidationException: it isn't such a token, or is older than `LIFETIME`.
        """
        try:
            token = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValidationException("Invalid token") from None
        body, digest = token[:-_DIGEST_LENGTH], token[-_DIGEST_LENGTH:]
        if self._digest(body) != digest:
            raise ValidationException("Invalid token")
        content = body[len(_HEADER) :].decode("utf-8", "surrogatepass")
        made_for, made_at, *position = _parts(content)
        if made_for != operation:
            raise ValidationException("Invalid token")
        if now - made_at > LIFETIME:
            raise ValidationException("Specified token has exceeded its maximum lifetime")
        return position

    def _digest(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=_DIGEST_LENGTH, key=self._secret).digest()


def _part(value: str | int) -> str:
    return f"{value};" if isinstance(value, int) else f"{len(value)}:{value}"


def _parts(content: str) -> list[Any]:
    parts: list[Any] = []
    at = 0
    while found := _PART.match(content, at):
        at = found.end()
        number = int(found[1])
        if found[2] == ";":
            parts.append(number)
        else:
            parts.append(content[at : at + number])
            at += number
    return parts


def page_size(request: dict[str, Any], most: int) -> int:
    """Return the number of results on a page; ``maximumPageSize`` 0 or absent means `most`."""
    return min(request.get("maximumPageSize") or most, most)
