"""Payloads of stubs: flowy's encoding for flowy's deciders, and plain text for all others."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy
from typing import Any

from flowy.payloads import Payloads


def stub_payloads(payloads: Payloads, is_plain: Callable[[object], bool]) -> Payloads:
    """Return payloads that leave text as it is where a stub answers other code than flowy's.

    Args:
        payloads: encodes and decodes everything else.
        is_plain: called with the name and version of a type; returns whether the current task is
            of that type and is answered in plain text.
    """
    cls = type(payloads)
    found: Any = copy(payloads)
    members = {"original": payloads, "is_plain": staticmethod(is_plain)}
    found.__class__ = type(cls.__name__, (_PlainForOthers, cls), members)
    return found  # type: ignore[no-any-return]


def plain_arguments(text: str | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a stub's function: the input as it was sent."""
    return (text,), {}


def plain_text(value: object) -> str:
    """Return a result as text: text as it is, nothing as no text, and other values as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


class _PlainForOthers(Payloads):
    original: Payloads
    is_plain: Callable[[object], bool]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Payloads]]:
        # In another process, no stub answers anything.
        return copy, (self.original,)

    def decode_start(
        self, owner: object, text: str | None, hinted: type | None = None
    ) -> tuple[list[Any], dict[str, Any], list[Any]]:
        if self.is_plain(owner):
            args, kwargs = plain_arguments(text)
            return list(args), kwargs, []
        return super().decode_start(owner, text, hinted)

    def encode_result(self, owner: object, value: object, encode: Any = None) -> str:
        if self.is_plain(owner):
            return plain_text(value)
        return super().encode_result(owner, value, encode)
