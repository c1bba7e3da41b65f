"""How long the texts may be that Amazon SWF carries, and how to shorten them.

Lengths are in UTF-16 units, as the service's language counts characters: one for nearly all, two
for those beyond U+FFFF.
"""

from __future__ import annotations

import traceback

from flowy._determinism.call_sites import is_flowy
from flowy.errors import DependencyFailed, FlowyError, TaskError

DATA_LIMIT = 32_768
"""An input, a result, the details of a failure."""


REASON_LIMIT = 256
"""The reason of a failure."""


HEARTBEAT_LIMIT = 2_048
"""The details of a heartbeat."""


HISTORY_LIMIT = 25_000
"""The events of one run; the service terminates an execution that has more."""


LONG_HISTORY = HISTORY_LIMIT * 4 // 5
"""The events from which on an execution is warned."""


_MARK = " … "


def length(text: str) -> int:
    """Count the characters of a text as the service does."""
    return len(text) if text.isascii() else len(_units(text)) // 2


def cut(text: str, limit: int, keep_end: float = 0.0) -> str:
    """Shorten a text that is too long, leaving a mark where something is missing.

    Args:
        text: any text.
        limit: the most characters the outcome may have, a few dozen at least.
        keep_end: the share of the outcome that comes from the end of the text: 0 for a sentence,
            more for a traceback, whose last line says what happened.

    Returns:
        The text itself if it is short enough, else its beginning, a mark and its end.
    """
    if length(text) <= limit:
        return text
    units = _units(text)
    room = limit - len(_MARK)
    end = int(room * keep_end)
    first, last = units[: 2 * (room - end)], units[len(units) - 2 * end :]
    return _text(first) + _MARK + _text(last)


def beginning(text: str, limit: int) -> str:
    """Take from a text no more than its first characters, as the service counts them."""
    return text if text.isascii() and len(text) <= limit else _text(_units(text)[: 2 * limit])


def ending(text: str, limit: int) -> str:
    """Take from a text no more than its last characters, as the service counts them."""
    return text if text.isascii() and len(text) <= limit else _text(_units(text)[-2 * limit :])


def _text(units: bytes) -> str:
    # A character cut in half is dropped.
    return units.decode("utf-16-le", "ignore")


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def reason_and_details(error: Exception | SystemExit) -> tuple[str, str]:
    """Say of an exception what a failure in Amazon SWF has room for.

    Args:
        error: what was raised.

    Returns:
        A reason of at most 256 characters (the exception's class and message; of flowy's own
        errors the message, which is a sentence) and details of at most 32,768: the traceback,
        where something happened far away the remote one.
    """
    message = _message(error)
    if not isinstance(error, FlowyError):
        message = f"{type(error).__name__}: {message}" if message else type(error).__name__
    details = _remote_details(error) or _traceback(error)
    return cut(message, REASON_LIMIT), cut(details, DATA_LIMIT, keep_end=0.75)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "its message cannot be shown"


def _remote_details(error: BaseException | None) -> str:
    """The details of the task error at the bottom of a chain of failed arguments, or none."""
    while isinstance(error, DependencyFailed) and error.__cause__ is not None:
        error = error.__cause__
    return error.details if isinstance(error, TaskError) else ""


def _traceback(error: BaseException) -> str:
    """Write the traceback of an exception, from the first frame that is the author's own.

    Frames that say ``__tracebackhide__``, as pytest understands it, are those of what stands in for
    the author's code.
    """
    frames = error.__traceback__
    while frames is not None and is_flowy(frames.tb_frame.f_globals.get("__name__", "")):
        frames = frames.tb_next
    frames = frames or error.__traceback__
    while frames is not None and frames.tb_frame.f_locals.get("__tracebackhide__"):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))
