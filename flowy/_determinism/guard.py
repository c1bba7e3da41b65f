"""The guard: detects sleeping, and input and output, when ``run`` does them.

``run`` is called again for each decision, so its effects on the outside world would be repeated
each time. While it waits for the outside world, its execution and those queued behind it wait too.
All of that belongs in activities.

The guard uses an *audit hook*: the interpreter calls it before any file, connection or process is
opened, no matter which code opens it. The hook looks for the frame of `watched` among the callers,
which is there only if a workflow's code is the cause, in this thread and greenlet. So nothing has
to be switched on and off around the code, and nothing is patched: the clock that freezegun holds,
other threads, and flowy's own work on behalf of ``run``, such as storing a long argument, are not
affected.

Its cost: one to four microseconds where a file is opened for writing, or a connection, anywhere in
the process, and 0.1 to 0.2 for anything else that the interpreter audits, such as ``id()``. An
audit hook stays until the process ends, so it is installed with the first workflow that is watched.

It cannot see data on connections that were opened before, other than HTTP; ``time.sleep`` before
Python 3.13; or clocks and randomness, which the interpreter does not audit. The module `code_check`
finds those in the code.

It ignores what merely happens while ``run`` works: imports, log handlers, finalizers, debuggers,
and files, threads and databases that a library uses internally, such as a time zone's rules. It
does report what libraries do with the network, processes and sleep.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple, TypeVar

from flowy._call_sites import is_flowy
from flowy.errors import UnrepeatableError

R = TypeVar("R")


def watched(
    run: Callable[..., R],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    found: list[UnrepeatableError],
) -> R:
    """Call the method of a workflow, and detect what it must not do.

    Args:
        run: the bound method.
        args: its arguments.
        kwargs: its keyword arguments.
        found: a list to which the errors raised within are added, since the author's code may
            handle them. If there is one, no decision may be sent.

    Returns:
        The return value of the method.

    Raises:
        UnrepeatableError: raised where the author's code does it, before it takes effect.
    """
    if not _installed:
        install()
    return run(*args, **kwargs)


def install() -> None:
    """Install the audit hook, once per process: Python cannot remove it."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook())


_installed = False


class AuditRule(NamedTuple):
    """How an audit event is reported."""

    what: str
    instead: str
    by_libraries: bool = True
    """Whether it is also reported if a library does it, other than the standard library."""


_CONNECTS = "a network connection"
_STARTS = "another process"
_CHANGES = "a change of the file system"
_ACTIVITY = "an activity"

EVENTS = {
    "time.sleep": AuditRule("time.sleep()", "self.sleep()"),
    "socket.connect": AuditRule(_CONNECTS, _ACTIVITY),
    "socket.getaddrinfo": AuditRule(_CONNECTS, _ACTIVITY),
    "socket.gethostbyname": AuditRule(_CONNECTS, _ACTIVITY),
    "socket.sendto": AuditRule(_CONNECTS, _ACTIVITY),
    "socket.sendmsg": AuditRule(_CONNECTS, _ACTIVITY),
    "http.client.send": AuditRule(_CONNECTS, _ACTIVITY),
    "socket.bind": AuditRule(_CONNECTS, _ACTIVITY),
    "subprocess.Popen": AuditRule(_STARTS, _ACTIVITY),
    "os.system": AuditRule(_STARTS, _ACTIVITY),
    "os.fork": AuditRule(_STARTS, _ACTIVITY),
    "os.forkpty": AuditRule(_STARTS, _ACTIVITY),
    "os.posix_spawn": AuditRule(_STARTS, _ACTIVITY),
    "os.spawn": AuditRule(_STARTS, _ACTIVITY),
    "os.exec": AuditRule(_STARTS, _ACTIVITY),
    "_thread.start_new_thread": AuditRule("another thread", _ACTIVITY, by_libraries=False),
    "_thread.start_joinable_thread": AuditRule("another thread", _ACTIVITY, by_libraries=False),
    "sqlite3.connect": AuditRule("a database", _ACTIVITY, by_libraries=False),
    "open": AuditRule("a file opened for writing", _ACTIVITY, by_libraries=False),
    "os.remove": AuditRule(_CHANGES, _ACTIVITY, by_libraries=False),
    "os.rename": AuditRule(_CHANGES, _ACTIVITY, by_libraries=False),
    "os.mkdir": AuditRule(_CHANGES, _ACTIVITY, by_libraries=False),
    "os.rmdir": AuditRule(_CHANGES, _ACTIVITY, by_libraries=False),
    "os.link": AuditRule(_CHANGES, _ACTIVITY, by_libraries=False),
    "os.symlink": AuditRule(_CHANGES, _ACTIVITY, by_libraries=False),
    "os.truncate": AuditRule(_CHANGES, _ACTIVITY, by_libraries=False),
    "os.chmod": AuditRule(_CHANGES, _ACTIVITY, by_libraries=False),
}
"""The audit events that are reported; ``open`` only if it is for writing."""

_EXCUSED = frozenset(
    {"_frozen_importlib", "_frozen_importlib_external", "bdb", "importlib", "logging", "weakref"}
)
"""Packages that act on behalf of others, not because ``run`` asks for it."""


def _hook() -> Callable[[str, tuple[Any, ...]], None]:
    # The hook holds references of its own: the module may be cleared before the process ends.
    events, frame, ending = frozenset(EVENTS), sys._getframe, sys.is_finalizing

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in events and not ending():
            _look(event, arguments, frame(0).f_back)

    return hook


def _look(event: str, arguments: tuple[Any, ...], frame: FrameType | None) -> None:
    """Raise an error if a workflow's code is the cause of an event."""
    if event == "open" and not _is_writing(*arguments):
        return
    # Reading a frame's code is audited as well, so it is done only if `watched` is found.
    watching = frame
    while watching is not None and watching.f_globals is not globals():
        watching = watching.f_back
    if frame is not None and watching is not None:
        _look_closely(EVENTS[event], frame, watching)


def _look_closely(rule: AuditRule, frame: FrameType, watching: FrameType) -> None:
    """Raise an error if the frames between an event and `watched` are a workflow's doing."""
    packages: list[str] = []
    frames: list[FrameType] = []
    while frame is not watching and frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        package = module.partition(".")[0]
        if package in _EXCUSED or is_flowy(module) or frame.f_code.co_name == "__del__":
            return
        packages.append(package)
        frames.append(frame)
        frame = frame.f_back
    if not frames:
        return
    own = (getattr(frame.f_locals["run"], "__module__", None) or "").partition(".")[0]
    nearest = packages.index(own) if own in packages else len(packages) - 1
    if rule.by_libraries or all(each in sys.stdlib_module_names for each in packages[:nearest]):
        author = frames[nearest]
        error = UnrepeatableError(
            rule.what, author.f_code.co_filename, author.f_lineno, rule.instead
        )
        frame.f_locals["found"].append(error)
        raise error


def _is_writing(path: object, mode: object, flags: int) -> bool:
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
