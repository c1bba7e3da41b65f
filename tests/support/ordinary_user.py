"""Code that runs as an ordinary user, although tests may run as the superuser."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

_VERSION_3 = 0x20080522
#: The capabilities to write and to read every file, as bits.
_OVERRIDE = 1 << 1 | 1 << 2


def as_ordinary_user(function: Callable[[], T]) -> T:
    """Call a function in a thread that may not write files which are read-only."""
    if not hasattr(os, "geteuid") or (os.geteuid() == 0 and sys.platform != "linux"):
        pytest.skip("only Linux can take the superuser's rights from a thread")
    outcome: list[T] = []
    problems: list[BaseException] = []

    def call() -> None:
        try:
            if os.geteuid() == 0:
                _drop_capabilities()
            outcome.append(function())
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return outcome[0]


def _drop_capabilities() -> None:
    """Let this thread, and no other, be bound by the permissions of files."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        for number in (0, 1):  # Effective and permitted; what is not inheritable does not matter.
            sets[number] &= ~_OVERRIDE
        if libc.capset(header, sets) == 0:
            return
    raise OSError(ctypes.get_errno(), "The rights of the superuser cannot be dropped")
