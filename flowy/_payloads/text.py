"""Texts within the limits of Amazon SWF, and errors as such texts.

Lengths are counted in UTF-16 code units: one for nearly all characters, two for those beyond
U+FFFF. The service is written in Java, whose strings count in the same way.
"""

from __future__ import annotations

import re
import sys
import traceback
from pathlib import Path
from types import FrameType, TracebackType

from flowy._call_sites import is_flowy
from flowy.errors import DependencyFailed, FlowyError, TaskError

DATA_LIMIT = 32_768
"""Characters of an input, a result or the details of a failure, as documented."""

REASON_LIMIT = 256
"""Characters of the reason of a failure, as documented."""

HEARTBEAT_LIMIT = 2_048
"""Characters of the details of a heartbeat, as documented."""

HISTORY_LIMIT = 25_000
"""Events of one run; the service terminates an execution that has more, as documented."""

LONG_HISTORY = HISTORY_LIMIT * 4 // 5
"""The number of events at which a worker logs a warning."""

_MARK = " … "

_OURS = re.compile(re.escape(str(Path(__file__).parents[1])) + r"[\\/](?!tutorial[\\/])")
"""The files of flowy; the tutorial counts as an author's."""


def length(text: str) -> int:
    """Return the number of characters of a text as the service counts them."""
    return len(text) if text.isascii() else len(_units(text)) // 2


def cut(text: str, limit: int, keep_end: float = 0.0) -> str:
    """Shorten a text that is too long, with a mark where something is missing.

    Args:
        text: any text.
        limit: the maximum number of characters, a few dozen at least.
        keep_end: the share that comes from the end of the text: 0 for a sentence, more for a
            traceback, whose last line says what happened.

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
    """Return the first characters of a text, as the service counts them."""
    return text if text.isascii() and len(text) <= limit else _text(_units(text)[: 2 * limit])


def ending(text: str, limit: int) -> str:
    """Return the last characters of a text, as the service counts them."""
    return text if text.isascii() and len(text) <= limit else _text(_units(text)[-2 * limit :])


def _text(units: bytes) -> str:
    # Half of a surrogate pair is dropped.
    return units.decode("utf-16-le", "ignore")


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def ends_task(error: BaseException) -> bool:
    """Return whether an exception of the author's code fails its task or execution.

    Besides every `Exception`, these are ``sys.exit`` and coroutines that are canceled, such as one
    that ``asyncio.run`` was called for. Everything else is meant for the process.
    """
    if isinstance(error, Exception | SystemExit):
        return True
    asyncio = sys.modules.get("asyncio")  # Imported if its error was raised.
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def reason_and_details(error: BaseException) -> tuple[str, str]:
    """Describe an exception as the reason and details of a failure.

    Args:
        error: the exception.

    Returns:
        A reason of at most 256 characters: the exception's class and message, or only the message,
        which is a sentence, for flowy's own errors. Details of at most 32,768 characters: the
        traceback, that of the remote process if the exception comes from there.
    """
    message = error_message(error)
    if not isinstance(error, FlowyError):
        message = f"{type(error).__name__}: {message}" if message else type(error).__name__
    details = _remote_details(error) or _shown_traceback(error)
    return cut(message, REASON_LIMIT), cut(details, DATA_LIMIT, keep_end=0.75)


def error_message(error: BaseException) -> str:
    """Return the message of an exception, even if showing it raises another one."""
    try:
        return str(error)
    except BaseException as problem:
        if not ends_task(problem):
            raise
        return "its message cannot be shown"


def _remote_details(error: BaseException | None) -> str:
    """Return the details of the task error that is the cause of a chain of failed arguments."""
    while isinstance(error, DependencyFailed) and error.__cause__ is not None:
        error = error.__cause__
    return error.details if isinstance(error, TaskError) else ""


def _shown_traceback(error: BaseException) -> str:
    """Return the traceback of an exception, even if showing it raises another one."""
    try:
        return _traceback(error)
    except BaseException as problem:
        if not ends_task(problem):
            raise
        return f"Its traceback cannot be shown ({type(problem).__name__})."


def _traceback(error: BaseException) -> str:
    """Return the traceback of an exception, from the first frame of the author's code on.

    Frames of test doubles are skipped as well: they define ``__tracebackhide__``, as pytest
    understands it.
    """
    frames = _from_author(error)
    if frames is None and isinstance(error, FlowyError) and _from_author(error.__cause__) is None:
        # The author's code was not reached: the message says it all.
        return "".join(traceback.format_exception_only(error))
    if frames is None and not any(map(_is_hidden, traceback.walk_tb(error.__traceback__))):
        frames = error.__traceback__  # A bug in flowy.
        return "".join(traceback.format_exception(type(error), error, frames))
    told = traceback.TracebackException(type(error), error, frames)
    _leave_out_flowy(told)
    return "".join(told.format())


def _leave_out_flowy(told: traceback.TracebackException) -> None:
    """Remove flowy's frames from the traceback of an exception, and of those that caused it."""
    left: list[traceback.TracebackException | None] = [told]
    while left:  # Not recursive: a loop that chains its errors makes thousands of them.
        each = left.pop()
        if each is None:
            continue
        frames = [frame for frame in each.stack if not _OURS.match(frame.filename)]
        if frames:
            each.stack = traceback.StackSummary.from_list(frames)
        left += (each.__cause__, each.__context__)


def _from_author(error: BaseException | None) -> TracebackType | None:
    """Return the frames of an exception from the first one of the author's code on."""
    frames = None if error is None else error.__traceback__
    while frames is not None and (
        is_flowy(frames.tb_frame.f_globals.get("__name__", ""))
        or _is_hidden((frames.tb_frame, frames.tb_lineno))
    ):
        frames = frames.tb_next
    return frames


def _is_hidden(place: tuple[FrameType, int]) -> bool:
    return bool(place[0].f_locals.get("__tracebackhide__"))
