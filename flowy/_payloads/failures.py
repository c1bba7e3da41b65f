"""What is said of an exception in a failure, within what Amazon SWF has room for."""

from __future__ import annotations

import traceback

from flowy._payloads.limits import DATA_LIMIT, REASON_LIMIT, cut
from flowy.errors import DependencyFailed, FlowyError, TaskError


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
    while frames is not None and frames.tb_frame.f_globals.get("__name__") in _CALLERS:
        frames = frames.tb_next
    frames = frames or error.__traceback__
    while frames is not None and frames.tb_frame.f_locals.get("__tracebackhide__"):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


_CALLERS = (
    "flowy.activity",
    "flowy._workers.activity_worker",
    "flowy._decider.decider",
    "flowy._determinism.guard",
    "flowy._decider.whole_run",
)
"""The modules that call what authors of activities and workflows write."""
