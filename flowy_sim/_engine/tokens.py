"""Run IDs and tokens: of tasks, in the form that recordings show, of requests and of pages."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import count
from random import Random
from typing import Any, NamedTuple

from flowy_sim._engine.faults import ValidationException

DECISION = 1
ACTIVITY = 2


_HEADER = bytes.fromhex("0000002a000000020000000000000002")


_NUMBERS = struct.Struct(">BQQI")


_RUN_ID_LENGTH = 46
_DIGEST_LENGTH = 8
_RECENT = 64
"""How many tokens can be read without decoding them again."""


#: The two characters before a run ID's base64, by region, as recorded. Assumption: run-id-prefix:
#: all other regions share one.
_RUN_ID_PREFIX = {"us-east-1": "22", "eu-central-1": "21"}


class TaskToken(NamedTuple):
    """What a task token holds: which task of which execution it was made for."""

    kind: int
    scheduled_id: int
    started_id: int
    page: int
    run_id: str
    workflow_id: str


class Tokens:
    """Makes run IDs and task tokens, and reads the tokens that it has made.

    Args:
        random: everything is derived from it.
        region: tokens of another region are refused.
    """

    def __init__(self, random: Random, region: str) -> None:
        self._random = random
        self._secret = random.randbytes(32)
        self._prefix = _RUN_ID_PREFIX.get(region, "23")
        # A token is read for every heartbeat and answer, mostly soon after it was written.
        self._recent: dict[str, TaskToken] = {}

    def run_id(self) -> str:
        """Return a new run ID of 46 characters."""
        # What `randbytes` and `b64encode` do, without calling them.
        number = self._random.getrandbits(256).to_bytes(32, "little")
        return self._prefix + binascii.b2a_base64(number, newline=False).decode()

    def skip(self, count: int) -> None:
        """Continue after a number of run IDs that were made before."""
        while count > 0:
            self._random.randbytes(32 * min(count, 10_000))
            count -= 10_000

    def write(self, token: TaskToken) -> str:
        """Return the text of a token, at most 1,024 characters."""
        body = _HEADER + _NUMBERS.pack(*token[:4]) + token.run_id.encode()
        body += token.workflow_id.encode("utf-16-be", "surrogatepass")
        text = base64.b64encode(body + self._digest(body)).decode()
        if len(self._recent) >= _RECENT:
            del self._recent[next(iter(self._recent))]
        self._recent[text] = token
        return text

    def read(self, text: str, kind: int) -> TaskToken:
        """Return what a token holds.

        Raises:
            ValidationException: it is not a token of this region for a task of that kind.
        """
        token = self._recent.get(text) or self._decode(text)
        # Assumption: invalid-token: a token of the wrong kind of task is answered like garbage.
        if token.kind != kind:
            raise ValidationException("Invalid token")
        return token

    def _decode(self, text: str) -> TaskToken:
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValidationException("Invalid token") from None
        body, digest = content[:-_DIGEST_LENGTH], content[-_DIGEST_LENGTH:]
        if self._digest(body) != digest:
            raise ValidationException("Invalid token")
        numbers = len(_HEADER)
        run_id = numbers + _NUMBERS.size
        workflow_id = run_id + _RUN_ID_LENGTH
        found_kind, scheduled_id, started_id, page = _NUMBERS.unpack_from(body, numbers)
        return TaskToken(
            found_kind,
            scheduled_id,
            started_id,
            page,
            body[run_id:workflow_id].decode(),
            body[workflow_id:].decode("utf-16-be", "surrogatepass"),
        )

    def _digest(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=_DIGEST_LENGTH, key=self._secret).digest()


def request_ids(seed: int) -> Iterator[str]:
    """Return the IDs of requests: UUIDs that follow from a seed; several threads may take them.

    >>> ids = request_ids(0)
    >>> len(next(ids)), next(ids)[-3:]
    (36, '002')
    """
    return map(_request_id_form(seed).__mod__, count(1))


@lru_cache(maxsize=64)
def _request_id_form(seed: int) -> str:
    random = f"{Random(f'requests/{seed}').getrandbits(80):020x}"
    return f"{random[:8]}-{random[8:12]}-4{random[12:15]}-a{random[15:18]}-%012x"


#: How long a page token is valid, in milliseconds, as documented.
LIFETIME = 24 * 60 * 60 * 1000


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
