"""What a process that serves asks of Python and of the machine."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Files that a process has open beside its connections, at most.
_OTHER_FILES = 256
#: How many more objects there are before the garbage collector looks at those that are new, and
#: after how many such looks it looks at older ones, and at all.
_THRESHOLDS = (20_000, 10, 10)


def make_room(connections: int) -> None:
    """Let the process have a file descriptor for every connection, as far as the system allows.

    Args:
        connections: how many there may be.
    """
    try:
        import resource
    except ModuleNotFoundError:
        # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let the garbage collector run seldom, and never look at the modules that are there already.

    Little of what a server makes is garbage that only the collector finds, and all calls wait
    while it looks.
    """
    from flowy_sim._engine.model import service_model

    service_model()
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
