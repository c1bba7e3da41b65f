"""Simulated time for user code, by freezegun: what `time` and `datetime` say inside a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from flowy_sim._simulation.clock import Clock


@contextmanager
def frozen_to(clock: Clock) -> Iterator[Callable[[], None]]:
    """Let user code see a clock's time.

    It stands still until it is asked to follow the clock. Like everything freezegun does this
    holds for the whole process, and a freeze around it holds again afterwards. Simulations ask
    nobody for the time, and the loops of asyncio go on in real time.

    Args:
        clock: whose time is seen.

    Yields:
        A function that lets the time seen follow the clock's.

    Raises:
        ImportError: freezegun is not installed.

    Example:
        >>> import datetime
        >>> from flowy_sim import VirtualClock
        >>> clock = VirtualClock("2024-02-29T12:00:00Z")
        >>> with frozen_to(clock) as follow:
        ...     clock.advance(90)
        ...     follow()
        ...     datetime.datetime.now().isoformat()
        '2024-02-29T12:01:30'
    """
    # Entering costs milliseconds, moving on microseconds: one freeze serves a whole run.
    with freezegun().freeze_time(clock.now, real_asyncio=True) as frozen:
        seen = clock.milliseconds

        def follow() -> None:
            nonlocal seen
            if clock.milliseconds != seen:
                seen = clock.milliseconds
                frozen.move_to(clock.now)

        yield follow


def freezegun() -> ModuleType:
    """Return the library.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module("freezegun")
    except ImportError as error:
        raise ImportError(
            "user code sees simulated time by freezegun, which is not installed: "
            "pip install 'flowy-sim[pytest]'"
        ) from error
