"""The outcomes of calls, as workflows of these tests return them."""

from __future__ import annotations

from typing import Any

from flowy import Result, TaskError


def outcome(result: Result[Any]) -> Any:
    """The result; or in its place the kind of error, and its reason up to the message."""
    try:
        return result.result()
    except TaskError as error:
        return f"{type(error).__name__} {error.reason}".split(": ")[0]
